//! The end of a system call that sends: it knows the socket, and what the whole lookup answered.

use super::pending;
use crate::{
    kernel::{
        access::{Access, Ptr},
        sock,
    },
    maps::put,
};
use aya_ebpf::{helpers::generated::bpf_get_current_task, macros::map, maps::LruHashMap};
use netobs_ebpf::route::event::{EACCES, EAGAIN, EHOSTUNREACH, EINVAL, ENETUNREACH};

/// The flow that a task's last failed lookup was for.
#[map]
static SENDERS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

/// The current task has asked for `flow` in vain.
#[inline(always)]
pub fn asks(flow: Ptr) {
    _ = SENDERS.insert(unsafe { bpf_get_current_task() }, flow as u64, 0);
}

/// sendto(2), sendmsg(2) and their like have ended with `error` on `sk`.
#[inline(always)]
pub fn ends<A: Access>(sk: Ptr, error: i32) {
    if error >= 0 {
        return;
    }
    let errno = error.unsigned_abs();
    if !matches!(errno, ENETUNREACH | EHOSTUNREACH | EACCES | EINVAL) {
        return;
    }
    let task = unsafe { bpf_get_current_task() };
    let Some(flow) = (unsafe { SENDERS.get(task) }).copied() else {
        return;
    };
    _ = SENDERS.remove(task);
    let Some(route) = pending::find(flow as Ptr) else {
        return;
    };
    let hook = u32::from(unsafe { (*route).header.hook });
    // A rule refused where the last table had no answer: the table has nothing to do with it.
    if unsafe { (*route).errno } == EAGAIN && errno != ENETUNREACH {
        put!(route, { table: 0 });
    }
    put!(route, { errno: errno, header.netns: sock::netns::<A>(sk) });
    pending::tell(flow as Ptr, hook, route);
}
