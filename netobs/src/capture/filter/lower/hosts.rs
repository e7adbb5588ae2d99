//! Hosts and networks of every kind of address.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{Lower, Lowered, link, load::Base};
use crate::capture::{
    filter::{
        ast::{Dir, Kind, Proto, Qualifiers},
        code::{B, H, W},
        graph::Test,
    },
    link::LinkType,
};
use std::net::Ipv6Addr;

impl Lower<'_> {
    /// The same for source and destination, joined as the direction says.
    pub(super) fn both(
        &mut self,
        dir: Dir,
        one: &mut dyn FnMut(&mut Self, bool) -> Lowered<Test>,
    ) -> Lowered<Test> {
        match dir {
            Dir::Src => one(self, true),
            Dir::Dst => one(self, false),
            Dir::And => {
                let (source, destination) = (one(self, true)?, one(self, false)?);
                Ok(self.graph.and(source, destination))
            }
            Dir::Or | Dir::Default => {
                let (source, destination) = (one(self, true)?, one(self, false)?);
                Ok(self.graph.or(source, destination))
            }
        }
    }

    fn no_hosts<T>(&self, of: Qualifiers) -> Lowered<T> {
        let what = if of.kind == Kind::Net {
            "networks"
        } else {
            "hosts"
        };
        self.refuse(format!("this protocol has no {what} to filter by"))
    }

    /// An IPv4 host or network.
    pub(super) fn ipv4(&mut self, addr: u32, mask: u32, of: Qualifiers) -> Lowered<Test> {
        match of.proto {
            Proto::Default => {
                let ip = self.ipv4_in(addr, mask, of.dir, link::IP)?;
                if self.labels > 0 {
                    return Ok(ip);
                }
                let arp = self.ipv4_in(addr, mask, of.dir, link::ARP)?;
                let either = self.graph.or(ip, arp);
                let rarp = self.ipv4_in(addr, mask, of.dir, link::REVARP)?;
                Ok(self.graph.or(either, rarp))
            }
            Proto::Ip => self.ipv4_in(addr, mask, of.dir, link::IP),
            Proto::Arp => self.ipv4_in(addr, mask, of.dir, link::ARP),
            Proto::Rarp => self.ipv4_in(addr, mask, of.dir, link::REVARP),
            Proto::Decnet => self.decnet(addr, of.dir),
            _ => self.no_hosts(of),
        }
    }

    fn ipv4_in(&mut self, addr: u32, mask: u32, dir: Dir, proto: u32) -> Lowered<Test> {
        let (source, destination) = if proto == link::IP {
            (12, 16)
        } else {
            (14, 24)
        };
        self.both(dir, &mut |lower, is_source| {
            let at = if is_source { source } else { destination };
            let carried = lower.link_type(proto)?;
            let addr = lower.masked(Base::Payload, at, W, addr, mask)?;
            Ok(lower.graph.and(carried, addr))
        })
    }

    pub(super) fn ipv6(&mut self, addr: Ipv6Addr, length: u32, of: Qualifiers) -> Lowered<Test> {
        if !matches!(of.proto, Proto::Default | Proto::Ip6) {
            return self.no_hosts(of);
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let word =
            |n: u128, index: u32| u32::try_from(n >> (96 - 32 * index) & 0xffff_ffff).unwrap_or(0);
        let addr = addr.to_bits();
        self.both(of.dir, &mut |lower, is_source| {
            let at = if is_source { 8 } else { 24 };
            let mut all = None;
            // The last word differs most often: it is asked last here, as libpcap does.
            for index in (0..4).rev() {
                let (n, mask) = (word(addr, index), word(mask, index));
                let test = lower.masked(Base::Payload, at + 4 * index, W, n, mask)?;
                all = Some(match all {
                    Some(all) => lower.graph.and(test, all),
                    None => test,
                });
            }
            let carried = lower.link_type(link::IP6)?;
            match all {
                Some(all) => Ok(lower.graph.and(carried, all)),
                None => Ok(carried),
            }
        })
    }

    pub(super) fn ether(&mut self, mac: [u8; 6], dir: Dir) -> Lowered<Test> {
        if self.link != LinkType::Ethernet {
            return self.refuse("this link has no Ethernet addresses");
        }
        let check = self.has_header()?;
        let host = self.both(dir, &mut |lower, is_source| {
            lower.bytes(Base::Header, if is_source { 6 } else { 0 }, &mac)
        })?;
        Ok(self.after(check, host))
    }

    /// `DECnet` has headers of two lengths, with and without a byte of padding.
    fn decnet(&mut self, addr: u32, dir: Dir) -> Lowered<Test> {
        let addr = u32::from(u16::try_from(addr & 0xffff).unwrap_or(0).swap_bytes());
        self.both(dir, &mut |lower, is_source| {
            let (short, long) = if is_source { (3, 15) } else { (1, 7) };
            let carried = lower.link_type(link::DECNET)?;
            let mut any: Option<Test> = None;
            let forms = [
                (H, 0x8106, 0xff07, 3 + long),
                (B, 0x06, 0x07, 2 + long),
                (H, 0x8102, 0xff07, 3 + short),
                (B, 0x02, 0x07, 2 + short),
            ];
            for (size, flags, mask, at) in forms {
                let form = lower.masked(Base::Payload, 2, size, flags, mask)?;
                let host = lower.equal(Base::Payload, at, H, addr)?;
                let form = lower.graph.and(form, host);
                any = Some(match any {
                    Some(any) => lower.graph.or(form, any),
                    None => form,
                });
            }
            match any {
                Some(any) => Ok(lower.graph.and(carried, any)),
                None => Ok(carried),
            }
        })
    }
}
