//! Packets the kernel freed: why, where in its code, whose they were.

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::{Ends, Proto},
    fields::Fields,
    line::Line,
    names::Names,
    packet::{self, Parsed},
};
use netobs_ebpf::{
    drop::event::{self as raw, NO_REASON},
    event::Kind,
    hook,
};
use zerocopy::FromBytes as _;

pub const COLLECTOR: Collector = Collector {
    name: "drop",
    about: "packets the kernel freed, with reason and place",
    kinds: &[Kind::Drop],
    hooks,
    decode,
};

/// The functions free only some packets' last reference: they see what the tracepoint sees, but for lists freed at once.
const FREE: Hook = Hook {
    number: hook::DROP,
    name: "kfree-skb",
    ladder: &[
        &[part(Rung::TpBtf, "drop_tp_btf", "kfree_skb")],
        &[part(Rung::RawTp, "drop_raw_tp", "kfree_skb")],
        &[part(Rung::Fentry, "drop_fentry", "sk_skb_reason_drop")],
        &[part(Rung::Fentry, "drop_fentry_5_17", "kfree_skb_reason")],
        &[part(Rung::Fentry, "drop_fentry_5_5", "kfree_skb")],
        &[part(Rung::Kprobe, "drop_kprobe", "sk_skb_reason_drop")],
        &[part(Rung::Kprobe, "drop_kprobe_5_17", "kfree_skb_reason")],
        &[part(Rung::Kprobe, "drop_kprobe_5_5", "kfree_skb")],
    ],
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Drop.bit() == 0 { Vec::new() } else { vec![FREE] }
}

/// Reasons that are normal life, by their name in the kernel; shown with `--all` only.
pub const QUIET: &[&str] = &[
    // Freed by the function that drops, after it was used: nothing was lost.
    "SKB_NOT_DROPPED_YET",
    "SKB_CONSUMED",
    // What a process had not read when it closed its socket.
    "SKB_DROP_REASON_SOCKET_CLOSE",
    // A queue emptied because its owner goes away.
    "SKB_DROP_REASON_QUEUE_PURGE",
    // Messages between local processes, not of the network.
    "SKB_DROP_REASON_UNIX_DISCONNECT",
    "SKB_DROP_REASON_UNIX_SKIP_OOB",
    // Bytes that are already there: in the queue, read, or under a keepalive probe.
    "SKB_DROP_REASON_TCP_OFOMERGE",
    "SKB_DROP_REASON_TCP_OLD_DATA",
    "SKB_DROP_REASON_TCP_OLD_SEQUENCE",
    // The SYN's data was taken over by the new socket.
    "SKB_DROP_REASON_TCP_FASTOPEN",
    // Frames and solicitations for another host, which switches and multicast bring along.
    "SKB_DROP_REASON_OTHERHOST",
    "SKB_DROP_REASON_IPV6_NDISC_NS_OTHERHOST",
    // Frames of protocols this node does not speak (LLDP, STP ...).
    "SKB_DROP_REASON_UNHANDLED_PROTO",
];

/// `drop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// `None`: this kernel gives no reasons.
    pub reason: Option<u32>,
    /// Address of the code that let it go.
    pub location: u64,
    pub len: u32,
    /// Name of the interface, zeroes: none.
    pub ifname: [u8; 16],
    pub packet: Parsed,
}

fn decode(_kind: Kind, bytes: &[u8]) -> Option<Body> {
    let raw = raw::Dropped::ref_from_bytes(bytes).ok()?;
    let start = raw.start.get(..usize::from(raw.start_len)).unwrap_or(&raw.start);
    Some(Body::Dropped(Dropped {
        reason: (raw.reason != NO_REASON).then_some(raw.reason),
        location: raw.location,
        len: raw.len,
        ifname: raw.ifname,
        packet: Parsed::of(raw.ethertype, start).tagged(raw.vlan_proto, raw.vlan_tci),
    }))
}

const ENUM: &str = "skb_drop_reason";
const ARP: u16 = 0x0806;

impl Dropped {
    fn ifname(&self) -> &[u8] {
        self.ifname.split(|b| *b == 0).next().unwrap_or_default()
    }

