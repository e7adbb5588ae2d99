//! Datagrams refused because the socket's receive buffer is full.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::Ends,
    fields::Fields,
    line::Line,
    names::{Names, errno_name},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    udp_drop::event::{self as raw, NO_LEN},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "udp-drop",
    about: "datagrams refused by a full receive buffer",
    kinds: &[Kind::UdpDrop],
    hooks,
    decode,
};

const TRACEPOINT: &str = "udp_fail_queue_rcv_skb";
const FUNCTION: &str = "__udp_enqueue_schedule_skb";

/// Before 6.10 the tracepoint gives no packet, before 6.5 it tells of IPv4 only: the function comes first there.
const REFUSED: Hook = Hook {
    number: hook::UDP_DROP,
    name: "udp-queue",
    ladder: &[
        &[part(Rung::TpBtf, "udp_drop_tp_btf", TRACEPOINT)],
        &[part(Rung::RawTp, "udp_drop_raw_tp", TRACEPOINT)],
        &[part(Rung::Fexit, "udp_drop_fexit", FUNCTION)],
        &[
            part(Rung::Kretprobe, "udp_drop_kretprobe", FUNCTION),
            part(Rung::Kprobe, "udp_drop_kprobe", FUNCTION),
        ],
        &[part(Rung::TpBtf, "udp_drop_tp_btf2", TRACEPOINT)],
        &[part(Rung::RawTp, "udp_drop_raw_tp2", TRACEPOINT)],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::UdpDrop.bit() == 0 {
        Vec::new()
    } else {
        vec![REFUSED]
    }
}

/// `udp-drop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub ends: Ends,
    pub rcvbuf: u32,
    pub queued: u32,
    pub drops: u32,
    pub errno: u32,
    /// Payload, `None`: the kernel does not say.
    pub len: Option<u32>,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Refused::ref_from_bytes(bytes).ok()?;
    Some(Body::Refused(Refused {
        ends: Ends::from(&raw.flow),
        rcvbuf: raw.rcvbuf,
        queued: raw.queued,
        drops: raw.drops,
        errno: raw.errno,
        len: (raw.len != NO_LEN).then_some(raw.len),
    }))
}

impl Detail for Refused {
    fn name(&self) -> &'static str {
        "udp-drop"
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn arrow(&self) -> &'static str {
        "<-"
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        line.word(errno_name(self.errno));
        line.key("queued").bytes(u64::from(self.queued));
        line.key("rcvbuf").bytes(u64::from(self.rcvbuf));
        line.key("drops").number(u64::from(self.drops));
        if let Some(len) = self.len {
            line.key("len").number(u64::from(len));
        }
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        fields.num("rcvbuf", u64::from(self.rcvbuf));
        fields.num("queued", u64::from(self.queued));
        fields.num("drops", u64::from(self.drops));
        fields.str("errno", errno_name(self.errno));
        fields.opt("len", self.len.map(u64::from));
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{flow, header, told};
    use super::*;

    #[test]
    fn a_datagram_without_packet_has_no_remote_end() {
        let mut raw = raw::Refused {
            header: header(Kind::UdpDrop),
            flow: flow(17),
            rcvbuf: 8192,
            queued: 7680,
            drops: 3,
            errno: 12,
            len: 500,
            _pad: 0,
        };
        let names = Names::new(true);
        let (text, json) = told(&raw, &names);
        insta::assert_snapshot!(text, @"10.0.0.2:80           <- 10.0.0.1:4000         ENOMEM queued=7.50K rcvbuf=8.00K drops=3 len=500");
        insta::assert_snapshot!(json, @r#"{"rcvbuf":8192,"queued":7680,"drops":3,"errno":"ENOMEM","len":500}"#);
        (raw.flow.raddr, raw.flow.rport, raw.len) = ([0; 4], 0, NO_LEN);
        let (text, json) = told(&raw, &names);
        insta::assert_snapshot!(text, @"10.0.0.2:80           <- *                     ENOMEM queued=7.50K rcvbuf=8.00K drops=3");
        insta::assert_snapshot!(json, @r#"{"rcvbuf":8192,"queued":7680,"drops":3,"errno":"ENOMEM","len":null}"#);
    }
}
