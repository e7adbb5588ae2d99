//! What one table's answer means for a lookup: found, refused for good, or asked on.

use super::{pending, sender, whose};
use crate::{
    filter,
    kernel::{
        access::{Access, Ptr, field, pointer},
        lookup::{ends4, ends6},
    },
    maps::count_run,
    subject::Subject,
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use netobs_ebpf::{
    event::{Flow, Header, Kind},
    hook,
    route::event::{EACCES, EAGAIN, EHOSTUNREACH, EINVAL, LOOPBACK_IFINDEX, Route, TABLE_LOCAL},
};
use zerocopy::FromZeros as _;

/// The flow of the last packet from outside that found no route on this CPU.
#[map]
pub static REFUSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The flow, and one table's answer: 0 or a positive errno.
pub struct Answer {
    pub flow: Ptr,
    pub table: u32,
    pub errno: u32,
    pub ends: Flow,
    pub mark: u32,
    pub oif: u32,
    pub iif: u32,
    /// Network namespace, 0: this hook does not know.
    pub netns: u32,
}

impl Answer {
    #[inline(always)]
    pub fn new<A: Access>(flow: Ptr, table: u32, errno: u32, ends: Flow, netns: u32) -> Self {
        Self {
            flow,
            table,
            errno,
            ends,
            mark: field!(A, flow, fl_mark),
            oif: field!(A, flow, fl_oif),
            iif: field!(A, flow, fl_iif),
            netns,
        }
    }

    /// As an event, filtered; `None`: not wanted.
    #[inline(always)]
    pub fn event(&self, hook: u32, first: u32) -> Option<Route> {
        let ours = self.iif == LOOPBACK_IFINDEX;
        let mut subject = if ours {
            whose::of(self.flow)
        } else {
            Subject::none(0)
        };
        if self.netns != 0 {
            subject.netns = self.netns;
        }
        // Its namespace may become known later, when the packet is dropped or the system call ends.
        if ours && !filter::owner_passes(&subject) || !filter::flow_passes(&self.ends) {
            return None;
        }
        let mut header = Header::new_zeroed();
        unsafe { subject.put(&raw mut header, bpf_ktime_get_ns(), Kind::Route, hook) };
        let Self {
            table,
            errno,
            ends,
            mark,
            oif,
            iif,
            ..
        } = *self;
        Some(Route {
            header,
            flow: ends,
            mark,
            table,
            first,
            oif,
            iif,
            errno,
        })
    }
}

/// A table of IPv4 answered (fib_table_lookup).
#[inline(always)]
pub fn answer4<A: Access>(table: u32, flow: Ptr, error: i32) {
    count_run(hook::ROUTE4);
    let iif: u32 = field!(A, flow, fl_iif);
    let old = pending::find(flow);
    // inet_addr_type() asks about an address: there is no packet.
    if iif == 0 || (error == 0 && old.is_none()) {
        return;
    }
    let answer = Answer::new::<A>(flow, table, error.unsigned_abs(), ends4::<A>(flow), 0);
    let mut first = table;
    if let Some(old) = old {
        if !pending::goes_on(old, &answer.ends, answer.mark, table) {
            pending::tell(flow, hook::ROUTE4, old);
        } else if error == 0 {
            pending::forget(flow);
        } else {
            first = unsafe { (*old).first };
        }
    }
    if error != 0 && !harmless4::<A>(&answer) {
        refused(&answer, hook::ROUTE4, first);
    }
}

/// `FLOWI_FLAG_ANYSRC`.
const ANY_SOURCE: u8 = 1;

/// A failure that the kernel does not mind.
#[inline(always)]
pub fn harmless4<A: Access>(answer: &Answer) -> bool {
    if answer.iif != LOOPBACK_IFINDEX {
        return false;
    }
    if answer.oif != 0 {
        // ip_route_output_key_hash_rcu takes the destination to be on link.
        let l3mdev: u32 = field!(A, answer.flow, fl_l3mdev);
        let multicast = answer.ends.raddr[0].to_ne_bytes()[0] >> 4 == 14;
        return multicast || l3mdev == 0;
    }
    // Nobody sends the packet: __fib_validate_source asks for the way back, without a protocol, and icmp_route_lookup,
    // from any source, which way the packet in question would have gone (with CONFIG_XFRM).
    let flags: u8 = field!(A, answer.flow, fl_flags);
    (answer.ends.proto == 0 || flags & ANY_SOURCE != 0) && !whose::on_stack(answer.flow)
}

/// `first`: the table that this lookup asked first.
#[inline(always)]
pub fn refused(answer: &Answer, hook: u32, first: u32) {
    let Some(route) = answer.event(hook, first) else {
        return;
    };
    if answer.iif != LOOPBACK_IFINDEX
        && answer.netns == 0
        && let Some(flow) = REFUSED.get_ptr_mut(0)
    {
        unsafe { *flow = answer.flow as u64 };
    }
    if answer.iif == LOOPBACK_IFINDEX && whose::on_stack(answer.flow) {
        sender::asks(answer.flow);
    }
    pending::keep(answer.flow, hook, &route);
}

/// A table of IPv6 answered (fib6_table_lookup).
#[inline(always)]
pub fn answer6<A: Access>(net: Ptr, result: Ptr, table: Ptr, flow: Ptr) {
    count_run(hook::ROUTE6);
    let errno = errno6::<A>(net, result);
    let old = pending::find(flow);
    if errno == 0 && old.is_none() {
        return;
    }
    let id: u32 = field!(A, table, fib6_table_id);
    let rules: u8 = field!(A, net, net_fib6_rules);
    // Without rules a miss in the local table is followed by one in main or a hit.
    if id == TABLE_LOCAL && rules == 0 && errno == EAGAIN {
        return;
    }
    let ends = ends6::<A>(flow);
    let answer = Answer::new::<A>(flow, id, errno, ends, field!(A, net, net_inum));
    let mut first = id;
    if let Some(old) = old {
        if pending::tries_again(old, &answer.ends, answer.mark) {
            pending::forget(flow);
        } else if !pending::goes_on(old, &answer.ends, answer.mark, id) {
            pending::tell(flow, hook::ROUTE6, old);
        } else if errno == 0 {
            pending::forget(flow);
        } else {
            first = unsafe { (*old).first };
        }
    }
    if errno != 0 {
        refused(&answer, hook::ROUTE6, first);
    }
}

/// `RTN_*` of uapi/linux/rtnetlink.h, answered as by `fib6_prop[]`.
#[inline(always)]
fn errno6<A: Access>(net: Ptr, result: Ptr) -> u32 {
    let entry = pointer!(A, result, fib6_result, fib6_entry);
    let none = pointer!(A, net, net, net_fib6_null);
    if entry as u64 == none as u64 {
        return EAGAIN;
    }
    let kind: u8 = field!(A, result, fib6_type);
    match kind {
        6 => EINVAL,
        7 => EHOSTUNREACH,
        8 => EACCES,
        9 => EAGAIN,
        _ => 0,
    }
}
