//! Lookups that may go on in another table, by the address of their flow: no two lookups share one at a time.

use crate::{
    filter,
    kernel::access::Ptr,
    maps::{copy_out, count_lost, nudge},
};
use aya_ebpf::{macros::map, maps::HashMap};
use netobs_ebpf::{
    config::ROUTES_WAIT,
    event::Flow,
    route::event::{EAGAIN, Route},
};

/// Userspace takes out what has rested for some milliseconds: that was final.
#[map]
pub static ROUTES: HashMap<u64, Route> = HashMap::with_max_entries(2048, 0);

#[inline(always)]
pub fn find(flow: Ptr) -> Option<*mut Route> {
    ROUTES.get_ptr_mut(flow as u64)
}

#[inline(always)]
pub fn forget(flow: Ptr) {
    _ = ROUTES.remove(flow as u64);
}

#[inline(always)]
pub fn keep(flow: Ptr, hook: u32, route: &Route) {
    if ROUTES.insert(flow as u64, route, 0).is_err() {
        count_lost(hook);
        return;
    }
    nudge(ROUTES_WAIT);
}

/// Tells of a lookup that is over, if its namespace is wanted, and if userspace has not just taken it out.
#[inline(always)]
pub fn tell(flow: Ptr, hook: u32, route: *const Route) {
    if filter::netns_passes(unsafe { (*route).header.netns }) {
        unsafe { copy_out(hook, route, || ROUTES.remove(flow as u64).is_ok()) };
    } else {
        forget(flow);
    }
}

/// Whether an answer of `table` about `ends` belongs to the lookup kept in `old`, which has not ended.
#[inline(always)]
pub fn goes_on(old: *const Route, ends: &Flow, mark: u32, table: u32) -> bool {
    let (errno, first) = unsafe { ((*old).errno, (*old).first) };
    errno == EAGAIN && first != table && same_source(old, ends) && same(old, ends, mark)
}

/// Whether this is the kernel's second attempt with the source address it chose (ip6_dst_lookup_tail).
#[inline(always)]
pub fn tries_again(old: *const Route, ends: &Flow, mark: u32) -> bool {
    let was = unsafe { (*old).flow.laddr };
    words_equal(&was, &[0; 4]) && !words_equal(&ends.laddr, &[0; 4]) && same(old, ends, mark)
}

/// Written out: a comparison of arrays becomes a call of memcmp.
#[inline(always)]
fn words_equal(a: &[u32; 4], b: &[u32; 4]) -> bool {
    ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0
}

#[inline(always)]
fn same_source(old: *const Route, ends: &Flow) -> bool {
    words_equal(unsafe { &(*old).flow.laddr }, &ends.laddr)
}

#[inline(always)]
fn same(old: *const Route, ends: &Flow, mark: u32) -> bool {
    unsafe {
        (*old).mark == mark
            && words_equal(&(*old).flow.raddr, &ends.raddr)
            && (*old).flow.lport == ends.lport
            && (*old).flow.rport == ends.rport
            && (*old).flow.proto == ends.proto
    }
}
