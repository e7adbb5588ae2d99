//! TCP segments sent again, and why; the sum of segments is the kernel's `TcpRetransSegs`.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::Ends,
    fields::Fields,
    line::Line,
    names::{Enumeration, Names},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    retransmit::event::{self as raw, NO_CA_STATE},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "retransmit",
    about: "TCP segments sent again",
    kinds: &[Kind::Retransmit],
    hooks,
    decode,
};

const SEGMENTS: Hook = Hook {
    number: hook::RETRANSMIT,
    name: "retransmit",
    ladder: &[
        &[part(Rung::TpBtf, "retransmit_tp_btf", "tcp_retransmit_skb")],
        &[part(Rung::RawTp, "retransmit_raw_tp", "tcp_retransmit_skb")],
        &[
            part(Rung::Fexit, "retransmit_fexit", "__tcp_retransmit_skb"),
            part(Rung::Fexit, "retransmit_fexit", "tcp_retransmit_skb"),
        ],
        &[
            part(Rung::Kprobe, "retransmit_kprobe", "__tcp_retransmit_skb"),
            part(
                Rung::Kretprobe,
                "retransmit_kretprobe",
                "__tcp_retransmit_skb",
            ),
            part(Rung::Kprobe, "retransmit_kprobe", "tcp_retransmit_skb"),
            part(
                Rung::Kretprobe,
                "retransmit_kretprobe",
                "tcp_retransmit_skb",
            ),
        ],
    ],
    again: None,
};

const SYN_ACKS: Hook = Hook {
    number: hook::RETRANSMIT_SYNACK,
    name: "retransmit-synack",
    ladder: &[
        &[part(Rung::TpBtf, "synack_tp_btf", "tcp_retransmit_synack")],
        &[part(Rung::RawTp, "synack_raw_tp", "tcp_retransmit_synack")],
        &[part(Rung::Fexit, "synack_fexit", "tcp_rtx_synack")],
        &[
            part(Rung::Kprobe, "synack_kprobe", "tcp_rtx_synack"),
            part(Rung::Kretprobe, "synack_kretprobe", "tcp_rtx_synack"),
        ],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Retransmit.bit() == 0 {
        Vec::new()
    } else {
        vec![SEGMENTS, SYN_ACKS]
    }
}

/// `retransmit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmit {
    pub ends: Ends,
    pub state: u8,
    pub seq: u32,
    pub len: u32,
    pub segs: u32,
    pub failed_segs: u32,
    pub retrans: u32,
    pub timing: Option<Timing>,
}

/// What a full socket knows; a request has sent SYN-ACKs only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    pub ca_state: u8,
    /// The loss probe's timer is being handled.
    pub probe: bool,
    pub srtt_us: Option<u32>,
    pub rto_us: u32,
}

/// `ICSK_TIME_LOSS_PROBE`, a macro of `net/inet_connection_sock.h`.
const TIME_LOSS_PROBE: u8 = 5;
/// States fixed by `BPF_TCP_*` in uapi/linux/bpf.h.
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Retransmit::ref_from_bytes(bytes).ok()?;
    let timing = (raw.ca_state != NO_CA_STATE).then_some(Timing {
        ca_state: raw.ca_state,
        probe: raw.pending == TIME_LOSS_PROBE,
        srtt_us: (raw.srtt_us != 0).then_some(raw.srtt_us >> 3),
        rto_us: raw.rto_us,
    });
    Some(Body::Retransmit(Retransmit {
        ends: Ends::from(&raw.flow),
        state: raw.state,
        seq: raw.seq,
        len: raw.len,
        segs: raw.segs,
        failed_segs: raw.failed_segs,
        retrans: raw.retrans,
        timing,
    }))
}

impl Retransmit {
    /// Why it was sent again. A probe's timer may still stand while recovery is under way, so that comes first.
    fn kind<'a>(&self, names: &'a Names) -> &'a str {
        let Some(timing) = &self.timing else {
            return "synack";
        };
        match (
            self.state,
            names.enumerator(Enumeration::CongestionState, u32::from(timing.ca_state)),
        ) {
            (SYN_SENT, _) => "syn",
            (SYN_RECV, _) => "synack",
            (_, Some("Loss")) => "rto",
            (_, Some("Recovery")) => "fast",
            _ if timing.probe => "tlp",
            (_, Some(name)) => name,
            (_, None) => "?",
        }
    }

    fn ca_state<'a>(&self, names: &'a Names) -> Option<&'a str> {
        names.enumerator(
            Enumeration::CongestionState,
            u32::from(self.timing.as_ref()?.ca_state),
        )
    }
}

impl Detail for Retransmit {
    fn name(&self) -> &'static str {
        "retransmit"
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn text(&self, line: &mut Line, names: &Names) {
        line.word(self.kind(names))
            .word(names.tcp_state(self.state));
        if let Some(ca_state) = self.ca_state(names) {
            line.word(ca_state);
        }
        line.key("seq").number(u64::from(self.seq));
        line.key("len").number(u64::from(self.len));
        line.key("segs").number(u64::from(self.segs));
        if self.failed_segs != 0 {
            line.key("failed").number(u64::from(self.failed_segs));
        }
        line.key("retrans").number(u64::from(self.retrans));
        if let Some(timing) = &self.timing {
            if let Some(srtt) = timing.srtt_us {
                line.key("rtt").duration(u64::from(srtt) * 1000);
            }
            line.key("rto").duration(u64::from(timing.rto_us) * 1000);
        }
    }

