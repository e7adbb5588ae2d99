//! Listeners asked at intervals, where neither function entry can be hooked: growth of what they refused.

use crate::{
    kernel::{
        access::{Access, Probed, Ptr, field},
        sock::{self, LISTEN},
    },
    maps::{config, count_run, put, reserve, runtime, submit},
    subject::Subject,
    symbols::MapElement,
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, macros::map, maps::HashMap};
use netobs_ebpf::{
    config::LISTENERS_POLLED,
    event::Kind,
    hook,
    listen_overflow::event::{DROPPED, Overflowed, Polled, QUEUE_ACCEPT, QUEUE_SYN},
};

const HOOK: u32 = hook::LISTEN_OVERFLOW;
const IPPROTO_TCP: u16 = 6;
const BPF_F_NO_PREALLOC: u32 = 1;
const BPF_NOEXIST: u64 = 1;

#[map]
static LISTEN_SOCKS: HashMap<u64, Polled> = HashMap::with_max_entries(1 << 14, BPF_F_NO_PREALLOC);

/// A listener is there: what it refused before is not told.
#[inline(always)]
pub fn listens<A: Access>(sk: Ptr) {
    if !is_wanted() {
        return;
    }
    let port: u16 = field!(A, sk, sk_num);
    let polled = Polled {
        drops: sock::drops::<A>(sk),
        port: u32::from(port),
    };
    _ = LISTEN_SOCKS.insert(sk as u64, polled, BPF_NOEXIST);
}

/// A listener closes: what it refused since the last look is told now.
#[inline(always)]
pub fn closes(sk: Ptr) {
    if !is_wanted() {
        return;
    }
    if let Some(polled) = LISTEN_SOCKS.get_ptr_mut(sk as u64) {
        if runtime(LISTENERS_POLLED) != 0 {
            growth(sk, polled);
        }
        _ = LISTEN_SOCKS.remove(sk as u64);
    }
}

#[inline(always)]
fn is_wanted() -> bool {
    config!(events) & Kind::ListenOverflow.bit() != 0
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub fn listen_poll(ctx: *const MapElement) -> i32 {
    let (key, polled) = unsafe { ((*ctx).key, (*ctx).value.cast::<Polled>()) };
    if key.is_null() || polled.is_null() {
        return 0;
    }
    count_run(HOOK);
    let sk = unsafe { key.cast::<u64>().read_volatile() } as Ptr;
    let port: u16 = field!(Probed, sk, sk_num);
    // The entry goes when the listener closes; whatever else may stand at its address by now is no such listener.
    if sock::state::<Probed>(sk) == LISTEN && u32::from(port) == unsafe { (*polled).port } {
        growth(sk, polled);
    }
    0
}

#[inline(always)]
fn growth(sk: Ptr, polled: *mut Polled) {
    let drops = sock::drops::<Probed>(sk);
    let count = drops.wrapping_sub(unsafe { (*polled).drops });
    // Nothing new, or a counter that was set back.
    if count == 0 || count > i32::MAX as u32 {
        return;
    }
    let subject = Subject::of::<Probed>(sk);
    let lport = unsafe { (*polled).port } as u16;
    if !subject.passes() || !subject.flow_passes::<Probed>(lport, IPPROTO_TCP) {
        return;
    }
    let Some(slot) = reserve::<Overflowed>(HOOK) else {
        return;
    };
    unsafe { (*polled).drops = drops };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe {
        subject.put(&raw mut (*slot).header, now, Kind::ListenOverflow, HOOK);
        sock::put_flow::<Probed>(&raw mut (*slot).flow, sk, lport, IPPROTO_TCP);
    }
    let accepting: u32 = field!(Probed, sk, sk_ack_backlog);
    let backlog: u32 = field!(Probed, sk, sk_max_ack_backlog);
    // With syncookies a full SYN queue drops nothing; else the queue that is full now is the one.
    let accept = accepting > backlog || sock::syncookies::<Probed>(sk);
    put!(slot, {
        qlen: if accept { accepting } else { field!(Probed, sk, tcp_synq_len) },
        backlog: backlog,
        drops: drops,
        count: count,
        queue: if accept { QUEUE_ACCEPT } else { QUEUE_SYN },
        outcome: DROPPED,
        _pad: [0; 6],
    });
    submit(slot);
}
