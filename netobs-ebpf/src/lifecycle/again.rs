//! A second look at every change of state. The kernel leaves out a run of a program that is running on the same CPU,
//! interrupted or (from 7.0) preempted; what the first program did not see is told by what it left in the owner's entry.

use super::hooks::{OPENED, on_state};
use crate::{
    kernel::{
        access::{Access, Ptr, Typed, field, number},
        sock::{CLOSE, ESTABLISHED, IPPROTO_TCP, LISTEN, SYN_RECV, SYN_SENT},
    },
    maps::config,
    owners::store,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::Array,
    programs::BtfTracePointContext,
};
use netobs_ebpf::owner::TOLD;

/// An entry older than this is of an earlier socket at the same address.
const FRESH_NS: u64 = 100_000_000;

/// Attached after `lifecycle_tp_btf`, and so called after it.
#[btf_tracepoint(function = "inet_sock_set_state")]
#[inline(always)]
pub fn lifecycle_again(ctx: BtfTracePointContext) -> i32 {
    let (sk, old, new) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    if was_skipped::<Typed>(sk, old, new) {
        on_state::<Typed>(sk, old, new);
    }
    0
}

/// The establishment of `sk` is being told.
#[inline(always)]
pub fn mark(sk: Ptr) {
    if config!(again) != 0
        && let Some(owner) = store::get(sk)
    {
        unsafe { (*owner).marks |= TOLD };
    }
}

/// Sockets whose end the first program has told. Their entry does not say so: beside the one that goes with a socket an
/// older one of the same address can stand, left by a walk that met the file of a socket that had just ended.
#[map]
static ENDED: Array<u64> = Array::with_max_entries(PLACES, 0);
const PLACES: u32 = 1024;

#[inline(always)]
fn place(sk: Ptr) -> Option<*mut u64> {
    ENDED.get_ptr_mut((number(sk) >> 6) as u32 % PLACES)
}

/// The end of `sk` is being told.
#[inline(always)]
pub fn ended(sk: Ptr) {
    if config!(again) != 0
        && let Some(ended) = place(sk)
    {
        unsafe { ended.write_volatile(number(sk)) };
    }
}

/// Whether it was told by the first program, asked once.
#[inline(always)]
fn is_ended(sk: Ptr) -> bool {
    let Some(ended) = place(sk) else {
        return false;
    };
    let is = unsafe { ended.read_volatile() } == number(sk);
    if is {
        unsafe { ended.write_volatile(0) };
    }
    is
}

#[inline(always)]
fn was_skipped<A: Access>(sk: Ptr, old: i32, new: i32) -> bool {
    let begins = matches!(new, SYN_SENT | LISTEN) || new == SYN_RECV && old == LISTEN;
    let opens = new == ESTABLISHED && config!(events) & OPENED != 0;
    if !begins && !opens && new != CLOSE {
        return false;
    }
    let protocol: u16 = field!(A, sk, sk_protocol);
    if protocol != IPPROTO_TCP {
        return false;
    }
    if new == CLOSE && is_ended(sk) {
        return false;
    }
    let Some(owner) = store::get(sk) else {
        return begins;
    };
    if opens {
        return unsafe { (*owner).marks } & TOLD == 0;
    }
    // The end takes the entry away.
    let age = unsafe { bpf_ktime_get_ns().wrapping_sub((*owner).start_ns) };
    new == CLOSE || age > FRESH_NS
}
