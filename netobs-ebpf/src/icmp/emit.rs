//! One ICMP error into the ring: filters on both of its flows, then the bytes.

use super::reported;
use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, copy},
        skb,
        sock::{AF_INET, AF_INET6},
    },
    maps::{put, reserve, submit},
    subject::Subject,
};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use netobs_ebpf::{
    event::{Flow, Kind},
    icmp::event::{Icmp, OUTER, RECEIVED, SENT},
    packet::PACKET_BYTES,
};

pub const ETH_P_IP: u16 = 0x0800;
pub const ETH_P_IPV6: u16 = 0x86dd;
pub const REDIRECT6: u8 = 137;

/// Whether an ICMP type is that of an error: the fixed numbers of RFC 792 and 4443.
#[inline(always)]
pub fn is_error(six: bool, kind: u8) -> bool {
    if six {
        kind < 128 || kind == REDIRECT6
    } else {
        matches!(kind, 3 | 4 | 5 | 11 | 12)
    }
}

/// An error as it stands in memory.
pub struct Message {
    /// What the bytes begin with, as of [`Icmp::form`].
    pub form: u8,
    pub six: bool,
    pub direction: u8,
    pub at: Ptr,
    /// Bytes there are.
    pub len: u32,
    pub to: [u32; 4],
    pub rest: u32,
    pub kind: u8,
    pub code: u8,
}

impl Message {
    /// A packet with its IP header: `None` if it is no ICMP error.
    #[inline(always)]
    pub fn of_packet<A: Access>(packet: Ptr, six: bool, direction: u8) -> Option<Self> {
        let (head, network) = skb::network::<A>(packet);
        let at = unsafe { head.add(network as usize) };
        let (proto, header) = if six {
            (unsafe { Probed::load::<u8>(at, 6) }, 40)
        } else {
            let first: u8 = unsafe { Probed::load(at, 0) };
            (
                unsafe { Probed::load::<u8>(at, 9) },
                u32::from(first & 15) * 4,
            )
        };
        if proto != if six { 58 } else { 1 } {
            return None;
        }
        let kind: u8 = unsafe { Probed::load(at, header) };
        if !is_error(six, kind) {
            return None;
        }
        let tail: u32 = crate::kernel::access::field!(A, packet, skb_tail);
        let len = tail.wrapping_sub(network);
        Some(Self {
            form: OUTER,
            six,
            direction,
            at,
            len,
            to: [0; 4],
            rest: 0,
            kind,
            code: 0,
        })
    }

    /// Where the quoted packet is.
    #[inline(always)]
    fn quoted(&self) -> Ptr {
        if self.form != OUTER {
            return self.at;
        }
        let header = if self.six {
            40
        } else {
            let first: u8 = unsafe { Probed::load(self.at, 0) };
            u32::from(first & 15) * 4
        };
        unsafe { self.at.add(header as usize + 8) }
    }

    fn family(&self) -> u16 {
        if self.six { AF_INET6 } else { AF_INET }
    }

    /// Tells of it, if it is wanted; other filters than these wait for its owner.
    #[inline(always)]
    pub fn tell(&self, hook: u32, netns: u32) {
        let inner = skb::flow_at(self.quoted()).unwrap_or_default();
        if !filter::netns_passes(netns) || !self.flows_pass(&inner) {
            return;
        }
        let subject = if self.direction == SENT {
            Subject::none(netns)
        } else {
            reported::owner(&inner, netns)
        };
        if subject.known && !filter::owner_passes(&subject) {
            return;
        }
        let Some(slot) = reserve::<Icmp>(hook) else {
            return;
        };
        unsafe {
            subject.put(
                &raw mut (*slot).header,
                bpf_ktime_get_ns(),
                Kind::Icmp,
                hook,
            )
        };
        let limit = PACKET_BYTES as u32;
        put!(slot, {
            packet.len: if self.len < limit { self.len as u16 } else { limit as u16 },
            packet.ethertype: if self.six { ETH_P_IPV6 } else { ETH_P_IP },
            packet.vlan_proto: 0,
            packet.vlan_tci: 0,
            to: self.to,
            rest: self.rest,
            kind: self.kind,
            code: self.code,
            direction: self.direction,
            form: self.form,
        });
        unsafe {
            let to = (&raw mut (*slot).packet.bytes).cast();
            copy(to, PACKET_BYTES as u32, self.at);
        }
        submit(slot);
    }

    #[inline(always)]
    fn flows_pass(&self, inner: &Flow) -> bool {
        use netobs_ebpf::config::Class;
        if !filter::active(Class::Host) && !filter::active(Class::Port) {
            return true;
        }
        if self.form == OUTER {
            let outer = skb::flow_at(self.at).unwrap_or_default();
            return filter::flows_pass(&outer, inner);
        }
        let outer = Flow {
            laddr: self.to,
            raddr: self.to,
            family: self.family(),
            ..Flow::default()
        };
        filter::flows_pass(&outer, inner)
    }
}

const _: () = assert!(SENT == 0 && RECEIVED == 1);
