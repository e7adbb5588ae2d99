//! Which protocol a frame carries, by the rules of its link.

use super::{Lower, Lowered, load::Base};
use crate::capture::{
    filter::{
        code::{B, H, JEQ, JGT, LD, LDX, MEM, Stmt, W, X},
        graph::Test,
    },
    link::LinkType,
};

pub(super) const IP: u32 = 0x0800;
pub(super) const ARP: u32 = 0x0806;
pub(super) const REVARP: u32 = 0x8035;
pub(super) const IP6: u32 = 0x86dd;
pub(super) const ATALK: u32 = 0x809b;
pub(super) const AARP: u32 = 0x80f3;
pub(super) const DECNET: u32 = 0x6003;
pub(super) const MPLS: u32 = 0x8847;
pub(super) const PPPOE_DISCOVERY: u32 = 0x8863;
pub(super) const PPPOE_SESSION: u32 = 0x8864;
const NS: u32 = 0x0600;
const IPX_TYPE: u32 = 0x8137;

// Service access points of 802.2, told from types of Ethernet by their size.
const SAP_IP: u32 = 0x06;
pub(super) const SAP_STP: u32 = 0x42;
pub(super) const SAP_IPX: u32 = 0xe0;
pub(super) const SAP_NETBEUI: u32 = 0xf0;
pub(super) const SAP_ISO: u32 = 0xfe;
/// Longest 802.3 frame: what is above is a type.
pub(super) const LONGEST: u32 = 1500;

/// Types that Linux gives 802.3 frames in its cooked header.
const COOKED_802_3: u32 = 0x0001;
const COOKED_802_2: u32 = 0x0004;

