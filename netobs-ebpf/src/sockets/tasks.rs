//! One walk over the open files of all processes: whole TCP sockets, and who holds the others.

use super::{
    ahead,
    row::{self, Teller},
    set, wanted,
};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, has, number},
        sock::{self, AF_INET, AF_INET6, CLOSE, IPPROTO_TCP},
        task,
    },
    owners::existing::TaskFile,
    symbols::Meta,
};
use aya_ebpf::{
    helpers::generated::{bpf_seq_write, bpf_sock_from_file},
    macros::map,
    maps::Array,
};
use core::mem::MaybeUninit;
use netobs_ebpf::sockets::record::{
    HOLD_INET, HOLD_OTHER, HOLD_TCP, HOLD_UNIX, HolderRecord, KIND_HOLDER,
};

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const AF_UNIX: u16 = 1;
const IPPROTO_MPTCP: u16 = 262;
const SOCK_STREAM: u16 = 1;

/// Where the walk is.
#[repr(C)]
#[derive(Clone, Copy)]
struct At {
    task: u64,
    /// Whether another process uses the same table of files.
    shares: u32,
    /// What the descriptors below this one lead to was loaded.
    ahead: u32,
}

#[map]
static AT: Array<At> = Array::with_max_entries(1, 0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn sockets_held(ctx: *const TaskFile) -> i32 {
    let (task, file) = unsafe { ((*ctx).task, (*ctx).file) };
    if task.is_null() || file.is_null() {
        return 0;
    }
    // The kernel turns the pointer it hands us into one to what we read there.
    if wanted!(from_file) != 0 {
        let socket: Ptr = unsafe { bpf_sock_from_file(file.cast_mut().cast()) }.cast();
        if !socket.is_null() {
            look_ahead(task, unsafe { (*ctx).fd }, file);
            held::<Typed>(ctx, task, file, socket);
        }
        return 0;
    }
    let inode: Ptr = field!(Typed, file, file_inode);
    let mode: u16 = field!(Typed, inode, inode_mode);
    if mode & S_IFMT == S_IFSOCK {
        let socket: Ptr = field!(Typed, file, file_private);
        held::<Probed>(ctx, task, file, socket);
    }
    0
}

#[inline(always)]
fn held<A: Access>(ctx: *const TaskFile, holder: Ptr, file: Ptr, socket: Ptr) {
    let sk: Ptr = field!(A, socket, socket_sk);
    if sk.is_null() {
        return;
    }
    let family: u16 = field!(A, sk, sk_family);
    let protocol: u16 = field!(A, sk, sk_protocol);
    let ip = family == AF_INET || family == AF_INET6;
    let tcp = ip && protocol == IPPROTO_TCP && {
        let kind: u16 = field!(A, sk, sk_type);
        kind == SOCK_STREAM
    };
    if tcp && wanted!(tcp_rows) != 0 {
        tcp_row::<A>(ctx, holder, file, socket, sk);
        return;
    }
    let bit = if !ip {
        if family == AF_UNIX {
            HOLD_UNIX
        } else {
            HOLD_OTHER
        }
    } else if tcp || protocol == IPPROTO_MPTCP {
        HOLD_TCP
    } else {
        HOLD_INET
    };
    if tcp && !row::is_wanted(sock::state::<A>(sk)) {
        return;
    }
    if wanted!(holders) & bit != 0 && row::is_place::<A>(sk) {
        holder_only::<A>(ctx, holder, socket, sk);
    }
}

#[inline(always)]
fn tcp_row<A: Access>(ctx: *const TaskFile, holder: Ptr, file: Ptr, socket: Ptr, sk: Ptr) {
    let state = sock::state::<A>(sk);
    // Neither bound nor connected: no table has it.
    if state == CLOSE || !row::is_wanted(state) || !row::is_place::<A>(sk) {
        return;
    }
    let comm = task::comm(holder);
    let by = Teller {
        seq: seq(ctx),
        pid: field!(Typed, holder, task_tgid),
        tid: field!(Typed, holder, task_pid),
        fd: unsafe { (*ctx).fd },
        comm: (comm[0], comm[1]),
        ino: if wanted!(details) == 0 {
            0
        } else {
            row::inode(socket)
        },
        // In this order: a child that closes what it inherited would else look like the only holder for a moment.
        sole: references(file) <= 2
            && ahead::still_there(holder, unsafe { (*ctx).fd }, file)
            && at(holder)
                .is_some_and(|at| unsafe { (&raw const (*at).shares).read_volatile() } == 0),
    };
    let full = unsafe { A::tcp_sock(sk) };
    if !full.is_null() {
        row::tell::<A, A>(&by, sk, full, state);
    }
}

#[inline(always)]
fn holder_only<A: Access>(ctx: *const TaskFile, holder: Ptr, socket: Ptr, sk: Ptr) {
    let mut room = MaybeUninit::<HolderRecord>::uninit();
    let record = room.as_mut_ptr();
    let comm = task::comm(holder);
    set!(record, {
        kind: KIND_HOLDER,
        pid: field!(Typed, holder, task_tgid),
        tid: field!(Typed, holder, task_pid),
        fd: unsafe { (*ctx).fd },
        ino: row::inode(socket),
        sk: number(sk),
        comm[0]: comm[0],
        comm[1]: comm[1],
    });
    let len = size_of::<HolderRecord>() as u32;
    // A full buffer has this file shown again in the next one.
    unsafe { bpf_seq_write(seq(ctx).cast(), record.cast(), len) };
}

#[inline(always)]
fn seq(ctx: *const TaskFile) -> *mut u8 {
    let meta = unsafe { (*ctx).meta }.cast::<Meta>();
    unsafe { (&raw const (*meta).seq).read_volatile() }
}

/// References to the file: one for each descriptor table it stands in, one for the walk, others in passing.
#[inline(always)]
fn references(file: Ptr) -> u64 {
    if has!(file_ref) {
        // One reference is counted as 0 (6.13).
        let count: u64 = field!(Typed, file, file_ref);
        return count.wrapping_add(1);
    }
    field!(Typed, file, file_count)
}

/// Where the walk is now: known until it comes to another task.
#[inline(always)]
fn at(task: Ptr) -> Option<*mut At> {
    let at = AT.get_ptr_mut(0)?;
    let known = unsafe { (&raw const (*at).task).read_volatile() };
    let number = number(task);
    if known != number {
        set!(at, { task: number, shares: u32::from(shares_files(task)), ahead: 0 });
    }
    Some(at)
}

#[inline(always)]
fn look_ahead(task: Ptr, fd: u32, file: Ptr) {
    let Some(at) = at(task) else {
        return;
    };
    if fd >= unsafe { (&raw const (*at).ahead).read_volatile() } {
        set!(at, { ahead: fd + ahead::BATCH + 1 });
        ahead::load(task, fd, file);
    }
}

#[inline(always)]
fn shares_files(task: Ptr) -> bool {
    let files: Ptr = field!(Probed, task, task_files);
    let signal: Ptr = field!(Probed, task, task_signal);
    let users: u32 = field!(Probed, files, files_count);
    let threads: u32 = field!(Probed, signal, signal_threads);
    // Until 5.15 the walk itself was one user more.
    let walker = u32::from(has!(iter_files));
    users > threads + walker
}
