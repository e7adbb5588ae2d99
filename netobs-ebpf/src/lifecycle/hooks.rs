//! Follows `inet_sock_set_state`: the process is taken when it connects or listens, the record when the socket closes.

use super::{again, connect};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, has},
        sock::{
            self, CLOSE, CLOSING, ESTABLISHED, FIN_WAIT2, IPPROTO_TCP, LAST_ACK, LISTEN, SYN_RECV,
            SYN_SENT,
        },
    },
    maps::{config, count_run, put, reserve, runtime, submit},
    owners,
    reset::hooks as reset,
    retransmit::hooks as retransmit,
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use aya_log_ebpf::debug;
use netobs_ebpf::{
    config::CONNECT_EXIT,
    event::Kind,
    hook,
    lifecycle::event::{Closed, Opened, VIA_STATE},
};

pub const HOOK: u32 = hook::LIFECYCLE;

#[btf_tracepoint(function = "inet_sock_set_state")]
#[inline(always)]
pub fn lifecycle_tp_btf(ctx: BtfTracePointContext) -> i32 {
    debug!(&ctx, "state {} -> {}", ctx.arg::<i32>(1), ctx.arg::<i32>(2));
    on_state::<Typed>(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
#[inline(always)]
pub fn lifecycle_raw_tp(ctx: RawTracePointContext) -> i32 {
    on_state::<Probed>(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Events that a connection's establishment makes, or that begin to count there.
pub const OPENED: u32 = Kind::Connect.bit() | Kind::Accept.bit() | Kind::Retransmit.bit();

#[inline(always)]
pub fn on_state<A: Access>(sk: Ptr, old: i32, new: i32) {
    count_run(HOOK);
    // Six of a connection's ten transitions end here.
    let told = matches!(new, SYN_SENT | LISTEN | SYN_RECV | CLOSE)
        || new == ESTABLISHED && config!(events) & OPENED != 0;
    if !told {
        return;
    }
    let protocol: u16 = field!(A, sk, sk_protocol);
    if protocol != IPPROTO_TCP {
        return;
    }
    let tp = unsafe { A::full_tcp(sk) };
    if tp.is_null() {
        return;
    }
    match new {
        SYN_SENT => owners::adopt::<A>(sk, tp, false),
        LISTEN => owners::adopt::<A>(sk, tp, true),
        SYN_RECV if old == LISTEN => owners::inherit::<A>(sk, tp),
        SYN_RECV if old == SYN_SENT => owners::crossed(sk),
        ESTABLISHED => established::<A>(sk, tp, old),
        CLOSE => {
            again::ended(sk);
            retransmit::tell_rest::<A>(sk, tp, old);
            if old == LISTEN {
                crate::listen_overflow::poll::closes(sk);
            }
            closed::<A>(sk, tp, old);
            reset::note_closed::<A>(sk, tp, old);
            if old == SYN_SENT {
                owners::remember(sk);
            }
            owners::forget(sk);
        }
        _ => {}
    }
}

#[inline(always)]
fn established<A: Access>(sk: Ptr, tp: Ptr, old: i32) {
    // SYNs that crossed on their way, or a socket's own: both ends connect.
    let kind = if old == SYN_SENT || sock::has_file::<A>(sk) && owners::has_crossed(sk) {
        Kind::Connect
    } else {
        Kind::Accept
    };
    if old == SYN_RECV && config!(events) & Kind::Retransmit.bit() != 0 {
        owners::settle::<A>(sk, tp);
    } else {
        retransmit::tell_rest::<A>(sk, tp, old);
    }
    if config!(events) & kind.bit() != 0 {
        again::mark(sk);
        opened::<A>(sk, tp, kind);
    }
}

/// `connect`, `accept` and `connect-failed` have one shape.
#[inline(always)]
fn opened<A: Access>(sk: Ptr, tp: Ptr, kind: Kind) {
    let sport: u16 = field!(A, tp, tcp_sport);
    let lport = u16::from_be(sport);
    let subject = Subject::of::<A>(sk);
    if !subject.passes() || !subject.flow_passes::<A>(lport, IPPROTO_TCP) {
        return;
    }
    let errno: u32 = field!(A, sk, sk_err);
    let Some(slot) = reserve::<Opened>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe {
        subject.put(&raw mut (*slot).header, now, kind, HOOK);
        sock::put_flow::<A>(&raw mut (*slot).flow, sk, lport, IPPROTO_TCP);
    }
    put!(slot, {
        latency_ns: if subject.start_ns == 0 { 0 } else { now - subject.start_ns },
        errno: errno,
        via: VIA_STATE,
    });
    submit(slot);
}

#[inline(always)]
fn closed<A: Access>(sk: Ptr, tp: Ptr, old: i32) {
    match old {
        // A child that its handshake did not complete: nobody accepted it.
        LISTEN | SYN_RECV | CLOSE => {}
        SYN_SENT => failed::<A>(sk, tp),
        _ if config!(events) & Kind::Close.bit() != 0 => ended::<A>(sk, tp, old),
        _ => {}
    }
}

#[inline(always)]
fn failed<A: Access>(sk: Ptr, tp: Ptr) {
    if config!(events) & Kind::ConnectFailed.bit() == 0 {
        return;
    }
    let errno: u32 = field!(A, sk, sk_err);
    let shutdown: u8 = field!(A, sk, sk_shutdown);
    if runtime(CONNECT_EXIT) != 0 {
        // connect(2) itself gave up, without an error on the socket: only its exit knows why.
        if errno == 0 && shutdown == 0 && !sock::is_under_way::<A>(sk) {
            return;
        }
        connect::told(sk, sock::inode::<A>(sk), errno);
    }
    opened::<A>(sk, tp, Kind::ConnectFailed);
}

#[inline(always)]
fn ended<A: Access>(sk: Ptr, tp: Ptr, old: i32) {
    let sport: u16 = field!(A, tp, tcp_sport);
    let lport = u16::from_be(sport);
    let subject = Subject::of::<A>(sk);
    if !subject.passes() || !subject.flow_passes::<A>(lport, IPPROTO_TCP) {
        return;
    }
    let Some(slot) = reserve::<Closed>(HOOK) else {
        return;
    };
    let now = end::<A>(sk, tp, old, subject.start_ns);
    unsafe {
        subject.put(&raw mut (*slot).header, now, Kind::Close, HOOK);
        sock::put_flow::<A>(&raw mut (*slot).flow, sk, lport, IPPROTO_TCP);
    }
    let errno: u32 = field!(A, sk, sk_err);
    let (sent, again) = sent::<A>(tp);
    let received: u64 = field!(A, tp, tcp_bytes_received);
    put!(slot, {
        duration_ns: if subject.start_ns == 0 { 0 } else { now - subject.start_ns },
        tx_bytes: sent.wrapping_sub(again),
        // The peer's FIN counts as a byte.
        rx_bytes: received.wrapping_sub(u64::from(sock::fin_received::<A>(sk))),
        segs_out: field!(A, tp, tcp_segs_out),
        segs_in: field!(A, tp, tcp_segs_in),
        retrans: field!(A, tp, tcp_total_retrans),
        srtt_us: field!(A, tp, tcp_srtt_us),
        min_rtt_us: field!(A, tp, tcp_min_rtt),
        errno: errno as u16,
        state: old as u8,
        counted: 1,
    });
    submit(slot);
}

/// Now. The packet that ends a connection both sides closed had its time taken when TCP received it: reading it there
/// costs a load, asking the clock again 57 ns.
#[inline(always)]
fn end<A: Access>(sk: Ptr, tp: Ptr, old: i32, start_ns: u64) -> u64 {
    if has!(tcp_clock_cache)
        && matches!(old, FIN_WAIT2 | CLOSING | LAST_ACK)
        && (old != FIN_WAIT2 || sock::fin_received::<A>(sk))
    {
        let taken: u64 = field!(A, tp, tcp_clock_cache);
        if taken > start_ns {
            return taken;
        }
    }
    unsafe { bpf_ktime_get_ns() }
}

/// Bytes of payload sent, and sent again (4.19).
#[inline(always)]
fn sent<A: Access>(tp: Ptr) -> (u64, u64) {
    (
        field!(A, tp, tcp_bytes_sent),
        field!(A, tp, tcp_bytes_retrans),
    )
}
