//! Datagrams that a socket's receive buffer had no room for.

use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, Typed, field},
        skb, sock,
    },
    maps::{count_run, put, reserve, submit},
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, fexit, kprobe, kretprobe, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{
        BtfTracePointContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext,
    },
};
use netobs_ebpf::{
    event::{Flow, Kind},
    hook,
    udp_drop::event::{NO_LEN, Refused},
};

const HOOK: u32 = hook::UDP_DROP;
const IPPROTO_UDP: u16 = 17;

/// `(rc, sk, skb)` from 6.10, for IPv4 and IPv6.
#[btf_tracepoint(function = "udp_fail_queue_rcv_skb")]
#[inline(always)]
pub fn udp_drop_tp_btf(ctx: BtfTracePointContext) -> i32 {
    refused::<Typed>(ctx.arg(1), ctx.arg(2), ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "udp_fail_queue_rcv_skb")]
#[inline(always)]
pub fn udp_drop_raw_tp(ctx: RawTracePointContext) -> i32 {
    refused::<Probed>(ctx.arg(1), ctx.arg(2), ctx.arg(0));
    0
}

/// `(rc, sk)`, and before 6.5 for IPv4 only.
#[btf_tracepoint(function = "udp_fail_queue_rcv_skb")]
#[inline(always)]
pub fn udp_drop_tp_btf2(ctx: BtfTracePointContext) -> i32 {
    refused::<Typed>(ctx.arg(1), core::ptr::null(), ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "udp_fail_queue_rcv_skb")]
#[inline(always)]
pub fn udp_drop_raw_tp2(ctx: RawTracePointContext) -> i32 {
    refused::<Probed>(ctx.arg(1), core::ptr::null(), ctx.arg(0));
    0
}

/// `__udp_enqueue_schedule_skb(sk, skb)` of both families; what it refuses is counted by its callers.
#[fexit(function = "__udp_enqueue_schedule_skb")]
#[inline(always)]
pub fn udp_drop_fexit(ctx: FExitContext) -> i32 {
    let rc: i32 = ctx.arg(2);
    if rc < 0 {
        refused::<Typed>(ctx.arg(0), ctx.arg(1), rc);
    }
    0
}

/// Arguments of the call under way: packets are received in soft interrupts, one at a time on a CPU.
#[map]
static UDP_CALL: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

#[kprobe(function = "__udp_enqueue_schedule_skb")]
#[inline(always)]
pub fn udp_drop_kprobe(ctx: ProbeContext) -> u32 {
    let (sk, skb): (u64, u64) = (ctx.arg(0).unwrap_or(0), ctx.arg(1).unwrap_or(0));
    if let Some(call) = UDP_CALL.get_ptr_mut(0) {
        unsafe { call.write([sk, skb]) };
    }
    0
}

#[kretprobe(function = "__udp_enqueue_schedule_skb")]
#[inline(always)]
pub fn udp_drop_kretprobe(ctx: RetProbeContext) -> u32 {
    let rc: i32 = ctx.ret();
    if rc < 0
        && let Some(call) = UDP_CALL.get_ptr(0)
    {
        let [sk, skb] = unsafe { *call };
        refused::<Probed>(sk as Ptr, skb as Ptr, rc);
    }
    0
}

#[inline(always)]
fn refused<A: Access>(sk: Ptr, skb: Ptr, rc: i32) {
    count_run(HOOK);
    let subject = Subject::of::<A>(sk);
    if !subject.passes() {
        return;
    }
    let (flow, len) = ends::<A>(sk, skb);
    if !filter::flow_passes(&flow) {
        return;
    }
    let Some(slot) = reserve::<Refused>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::UdpDrop, HOOK) };
    put!(slot, {
        flow: flow,
        rcvbuf: field!(A, sk, sk_rcvbuf),
        queued: field!(A, sk, sk_rmem_alloc),
        drops: sock::drops::<A>(sk),
        errno: rc.unsigned_abs(),
        len: len,
        _pad: 0,
    });
    submit(slot);
}

/// Both ends by the packet if there is one, else the socket's own.
#[inline(always)]
fn ends<A: Access>(sk: Ptr, skb: Ptr) -> (Flow, u32) {
    if !skb.is_null() {
        let family: u16 = field!(A, sk, sk_family);
        if let Some(flow) = skb::received::<A>(skb, family) {
            return (flow, field!(A, skb, skb_len));
        }
    }
    let lport: u16 = field!(A, sk, sk_num);
    let mut flow = Flow::default();
    unsafe { sock::put_flow::<A>(&raw mut flow, sk, lport, IPPROTO_UDP) };
    (flow, NO_LEN)
}
