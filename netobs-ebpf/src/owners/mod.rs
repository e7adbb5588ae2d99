//! Who owns a socket: written when it connects or listens, inherited from the listener by its children.

pub mod existing;
mod sought;
pub mod store;

use crate::{
    kernel::{
        access::{Access, Ptr, field, has, number, offset},
        sock, task,
    },
    maps::{LISTENERS, SOCKS, put},
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use netobs_ebpf::{
    event::CommWords,
    owner::{CROSSED, ListenKey, RETRANS_INHERITED, SockOwner},
};

/// The current process made `sk` connect or listen.
#[inline(always)]
pub fn adopt<A: Access>(sk: Ptr, tp: Ptr, listens: bool) {
    let (pid, comm) = task::current();
    let owner = SockOwner {
        start_ns: unsafe { bpf_ktime_get_ns() },
        ino: 0,
        pid,
        retrans: field!(A, tp, tcp_total_retrans),
        comm,
        marks: 0,
    };
    if listens {
        store::put_aside(sk, &owner, 0);
        let port: u16 = field!(A, sk, sk_num);
        let key = ListenKey {
            netns: sock::netns::<A>(sk),
            port: u32::from(port),
        };
        _ = LISTENERS.insert(key, owner, 0);
        crate::listen_overflow::poll::listens::<A>(sk);
    } else {
        store::put(sk, &owner);
    }
}

/// `child` was made by a listener: it has the listener's owner.
#[inline(always)]
pub fn inherit<A: Access>(child: Ptr, tp: Ptr) {
    let mut owner = SockOwner {
        start_ns: unsafe { bpf_ktime_get_ns() },
        retrans: RETRANS_INHERITED,
        ..SockOwner::default()
    };
    if let Some(parent) = listener_owner::<A>(child, tp) {
        unsafe {
            owner.pid = (*parent).pid;
            owner.comm = (*parent).comm;
        }
    }
    store::put(child, &owner);
}

#[inline(always)]
fn listener_owner<A: Access>(child: Ptr, tp: Ptr) -> Option<*const SockOwner> {
    // Called from the clone itself: an empty list head copied from the listener still points into the listener.
    if has!(tcp_self_list) {
        let head: u64 = field!(A, tp, tcp_self_list);
        let listener = head.wrapping_sub(u64::from(offset!(tcp_self_list)));
        if listener != child as u64
            && let Some(owner) = SOCKS.get_ptr(listener)
        {
            return Some(owner);
        }
    }
    let port: u16 = field!(A, child, sk_num);
    let key = ListenKey {
        netns: sock::netns::<A>(child),
        port: u32::from(port),
    };
    LISTENERS.get_ptr(key)
}

/// The owner of a socket, unless its entry is about an earlier socket at the same address.
#[inline(always)]
pub fn of<A: Access>(sk: Ptr) -> Option<*mut SockOwner> {
    let owner = store::get(sk)?;
    let ino = unsafe { (*owner).ino };
    // Connections leave the map when they close: only what a walk found can be stale.
    if ino == 0 {
        return Some(owner);
    }
    let now = sock::inode::<A>(sk);
    (now == 0 || now == ino).then_some(owner)
}

/// Segments that the kernel counted as sent again since this was asked last, when `total` are counted now;
/// of a socket not known so far, only those that were `sent`.
#[inline(always)]
pub fn retransmitted(sk: Ptr, total: u32, sent: u32) -> u32 {
    let Some(owner) = store::get(sk) else {
        let owner = SockOwner {
            retrans: total,
            ..SockOwner::default()
        };
        store::put_aside(sk, &owner, 0);
        return sent;
    };
    let last = unsafe { (*owner).retrans };
    unsafe { (*owner).retrans = total };
    // Less than before: the entry is of an earlier socket at this address.
    if last > total { sent } else { total - last }
}

/// A child is established: from here on its count grows by its own segments.
#[inline(always)]
pub fn settle<A: Access>(sk: Ptr, tp: Ptr) {
    if let Some(owner) = store::get(sk)
        && unsafe { (*owner).retrans } == RETRANS_INHERITED
    {
        let total: u32 = field!(A, tp, tcp_total_retrans);
        unsafe { (*owner).retrans = total };
    }
}

/// In answer to the SYN of `sk` came a SYN.
#[inline(always)]
pub fn crossed(sk: Ptr) {
    if let Some(owner) = store::get(sk) {
        unsafe { (*owner).marks |= CROSSED };
    }
}

#[inline(always)]
pub fn has_crossed(sk: Ptr) -> bool {
    store::get(sk).is_some_and(|owner| unsafe { (*owner).marks } & CROSSED != 0)
}

struct Failed {
    sk: u64,
    pid: u32,
    comm: CommWords,
}

/// The last socket of this CPU that failed to connect: an error is reported to it after it is closed (6.10).
#[map]
static LAST_FAILED: PerCpuArray<Failed> = PerCpuArray::with_max_entries(1, 0);

/// Keeps the owner of a socket about to be forgotten.
#[inline(always)]
pub fn remember(sk: Ptr) {
    if let (Some(owner), Some(slot)) = (store::get(sk), LAST_FAILED.get_ptr_mut(0)) {
        let (pid, comm) = unsafe { ((*owner).pid, (*owner).comm) };
        put!(slot, { sk: sk as u64, pid: pid, comm: comm });
    }
}

/// The owner of a socket that has just failed to connect.
#[inline(always)]
pub fn of_failed(sk: Ptr) -> Option<(u32, CommWords)> {
    let last = unsafe { &*LAST_FAILED.get_ptr(0)? };
    (last.sk == number(sk)).then_some((last.pid, last.comm))
}

/// The socket is gone.
#[inline(always)]
pub fn forget(sk: Ptr) {
    store::remove(sk);
}
