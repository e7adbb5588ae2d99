//! A handshake that finds a queue full, seen where the kernel decides: a SYN, or the ACK that completes it.

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
    macros::{fentry, fexit, kprobe, kretprobe, map},
    maps::PerCpuArray,
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use netobs_ebpf::{
    event::Kind,
    hook,
    listen_overflow::event::{DROPPED, Overflowed, QUEUE_ACCEPT, QUEUE_SYN, SYNCOOKIE},
};

const HOOK: u32 = hook::LISTEN_OVERFLOW;

/// The SYN under way on this CPU: listener, packet, and requests in its SYN queue before.
#[map]
static SYN_CALL: PerCpuArray<[u64; 3]> = PerCpuArray::with_max_entries(1, 0);

/// `tcp_conn_request(rsk_ops, af_ops, sk, skb)`.
#[fentry(function = "tcp_conn_request")]
#[inline(always)]
pub fn listen_syn_fentry(ctx: FEntryContext) -> i32 {
    syn_begins::<Typed>(ctx.arg(2), ctx.arg(3));
    0
}

#[fexit(function = "tcp_conn_request")]
#[inline(always)]
pub fn listen_syn_fexit(ctx: FExitContext) -> i32 {
    let (sk, skb): (Ptr, Ptr) = (ctx.arg(2), ctx.arg(3));
    if let Some(call) = SYN_CALL.get_ptr(0)
        && unsafe { (*call)[0] } == sk as u64
    {
        syn_ended::<Typed>(sk, skb, unsafe { (*call)[2] } as u32);
    }
    0
}

#[kprobe(function = "tcp_conn_request")]
#[inline(always)]
pub fn listen_syn_kprobe(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    syn_begins::<Probed>(ctx.arg(2).unwrap_or(null), ctx.arg(3).unwrap_or(null));
    0
}

#[kretprobe(function = "tcp_conn_request")]
#[inline(always)]
pub fn listen_syn_kretprobe(_ctx: RetProbeContext) -> u32 {
    if let Some(call) = SYN_CALL.get_ptr_mut(0) {
        let [sk, skb, qlen] = unsafe { *call };
        if sk != 0 {
            syn_ended::<Probed>(sk as Ptr, skb as Ptr, qlen as u32);
            unsafe { (*call)[0] = 0 };
        }
    }
    0
}

/// `tcp_v4_syn_recv_sock(sk, skb, req, ...)`.
#[fentry(function = "tcp_v4_syn_recv_sock")]
#[inline(always)]
pub fn listen_ack4_fentry(ctx: FEntryContext) -> i32 {
    on_ack::<Typed>(ctx.arg(0), ctx.arg(1));
    0
}

#[kprobe(function = "tcp_v4_syn_recv_sock")]
#[inline(always)]
pub fn listen_ack4_kprobe(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    let (sk, skb) = (ctx.arg(0).unwrap_or(null), ctx.arg(1).unwrap_or(null));
    on_ack::<Probed>(sk, skb);
    0
}

/// For an IPv4 packet it calls the other.
#[fentry(function = "tcp_v6_syn_recv_sock")]
#[inline(always)]
pub fn listen_ack6_fentry(ctx: FEntryContext) -> i32 {
    let skb: Ptr = ctx.arg(1);
    if is_ipv6::<Typed>(skb) {
        on_ack::<Typed>(ctx.arg(0), skb);
    }
    0
}

#[kprobe(function = "tcp_v6_syn_recv_sock")]
#[inline(always)]
pub fn listen_ack6_kprobe(ctx: ProbeContext) -> u32 {
    let null = core::ptr::null();
    let (sk, skb) = (ctx.arg(0).unwrap_or(null), ctx.arg(1).unwrap_or(null));
    if is_ipv6::<Probed>(skb) {
        on_ack::<Probed>(sk, skb);
    }
    0
}

#[inline(always)]
fn is_ipv6<A: Access>(skb: Ptr) -> bool {
    let protocol: u16 = field!(A, skb, skb_protocol);
    protocol == 0x86dd_u16.to_be()
}

