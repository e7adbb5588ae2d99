//! The last word on a lookup: a function's result, or the drop of the packet that was looked up for.

use super::{
    lookup::{Answer, REFUSED, harmless4, refused},
    pending,
};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, field},
        lookup::{ends4, ends6},
        skb,
    },
    maps::put,
};
use netobs_ebpf::{
    hook,
    route::event::{EAGAIN, ENETUNREACH, LOOPBACK_IFINDEX},
};

/// All rules of IPv4 have been asked (__fib_lookup): the only place where the answer of a rule itself is seen.
#[inline(always)]
pub fn final4<A: Access>(net: Ptr, flow: Ptr, error: i32) {
    let netns: u32 = field!(A, net, net_inum);
    let oif: u32 = field!(A, flow, fl_oif);
    let iif: u32 = field!(A, flow, fl_iif);
    if error == 0 || (oif != 0 && iif == LOOPBACK_IFINDEX) {
        if pending::find(flow).is_some() {
            pending::forget(flow);
        }
        return;
    }
    end::<A>(hook::ROUTE4, flow, error.unsigned_abs(), netns, false);
}

/// A packet of this machine has its route or has none (ip_route_output_key_hash): also where there are no rules to ask.
#[inline(always)]
pub fn output4<A: Access>(net: Ptr, flow: Ptr, result: u64) {
    /// `MAX_ERRNO`: what is above is an error in the place of a pointer.
    const ERRORS: u64 = -4095_i64 as u64;
    let Some(old) = pending::find(flow) else {
        return;
    };
    if result < ERRORS {
        pending::forget(flow);
        return;
    }
    put!(old, { header.netns: field!(A, net, net_inum) });
    pending::tell(flow, hook::ROUTE4, old);
}

/// All tables of IPv6 have been asked (fib6_rule_lookup).
#[inline(always)]
pub fn final6(net: Ptr, flow: Ptr, dst: Ptr) {
    let error: i16 = field!(Probed, dst, dst_error);
    let netns: u32 = field!(Probed, net, net_inum);
    if error == 0 {
        if pending::find(flow).is_some() {
            pending::forget(flow);
        }
        return;
    }
    end::<Probed>(
        hook::ROUTE6,
        flow,
        u32::from(error.unsigned_abs()),
        netns,
        true,
    );
}

#[inline(always)]
fn end<A: Access>(hook: u32, flow: Ptr, errno: u32, netns: u32, six: bool) {
    if let Some(old) = pending::find(flow) {
        // A rule refused where the last table had no answer: the table has nothing to do with it.
        let by_rule = unsafe { (*old).errno } == EAGAIN && errno != ENETUNREACH;
        put!(old, { errno: errno, header.netns: netns });
        if by_rule {
            put!(old, { table: 0 });
        }
        if !six {
            pending::tell(flow, hook, old);
        }
        return;
    }
    if six {
        refused(
            &Answer::new::<A>(flow, 0, errno, ends6::<A>(flow), netns),
            hook,
            0,
        );
        return;
    }
    let answer = Answer::new::<A>(flow, 0, errno, ends4::<A>(flow), netns);
    if !harmless4::<A>(&answer) {
        refused(&answer, hook, 0);
        if let Some(route) = pending::find(flow) {
            pending::tell(flow, hook, route);
        }
    }
}

/// A packet is freed: if it is the one that found no route just now, its device knows the namespace.
#[inline(always)]
pub fn freed<A: Access>(packet: Ptr) {
    let Some(last) = REFUSED.get_ptr_mut(0) else {
        return;
    };
    let flow = unsafe { *last } as Ptr;
    if flow.is_null() {
        return;
    }
    let Some(route) = pending::find(flow) else {
        unsafe { *last = 0 };
        return;
    };
    let Some(ends) = skb::flow::<A>(packet) else {
        return;
    };
    let wanted = unsafe { (*route).flow };
    if ends.laddr[0] != wanted.laddr[0] || ends.raddr[0] != wanted.raddr[0] {
        return;
    }
    unsafe { *last = 0 };
    let Some(device) = skb::device(packet) else {
        return;
    };
    put!(route, { header.netns: device.netns });
    pending::tell(flow, hook::ROUTE4, route);
}