    fn json(&self, fields: &mut Fields<'_>, names: &Names) {
        fields.str("kind", self.kind(names));
        fields.str("state", names.tcp_state(self.state));
        fields.opt_str("ca_state", self.ca_state(names));
        fields.num("seq", u64::from(self.seq));
        fields.num("len", u64::from(self.len));
        fields.num("segs", u64::from(self.segs));
        fields.num("failed_segs", u64::from(self.failed_segs));
        fields.num("retrans", u64::from(self.retrans));
        let timing = self.timing.as_ref();
        fields.opt("srtt_us", timing.and_then(|t| t.srtt_us).map(u64::from));
        fields.opt("rto_us", timing.map(|t| u64::from(t.rto_us)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors;
    use netobs_ebpf::event::{Flow, Header};
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn raw() -> raw::Retransmit {
        let mut raw = raw::Retransmit::new_zeroed();
        raw.header = Header {
            kind: Kind::Retransmit as u8,
            ..Header::new_zeroed()
        };
        raw.flow = Flow {
            lport: 40000,
            rport: 80,
            family: 2,
            proto: 6,
            ..Flow::default()
        };
        raw.flow.laddr[0] = u32::from_ne_bytes([10, 0, 0, 1]);
        raw.flow.raddr[0] = u32::from_ne_bytes([10, 0, 0, 2]);
        (raw.seq, raw.len, raw.segs, raw.retrans) = (7, 2896, 2, 5);
        (raw.srtt_us, raw.rto_us, raw.state, raw.ca_state) = (8 * 250, 204_000, 1, 4);
        raw
    }

    fn names() -> Names {
        let mut names = Names::new(true);
        let list = |words: &[(u32, &str)]| -> Vec<(u32, String)> {
            words
                .iter()
                .map(|(n, word)| (*n, (*word).to_owned()))
                .collect()
        };
        let ca = list(&[
            (0, "TCP_CA_Open"),
            (3, "TCP_CA_Recovery"),
            (4, "TCP_CA_Loss"),
        ]);
        names.add_enum(Enumeration::CongestionState, &ca);
        let states = list(&[
            (1, "TCP_ESTABLISHED"),
            (2, "TCP_SYN_SENT"),
            (3, "TCP_SYN_RECV"),
        ]);
        names.add_enum(Enumeration::TcpState, &states);
        names
    }

    fn told(raw: &raw::Retransmit) -> (String, String) {
        let event = collectors::decode(raw.as_bytes()).unwrap();
        let detail = event.body.detail();
        let mut line = Line::default();
        line.begin();
        detail.subject(&mut line, &names());
        detail.text(&mut line, &names());
        let mut json = Vec::new();
        let mut fields = Fields::begin(&mut json);
        detail.json(&mut fields, &names());
        fields.end();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(line.as_bytes()), text(&json))
    }

    #[test]
    fn a_timeout_says_what_was_sent_again() {
        let (text, json) = told(&raw());
        assert_eq!(
            text,
            "10.0.0.1:40000        -> 10.0.0.2:80           rto ESTABLISHED Loss seq=7 len=2896 segs=2 retrans=5 rtt=250us rto=204ms"
        );
        assert_eq!(
            json,
            concat!(
                r#"{"kind":"rto","state":"ESTABLISHED","ca_state":"Loss","seq":7,"len":2896,"segs":2,"#,
                r#""failed_segs":0,"retrans":5,"srtt_us":250,"rto_us":204000}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_request_knows_no_times() {
        let raw = raw::Retransmit {
            state: SYN_RECV,
            ca_state: NO_CA_STATE,
            segs: 1,
            len: 0,
            ..raw()
        };
        let (text, json) = told(&raw);
        assert!(
            text.ends_with("synack SYN_RECV seq=7 len=0 segs=1 retrans=5"),
            "{text}"
        );
        assert!(json.contains(r#""ca_state":null"#), "{json}");
        assert!(
            json.ends_with("\"srtt_us\":null,\"rto_us\":null}\n"),
            "{json}"
        );
    }

    #[test]
    fn kinds_come_from_state_and_timer() {
        let of = |state, ca_state, pending| {
            let (_, json) = told(&raw::Retransmit {
                state,
                ca_state,
                pending,
                ..raw()
            });
            json.split('"').nth(3).unwrap().to_owned()
        };
        assert_eq!(of(2, 4, 0), "syn");
        assert_eq!(of(1, 3, TIME_LOSS_PROBE), "fast");
        assert_eq!(of(1, 0, TIME_LOSS_PROBE), "tlp");
        assert_eq!(of(1, 0, 1), "Open");
        assert_eq!(of(1, 9, 1), "?");
    }

    #[test]
    fn what_failed_is_told() {
        let raw = raw::Retransmit {
            segs: 0,
            failed_segs: 3,
            ..raw()
        };
        let (text, json) = told(&raw);
        assert!(text.contains("segs=0 failed=3"), "{text}");
        assert!(json.contains(r#""segs":0,"failed_segs":3"#), "{json}");
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        let raw = raw();
        assert_eq!(collectors::decode(&raw.as_bytes()[..100]), None);
    }
}
