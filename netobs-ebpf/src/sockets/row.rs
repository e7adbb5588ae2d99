//! One TCP socket as a record: what `sock_diag` tells of it.

use super::{
    set,
    told::{self, Ends},
    wanted,
};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, field, number, offset},
        sock::{self, LISTEN, NEW_SYN_RECV, SYN_RECV, TIME_WAIT},
    },
    symbols::Meta,
};
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_seq_write};
use core::mem::MaybeUninit;
use netobs_ebpf::sockets::record::{
    KIND_TCP, RECORD_AGAIN, RECORD_MINI, RECORD_REQUESTS, RECORD_SOLE, RECORD_UNMARKED, TcpRecord,
};

/// Timers as `sock_diag` numbers them.
const RETRANSMIT: u8 = 1;
const KEEPALIVE: u8 = 2;
const TIME_WAITS: u8 = 3;
const PROBE: u8 = 4;

/// Who tells the socket.
pub struct Teller {
    pub seq: *mut u8,
    /// 0: the kernel's table.
    pub pid: u32,
    pub tid: u32,
    pub fd: u32,
    /// In words of their own: an array would be zeroed by a call of memset.
    pub comm: (u64, u64),
    pub ino: u64,
    pub sole: bool,
}

impl Teller {
    /// A table of the kernel, whoever holds the socket.
    #[inline(always)]
    pub fn table(meta: *const Meta, ino: u64) -> Self {
        Self {
            seq: unsafe { (&raw const (*meta).seq).read_volatile() },
            pid: 0,
            tid: 0,
            fd: 0,
            comm: (0, 0),
            ino,
            sole: false,
        }
    }
}

/// Tells a socket of `state`; `common` is read up to the end of `sock_common`, all else through `full`, which is null for
/// entries that are no full sockets. Pointers are followed as `B` says: a typed load of a pointer out of what the verifier
/// trusts costs it a millisecond.
#[inline(always)]
pub fn tell<A: Access, B: Access>(by: &Teller, common: Ptr, full: Ptr, state: i32) {
    let ends = Ends::of::<A>(common);
    let print = ends.print(common, state);
    let Some(slot) = told::slot(print) else {
        return;
    };
    let before = unsafe { slot.read_volatile() };
    let from_table = by.pid == 0;
    if before == print && from_table {
        return;
    }
    let mut flags = if by.sole { RECORD_SOLE } else { 0 };
    if before == print {
        flags |= RECORD_AGAIN;
    } else if before != 0 {
        flags |= RECORD_UNMARKED;
    }
    let mut room = MaybeUninit::<TcpRecord>::uninit();
    let record = room.as_mut_ptr();
    set!(record, { print: print });
    put_common::<A>(record, by, common, &ends);
    if full.is_null() {
        flags |= RECORD_MINI;
        put_mini(record, common, state);
    } else {
        flags |= put_queues::<A>(record, full, state);
        put_details::<A, B>(record, full);
    }
    set!(record, { flags: flags });
    // A full buffer has this socket told again in the next one.
    let len = size_of::<TcpRecord>() as u32;
    let failed = unsafe { bpf_seq_write(by.seq.cast(), record.cast(), len) };
    if failed == 0 && before == 0 && !from_table {
        unsafe { slot.write_volatile(print) };
    }
}

/// What even entries have that are no full sockets.
#[inline(always)]
pub fn put_common<A: Access>(record: *mut TcpRecord, by: &Teller, common: Ptr, ends: &Ends) {
    set!(record, {
        holder.kind: KIND_TCP,
        holder.pid: by.pid,
        holder.fd: by.fd,
        holder.tid: by.tid,
        holder.ino: by.ino,
        holder.sk: number(common),
        holder.comm[0]: by.comm.0,
        holder.comm[1]: by.comm.1,
        cookie: if wanted!(details) == 0 { 0 } else { field!(A, common, sk_cookie) },
        laddr[0]: ends.local[0],
        laddr[1]: ends.local[1],
        raddr[0]: ends.remote[0],
        raddr[1]: ends.remote[1],
        lport: ends.lport,
        rport: ends.rport,
        family: ends.family,
        ifindex: ends.ifindex,
        reuse: field!(A, common, sk_reuse),
        _pad: 0,
        _pad2: 0,
    });
}

