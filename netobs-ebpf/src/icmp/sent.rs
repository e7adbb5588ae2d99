//! Errors that this machine sends.

use super::emit::{ETH_P_IP, ETH_P_IPV6, Message, REDIRECT6, is_error};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, offset, pointer},
        lookup, skb, sock,
    },
    maps::{config, count_run, put},
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, fentry, kprobe, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{BtfTracePointContext, FEntryContext, ProbeContext, RawTracePointContext},
};
use netobs_ebpf::{
    hook,
    icmp::event::{MESSAGE, QUOTED, SENT},
};

const HOOK: u32 = hook::ICMP_SENT;
const ICMP: u16 = 1;
const ICMPV6: u16 = 58;

/// Every packet that is sent, told apart by its socket: only ICMP sockets send ICMP.
#[btf_tracepoint(function = "net_dev_queue")]
#[inline(always)]
pub fn icmp_sent_tp_btf(ctx: BtfTracePointContext) -> i32 {
    queued::<Typed>(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "net_dev_queue")]
#[inline(always)]
pub fn icmp_sent_raw_tp(ctx: RawTracePointContext) -> i32 {
    queued::<Probed>(ctx.arg(0));
    0
}

#[inline(always)]
fn queued<A: Access>(packet: Ptr) {
    count_run(HOOK);
    let sk = pointer!(A, packet, sk_buff, skb_sk);
    if sk.is_null() {
        return;
    }
    let proto: u16 = field!(A, sk, sk_protocol);
    if proto != ICMP && proto != ICMPV6 {
        return;
    }
    let ethertype: u16 = field!(A, packet, skb_protocol);
    let ethertype = u16::from_be(ethertype);
    if ethertype != ETH_P_IP && ethertype != ETH_P_IPV6 {
        return;
    }
    let Some(message) = Message::of_packet::<A>(packet, ethertype == ETH_P_IPV6, SENT) else {
        return;
    };
    if !passed_before(packet, unsafe { Probed::load(message.at, 4) }) {
        message.tell(HOOK, sock::netns::<A>(sk));
    }
}

/// The last error of this CPU.
struct Last {
    packet: u64,
    time_ns: u64,
    word: u32,
    ifindex: u32,
}

#[map]
static LAST: PerCpuArray<Last> = PerCpuArray::with_max_entries(1, 0);

/// A VLAN, bridge or bond hands the same packet on to the device below it.
const ONE_WAY_DOWN_NS: u64 = 100_000;

