//! Handshakes that a listener had no room for: its SYN or its accept queue was full.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part, poll},
    event::Ends,
    fields::Fields,
    line::Line,
    names::Names,
};
use netobs_ebpf::{
    event::Kind,
    hook,
    listen_overflow::event::{self as raw, QUEUE_ACCEPT, SYNCOOKIE},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "listen-overflow",
    about: "handshakes lost because a listener's SYN or accept queue is full",
    kinds: &[Kind::ListenOverflow],
    hooks,
    decode,
};

/// The SYN and the ACK that completes a handshake, of both families: one step, so that none is told twice.
const QUEUE: Hook = Hook {
    number: hook::LISTEN_OVERFLOW,
    name: "listen-queue",
    ladder: &[
        &[
            part(Rung::Fentry, "listen_syn_fentry", "tcp_conn_request"),
            part(Rung::Fexit, "listen_syn_fexit", "tcp_conn_request"),
            part(Rung::Fentry, "listen_ack4_fentry", "tcp_v4_syn_recv_sock"),
            part(Rung::Fentry, "listen_ack6_fentry", "tcp_v6_syn_recv_sock"),
        ],
        &[
            part(Rung::Kprobe, "listen_syn_kprobe", "tcp_conn_request"),
            part(Rung::Kretprobe, "listen_syn_kretprobe", "tcp_conn_request"),
            part(Rung::Kprobe, "listen_ack4_kprobe", "tcp_v4_syn_recv_sock"),
            part(Rung::Kprobe, "listen_ack6_kprobe", "tcp_v6_syn_recv_sock"),
        ],
        &[poll("listen_poll", "LISTEN_SOCKS")],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::ListenOverflow.bit() == 0 {
        Vec::new()
    } else {
        vec![QUEUE]
    }
}

/// `listen-overflow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflowed {
    pub ends: Ends,
    pub queue: &'static str,
    pub qlen: u32,
    pub backlog: u32,
    pub drops: u32,
    pub count: u32,
    pub outcome: &'static str,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Overflowed::ref_from_bytes(bytes).ok()?;
    Some(Body::Overflowed(Overflowed {
        ends: Ends::from(&raw.flow),
        queue: if raw.queue == QUEUE_ACCEPT {
            "accept"
        } else {
            "syn"
        },
        qlen: raw.qlen,
        backlog: raw.backlog,
        drops: raw.drops,
        count: raw.count,
        outcome: if raw.outcome == SYNCOOKIE {
            "syncookie"
        } else {
            "dropped"
        },
    }))
}

impl Detail for Overflowed {
    fn name(&self) -> &'static str {
        "listen-overflow"
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn arrow(&self) -> &'static str {
        "<-"
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        line.word(self.queue).word("queue full,");
        line.word(self.outcome);
        line.key("count").number(u64::from(self.count));
        line.key("qlen").number(u64::from(self.qlen));
        line.key("backlog").number(u64::from(self.backlog));
        line.key("drops").number(u64::from(self.drops));
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        fields.str("queue", self.queue);
        fields.num("qlen", u64::from(self.qlen));
        fields.num("backlog", u64::from(self.backlog));
        fields.num("drops", u64::from(self.drops));
        fields.num("count", u64::from(self.count));
        fields.str("outcome", self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{flow, header, told};
    use super::*;
    use netobs_ebpf::listen_overflow::event::{DROPPED, QUEUE_SYN};

    #[test]
    fn both_queues_and_outcomes() {
        let mut raw = raw::Overflowed {
            header: header(Kind::ListenOverflow),
            flow: flow(6),
            qlen: 4,
            backlog: 3,
            drops: 9,
            count: 2,
            queue: QUEUE_ACCEPT,
            outcome: DROPPED,
            _pad: [0; 6],
        };
        let names = Names::new(true);
        let (text, json) = told(&raw, &names);
        insta::assert_snapshot!(text, @"10.0.0.2:80           <- 10.0.0.1:4000         accept queue full, dropped count=2 qlen=4 backlog=3 drops=9");
        insta::assert_snapshot!(json, @r#"{"queue":"accept","qlen":4,"backlog":3,"drops":9,"count":2,"outcome":"dropped"}"#);
        (raw.queue, raw.outcome) = (QUEUE_SYN, SYNCOOKIE);
        let (text, _) = told(&raw, &names);
        assert!(text.contains("syn queue full, syncookie"), "{text}");
    }
}
