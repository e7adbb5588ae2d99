//! Packets the kernel freed: why, where in its code, whose they were.

pub mod quiet;

use super::{Body, Collector, Detail};
use crate::{
    bpf::spec::{Hook, Rung, part},
    event::{Ends, Proto},
    fields::Fields,
    line::Line,
    names::{Enumeration::DropReason, Names},
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
    again: None,
};

fn hooks(events: u32) -> Vec<Hook> {
    if events & Kind::Drop.bit() == 0 {
        Vec::new()
    } else {
        vec![FREE]
    }
}

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
    let start = raw
        .start
        .get(..usize::from(raw.start_len))
        .unwrap_or(&raw.start);
    Some(Body::Dropped(Dropped {
        reason: (raw.reason != NO_REASON).then_some(raw.reason),
        location: raw.location,
        len: raw.len,
        ifname: raw.ifname,
        packet: Parsed::of(raw.ethertype, start).tagged(raw.vlan_proto, raw.vlan_tci),
    }))
}

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
        match names.enumerator(DropReason, reason) {
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
            line.key("type")
                .number(u64::from(kind))
                .raw(b"/")
                .number(u64::from(code));
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

    fn is_quiet(&self, names: &Names) -> bool {
        quiet::by_place(
            self.reason
                .map(|reason| names.enumerator(DropReason, reason)),
            || names.symbols.get(&self.location).map(String::as_str),
            self.packet.destination,
        )
    }

    fn location(&self) -> Option<u64> {
        (self.location != 0).then_some(self.location)
    }

    fn subject(&self, line: &mut Line, names: &Names) {
        let packet = &self.packet;
        match (
            packet.source_end(),
            packet.destination_end(),
            packet.source,
            packet.destination,
        ) {
            (Some(local), Some(remote), ..) => {
                let proto = Proto(packet.proto.map_or(0, u16::from));
                line.ends(
                    &Ends {
                        local,
                        remote,
                        proto,
                    },
                    "->",
                    names,
                );
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
        if ifname.is_empty() {
            fields.null("ifname");
        } else {
            fields.bytes("ifname", ifname);
        }
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
            Some(reason) => match names.enumerator(DropReason, reason) {
                Some(name) => fields.str("reason", name),
                None => fields.num("reason", u64::from(reason)),
            },
            None => fields.null("reason"),
        }
        fields.opt_str(
            "location",
            names.symbols.get(&self.location).map(String::as_str),
        );
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

#[cfg(test)]
mod tests {
    use super::super::golden::{header, told};
    use super::*;
    use netobs_ebpf::drop::event::START_BYTES;

    fn raw(ethertype: u16, packet: &[u8]) -> raw::Dropped {
        let mut start = [0; START_BYTES];
        start[..packet.len()].copy_from_slice(packet);
        let mut ifname = [0; 16];
        ifname[..4].copy_from_slice(b"eth0");
        raw::Dropped {
            header: header(Kind::Drop),
            location: 0xffff_ffff_8100_0000,
            reason: 7,
            len: 60,
            ifname,
            start,
            start_len: u16::try_from(packet.len()).unwrap(),
            ethertype,
            vlan_proto: 0,
            vlan_tci: 0,
        }
    }

    fn names() -> Names {
        let mut names = Names::new(true);
        names.add_enum(DropReason, &[(7, "SKB_DROP_REASON_NETFILTER_DROP".into())]);
        names.symbols.insert(
            0xffff_ffff_8100_0000,
            "nft_do_chain+0x3e8 [nf_tables]".into(),
        );
        names
    }

    /// A SYN from 10.0.0.1:4000 to 10.0.0.2:80.
    const SYN: &[u8] = &[
        0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x0f, 0xa0, 0, 80, 0, 0,
        0, 1, 0, 0, 0, 0, 0xa0, 0x02,
    ];
    const ARP_REQUEST: &[u8] = &[
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];

    #[test]
    fn a_syn_with_its_reason_and_place() {
        let (text, json) = told(&raw(0x0800, SYN), &names());
        insta::assert_snapshot!(text, @"10.0.0.1:4000         -> 10.0.0.2:80           NETFILTER_DROP at nft_do_chain+0x3e8 [nf_tables] tcp S len=60 dev=eth0");
        insta::assert_snapshot!(json, @r#"{"ifname":"eth0","proto":"tcp","family":"ipv4","saddr":"10.0.0.1","daddr":"10.0.0.2","sport":4000,"dport":80,"reason":"NETFILTER_DROP","location":"nft_do_chain+0x3e8 [nf_tables]","len":60,"flags":"S","vlan":null,"ethertype":"0x0800"}"#);
    }

    #[test]
    fn a_tagged_arp_request_without_reason() {
        let mut raw = raw(ARP, ARP_REQUEST);
        (raw.reason, raw.location, raw.ifname) = (NO_REASON, 0, [0; 16]);
        (raw.vlan_proto, raw.vlan_tci) = (0x8100, 0x2007);
        let (text, json) = told(&raw, &names());
        insta::assert_snapshot!(text, @"10.0.0.1              -> 10.0.0.2              arp len=60 vlan=7");
        insta::assert_snapshot!(json, @r#"{"ifname":null,"proto":"arp","family":"ipv4","saddr":"10.0.0.1","daddr":"10.0.0.2","reason":null,"location":null,"len":60,"vlan":7,"ethertype":"0x0806"}"#);
    }

    #[test]
    fn what_nobody_knows_prints_as_a_number() {
        let mut raw = raw(0x88cc, &[0x02]);
        raw.reason = 0x0002_0001;
        let (text, json) = told(&raw, &names());
        insta::assert_snapshot!(text, @"- reason=0x20001 at nft_do_chain+0x3e8 [nf_tables] ethertype=0x88cc len=60 dev=eth0");
        assert!(
            json.contains(r#""reason":131073"#) && json.contains(r#""ethertype":"0x88cc""#),
            "{json}"
        );
    }
}
