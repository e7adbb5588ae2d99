//! Packets as lines: always one, nothing that a terminal acts on, and not out of proportion.
//!
//! An input is two bytes of flags, one for the link, one for time and length, then packets: two bytes of length, and bytes.

use std::net::IpAddr;

use jiff::tz::TimeZone;
use netobs::capture::{
    file::{Interface, Packet, Way},
    lines::{Bytes, Lines, Naming, Numbers, Shown, Stamp, Stamps},
};

use crate::input::Input;

/// Lines longer than this many times the packet, and a little, are out of proportion.
const TIMES: usize = 100;
const LITTLE: usize = 4096;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let flags = u16::from_be_bytes([input.byte(), input.byte()]);
    let link = input.link();
    let other = input.byte();
    let naming: Box<dyn Naming> = if flags & 0x8000 == 0 {
        Box::new(Numbers)
    } else {
        Box::new(Hostile)
    };
    let stamps = Stamps::new(TimeZone::UTC, other & 1 != 0);
    let mut lines = Lines::new(shown(flags), stamps, naming);
    let interface = Interface {
        link,
        snaplen: 262_144,
        name: (other & 2 != 0).then(|| "e\x1b[31m".to_owned()),
        nanoseconds: true,
        swapped: other & 4 != 0,
    };
    let mut time_ns = [1_700_000_000_123_456_789, 0, u64::MAX, 1 << 63][usize::from(other >> 6)];
    while !input.0.is_empty() {
        let length = u16::from_be_bytes([input.byte(), input.byte()]);
        let bytes = input.take(length.into());
        let kept = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let packet = Packet {
            time_ns,
            data: bytes,
            wire: [kept, kept + 1000, 0, u32::MAX][usize::from(other >> 4 & 3)],
            interface: 0,
            way: (other & 8 != 0).then_some(Way {
                out: true,
                reception: 3,
            }),
            comment: if other & 8 == 0 { &[] } else { bytes },
            process: None,
        };
        lines.packet(&interface, &packet);
        looked_at(lines.pending(), bytes);
        lines.clear();
        time_ns = time_ns.wrapping_add(1_000_000);
    }
}

fn shown(flags: u16) -> Shown {
    let has = |bit: u16| flags >> bit & 1 != 0;
    Shown {
        verbose: u8::try_from(flags & 3).unwrap_or(0),
        quiet: has(2),
        link: has(3),
        absolute: has(4),
        numbered: has(5),
        no_checksums: has(6),
        bytes: Bytes {
            ascii: has(7),
            hex: has(8),
            both: has(9),
            link: has(10),
        },
        stamp: match flags >> 11 & 7 {
            1 => Stamp::None,
            2 => Stamp::Seconds,
            3 => Stamp::Delta,
            4 => Stamp::Date,
            5 => Stamp::SinceFirst,
            _ => Stamp::Clock,
        },
    }
}

fn looked_at(text: &[u8], packet: &[u8]) {
    let most = packet.len() * TIMES + LITTLE;
    assert!(text.len() <= most, "{} bytes of text", text.len());
    assert_eq!(text.last(), Some(&b'\n'), "the line does not end");
    let text = std::str::from_utf8(text).expect("lines are UTF-8");
    let odd = text
        .chars()
        .find(|c| netobs::line::is_format(*c) || c.is_control() && !"\n\t".contains(*c));
    assert_eq!(odd, None, "a terminal acts on it: {text:?}");
}

/// Names from people who want to be seen.
struct Hostile;

impl Naming for Hostile {
    fn port(&self, port: u16, _: &'static str) -> Option<&str> {
        port.is_multiple_of(2).then_some("\x1b]0;port\x07")
    }

    fn host(&mut self, addr: IpAddr) -> Option<String> {
        addr.is_ipv4().then(|| "\u{202e}host\u{9b}1m".to_owned())
    }
}
