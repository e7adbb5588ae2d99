//! Connections on a kernel without BTF: what the classic tracepoint itself tells, at the places tracefs gives.

use crate::{
    filter,
    kernel::{
        access::{Access as _, Probed, Ptr, constant},
        sock::{AF_INET6, CLOSE, ESTABLISHED, IPPROTO_TCP, LISTEN, SYN_RECV, SYN_SENT},
        task,
    },
    maps::{CONFIG, LISTENERS, config, count_run, put, reserve, submit},
    owners::{self, store},
    subject::Subject,
};
use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_ns, macros::tracepoint,
    programs::TracePointContext,
};
use netobs_ebpf::{
    event::{Flow, Kind},
    hook,
    lifecycle::event::{Closed, Opened, VIA_STATE},
    owner::{ListenKey, SockOwner},
};

const HOOK: u32 = hook::LIFECYCLE;

macro_rules! read {
    ($ctx:expr, $field:ident) => {{
        let place = constant(&raw const CONFIG.state_format.$field);
        unsafe { Probed::load($ctx, place) }
    }};
}

#[tracepoint]
#[inline(always)]
pub fn lifecycle_tracepoint(ctx: TracePointContext) -> u32 {
    count_run(HOOK);
    on_state(ctx.as_ptr().cast());
    0
}

#[inline(always)]
fn on_state(ctx: Ptr) {
    let protocol: u8 = read!(ctx, protocol);
    if u16::from(protocol) != IPPROTO_TCP {
        return;
    }
    let (sk, old, new): (u64, i32, i32) = (
        read!(ctx, skaddr),
        read!(ctx, oldstate),
        read!(ctx, newstate),
    );
    match new {
        SYN_SENT => adopt(sk, None),
        LISTEN => adopt(sk, Some(read!(ctx, sport))),
        SYN_RECV if old == LISTEN => inherit(sk, read!(ctx, sport)),
        SYN_RECV if old == SYN_SENT => owners::crossed(sk as Ptr),
        ESTABLISHED if old == SYN_SENT || owners::has_crossed(sk as Ptr) => {
            tell_opened(ctx, sk, Kind::Connect);
        }
        ESTABLISHED => tell_opened(ctx, sk, Kind::Accept),
        CLOSE => {
            match old {
                LISTEN | SYN_RECV | CLOSE => {}
                SYN_SENT => tell_opened(ctx, sk, Kind::ConnectFailed),
                _ => tell_closed(ctx, sk, old),
            }
            owners::forget(sk as Ptr);
        }
        _ => {}
    }
}

/// Namespaces are not told apart without BTF: they count as one.
fn listen_key(port: u16) -> ListenKey {
    ListenKey {
        netns: 0,
        port: u32::from(port),
    }
}

#[inline(always)]
fn adopt(sk: u64, listens: Option<u16>) {
    let (pid, comm) = task::current();
    let start_ns = unsafe { bpf_ktime_get_ns() };
    let owner = SockOwner {
        start_ns,
        ino: 0,
        pid,
        retrans: 0,
        comm,
        marks: 0,
    };
    store::put(sk as Ptr, &owner);
    if let Some(port) = listens {
        _ = LISTENERS.insert(listen_key(port), owner, 0);
    }
}

#[inline(always)]
fn inherit(sk: u64, port: u16) {
    let mut owner = SockOwner {
        start_ns: unsafe { bpf_ktime_get_ns() },
        ..SockOwner::default()
    };
    if let Some(parent) = LISTENERS.get_ptr(listen_key(port)) {
        unsafe {
            owner.pid = (*parent).pid;
            owner.comm = (*parent).comm;
        }
    }
    store::put(sk as Ptr, &owner);
}

#[inline(always)]
fn subject(sk: u64) -> Subject {
    let mut subject = Subject::none(0);
    subject.sk = sk as Ptr;
    if let Some(owner) = store::get(sk as Ptr) {
        unsafe {
            subject.pid = (*owner).pid;
            subject.comm = (*owner).comm;
            subject.start_ns = (*owner).start_ns;
        }
        subject.known = subject.pid != 0;
    }
    subject
}

#[inline(always)]
fn flow(ctx: Ptr) -> Flow {
    let mut flow = Flow {
        lport: read!(ctx, sport),
        rport: read!(ctx, dport),
        family: read!(ctx, family),
        proto: IPPROTO_TCP,
        ..Flow::default()
    };
    if flow.family == AF_INET6 {
        flow.laddr = read!(ctx, saddr_v6);
        flow.raddr = read!(ctx, daddr_v6);
    } else {
        flow.laddr[0] = read!(ctx, saddr);
        flow.raddr[0] = read!(ctx, daddr);
    }
    flow
}

#[inline(always)]
fn tell_opened(ctx: Ptr, sk: u64, kind: Kind) {
    if config!(events) & kind.bit() == 0 {
        return;
    }
    let (subject, flow) = (subject(sk), flow(ctx));
    if !subject.passes() || !filter::flow_passes(&flow) {
        return;
    }
    let Some(slot) = reserve::<Opened>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, kind, HOOK) };
    put!(slot, {
        flow: flow,
        latency_ns: if subject.start_ns == 0 { 0 } else { now - subject.start_ns },
        errno: 0,
        via: VIA_STATE,
    });
    submit(slot);
}

#[inline(always)]
fn tell_closed(ctx: Ptr, sk: u64, old: i32) {
    if config!(events) & Kind::Close.bit() == 0 {
        return;
    }
    let (subject, flow) = (subject(sk), flow(ctx));
    if !subject.passes() || !filter::flow_passes(&flow) {
        return;
    }
    let Some(slot) = reserve::<Closed>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::Close, HOOK) };
    put!(slot, {
        flow: flow,
        duration_ns: if subject.start_ns == 0 { 0 } else { now - subject.start_ns },
        tx_bytes: 0,
        rx_bytes: 0,
        segs_out: 0,
        segs_in: 0,
        retrans: 0,
        srtt_us: 0,
        min_rtt_us: u32::MAX,
        errno: 0,
        state: old as u8,
        counted: 0,
    });
    submit(slot);
}
