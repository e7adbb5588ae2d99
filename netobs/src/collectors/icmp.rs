//! ICMP errors sent and received, and the flow they are about.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::{Ends, Proto, address},
    fields::Fields,
    icmp::{self, Family},
    line::Line,
    names::Names,
    packet::{self, Parsed},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    icmp::event::{self as raw, MESSAGE, OUTER, SENT},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "icmp",
    about: "ICMP errors sent and received, with the flow they quote",
    kinds: &[Kind::Icmp],
    hooks,
    decode,
};

/// Functions that only errors run through come first: the tracepoint sees every packet.
const ICMP_SENT: Hook = Hook {
    number: hook::ICMP_SENT,
    name: "icmp-sent",
    ladder: &[
        &[
            part(Rung::Fentry, "icmp_sent_fentry", "icmp_push_reply"),
            part(
                Rung::Fentry,
                "icmp6_sent_fentry",
                "icmpv6_push_pending_frames",
            ),
            part(Rung::Fentry, "icmp6_redirect_fentry", "ndisc_send_skb"),
        ],
        &[
            part(Rung::Kprobe, "icmp_sent_kprobe", "icmp_push_reply"),
            part(
                Rung::Kprobe,
                "icmp6_sent_kprobe",
                "icmpv6_push_pending_frames",
            ),
            part(Rung::Kprobe, "icmp6_redirect_kprobe", "ndisc_send_skb"),
        ],
        &[part(Rung::TpBtf, "icmp_sent_tp_btf", "net_dev_queue")],
        &[part(Rung::RawTp, "icmp_sent_raw_tp", "net_dev_queue")],
    ],
    again: None,
};

const ICMP_RECEIVED: Hook = Hook {
    number: hook::ICMP_RECEIVED,
    name: "icmp-received",
    ladder: &[
        &[
            part(Rung::Fexit, "icmp_received_fexit", "icmp_unreach"),
            part(Rung::Fexit, "icmp_received_fexit", "icmp_redirect"),
            part(Rung::Fexit, "icmp6_received_fexit", "icmpv6_notify"),
            part(Rung::Fexit, "icmp_received_fexit", "ndisc_redirect_rcv"),
            part(
                Rung::Fentry,
                "icmp_reported_fentry",
                "sock_def_error_report",
            ),
        ],
        &[
            part(Rung::Kprobe, "icmp_received_entry", "icmp_unreach"),
            part(Rung::Kretprobe, "icmp_received_return", "icmp_unreach"),
            part(Rung::Kprobe, "icmp_received_entry", "icmp_redirect"),
            part(Rung::Kretprobe, "icmp_received_return", "icmp_redirect"),
            part(Rung::Kprobe, "icmp_received_entry", "icmpv6_notify"),
            part(Rung::Kretprobe, "icmp_received_return", "icmpv6_notify"),
            part(Rung::Kprobe, "icmp_received_entry", "ndisc_redirect_rcv"),
            part(
                Rung::Kretprobe,
                "icmp_received_return",
                "ndisc_redirect_rcv",
            ),
            part(
                Rung::Kprobe,
                "icmp_reported_kprobe",
                "sock_def_error_report",
            ),
        ],
        &[
            part(Rung::TpBtf, "icmp_consumed_tp_btf", "consume_skb"),
            part(Rung::TpBtf, "icmp_dropped_tp_btf", "kfree_skb"),
            part(Rung::TpBtf, "icmp_reported_tp_btf", "inet_sk_error_report"),
        ],
        // Before 5.14 no tracepoint tells which socket an error was reported to.
        &[
            part(Rung::TpBtf, "icmp_consumed_tp_btf", "consume_skb"),
            part(Rung::TpBtf, "icmp_dropped_tp_btf", "kfree_skb"),
        ],
        &[
            part(Rung::RawTp, "icmp_consumed_raw_tp", "consume_skb"),
            part(Rung::RawTp, "icmp_dropped_raw_tp", "kfree_skb"),
        ],
    ],
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Icmp.bit() == 0 {
        Vec::new()
    } else {
        vec![ICMP_SENT, ICMP_RECEIVED]
    }
}

