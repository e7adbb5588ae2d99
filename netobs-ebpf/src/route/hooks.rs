//! The hooks on route lookups: tables by tracepoint, final answers by function where the kernel lets us.

use super::{
    final_answer::{final4, final6, freed, output4},
    lookup::{answer4, answer6},
    sender,
};
use crate::kernel::access::{Probed, Ptr, Typed};
use aya_ebpf::{
    bindings::pt_regs,
    macros::{btf_tracepoint, fexit, kprobe, kretprobe, map, raw_tracepoint},
    maps::LruHashMap,
    programs::{
        BtfTracePointContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext,
    },
};

#[btf_tracepoint(function = "fib_table_lookup")]
#[inline(always)]
pub fn route4_tp_btf(ctx: BtfTracePointContext) -> i32 {
    answer4::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(3));
    0
}

#[raw_tracepoint(tracepoint = "fib_table_lookup")]
#[inline(always)]
pub fn route4_raw_tp(ctx: RawTracePointContext) -> i32 {
    answer4::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(3));
    0
}

#[btf_tracepoint(function = "fib6_table_lookup")]
#[inline(always)]
pub fn route6_tp_btf(ctx: BtfTracePointContext) -> i32 {
    answer6::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    0
}

#[raw_tracepoint(tracepoint = "fib6_table_lookup")]
#[inline(always)]
pub fn route6_raw_tp(ctx: RawTracePointContext) -> i32 {
    answer6::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    0
}

#[btf_tracepoint(function = "kfree_skb")]
#[inline(always)]
pub fn route4_freed_tp_btf(ctx: BtfTracePointContext) -> i32 {
    freed::<Typed>(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "kfree_skb")]
#[inline(always)]
pub fn route4_freed_raw_tp(ctx: RawTracePointContext) -> i32 {
    freed::<Probed>(ctx.arg(0));
    0
}

/// `sock_send_length(sk, ret, flags)`, from 6.3.
#[btf_tracepoint(function = "sock_send_length")]
#[inline(always)]
pub fn route_sent_tp_btf(ctx: BtfTracePointContext) -> i32 {
    sender::ends::<Typed>(ctx.arg(0), ctx.arg(1));
    0
}

#[raw_tracepoint(tracepoint = "sock_send_length")]
#[inline(always)]
pub fn route_sent_raw_tp(ctx: RawTracePointContext) -> i32 {
    sender::ends::<Probed>(ctx.arg(0), ctx.arg(1));
    0
}

#[fexit(function = "__fib_lookup")]
#[inline(always)]
pub fn route4_fexit(ctx: FExitContext) -> i32 {
    final4::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(4));
    0
}

#[fexit(function = "ip_route_output_key_hash")]
#[inline(always)]
pub fn route4_output_fexit(ctx: FExitContext) -> i32 {
    output4::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(3));
    0
}

#[fexit(function = "fib6_rule_lookup")]
#[inline(always)]
pub fn route6_fexit(ctx: FExitContext) -> i32 {
    final6(ctx.arg(0), ctx.arg(1), ctx.arg(5));
    0
}

/// Arguments by the stack pointer at entry: unique while the function runs, also when an interrupt asks too.
#[map]
static ASKED: LruHashMap<u64, [u64; 2]> = LruHashMap::with_max_entries(1024, 0);

#[inline(always)]
fn stack_pointer(regs: *const pt_regs) -> u64 {
    unsafe { (*regs).rsp }
}

/// What the return instruction of x86-64 takes off the stack.
const RETURN_BYTES: u64 = 8;

/// Entry of `__fib_lookup`, `ip_route_output_key_hash` and `fib6_rule_lookup`: all begin with net and flow.
#[kprobe]
#[inline(always)]
pub fn route_entry(ctx: ProbeContext) -> u32 {
    let (Some(net), Some(flow)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    _ = ASKED.insert(stack_pointer(ctx.regs), [net, flow], 0);
    0
}

#[inline(always)]
fn asked(ctx: &RetProbeContext) -> Option<(Ptr, Ptr)> {
    let key = stack_pointer(ctx.regs).wrapping_sub(RETURN_BYTES);
    let [net, flow] = *unsafe { ASKED.get(key) }?;
    _ = ASKED.remove(key);
    Some((net as Ptr, flow as Ptr))
}

#[kretprobe]
#[inline(always)]
pub fn route4_return(ctx: RetProbeContext) -> u32 {
    if let Some((net, flow)) = asked(&ctx) {
        final4::<Probed>(net, flow, ctx.ret());
    }
    0
}

#[kretprobe]
#[inline(always)]
pub fn route4_output_return(ctx: RetProbeContext) -> u32 {
    if let Some((net, flow)) = asked(&ctx) {
        output4::<Probed>(net, flow, ctx.ret());
    }
    0
}

#[kretprobe]
#[inline(always)]
pub fn route6_return(ctx: RetProbeContext) -> u32 {
    if let Some((net, flow)) = asked(&ctx) {
        final6(net, flow, ctx.ret());
    }
    0
}