/// A full queue: entries, how many are allowed, which, and what becomes of the handshake.
struct Full {
    qlen: u32,
    backlog: u32,
    queue: u8,
    outcome: u8,
    /// 1: the kernel counts it after us.
    uncounted: u32,
}

#[inline(always)]
fn syn_begins<A: Access>(sk: Ptr, skb: Ptr) {
    let tp = unsafe { A::tcp_sock(sk) };
    if tp.is_null() {
        return;
    }
    let qlen: u32 = field!(A, tp, tcp_synq_len);
    if let Some(call) = SYN_CALL.get_ptr_mut(0) {
        unsafe { call.write([sk as u64, skb as u64, u64::from(qlen)]) };
    }
}

/// A SYN that did not lengthen the queue was not taken; why, by the decisions of tcp_conn_request() in its order.
/// Whether a queue of exactly `backlog` is full depends on the kernel (not from 6.13 and 2025's stable kernels on).
#[inline(always)]
fn syn_ended<A: Access>(sk: Ptr, skb: Ptr, before: u32) {
    count_run(HOOK);
    let tp = unsafe { A::tcp_sock(sk) };
    if tp.is_null() {
        return;
    }
    let qlen: u32 = field!(A, tp, tcp_synq_len);
    if qlen > before {
        return;
    }
    let backlog: u32 = field!(A, sk, sk_max_ack_backlog);
    let cookies = sock::syncookies::<A>(sk);
    let full = Full {
        qlen,
        backlog,
        queue: QUEUE_SYN,
        outcome: DROPPED,
        uncounted: 0,
    };
    if before >= backlog && !cookies {
        overflow::<A>(sk, skb, &full);
    } else if accept_queue_full::<A>(sk) {
        overflow::<A>(sk, skb, &accept_queue::<A>(sk));
    } else if before >= backlog {
        overflow::<A>(
            sk,
            skb,
            &Full {
                outcome: SYNCOOKIE,
                ..full
            },
        );
    } else if !cookies {
        let max = sock::max_syn_backlog::<A>(sk);
        // The last quarter is kept for peers that the kernel knows.
        if max.wrapping_sub(before).cast_signed() < (max >> 2).cast_signed() {
            overflow::<A>(
                sk,
                skb,
                &Full {
                    backlog: max - (max >> 2),
                    ..full
                },
            );
        }
    }
}

#[inline(always)]
fn on_ack<A: Access>(sk: Ptr, skb: Ptr) {
    count_run(HOOK);
    if accept_queue_full::<A>(sk) {
        overflow::<A>(
            sk,
            skb,
            &Full {
                uncounted: 1,
                ..accept_queue::<A>(sk)
            },
        );
    }
}

#[inline(always)]
fn accept_queue_full<A: Access>(sk: Ptr) -> bool {
    let (qlen, backlog): (u32, u32) = (
        field!(A, sk, sk_ack_backlog),
        field!(A, sk, sk_max_ack_backlog),
    );
    qlen > backlog
}

#[inline(always)]
fn accept_queue<A: Access>(sk: Ptr) -> Full {
    Full {
        qlen: field!(A, sk, sk_ack_backlog),
        backlog: field!(A, sk, sk_max_ack_backlog),
        queue: QUEUE_ACCEPT,
        outcome: DROPPED,
        uncounted: 0,
    }
}

#[inline(always)]
fn overflow<A: Access>(sk: Ptr, skb: Ptr, full: &Full) {
    let subject = Subject::of::<A>(sk);
    if !subject.passes() {
        return;
    }
    let family: u16 = field!(A, sk, sk_family);
    let flow = skb::received::<A>(skb, family).unwrap_or_default();
    if !filter::flow_passes(&flow) {
        return;
    }
    let Some(slot) = reserve::<Overflowed>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::ListenOverflow, HOOK) };
    put!(slot, {
        flow: flow,
        qlen: full.qlen,
        backlog: full.backlog,
        drops: sock::drops::<A>(sk).wrapping_add(full.uncounted),
        count: 1,
        queue: full.queue,
        outcome: full.outcome,
        _pad: [0; 6],
    });
    submit(slot);
}
