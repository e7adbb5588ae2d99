//! Errors that reach this machine and are for it.

use super::emit::{ETH_P_IP, ETH_P_IPV6, Message, REDIRECT6};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, pointer},
        skb,
    },
    maps::{config, count_run},
};
use aya_ebpf::{
    macros::{btf_tracepoint, fexit, kprobe, kretprobe, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{
        BtfTracePointContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext,
    },
};
use netobs_ebpf::{hook, icmp::event::RECEIVED};

const HOOK: u32 = hook::ICMP_RECEIVED;

/// `RTCF_LOCAL`, `RTF_LOCAL`: the route of a packet that was for this machine.
const LOCAL: u32 = 0x8000_0000;

/// An error that was handled is freed with its route still on it: packets that pass through have another or none.
#[btf_tracepoint(function = "consume_skb")]
#[inline(always)]
pub fn icmp_consumed_tp_btf(ctx: BtfTracePointContext) -> i32 {
    freed::<Typed>(ctx.arg(0), false);
    0
}

#[raw_tracepoint(tracepoint = "consume_skb")]
#[inline(always)]
pub fn icmp_consumed_raw_tp(ctx: RawTracePointContext) -> i32 {
    freed::<Probed>(ctx.arg(0), false);
    0
}

/// icmpv6_rcv() frees what it handled as if it were dropped; a firewall has another reason.
#[btf_tracepoint(function = "kfree_skb")]
#[inline(always)]
pub fn icmp_dropped_tp_btf(ctx: BtfTracePointContext) -> i32 {
    if config!(reason_unspecified) == 0 || unspecified(ctx.arg(2)) {
        freed::<Typed>(ctx.arg(0), true);
    }
    0
}

#[raw_tracepoint(tracepoint = "kfree_skb")]
#[inline(always)]
pub fn icmp_dropped_raw_tp(ctx: RawTracePointContext) -> i32 {
    if config!(reason_unspecified) == 0 || unspecified(ctx.arg(2)) {
        freed::<Probed>(ctx.arg(0), true);
    }
    0
}

#[inline(always)]
fn unspecified(reason: u32) -> bool {
    reason == config!(reason_unspecified)
}

/// `only6`: IPv4 errors that are dropped were not handled.
#[inline(always)]
fn freed<A: Access>(packet: Ptr, only6: bool) {
    count_run(HOOK);
    let ethertype: u16 = field!(A, packet, skb_protocol);
    let ethertype = u16::from_be(ethertype);
    let six = ethertype == ETH_P_IPV6;
    if !six && (only6 || ethertype != ETH_P_IP) {
        return;
    }
    // A packet with a socket is on its way out, or a copy for a raw socket.
    let sk = pointer!(A, packet, sk_buff, skb_sk);
    let route: u64 = field!(A, packet, skb_refdst);
    if !sk.is_null() || route == 0 {
        return;
    }
    let Some(message) = Message::of_packet::<A>(packet, six, RECEIVED) else {
        return;
    };
    // The lowest bit says that no reference is held.
    let dst = (route & !1) as Ptr;
    let flags: u32 = if six {
        field!(Probed, dst, rt6_flags)
    } else {
        field!(Probed, dst, rt4_flags)
    };
    if flags & LOCAL != 0 {
        tell(packet, message);
    }
}

#[inline(always)]
fn tell(packet: Ptr, message: Message) {
    message.tell(HOOK, skb::device(packet).map_or(0, |device| device.netns));
}

/// After `icmp_unreach`, `icmp_redirect` and `ndisc_redirect_rcv`: the socket has been told.
#[fexit(function = "icmp_unreach")]
#[inline(always)]
pub fn icmp_received_fexit(ctx: FExitContext) -> i32 {
    handled::<Typed>(ctx.arg(0));
    0
}

/// After `icmpv6_notify(skb, type, ...)`, which ndisc_redirect_rcv() calls too.
#[fexit(function = "icmpv6_notify")]
#[inline(always)]
pub fn icmp6_received_fexit(ctx: FExitContext) -> i32 {
    if ctx.arg::<u8>(1) != REDIRECT6 {
        handled::<Typed>(ctx.arg(0));
    }
    0
}

#[inline(always)]
fn handled<A: Access>(packet: Ptr) {
    count_run(HOOK);
    let ethertype: u16 = field!(A, packet, skb_protocol);
    let six = u16::from_be(ethertype) == ETH_P_IPV6;
    if let Some(message) = Message::of_packet::<A>(packet, six, RECEIVED) {
        tell(packet, message);
    }
}

/// The error being handled: softirqs do not nest.
#[map]
static HANDLED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[kprobe]
#[inline(always)]
pub fn icmp_received_entry(ctx: ProbeContext) -> u32 {
    if let (Some(slot), Some(packet)) = (HANDLED.get_ptr_mut(0), ctx.arg::<u64>(0)) {
        unsafe { *slot = packet };
    }
    0
}

#[kretprobe]
#[inline(always)]
pub fn icmp_received_return(_ctx: RetProbeContext) -> u32 {
    let Some(slot) = HANDLED.get_ptr_mut(0) else {
        return 0;
    };
    let packet = unsafe { *slot } as Ptr;
    if !packet.is_null() {
        unsafe { *slot = 0 };
        handled::<Probed>(packet);
    }
    0
}
