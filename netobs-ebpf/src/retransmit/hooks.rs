//! Counts what the kernel counts: the growth of `total_retrans` is what it sent again or tried to.

use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, has, offset},
        sock::{self, CLOSE, IPPROTO_TCP, LISTEN, SYN_RECV},
    },
    maps::{config, count_run, put, reserve, runtime, submit},
    owners,
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use netobs_ebpf::{
    config::RETRANSMIT_GAPS,
    event::Kind,
    hook,
    retransmit::event::{NO_CA_STATE, Retransmit},
};

const HOOK: u32 = hook::RETRANSMIT;
const SYNACK: u32 = hook::RETRANSMIT_SYNACK;

#[btf_tracepoint(function = "tcp_retransmit_skb")]
#[inline(always)]
pub fn retransmit_tp_btf(ctx: BtfTracePointContext) -> i32 {
    // From 6.16 failures are shown too.
    let error: i32 = if config!(args_retransmit) >= 3 {
        ctx.arg(2)
    } else {
        0
    };
    on_retransmit::<Typed>(ctx.arg(0), ctx.arg(1), error, true);
    0
}

#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
#[inline(always)]
pub fn retransmit_raw_tp(ctx: RawTracePointContext) -> i32 {
    let error: i32 = if config!(args_retransmit) >= 3 {
        ctx.arg(2)
    } else {
        0
    };
    on_retransmit::<Probed>(ctx.arg(0), ctx.arg(1), error, true);
    0
}

#[btf_tracepoint(function = "tcp_retransmit_synack")]
#[inline(always)]
pub fn synack_tp_btf(ctx: BtfTracePointContext) -> i32 {
    on_synack::<Typed>(ctx.arg(0), ctx.arg(1));
    0
}

#[raw_tracepoint(tracepoint = "tcp_retransmit_synack")]
#[inline(always)]
pub fn synack_raw_tp(ctx: RawTracePointContext) -> i32 {
    on_synack::<Probed>(ctx.arg(0), ctx.arg(1));
    0
}

/// `once`: no other run is about the same segments.
#[inline(always)]
pub fn on_retransmit<A: Access>(sk: Ptr, skb: Ptr, error: i32, once: bool) {
    count_run(HOOK);
    let tp = unsafe { A::tcp_sock(sk) };
    if tp.is_null() {
        return;
    }
    let gso: u16 = unsafe { A::load(skb, offset!(skb_cb) + offset!(cb_gso_segs)) };
    let sent = if error == 0 { u32::from(gso) } else { 0 };
    let total: u32 = field!(A, tp, tcp_total_retrans);
    let mut counted = owners::retransmitted(sk, total, sent);
    // What was sent was counted: an entry that knows of it already is of an earlier socket at this address.
    if once && counted < sent {
        counted = sent;
    }
    // Refused before it was counted, or told by an inner function already.
    if counted == 0 {
        return;
    }
    let segs = if sent < counted && !(failures_seen() && error == 0) {
        sent
    } else {
        counted
    };
    let state = sock::state::<A>(sk) as u8;
    tell::<A>(sk, tp, skb, state, [segs, counted - segs]);
}

/// From 6.16 no failure goes unseen: what is missing was sent while the kernel let us not run.
#[inline(always)]
fn failures_seen() -> bool {
    config!(args_retransmit) >= 3
}

/// A socket leaves `old`, to be established or closed: what was counted since its last event is told now.
#[inline(always)]
pub fn tell_rest<A: Access>(sk: Ptr, tp: Ptr, old: i32) {
    if config!(events) & Kind::Retransmit.bit() == 0 {
        return;
    }
    let total: u32 = field!(A, tp, tcp_total_retrans);
    if total == 0 || matches!(old, LISTEN | SYN_RECV | CLOSE) || runtime(RETRANSMIT_GAPS) == 0 {
        return;
    }
    let rest = owners::retransmitted(sk, total, 0);
    if rest != 0 {
        let segs = if failures_seen() { rest } else { 0 };
        tell::<A>(sk, tp, core::ptr::null(), old as u8, [segs, rest - segs]);
    }
}

#[inline(always)]
fn tell<A: Access>(sk: Ptr, tp: Ptr, skb: Ptr, state: u8, [segs, failed_segs]: [u32; 2]) {
    let sport: u16 = field!(A, tp, tcp_sport);
    let lport = u16::from_be(sport);
    let subject = Subject::of::<A>(sk);
    if !subject.passes() || !subject.flow_passes::<A>(lport, IPPROTO_TCP) {
        return;
    }
    let Some(slot) = reserve::<Retransmit>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe {
        subject.put(&raw mut (*slot).header, now, Kind::Retransmit, HOOK);
        sock::put_flow::<A>(&raw mut (*slot).flow, sk, lport, IPPROTO_TCP);
    }
    let (seq, len) = if skb.is_null() {
        (field!(A, tp, tcp_snd_una), 0)
    } else {
        let seq: u32 = unsafe { A::load(skb, offset!(skb_cb) + offset!(cb_seq)) };
        (seq, field!(A, skb, skb_len))
    };
    let jiffies: u32 = field!(A, tp, tcp_rto);
    let ca_state: u8 = field!(A, tp, tcp_ca_state);
    put!(slot, {
        seq: seq,
        len: len,
        segs: segs,
        failed_segs: failed_segs,
        retrans: field!(A, tp, tcp_total_retrans),
        srtt_us: field!(A, tp, tcp_srtt_us),
        rto_us: (u64::from(jiffies) * u64::from(config!(tick_ns)) / 1000) as u32,
        state: state,
        ca_state: ca_state & 31,
        pending: field!(A, tp, tcp_pending),
        _pad: 0,
    });
    submit(slot);
}

/// A SYN-ACK was sent again: `sk` is the listener, or the child with TCP Fast Open.
#[inline(always)]
pub fn on_synack<A: Access>(sk: Ptr, req: Ptr) {
    count_run(SYNACK);
    let lport: u16 = field!(A, req, sk_num);
    let subject = Subject::of::<A>(sk);
    if !subject.passes() || !filter::ends_pass::<A>(req, lport, IPPROTO_TCP) {
        return;
    }
    let Some(slot) = reserve::<Retransmit>(SYNACK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe {
        subject.put(&raw mut (*slot).header, now, Kind::Retransmit, SYNACK);
        sock::put_flow::<A>(&raw mut (*slot).flow, req, lport, IPPROTO_TCP);
    }
    let before: u8 = field!(A, req, req_num_retrans);
    put!(slot, {
        // Behind request_sock: the verifier does not know what follows.
        seq: if has!(req_snt_isn) { field!(Probed, req, req_snt_isn) } else { 0 },
        len: 0,
        segs: 1,
        failed_segs: 0,
        // inet_rtx_syn_ack() counts after it sent.
        retrans: u32::from(before) + 1,
        srtt_us: 0,
        rto_us: 0,
        // The request says NEW_SYN_RECV, which only the kernel knows.
        state: SYN_RECV as u8,
        ca_state: NO_CA_STATE,
        pending: 0,
        _pad: 0,
    });
    submit(slot);
}