/// `icmp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub sent: bool,
    pub family: Family,
    pub kind: u8,
    pub code: u8,
    pub mtu: Option<u32>,
    /// Where a redirect points to.
    pub gateway: Option<IpAddr>,
    /// Who sent the error; `None`: we did.
    pub from: Option<IpAddr>,
    pub to: Option<IpAddr>,
    pub quoted: Parsed,
    /// Identifier of the echo request in question.
    pub echo: Option<u16>,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Icmp::ref_from_bytes(bytes).ok()?;
    read(raw).map(Body::Icmp)
}

fn read(raw: &raw::Icmp) -> Option<Icmp> {
    let bytes = packet::bytes(&raw.packet);
    let family = if raw.packet.ethertype == icmp::ETH_P_IPV6 {
        Family::V6
    } else {
        Family::V4
    };
    let sent = raw.direction == SENT;
    let mut event = Icmp {
        sent,
        family,
        kind: raw.kind,
        code: raw.code,
        mtu: None,
        gateway: None,
        from: None,
        to: Some(address(&raw.to, family.number())),
        quoted: Parsed::default(),
        echo: None,
    };
    let mut rest = raw.rest.to_ne_bytes();
    let mut body = bytes;
    if raw.form == OUTER {
        let outer = Parsed::new(&raw.packet);
        event.from = outer.source.filter(|_| !sent);
        event.to = outer.destination;
        body = bytes.get(outer.header_len..)?;
    }
    if raw.form == OUTER || raw.form == MESSAGE {
        let (header, behind) = body.split_first_chunk::<8>()?;
        [event.kind, event.code] = [header[0], header[1]];
        rest = [header[4], header[5], header[6], header[7]];
        body = behind;
    }
    event.rest(rest, body);
    Some(event)
}

impl Icmp {
    /// Reads the second word of the header, and what follows it.
    fn rest(&mut self, rest: [u8; 4], body: &[u8]) {
        match (self.family, self.kind, self.code) {
            (Family::V4, 3, 4) => {
                let mtu = u32::from(u16::from_be_bytes([rest[2], rest[3]]));
                self.mtu = (mtu != 0).then_some(mtu);
            }
            (Family::V4, 5, _) => self.gateway = Some(IpAddr::V4(Ipv4Addr::from(rest))),
            (Family::V6, 2, _) => self.mtu = Some(u32::from_be_bytes(rest)),
            (Family::V6, icmp::REDIRECT6, _) => return self.redirect6(body),
            _ => {}
        }
        self.quoted = Parsed::ip(body);
        if let Some((icmp::ECHO4 | icmp::ECHO6, _)) = self.quoted.icmp {
            let id = body
                .get(self.quoted.header_len + 4..)
                .and_then(|b| b.first_chunk());
            self.echo = id.map(|id| u16::from_be_bytes(*id));
        }
    }

    /// Target and destination; the packet itself stands behind what we have of it.
    fn redirect6(&mut self, body: &[u8]) {
        let at = |from: usize| {
            let octets = body.get(from..)?.first_chunk::<16>()?;
            Some(IpAddr::V6(Ipv6Addr::from(*octets)))
        };
        self.gateway = at(0);
        self.quoted.destination = at(16);
    }

    fn what(&self) -> &'static str {
        icmp::what(self.family, self.kind, self.code)
    }

    fn ends(&self) -> Option<Ends> {
        let proto = Proto(u16::from(self.quoted.proto?));
        let end = |addr: Option<IpAddr>, port| Some(SocketAddr::new(addr?, port));
        let (sport, dport) = self.quoted.ports?;
        let source = end(self.quoted.source, sport)?;
        Some(Ends {
            local: source,
            remote: end(self.quoted.destination, dport)?,
            proto,
        })
    }
}

