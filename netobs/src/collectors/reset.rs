//! RST segments sent and received, with the kernel's reason where it has one.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part, part_from},
    event::Ends,
    fields::Fields,
    line::Line,
    names::{Enumeration, Names},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    reset::event::{self as raw, NO_REASON},
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "reset",
    about: "TCP connections reset",
    kinds: &[Kind::Reset],
    hooks,
    decode,
};

/// With its third argument (6.10) the tracepoint began to show resets that no socket sends; before, functions show more.
const SENT: Hook = Hook {
    number: hook::RESET_SENT,
    name: "reset-sent",
    ladder: &[
        &[part_from(
            3,
            Rung::TpBtf,
            "reset_sent_tp_btf",
            "tcp_send_reset",
        )],
        &[part_from(
            3,
            Rung::RawTp,
            "reset_sent_raw_tp",
            "tcp_send_reset",
        )],
        &[
            part(Rung::Fentry, "reset_active_fentry", "tcp_send_active_reset"),
            part(Rung::Fentry, "reset_v4_fentry", "tcp_v4_send_reset"),
            part(Rung::Fentry, "reset_v6_fentry", "tcp_v6_send_reset"),
        ],
        &[
            part(Rung::Kprobe, "reset_active_kprobe", "tcp_send_active_reset"),
            part(Rung::Kprobe, "reset_v4_kprobe", "tcp_v4_send_reset"),
            part(Rung::Kprobe, "reset_v6_kprobe", "tcp_v6_send_reset"),
        ],
        &[part(Rung::TpBtf, "reset_sent_tp_btf", "tcp_send_reset")],
        &[part(Rung::RawTp, "reset_sent_raw_tp", "tcp_send_reset")],
    ],
    again: None,
};

const RECEIVED: Hook = Hook {
    number: hook::RESET_RECEIVED,
    name: "reset-received",
    ladder: &[
        &[part(
            Rung::TpBtf,
            "reset_received_tp_btf",
            "tcp_receive_reset",
        )],
        &[part(
            Rung::RawTp,
            "reset_received_raw_tp",
            "tcp_receive_reset",
        )],
        &[part(Rung::Fentry, "reset_received_fentry", "tcp_reset")],
        &[part(Rung::Kprobe, "reset_received_kprobe", "tcp_reset")],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Reset.bit() == 0 {
        Vec::new()
    } else {
        vec![SENT, RECEIVED]
    }
}

/// `reset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    pub ends: Ends,
    pub sent: bool,
    pub state: Option<u8>,
    pub reason: Option<u32>,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Reset::ref_from_bytes(bytes).ok()?;
    Some(Body::Reset(Reset {
        ends: Ends::from(&raw.flow),
        sent: raw.direction == raw::SENT,
        state: (raw.state != 0).then_some(raw.state),
        reason: (raw.reason != NO_REASON).then_some(raw.reason),
    }))
}

impl Reset {
    const fn direction(&self) -> &'static str {
        if self.sent { "sent" } else { "received" }
    }

    /// A reason this kernel's types do not name stays a number.
    fn reason(&self, names: &Names) -> Option<String> {
        let reason = self.reason?;
        let name = names.enumerator(Enumeration::ResetReason, reason);
        Some(name.map_or_else(|| reason.to_string(), str::to_owned))
    }
}

impl Detail for Reset {
    fn name(&self) -> &'static str {
        "reset"
    }

    fn ends(&self) -> Option<Ends> {
        Some(self.ends)
    }

    fn arrow(&self) -> &'static str {
        if self.sent { "->" } else { "<-" }
    }

    fn text(&self, line: &mut Line, names: &Names) {
        line.word(self.direction());
        if let Some(state) = self.state {
            line.word(names.tcp_state(state));
        }
        if let Some(reason) = self.reason(names) {
            line.word(&reason);
        }
    }

    fn json(&self, fields: &mut Fields<'_>, names: &Names) {
        fields.str("direction", self.direction());
        fields.opt_str("state", self.state.map(|state| names.tcp_state(state)));
        fields.opt_str("reason", self.reason(names).as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors;
    use netobs_ebpf::event::{Flow, Header};
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn raw(direction: u8, state: u8, reason: u32) -> raw::Reset {
        let header = Header {
            kind: Kind::Reset as u8,
            ..Header::new_zeroed()
        };
        let mut flow = Flow {
            lport: 81,
            rport: 4000,
            family: 2,
            proto: 6,
            ..Flow::default()
        };
        flow.laddr[0] = u32::from_ne_bytes([10, 0, 0, 1]);
        flow.raddr[0] = u32::from_ne_bytes([10, 0, 0, 2]);
        raw::Reset {
            header,
            flow,
            reason,
            direction,
            state,
            _pad: 0,
        }
    }

    fn told(raw: &raw::Reset) -> (String, String) {
        let mut names = Names::new(true);
        names.add_enum(
            Enumeration::ResetReason,
            &[(1, "SK_RST_REASON_NO_SOCKET".into())],
        );
        names.add_enum(Enumeration::TcpState, &[(1, "TCP_ESTABLISHED".into())]);
        let event = collectors::decode(raw.as_bytes()).unwrap();
        let detail = event.body.detail();
        let mut line = Line::default();
        line.begin();
        detail.subject(&mut line, &names);
        detail.text(&mut line, &names);
        let mut json = Vec::new();
        let mut fields = Fields::begin(&mut json);
        detail.json(&mut fields, &names);
        fields.end();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(line.as_bytes()), text(&json))
    }

    #[test]
    fn nobody_listens() {
        let (text, json) = told(&raw(raw::SENT, 0, 1));
        assert_eq!(
            text,
            "10.0.0.1:81           -> 10.0.0.2:4000         sent NO_SOCKET"
        );
        assert_eq!(
            json,
            "{\"direction\":\"sent\",\"state\":null,\"reason\":\"NO_SOCKET\"}\n"
        );
    }

    #[test]
    fn the_peer_resets() {
        let (text, json) = told(&raw(raw::RECEIVED, 1, NO_REASON));
        assert_eq!(
            text,
            "10.0.0.1:81           <- 10.0.0.2:4000         received ESTABLISHED"
        );
        assert!(
            json.contains(r#""state":"ESTABLISHED","reason":null"#),
            "{json}"
        );
    }

    #[test]
    fn an_unknown_reason_stays_a_number() {
        let (text, json) = told(&raw(raw::SENT, 1, 65_537));
        assert!(text.ends_with("sent ESTABLISHED 65537"), "{text}");
        assert!(json.ends_with("\"reason\":\"65537\"}\n"), "{json}");
    }
}