    /// `tcp`, `arp`, ...; `None`: it goes by a number.
    fn proto(&self) -> Option<&'static str> {
        if self.packet.ethertype == ARP {
            return Some("arp");
        }
        Proto(u16::from(self.packet.proto?)).name()
    }

    fn reason(&self, line: &mut Line, names: &Names) {
        let Some(reason) = self.reason else { return };
        match names.enumerator(ENUM, reason) {
            Some(name) => _ = line.word(name),
            // A subsystem's own reason, the subsystem in the upper half.
            None => _ = line.key("reason").hex(u64::from(reason)),
        }
    }

    fn what(&self, line: &mut Line) {
        match (self.proto(), self.packet.proto) {
            (Some(name), _) => _ = line.word(name),
            (None, Some(number)) => _ = line.key("proto").number(u64::from(number)),
            (None, None) => _ = line.key("ethertype").hex(u64::from(self.packet.ethertype)),
        }
        if let Some((kind, code)) = self.packet.icmp {
            line.key("type").number(u64::from(kind)).raw(b"/").number(u64::from(code));
        }
        if let Some(flags) = self.packet.tcp_flags {
            line.raw(b" ");
            for letter in packet::letters(flags) {
                line.raw(&[letter as u8]);
            }
        }
    }
}

impl Detail for Dropped {
    fn name(&self) -> &'static str {
        "drop"
    }

    fn location(&self) -> Option<u64> {
        (self.location != 0).then_some(self.location)
    }

    fn subject(&self, line: &mut Line, names: &Names) {
        let packet = &self.packet;
        match (packet.source_end(), packet.destination_end(), packet.source, packet.destination) {
            (Some(local), Some(remote), ..) => {
                let proto = Proto(packet.proto.map_or(0, u16::from));
                line.ends(&Ends { local, remote, proto }, "->", names);
            }
            (_, _, Some(from), Some(to)) => _ = line.addresses(from, to),
            _ => _ = line.raw(b"-"),
        }
    }

    fn text(&self, line: &mut Line, names: &Names) {
        self.reason(line, names);
        if let Some(place) = names.symbols.get(&self.location) {
            line.word("at").word(place);
        }
        self.what(line);
        line.key("len").number(u64::from(self.len));
        if let Some(vlan) = self.packet.vlan {
            line.key("vlan").number(u64::from(vlan));
        }
        if !self.ifname().is_empty() {
            line.key("dev").escaped(self.ifname());
        }
    }

    fn json(&self, fields: &mut Fields<'_>, names: &Names) {
        let packet = &self.packet;
        let ifname = self.ifname();
        if ifname.is_empty() { fields.null("ifname") } else { fields.bytes("ifname", ifname) }
        match (self.proto(), packet.proto) {
            (None, Some(number)) => fields.num("proto", u64::from(number)),
            (name, _) => fields.opt_str("proto", name),
        }
        let family = |ip: std::net::IpAddr| if ip.is_ipv6() { "ipv6" } else { "ipv4" };
        fields.opt_str("family", packet.source.map(family));
        fields.opt_ip("saddr", packet.source);
        fields.opt_ip("daddr", packet.destination);
        if let Some((sport, dport)) = packet.ports {
            fields.num("sport", u64::from(sport));
            fields.num("dport", u64::from(dport));
        }
        match self.reason {
            Some(reason) => match names.enumerator(ENUM, reason) {
                Some(name) => fields.str("reason", name),
                None => fields.num("reason", u64::from(reason)),
            },
            None => fields.null("reason"),
        }
        fields.opt_str("location", names.symbols.get(&self.location).map(String::as_str));
        fields.num("len", u64::from(self.len));
        if let Some(flags) = packet.tcp_flags {
            fields.str("flags", &packet::flag_letters(flags));
        }
        fields.opt("vlan", packet.vlan.map(u64::from));
        fields.str("ethertype", &format!("{:#06x}", packet.ethertype));
        if let Some((kind, code)) = packet.icmp {
            fields.num("icmp_type", u64::from(kind));
            fields.num("icmp_code", u64::from(code));
        }
    }
}
