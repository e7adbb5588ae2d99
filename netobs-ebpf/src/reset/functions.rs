//! The same seen at functions: before 6.10 the tracepoint does not show resets that no socket sends.

use super::hooks::{on_received, on_sent};
use crate::kernel::access::{Access as _, Probed, Ptr, Typed, field};
use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use netobs_ebpf::reset::event::NO_REASON;

const RST: u8 = 4;
/// uapi/linux/rtnetlink.h and uapi/linux/ipv6_route.h.
const RTN_LOCAL: u16 = 2;
const RTF_LOCAL: u32 = 0x8000_0000;

#[fentry(function = "tcp_send_active_reset")]
#[inline(always)]
pub fn reset_active_fentry(ctx: FEntryContext) -> i32 {
    on_sent::<Typed>(ctx.arg(0), core::ptr::null(), NO_REASON);
    0
}

#[fentry(function = "tcp_v4_send_reset")]
#[inline(always)]
pub fn reset_v4_fentry(ctx: FEntryContext) -> i32 {
    let (sk, skb) = (ctx.arg(0), ctx.arg(1));
    if resets(sk, skb, is_local_v4) {
        on_sent::<Typed>(sk, skb, NO_REASON);
    }
    0
}

#[fentry(function = "tcp_v6_send_reset")]
#[inline(always)]
pub fn reset_v6_fentry(ctx: FEntryContext) -> i32 {
    let (sk, skb) = (ctx.arg(0), ctx.arg(1));
    if resets(sk, skb, is_local_v6) {
        on_sent::<Typed>(sk, skb, NO_REASON);
    }
    0
}

#[fentry(function = "tcp_reset")]
#[inline(always)]
pub fn reset_received_fentry(ctx: FEntryContext) -> i32 {
    on_received::<Typed>(ctx.arg(0));
    0
}

#[kprobe]
#[inline(always)]
pub fn reset_active_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(sk) = ctx.arg(0) {
        on_sent::<Probed>(sk, core::ptr::null(), NO_REASON);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn reset_v4_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(sk), Some(skb)) = (ctx.arg(0), ctx.arg(1))
        && resets(sk, skb, is_local_v4)
    {
        on_sent::<Probed>(sk, skb, NO_REASON);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn reset_v6_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(sk), Some(skb)) = (ctx.arg(0), ctx.arg(1))
        && resets(sk, skb, is_local_v6)
    {
        on_sent::<Probed>(sk, skb, NO_REASON);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn reset_received_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(sk) = ctx.arg(0) {
        on_received::<Probed>(sk);
    }
    0
}

/// The functions are called for every unwanted packet: a reset is never answered, nor what was not meant for us.
#[inline(always)]
fn resets(sk: Ptr, skb: Ptr, is_local: impl Fn(Ptr) -> bool) -> bool {
    let head: Ptr = field!(Probed, skb, skb_head);
    let transport: u16 = field!(Probed, skb, skb_transport);
    let flags: u8 = unsafe { Probed::load(head, u32::from(transport) + 13) };
    flags & RST == 0 && (!sk.is_null() || is_local(destination(skb)))
}

/// The route of a packet; the low bit says who counts its users.
#[inline(always)]
fn destination(skb: Ptr) -> Ptr {
    let dst: u64 = field!(Probed, skb, skb_refdst);
    (dst & !1) as Ptr
}

#[inline(always)]
fn is_local_v4(dst: Ptr) -> bool {
    let kind: u16 = field!(Probed, dst, rt_type);
    kind == RTN_LOCAL
}

#[inline(always)]
fn is_local_v6(dst: Ptr) -> bool {
    let flags: u32 = field!(Probed, dst, rt6_flags);
    flags & RTF_LOCAL != 0
}
