//! Protocols by name and number.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{Lower, Lowered, link, load::Base, ports};
use crate::capture::filter::{
    ast::{Dir, Proto},
    code::B,
    graph::Test,
};

/// Names of Ethernet types and access points after `ether proto`.
const ETHER: [(&str, u32); 16] = [
    ("aarp", link::AARP),
    ("arp", link::ARP),
    ("atalk", link::ATALK),
    ("decnet", link::DECNET),
    ("ip", link::IP),
    ("ip6", link::IP6),
    ("lat", LAT),
    ("loopback", 0x9000),
    ("mopdl", MOPDL),
    ("moprc", MOPRC),
    ("rarp", link::REVARP),
    ("sca", SCA),
    ("iso", link::SAP_ISO),
    ("stp", link::SAP_STP),
    ("ipx", link::SAP_IPX),
    ("netbeui", link::SAP_NETBEUI),
];
const LAT: u32 = 0x6004;
const SCA: u32 = 0x6007;
const MOPDL: u32 = 0x6001;
const MOPRC: u32 = 0x6002;

// Protocols of OSI, and kinds of IS-IS packets.
const CLNP: u32 = 0x81;
const ESIS: u32 = 0x82;
const ISIS: u32 = 0x83;
const L1_HELLO: u32 = 15;
const L2_HELLO: u32 = 16;
const POINT_HELLO: u32 = 17;
const L1_LSP: u32 = 18;
const L2_LSP: u32 = 20;
const L1_CSNP: u32 = 24;
const L2_CSNP: u32 = 25;
const L1_PSNP: u32 = 26;
const L2_PSNP: u32 = 27;

const ICMP: u32 = 1;
const IGMP: u32 = 2;
const IGRP: u32 = 9;
pub(super) const FRAGMENT: u32 = 44;
const ESP: u32 = 50;
const AH: u32 = 51;
pub(super) const ICMP6: u32 = 58;
const PIM: u32 = 103;
const VRRP: u32 = 112; // CARP took the same number