impl Lower<'_> {
    /// The frame carries `proto`: a type of Ethernet, or an access point of 802.2.
    pub(super) fn link_type(&mut self, proto: u32) -> Lowered<Test> {
        if self.labels > 0 {
            return self.under_mpls(proto);
        }
        match self.link {
            LinkType::Ethernet => {
                // A frame of 802.3 has its length where others have a type.
                let framed =
                    |lower: &mut Self| Ok(lower.compare(Base::Kind, 0, H, JGT, LONGEST)?.not());
                self.framed(proto, framed, false)
            }
            LinkType::Sll => {
                let framed = |lower: &mut Self| lower.equal(Base::Kind, 0, H, COOKED_802_2);
                self.framed(proto, framed, true)
            }
            LinkType::Raw => match proto {
                IP => self.masked(Base::Header, 0, B, 0x40, 0xf0),
                IP6 => self.masked(Base::Header, 0, B, 0x60, 0xf0),
                _ => Ok(self.always(false)),
            },
            LinkType::RawV4 => Ok(self.always(proto == IP)),
            LinkType::RawV6 => Ok(self.always(proto == IP6)),
            LinkType::Ppp => self.equal(Base::Kind, 0, H, ppp(proto)),
            LinkType::Null | LinkType::Loop => self.family(proto),
            LinkType::Sll2 => self.equal(Base::Kind, 0, H, proto),
        }
    }

    /// Links that carry both: frames with a type, and 802.3 frames, which `framed` tells.
    fn framed(
        &mut self,
        proto: u32,
        framed: impl Fn(&mut Self) -> Lowered<Test>,
        cooked: bool,
    ) -> Lowered<Test> {
        match proto {
            SAP_ISO | SAP_IP | SAP_NETBEUI => {
                let first = framed(self)?;
                let points = self.equal(Base::Llc, 0, H, proto << 8 | proto)?;
                Ok(self.graph.and(first, points))
            }
            SAP_IPX => self.ipx(framed, cooked),
            ATALK | AARP => {
                let first = framed(self)?;
                let owner = if proto == ATALK { [8, 0, 7] } else { [0; 3] };
                let snap = self.snap(owner, proto)?;
                let snap = self.graph.and(first, snap);
                let typed = self.equal(Base::Kind, 0, H, proto)?;
                Ok(self.graph.or(typed, snap))
            }
            0..=LONGEST => {
                let first = framed(self)?;
                let point = if cooked {
                    self.equal(Base::Header, self.payload.constant, B, proto)?
                } else {
                    self.equal(Base::Kind, 2, B, proto)?
                };
                Ok(self.graph.and(first, point))
            }
            _ => self.equal(Base::Kind, 0, H, proto),
        }
    }

    /// IPX has four encapsulations.
    fn ipx(&mut self, framed: impl Fn(&mut Self) -> Lowered<Test>, cooked: bool) -> Lowered<Test> {
        let point = self.equal(Base::Llc, 0, B, SAP_IPX)?;
        let all = if cooked {
            let snap = self.snap([0; 3], IPX_TYPE)?;
            let either = self.graph.or(point, snap);
            let first = framed(self)?;
            let framed = self.graph.and(first, either);
            let plain = self.equal(Base::Kind, 0, H, COOKED_802_3)?;
            self.graph.or(plain, framed)
        } else {
            let plain = self.equal(Base::Llc, 0, H, 0xffff)?;
            let either = self.graph.or(point, plain);
            let snap = self.snap([0; 3], IPX_TYPE)?;
            let any = self.graph.or(snap, either);
            let first = framed(self)?;
            self.graph.and(first, any)
        };
        let typed = self.equal(Base::Kind, 0, H, IPX_TYPE)?;
        Ok(self.graph.or(typed, all))
    }

    /// An LLC header that says SNAP, and a SNAP header with this owner and type.
    fn snap(&mut self, owner: [u8; 3], proto: u32) -> Lowered<Test> {
        let [_, _, high, low] = proto.to_be_bytes();
        let [a, b, c] = owner;
        self.bytes(Base::Llc, 0, &[0xaa, 0xaa, 0x03, a, b, c, high, low])
    }

    /// Only IP is told below MPLS, by the version, at the bottom of the stack.
    fn under_mpls(&mut self, proto: u32) -> Lowered<Test> {
        let version = match proto {
            IP => 0x40,
            IP6 => 0x60,
            _ => return self.refuse("below 'mpls' only ip and ip6 are known"),
        };
        let bottom = self.masked(Base::Payload, 0_u32.wrapping_sub(2), B, 1, 1)?;
        let version = self.masked(Base::Payload, 0, B, version, 0xf0)?;
        Ok(self.graph.and(bottom, version))
    }

    /// The address family before a packet of a BSD loopback.
    fn family(&mut self, proto: u32) -> Lowered<Test> {
        const INET: u32 = 2;
        const INET6_LINUX: u32 = 10;
        // NetBSD and others; FreeBSD; Darwin.
        const INET6: [u32; 3] = [24, 28, 30];
        match proto {
            IP => self.family_is(INET),
            IP6 if self.options.live => self.family_is(INET6_LINUX),
            IP6 => {
                let [bsd, free, darwin] = INET6;
                let bsd = self.family_is(bsd)?;
                let free = self.family_is(free)?;
                let either = self.graph.or(bsd, free);
                let darwin = self.family_is(darwin)?;
                Ok(self.graph.or(darwin, either))
            }
            _ => Ok(self.always(false)),
        }
    }

    fn family_is(&mut self, family: u32) -> Lowered<Test> {
        // NULL has it in the byte order of the machine that wrote the file.
        let swapped = self.link == LinkType::Null && !self.options.swapped;
        let family = if swapped { family.swap_bytes() } else { family };
        self.equal(Base::Header, 0, W, family)
    }

    /// Inside of Geneve there may be no Ethernet header.
    pub(super) fn has_header(&mut self) -> Lowered<Option<Test>> {
        if !self.in_geneve {
            return Ok(None);
        }
        let (Some(header), Some(payload)) = (self.header.register, self.payload.register) else {
            return self.refuse("no header here");
        };
        let word = |register| u32::try_from(register).unwrap_or(0);
        let load = vec![
            Stmt::new(LD | MEM, word(header)),
            Stmt::new(LDX | MEM, word(payload)),
        ];
        Ok(Some(self.graph.test(load, JEQ | X, 0).not()))
    }
}

/// What PPP calls it.
fn ppp(proto: u32) -> u32 {
    match proto {
        IP => 0x21,
        IP6 => 0x57,
        DECNET => 0x27,
        ATALK => 0x29,
        NS => 0x25,
        SAP_ISO => 0x23,
        SAP_STP => 0x31,
        SAP_IPX => 0x2b,
        _ => proto,
    }
}
