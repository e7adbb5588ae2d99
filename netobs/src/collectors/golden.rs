//! For tests: the bytes of an event as the two views tell its particulars.

use super::decode;
use crate::{fields::Fields, line::Line, names::Names};
use netobs_ebpf::event::{Flow, Header, Kind};
use zerocopy::{FromZeros as _, IntoBytes};

/// A header without owner.
pub fn header(kind: Kind) -> Header {
    Header {
        kind: kind as u8,
        ..Header::new_zeroed()
    }
}

/// From a v4 packet of 10.0.0.1:4000 to 10.0.0.2:80, at its receiver.
pub fn flow(proto: u16) -> Flow {
    Flow {
        laddr: [u32::from_ne_bytes([10, 0, 0, 2]), 0, 0, 0],
        raddr: [u32::from_ne_bytes([10, 0, 0, 1]), 0, 0, 0],
        lport: 80,
        rport: 4000,
        family: 2,
        proto,
    }
}

/// Text right of the process, and the event's own JSON keys.
pub fn told(raw: &(impl IntoBytes + zerocopy::Immutable), names: &Names) -> (String, String) {
    let event = decode(raw.as_bytes()).unwrap();
    let detail = event.body.detail();
    let mut line = Line::default();
    line.begin();
    detail.subject(&mut line, names);
    detail.text(&mut line, names);
    let mut json = Vec::new();
    let mut fields = Fields::begin(&mut json);
    detail.json(&mut fields, names);
    fields.end();
    let text = String::from_utf8(line.as_bytes().to_vec()).unwrap();
    (text, String::from_utf8(json).unwrap().trim_end().to_owned())
}
