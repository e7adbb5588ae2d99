//! The ways to a freed packet: the tracepoint with its growing list of arguments, or the function that frees.

use super::hooks::{Freed, on_free};
use crate::{
    kernel::access::{Access, Probed, Ptr, Typed, field},
    maps::config,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_stack,
    macros::{btf_tracepoint, fentry, kprobe, raw_tracepoint},
    programs::{BtfTracePointContext, FEntryContext, ProbeContext, RawTracePointContext},
};
use core::ffi::c_void;
use netobs_ebpf::drop::event::NO_REASON;

/// `(skb, location)`, `reason` from 5.17, `rx_sk` from 6.10.
macro_rules! freed {
    ($ctx:ident) => {
        Freed {
            skb: $ctx.arg(0),
            location: $ctx.arg(1),
            reason: if config!(args_kfree_skb) >= 3 {
                $ctx.arg(2)
            } else {
                NO_REASON
            },
            rx_sk: if config!(args_kfree_skb) >= 4 {
                $ctx.arg(3)
            } else {
                core::ptr::null()
            },
        }
    };
}

#[btf_tracepoint(function = "kfree_skb")]
#[inline(always)]
pub fn drop_tp_btf(ctx: BtfTracePointContext) -> i32 {
    on_free::<Typed>(&freed!(ctx));
    0
}

#[raw_tracepoint(tracepoint = "kfree_skb")]
#[inline(always)]
pub fn drop_raw_tp(ctx: RawTracePointContext) -> i32 {
    on_free::<Probed>(&freed!(ctx));
    0
}

/// `sk_skb_reason_drop(sk, skb, reason)`, from 6.10.
#[fentry(function = "sk_skb_reason_drop")]
#[inline(always)]
pub fn drop_fentry(ctx: FEntryContext) -> i32 {
    on_call::<Typed>(ctx.arg(1), ctx.arg(2), ctx.arg(0), caller(ctx.as_ptr()));
    0
}

/// `kfree_skb_reason(skb, reason)`, from 5.17.
#[fentry(function = "kfree_skb_reason")]
#[inline(always)]
pub fn drop_fentry_5_17(ctx: FEntryContext) -> i32 {
    on_call::<Typed>(
        ctx.arg(0),
        ctx.arg(1),
        core::ptr::null(),
        caller(ctx.as_ptr()),
    );
    0
}

/// `kfree_skb(skb)`.
#[fentry(function = "kfree_skb")]
#[inline(always)]
pub fn drop_fentry_5_5(ctx: FEntryContext) -> i32 {
    on_call::<Typed>(
        ctx.arg(0),
        NO_REASON,
        core::ptr::null(),
        caller(ctx.as_ptr()),
    );
    0
}

#[kprobe(function = "sk_skb_reason_drop")]
#[inline(always)]
pub fn drop_kprobe(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    let (skb, sk) = (ctx.arg(1).unwrap_or(null), ctx.arg(0).unwrap_or(null));
    on_call::<Probed>(skb, ctx.arg(2).unwrap_or(0), sk, return_address(&ctx));
    0
}

#[kprobe(function = "kfree_skb_reason")]
#[inline(always)]
pub fn drop_kprobe_5_17(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    let reason = ctx.arg(1).unwrap_or(0);
    on_call::<Probed>(
        ctx.arg(0).unwrap_or(null),
        reason,
        null,
        return_address(&ctx),
    );
    0
}

#[kprobe(function = "kfree_skb")]
#[inline(always)]
pub fn drop_kprobe_5_5(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    on_call::<Probed>(
        ctx.arg(0).unwrap_or(null),
        NO_REASON,
        null,
        return_address(&ctx),
    );
    0
}

/// Entry of a function that frees: only the last reference does, and a consumed packet is another tracepoint's.
/// Two holders that let go at the same instant are not seen; nor are lists freed at once from 5.17 on (queueing disciplines).
#[inline(always)]
fn on_call<A: Access>(skb: Ptr, reason: u32, rx_sk: Ptr, location: u64) {
    if skb.is_null() {
        return;
    }
    let users: u32 = field!(A, skb, skb_users);
    if users == 1 && (reason == NO_REASON || reason != config!(reason_consumed)) {
        on_free::<A>(&Freed {
            skb,
            location,
            reason,
            rx_sk,
        });
    }
}

/// The word on top of the stack at a function's entry.
#[inline(always)]
fn return_address(ctx: &ProbeContext) -> u64 {
    #[repr(C)]
    struct PtRegs {
        before: [u64; 19],
        sp: u64,
    }
    let regs = ctx.as_ptr().cast::<PtRegs>();
    let sp = unsafe { (*regs).sp };
    unsafe { Probed::load(sp as Ptr, 0) }
}

/// A trampoline does not say who called: the stack does, above our program, the trampoline and the function itself.
#[inline(always)]
fn caller(ctx: *mut c_void) -> u64 {
    let mut frames = [0_u64; 4];
    unsafe { bpf_get_stack(ctx, frames.as_mut_ptr().cast(), 32, 0) };
    frames[3]
}