#[inline(always)]
fn passed_before(packet: Ptr, word: u32) -> bool {
    let Some(last) = LAST.get_ptr_mut(0) else {
        return false;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    let ifindex = skb::device(packet).map_or(0, |device| device.ifindex);
    let was = unsafe { &*last };
    let again = was.packet == packet as u64
        && was.word == word
        && was.ifindex != ifindex
        && now.wrapping_sub(was.time_ns) < ONE_WAY_DOWN_NS;
    put!(last, { packet: packet as u64, time_ns: now, word: word, ifindex: ifindex });
    again
}

/// `icmp_push_reply([sk,] icmp_bxm, flow, ...)`: past the rate limit.
#[fentry(function = "icmp_push_reply")]
#[inline(always)]
pub fn icmp_sent_fentry(ctx: FEntryContext) -> i32 {
    pushed4(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

#[kprobe]
#[inline(always)]
pub fn icmp_sent_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(first), Some(second), Some(third)) = (ctx.arg(0), ctx.arg(1), ctx.arg(2)) {
        pushed4(first, second, third);
    }
    0
}

#[inline(always)]
fn pushed4(first: Ptr, second: Ptr, third: Ptr) {
    count_run(HOOK);
    let (sk, reply, flow) = if config!(args_icmp_push) == 5 {
        (first, second, third)
    } else {
        (core::ptr::null(), first, second)
    };
    // struct icmphdr: type, code, checksum, four bytes more.
    let at = offset!(bxm_icmp);
    let [kind, code]: [u8; 2] = unsafe { Probed::load(reply, at) };
    if !is_error(false, kind) {
        return;
    }
    let packet: Ptr = field!(Probed, reply, bxm_skb);
    let (head, network) = skb::network::<Probed>(packet);
    let tail: u32 = field!(Probed, packet, skb_tail);
    let message = Message {
        form: QUOTED,
        six: false,
        direction: SENT,
        at: unsafe { head.add(network as usize) },
        len: tail.wrapping_sub(network),
        to: lookup::ends4::<Probed>(flow).raddr,
        rest: unsafe { Probed::load(reply, at + 4) },
        kind,
        code,
    };
    let netns = if sk.is_null() {
        skb::device(packet).map_or(0, |device| device.netns)
    } else {
        sock::netns::<Probed>(sk)
    };
    message.tell(HOOK, netns);
}

/// `icmpv6_push_pending_frames(sk, flow, icmp6hdr, len)`: the packet in question is queued on the socket.
#[fentry(function = "icmpv6_push_pending_frames")]
#[inline(always)]
pub fn icmp6_sent_fentry(ctx: FEntryContext) -> i32 {
    pushed6(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

#[kprobe]
#[inline(always)]
pub fn icmp6_sent_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(sk), Some(flow), Some(header)) = (ctx.arg(0), ctx.arg(1), ctx.arg(2)) {
        pushed6(sk, flow, header);
    }
    0
}

/// Type and code, the second word, and the bytes after an ICMPv6 header not yet filled in.
const HEADER_BYTES: usize = 8;

#[inline(always)]
fn pushed6(sk: Ptr, flow: Ptr, header: Ptr) {
    count_run(HOOK);
    let [kind, code]: [u8; 2] = unsafe { Probed::load(header, 0) };
    if !is_error(true, kind) {
        return;
    }
    let queue: Ptr = field!(Probed, sk, sk_write_queue);
    let (at, len) = transport(queue);
    let message = Message {
        form: QUOTED,
        six: true,
        direction: SENT,
        at: unsafe { at.add(HEADER_BYTES) },
        len: len.wrapping_sub(HEADER_BYTES as u32),
        to: lookup::ends6::<Probed>(flow).raddr,
        rest: unsafe { Probed::load(header, 4) },
        kind,
        code,
    };
    message.tell(HOOK, sock::netns::<Probed>(sk));
}

#[inline(always)]
fn transport(packet: Ptr) -> (Ptr, u32) {
    let head: Ptr = field!(Probed, packet, skb_head);
    let at: u16 = field!(Probed, packet, skb_transport);
    let tail: u32 = field!(Probed, packet, skb_tail);
    (
        unsafe { head.add(at as usize) },
        tail.wrapping_sub(u32::from(at)),
    )
}

/// `ndisc_send_skb(skb, destination, source)`: of its messages only redirects are errors.
#[fentry(function = "ndisc_send_skb")]
#[inline(always)]
pub fn icmp6_redirect_fentry(ctx: FEntryContext) -> i32 {
    redirected6(ctx.arg(0), ctx.arg(1));
    0
}

#[kprobe]
#[inline(always)]
pub fn icmp6_redirect_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(packet), Some(to)) = (ctx.arg(0), ctx.arg(1)) {
        redirected6(packet, to);
    }
    0
}

#[inline(always)]
fn redirected6(packet: Ptr, to: Ptr) {
    count_run(HOOK);
    let (at, len) = transport(packet);
    let [kind, code]: [u8; 2] = unsafe { Probed::load(at, 0) };
    if kind != REDIRECT6 {
        return;
    }
    let message = Message {
        form: MESSAGE,
        six: true,
        direction: SENT,
        at,
        len,
        to: unsafe { Probed::load(to, 0) },
        rest: 0,
        kind,
        code,
    };
    message.tell(HOOK, skb::device(packet).map_or(0, |device| device.netns));
}
