//! The same seen at functions: all return after they counted. On 6.1 `tcp_retransmit_skb` calls a part that gcc split off
//! `__tcp_retransmit_skb`, so both are watched; a call inside the other adds nothing to the count and tells nothing.

use super::hooks::{on_retransmit, on_synack};
use crate::{
    kernel::access::{Probed, Ptr, Typed},
    stash::{self, Call},
};
use aya_ebpf::{
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};

#[fexit(function = "__tcp_retransmit_skb")]
#[inline(always)]
pub fn retransmit_fexit(ctx: FExitContext) -> i32 {
    on_retransmit::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(3), false);
    0
}

#[fexit(function = "tcp_rtx_synack")]
#[inline(always)]
pub fn synack_fexit(ctx: FExitContext) -> i32 {
    let result: i32 = ctx.arg(2);
    if result == 0 {
        on_synack::<Typed>(ctx.arg(0), ctx.arg(1));
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn retransmit_kprobe(ctx: ProbeContext) -> u32 {
    keep(&ctx, Call::Retransmit)
}

#[kretprobe]
#[inline(always)]
pub fn retransmit_kretprobe(ctx: RetProbeContext) -> u32 {
    if let Some([sk, skb]) = stash::take(Call::Retransmit) {
        on_retransmit::<Probed>(sk as Ptr, skb as Ptr, ctx.ret(), false);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn synack_kprobe(ctx: ProbeContext) -> u32 {
    keep(&ctx, Call::Synack)
}

#[kretprobe]
#[inline(always)]
pub fn synack_kretprobe(ctx: RetProbeContext) -> u32 {
    let result: i32 = ctx.ret();
    if let Some([sk, req]) = stash::take(Call::Synack)
        && result == 0
    {
        on_synack::<Probed>(sk as Ptr, req as Ptr);
    }
    0
}

#[inline(always)]
fn keep(ctx: &ProbeContext, call: Call) -> u32 {
    if let (Some(first), Some(second)) = (ctx.arg(0), ctx.arg(1)) {
        stash::put(call, [first, second]);
    }
    0
}
