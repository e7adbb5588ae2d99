//! RST segments, sent and received: from sockets, and in answer to packets that have none.

use crate::{
    filter,
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, number},
        skb as packet,
        sock::{self, CLOSE, IPPROTO_TCP, LISTEN},
    },
    maps::{config, count_run, put, reserve, submit},
    owners,
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{BtfTracePointContext, RawTracePointContext},
};
use netobs_ebpf::{
    event::{CommWords, Flow, Kind},
    hook,
    reset::event::{NO_REASON, RECEIVED, Reset, SENT},
};

/// Sockets closed on this CPU, their states and owners before: close(2) sends its RST after the state is CLOSE, and the
/// tracepoint comes after the peer, when on this machine, has closed its own.
#[map]
static CLOSED: PerCpuArray<Closed> = PerCpuArray::with_max_entries(PLACES, 0);
const PLACES: u32 = 64;

struct Closed {
    sk: u64,
    comm: CommWords,
    state: i32,
    /// 0: not known.
    pid: u32,
}

/// Where a socket stands in [`CLOSED`], by its local port: of two at one place the later stays.
#[inline(always)]
fn place<A: Access>(tp: Ptr) -> u32 {
    let sport: u16 = field!(A, tp, tcp_sport);
    u32::from(u16::from_be(sport)) % PLACES
}

#[btf_tracepoint(function = "tcp_send_reset")]
#[inline(always)]
pub fn reset_sent_tp_btf(ctx: BtfTracePointContext) -> i32 {
    let reason: u32 = if config!(args_send_reset) >= 3 {
        ctx.arg(2)
    } else {
        NO_REASON
    };
    on_sent::<Typed>(ctx.arg(0), ctx.arg(1), reason);
    0
}

#[raw_tracepoint(tracepoint = "tcp_send_reset")]
#[inline(always)]
pub fn reset_sent_raw_tp(ctx: RawTracePointContext) -> i32 {
    let reason: u32 = if config!(args_send_reset) >= 3 {
        ctx.arg(2)
    } else {
        NO_REASON
    };
    on_sent::<Probed>(ctx.arg(0), ctx.arg(1), reason);
    0
}

#[btf_tracepoint(function = "tcp_receive_reset")]
#[inline(always)]
pub fn reset_received_tp_btf(ctx: BtfTracePointContext) -> i32 {
    on_received::<Typed>(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "tcp_receive_reset")]
#[inline(always)]
pub fn reset_received_raw_tp(ctx: RawTracePointContext) -> i32 {
    on_received::<Probed>(ctx.arg(0));
    0
}

/// `sk` goes to CLOSE.
#[inline(always)]
pub fn note_closed<A: Access>(sk: Ptr, tp: Ptr, old: i32) {
    if config!(events) & Kind::Reset.bit() == 0 {
        return;
    }
    if let Some(closed) = CLOSED.get_ptr_mut(place::<A>(tp)) {
        let (pid, comm) = owners::of::<A>(sk).map_or((0, [0; 2]), |owner| unsafe {
            ((*owner).pid, (*owner).comm)
        });
        put!(closed, { sk: number(sk), comm: comm, state: old, pid: pid });
    }
}

/// `sk` may be null: nobody listens; `skb` is what provoked it, null when we reset on our own account.
#[inline(always)]
pub fn on_sent<A: Access>(sk: Ptr, skb: Ptr, reason: u32) {
    count_run(hook::RESET_SENT);
    let what = [u32::from(SENT), reason];
    if sk.is_null() {
        if !skb.is_null() {
            let device = packet::device(skb);
            let nobody = Subject::none(device.map_or(0, |device| device.netns));
            answer::<A>(&nobody, skb, 0, what);
        }
        return;
    }
    if !sock::is_full::<A>(sk) {
        let subject = Subject {
            sk,
            ..Subject::none(sock::netns::<A>(sk))
        };
        let lport: u16 = field!(A, sk, sk_num);
        return tell::<A>(&subject, lport, sock::state::<A>(sk) as u8, what);
    }
    let tp = unsafe { A::tcp_sock(sk) };
    if tp.is_null() {
        return;
    }
    let mut subject = Subject::of::<A>(sk);
    let mut state = sock::state::<A>(sk);
    if state == CLOSE && skb.is_null() {
        state = before_close::<A>(&mut subject, tp);
    }
    if state == LISTEN && !skb.is_null() {
        // A listener has no remote end: the packet says who is answered.
        return answer::<A>(&subject, skb, LISTEN as u8, what);
    }
    full::<A>(&subject, tp, state, what);
}

/// The state and the owner that went when the socket was closed. Who is running may be another than its owner: a child
/// that was the last to hold it.
#[inline(always)]
fn before_close<A: Access>(subject: &mut Subject, tp: Ptr) -> i32 {
    let closed = CLOSED
        .get(place::<A>(tp))
        .filter(|closed| closed.sk == number(subject.sk));
    match closed {
        Some(closed) if closed.pid != 0 => {
            (subject.pid, subject.comm) = (closed.pid, closed.comm);
            subject.known = true;
        }
        _ => subject.set_current(),
    }
    closed.map_or(CLOSE, |closed| closed.state)
}

#[inline(always)]
pub fn on_received<A: Access>(sk: Ptr) {
    count_run(hook::RESET_RECEIVED);
    let tp = unsafe { A::tcp_sock(sk) };
    if !tp.is_null() {
        let subject = Subject::of::<A>(sk);
        full::<A>(
            &subject,
            tp,
            sock::state::<A>(sk),
            [u32::from(RECEIVED), NO_REASON],
        );
    }
}

#[inline(always)]
fn full<A: Access>(subject: &Subject, tp: Ptr, state: i32, what: [u32; 2]) {
    let sport: u16 = field!(A, tp, tcp_sport);
    tell::<A>(subject, u16::from_be(sport), state as u8, what);
}

#[inline(always)]
fn tell<A: Access>(subject: &Subject, lport: u16, state: u8, what: [u32; 2]) {
    if !subject.passes() || !subject.flow_passes::<A>(lport, IPPROTO_TCP) {
        return;
    }
    if let Some(slot) = begin(subject, state, what) {
        unsafe { sock::put_flow::<A>(&raw mut (*slot).flow, subject.sk, lport, IPPROTO_TCP) };
        submit(slot);
    }
}

/// In answer to a packet for which there is no socket, or only a listener: its destination is us.
#[inline(always)]
fn answer<A: Access>(subject: &Subject, skb: Ptr, state: u8, what: [u32; 2]) {
    let Some(flow) = packet::flow::<A>(skb) else {
        return;
    };
    if !subject.passes() || !filter::flow_passes(&flow) {
        return;
    }
    let Some(slot) = begin(subject, state, what) else {
        return;
    };
    let Flow {
        laddr,
        raddr,
        lport,
        rport,
        family,
        proto,
    } = flow;
    put!(slot, {
        flow.laddr: raddr,
        flow.raddr: laddr,
        flow.lport: rport,
        flow.rport: lport,
        flow.family: family,
        flow.proto: proto,
    });
    submit(slot);
}

#[inline(always)]
fn begin(subject: &Subject, state: u8, [direction, reason]: [u32; 2]) -> Option<*mut Reset> {
    let sent = direction == u32::from(SENT);
    let hook = if sent {
        hook::RESET_SENT
    } else {
        hook::RESET_RECEIVED
    };
    let slot = reserve::<Reset>(hook)?;
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::Reset, hook) };
    put!(slot, { reason: reason, direction: direction as u8, state: state, _pad: 0 });
    Some(slot)
}