/// Returns the flags that a listener's queues make.
#[inline(always)]
fn put_queues<A: Access>(record: *mut TcpRecord, full: Ptr, state: i32) -> u8 {
    set!(record, { state: state as u8 });
    if state == LISTEN {
        let requests: u32 = field!(A, full, tcp_synq_len);
        set!(record, {
            rqueue: field!(A, full, sk_ack_backlog),
            wqueue: field!(A, full, sk_max_ack_backlog),
        });
        return if requests == 0 { 0 } else { RECORD_REQUESTS };
    }
    let (next, copied): (u32, u32) = (
        field!(A, full, tcp_rcv_nxt),
        field!(A, full, tcp_copied_seq),
    );
    let (written, unacked): (u32, u32) =
        (field!(A, full, tcp_write_seq), field!(A, full, tcp_snd_una));
    let unread = next.wrapping_sub(copied);
    set!(record, {
        // A FIN counts as a byte that nobody reads.
        rqueue: if unread > i32::MAX as u32 { 0 } else { unread },
        wqueue: written.wrapping_sub(unacked),
    });
    0
}

#[inline(always)]
fn put_details<A: Access, B: Access>(record: *mut TcpRecord, full: Ptr) {
    if wanted!(details) == 0 {
        put_no_details(record);
        return;
    }
    put_identity::<A, B>(record, full);
    let pending: u8 = field!(A, full, tcp_pending);
    let (timer, retrans, expires): (u8, u8, u64) = match pending {
        // Retransmission, loss probe, reordering.
        1 | 2 | 5 | 6 => (
            RETRANSMIT,
            field!(A, full, tcp_retransmits),
            field!(A, full, tcp_timeout),
        ),
        3 => (
            PROBE,
            field!(A, full, tcp_probes_out),
            field!(A, full, tcp_timeout),
        ),
        _ => {
            let linked: u64 = field!(A, full, tcp_keepalive_pprev);
            (
                if linked == 0 { 0 } else { KEEPALIVE },
                field!(A, full, tcp_probes_out),
                field!(A, full, tcp_keepalive_expires),
            )
        }
    };
    put_timer(record, timer, retrans, expires);
}

#[inline(always)]
pub fn put_no_details(record: *mut TcpRecord) {
    set!(record, {
        cgroup: 0,
        left: 0,
        uid: 0,
        mark: 0,
        timer: 0,
        retrans: 0,
        shutdown: 0,
    });
}

#[inline(always)]
pub fn put_identity<A: Access, B: Access>(record: *mut TcpRecord, full: Ptr) {
    let shutdown: u8 = field!(A, full, sk_shutdown);
    set!(record, {
        cgroup: sock::cgroup::<B>(full),
        uid: field!(A, full, sk_uid),
        mark: field!(A, full, sk_mark),
        shutdown: shutdown & 3,
    });
}

#[inline(always)]
fn put_timer(record: *mut TcpRecord, timer: u8, retrans: u8, expires: u64) {
    set!(record, {
        timer: timer,
        retrans: retrans,
        left: expires.wrapping_sub(unsafe { bpf_jiffies64() }),
    });
}

/// TIME_WAIT and NEW_SYN_RECV entries.
#[inline(always)]
fn put_mini(record: *mut TcpRecord, entry: Ptr, state: i32) {
    set!(record, {
        cgroup: 0,
        rqueue: 0,
        wqueue: 0,
        uid: 0,
        shutdown: 0,
    });
    if state == TIME_WAIT {
        set!(record, {
            state: field!(Probed, entry, tw_substate),
            mark: field!(Probed, entry, tw_mark),
        });
        put_timer(record, TIME_WAITS, 0, field!(Probed, entry, tw_expires));
    } else {
        set!(record, {
            state: SYN_RECV as u8,
            mark: field!(Probed, entry, req_mark),
        });
        let retrans: u8 = field!(Probed, entry, req_num_retrans);
        put_timer(
            record,
            RETRANSMIT,
            retrans,
            field!(Probed, entry, req_expires),
        );
    }
}

/// Whether sockets of this state are told whole. An entry that waits may be in FIN-WAIT-2 by its own account, so the
/// reader looks again.
#[inline(always)]
pub fn is_wanted(state: i32) -> bool {
    let bits = match state {
        TIME_WAIT => 1 << TIME_WAIT | 1 << 5,
        NEW_SYN_RECV => 1 << SYN_RECV,
        full => 1_u32 << (full & 31),
    };
    wanted!(states) & bits != 0
}

/// Whether sockets of this namespace are told.
#[inline(always)]
pub fn is_place<A: Access>(sk: Ptr) -> bool {
    let wanted = wanted!(netns);
    wanted == 0 || wanted == sock::netns::<A>(sk)
}

#[inline(always)]
pub fn inode(socket: Ptr) -> u64 {
    // struct socket_alloc { struct socket socket; struct inode vfs_inode; }: the verifier knows only the first part.
    unsafe { Probed::load(socket, offset!(socket_inode) + offset!(inode_ino)) }
}