impl Lower<'_> {
    /// A protocol that stands alone: `tcp`, `arp`.
    pub(super) fn proto_name(&mut self, proto: Proto) -> Lowered<Test> {
        let any = Proto::Default;
        match proto {
            Proto::Sctp => self.proto(ports::SCTP, any),
            Proto::Tcp => self.proto(ports::TCP, any),
            Proto::Udp => self.proto(ports::UDP, any),
            Proto::Icmp => self.proto(ICMP, Proto::Ip),
            Proto::Igmp => self.proto(IGMP, Proto::Ip),
            Proto::Igrp => self.proto(IGRP, Proto::Ip),
            Proto::Pim => self.proto(PIM, any),
            Proto::Vrrp | Proto::Carp => self.proto(VRRP, Proto::Ip),
            Proto::Icmp6 => self.proto(ICMP6, Proto::Ip6),
            Proto::Ah => self.proto(AH, any),
            Proto::Esp => self.proto(ESP, any),
            Proto::Ip => self.link_type(link::IP),
            Proto::Ip6 => self.link_type(link::IP6),
            Proto::Arp => self.link_type(link::ARP),
            Proto::Rarp => self.link_type(link::REVARP),
            Proto::Atalk => self.link_type(link::ATALK),
            Proto::Aarp => self.link_type(link::AARP),
            Proto::Decnet => self.link_type(link::DECNET),
            Proto::Sca => self.link_type(SCA),
            Proto::Lat => self.link_type(LAT),
            Proto::Mopdl => self.link_type(MOPDL),
            Proto::Moprc => self.link_type(MOPRC),
            Proto::Iso => self.link_type(link::SAP_ISO),
            Proto::Stp => self.link_type(link::SAP_STP),
            Proto::Ipx => self.link_type(link::SAP_IPX),
            Proto::Netbeui => self.link_type(link::SAP_NETBEUI),
            Proto::Esis => self.proto(ESIS, Proto::Iso),
            Proto::Isis => self.proto(ISIS, Proto::Iso),
            Proto::Clnp => self.proto(CLNP, Proto::Iso),
            Proto::IsisL1 => self.isis(&[POINT_HELLO, L1_HELLO, L1_LSP, L1_CSNP, L1_PSNP]),
            Proto::IsisL2 => self.isis(&[POINT_HELLO, L2_HELLO, L2_LSP, L2_CSNP, L2_PSNP]),
            Proto::IsisIih => self.isis(&[L2_HELLO, L1_HELLO, POINT_HELLO]),
            Proto::IsisLsp => self.isis(&[L2_LSP, L1_LSP]),
            Proto::IsisSnp => self.isis(&[L2_CSNP, L1_CSNP, L1_PSNP, L2_PSNP]),
            Proto::IsisCsnp => self.isis(&[L2_CSNP, L1_CSNP]),
            Proto::IsisPsnp => self.isis(&[L2_PSNP, L1_PSNP]),
            Proto::Link => {
                self.refuse("a link-layer word needs 'host', 'proto' or the like after it")
            }
            Proto::Radio => self.refuse("not supported: radio headers"),
            Proto::Default => self.refuse("expected a protocol"),
        }
    }

    /// Any of these kinds; each one is asked before those already there.
    fn isis(&mut self, kinds: &[u32]) -> Lowered<Test> {
        let mut any: Option<Test> = None;
        for kind in kinds {
            let one = self.proto(*kind, Proto::Isis)?;
            any = Some(match any {
                Some(any) => self.graph.or(one, any),
                None => one,
            });
        }
        match any {
            Some(any) => Ok(any),
            None => self.refuse("no kind of packet"),
        }
    }

    /// The field of `proto` that names the next protocol has this value.
    pub(super) fn proto(&mut self, n: u32, proto: Proto) -> Lowered<Test> {
        match proto {
            Proto::Default => {
                let v4 = self.proto(n, Proto::Ip)?;
                let v6 = self.proto(n, Proto::Ip6)?;
                Ok(self.graph.or(v4, v6))
            }
            Proto::Link => self.link_type(n),
            Proto::Ip => {
                let carried = self.link_type(link::IP)?;
                let next = self.equal(Base::Payload, 9, B, n)?;
                Ok(self.graph.and(carried, next))
            }
            Proto::Ip6 => {
                let carried = self.link_type(link::IP6)?;
                let fragment = self.equal(Base::Payload, 6, B, FRAGMENT)?;
                let after = self.equal(Base::Payload, 40, B, n)?;
                let fragment = self.graph.and(fragment, after);
                let next = self.equal(Base::Payload, 6, B, n)?;
                let either = self.graph.or(next, fragment);
                Ok(self.graph.and(carried, either))
            }
            Proto::Iso => {
                let carried = self.link_type(link::SAP_ISO)?;
                let next = self.equal(Base::PayloadPlain, 0, B, n)?;
                Ok(self.graph.and(carried, next))
            }
            Proto::Isis => {
                let carried = self.proto(ISIS, Proto::Iso)?;
                let kind = self.equal(Base::PayloadPlain, 4, B, n)?;
                Ok(self.graph.and(carried, kind))
            }
            _ => self.refuse("this protocol does not say what it carries"),
        }
    }

    /// `proto NAME`
    pub(super) fn proto_by_name(&mut self, name: &str, proto: Proto) -> Lowered<u32> {
        let unknown = |what: &str| format!("{what} '{name}' is not known");
        match proto {
            Proto::Default | Proto::Ip | Proto::Ip6 => match self.options.names.protocol(name) {
                Some(n) => Ok(u32::from(n)),
                None => self.refuse(unknown("the protocol")),
            },
            Proto::Link => match ETHER.iter().find(|(known, _)| *known == name) {
                Some((_, n)) => Ok(*n),
                None => self.refuse(unknown("the Ethernet type")),
            },
            Proto::Iso => match name {
                "esis" => Ok(ESIS),
                "isis" => Ok(ISIS),
                "clnp" => Ok(CLNP),
                _ => self.refuse(unknown("the protocol of OSI")),
            },
            _ => self.refuse(unknown("the protocol")),
        }
    }

    pub(super) fn undirected(&self, dir: Dir) -> Lowered<()> {
        if dir == Dir::Default {
            return Ok(());
        }
        self.refuse("'proto' takes no direction")
    }
}