impl Icmp {
    /// Of ping: a datagram socket has the identifier as its port, a raw socket the protocol.
    fn echo_sockets(&self) -> Vec<Ends> {
        let (false, Some(id)) = (self.sent, self.echo) else {
            return Vec::new();
        };
        let (Some(local), Some(remote), Some(proto)) = (
            self.quoted.source,
            self.quoted.destination,
            self.quoted.proto,
        ) else {
            return Vec::new();
        };
        let proto = u16::from(proto);
        let ends = |port| Ends {
            local: SocketAddr::new(local, port),
            remote: SocketAddr::new(remote, 0),
            proto: Proto(proto),
        };
        vec![ends(id), ends(proto)]
    }
}

impl Detail for Icmp {
    fn name(&self) -> &'static str {
        "icmp"
    }

    fn owner_is_late(&self) -> bool {
        true
    }

    /// An error received is about a packet of ours; one sent, about one that came here, or that we did not let out.
    fn searches(&self) -> Vec<Ends> {
        let Some(ends) = self.ends() else {
            return self.echo_sockets();
        };
        if !self.sent {
            return vec![ends];
        }
        let unreachable = if self.family == Family::V4 { 3 } else { 1 };
        if self.kind != unreachable {
            return Vec::new();
        }
        vec![
            Ends {
                local: ends.remote,
                remote: ends.local,
                proto: ends.proto,
            },
            ends,
        ]
    }

    fn subject(&self, line: &mut Line, names: &Names) {
        if let Some(ends) = self.ends() {
            line.ends(&ends, "->", names);
            return;
        }
        match (self.quoted.source, self.quoted.destination) {
            (Some(source), Some(destination)) => _ = line.addresses(source, destination),
            (None, Some(destination)) => _ = line.raw(b"-> ").ip(destination),
            _ => {}
        }
    }

    fn text(&self, line: &mut Line, _names: &Names) {
        if let Some(proto) = self.quoted.proto {
            match Proto(u16::from(proto)).name() {
                Some(name) => _ = line.word(name),
                None => _ = line.key("proto").number(u64::from(proto)),
            }
        }
        line.word(self.what());
        if self.what() == icmp::UNKNOWN {
            line.key("type")
                .number(u64::from(self.kind))
                .key("code")
                .number(u64::from(self.code));
        }
        if let Some(mtu) = self.mtu {
            line.key("mtu").number(u64::from(mtu));
        }
        if let Some(gateway) = self.gateway {
            line.key("gateway").ip(gateway);
        }
        let (direction, peer) = if self.sent {
            ("sent to", self.to)
        } else {
            ("received from", self.from)
        };
        line.word(direction);
        if let Some(peer) = peer {
            line.raw(b" ").ip(peer);
        }
    }

    fn json(&self, fields: &mut Fields<'_>, _names: &Names) {
        let proto = self.quoted.proto.map(|proto| Proto(u16::from(proto)));
        match (proto, proto.and_then(Proto::name)) {
            (_, Some(name)) => fields.str("proto", name),
            (Some(number), None) => fields.num("proto", u64::from(number.0)),
            (None, None) => fields.null("proto"),
        }
        fields.str("family", self.family.name());
        fields.opt_ip("saddr", self.quoted.source);
        fields.opt(
            "sport",
            self.quoted.ports.map(|(sport, _)| u64::from(sport)),
        );
        fields.opt_ip("daddr", self.quoted.destination);
        fields.opt(
            "dport",
            self.quoted.ports.map(|(_, dport)| u64::from(dport)),
        );
        fields.str("direction", if self.sent { "sent" } else { "received" });
        fields.num("type", u64::from(self.kind));
        fields.num("code", u64::from(self.code));
        fields.str("what", self.what());
        fields.opt("mtu", self.mtu.map(u64::from));
        fields.opt_ip("gateway", self.gateway);
        fields.opt_ip("from", self.from);
        fields.opt_ip("to", self.to);
    }
}

#[cfg(test)]
#[path = "icmp_tests.rs"]
mod tests;
