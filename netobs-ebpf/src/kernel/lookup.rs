//! Flows that routes are looked up for: `flowi4` and `flowi6`.

use super::{
    access::{Access, Ptr, field, offset},
    sock::{AF_INET, AF_INET6},
};
use netobs_ebpf::event::Flow;

/// Source and destination; the destination comes first in `flowi_uli`.
#[inline(always)]
fn ports<A: Access>(flow: Ptr, at: u32) -> (u16, u16) {
    let (dport, sport): (u16, u16) = unsafe { (A::load(flow, at), A::load(flow, at + 2)) };
    (u16::from_be(sport), u16::from_be(dport))
}

#[inline(always)]
fn proto<A: Access>(flow: Ptr) -> u16 {
    let proto: u8 = field!(A, flow, fl_proto);
    u16::from(proto)
}

/// Source as local end.
#[inline(always)]
pub fn ends4<A: Access>(flow: Ptr) -> Flow {
    let (lport, rport) = ports::<A>(flow, offset!(fl4_ports));
    let (saddr, daddr): (u32, u32) = (field!(A, flow, fl4_saddr), field!(A, flow, fl4_daddr));
    Flow {
        laddr: [saddr, 0, 0, 0],
        raddr: [daddr, 0, 0, 0],
        lport,
        rport,
        family: AF_INET,
        proto: proto::<A>(flow),
    }
}

/// Source as local end.
#[inline(always)]
pub fn ends6<A: Access>(flow: Ptr) -> Flow {
    let (lport, rport) = ports::<A>(flow, offset!(fl6_ports));
    Flow {
        laddr: address6::<A>(flow, offset!(fl6_saddr)),
        raddr: address6::<A>(flow, offset!(fl6_daddr)),
        lport,
        rport,
        family: AF_INET6,
        proto: proto::<A>(flow),
    }
}

#[inline(always)]
fn address6<A: Access>(flow: Ptr, at: u32) -> [u32; 4] {
    unsafe {
        [
            A::load(flow, at),
            A::load(flow, at + 4),
            A::load(flow, at + 8),
            A::load(flow, at + 12),
        ]
    }
}
