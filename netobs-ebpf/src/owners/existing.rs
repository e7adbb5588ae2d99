//! Sockets that were open before we were: every process's files are walked once, in the kernel.

use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field, pointer},
        sock::{self, AF_INET, AF_INET6, IPPROTO_TCP, LISTEN},
        task,
    },
    maps::{LISTENERS, config},
    owners::store,
};
use netobs_ebpf::owner::{ListenKey, SockOwner};

/// Context of `iter/task_file` (5.8); every member is eight bytes.
#[repr(C)]
pub struct TaskFile {
    pub meta: Ptr,
    pub task: Ptr,
    pub fd: u32,
    _pad: u32,
    pub file: Ptr,
}

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
const BPF_NOEXIST: u64 = 1;

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn owners_existing(ctx: *const TaskFile) -> i32 {
    let Some((task, socket, ino)) = (unsafe { socket_of(ctx) }) else {
        return 0;
    };
    if can_cast() {
        if let Some(sk) = ip_sock::<Typed>(socket) {
            keep::<Typed>(task, sk, ino);
        }
    } else if let Some(sk) = ip_sock::<Probed>(socket) {
        keep::<Probed>(task, sk, ino);
    }
    0
}

/// Whether an address becomes a typed pointer, which makes its fields ten times cheaper; a constant to the verifier.
#[inline(always)]
pub fn can_cast() -> bool {
    config!(types.socket) != 0
}

/// Task, `struct socket` and inode number, if the file is one.
///
/// # Safety
/// `ctx` is the context of an iterator program.
#[inline(always)]
pub unsafe fn socket_of(ctx: *const TaskFile) -> Option<(Ptr, Ptr, u64)> {
    let (task, file) = unsafe { ((*ctx).task, (*ctx).file) };
    if task.is_null() || file.is_null() {
        return None;
    }
    let inode = pointer!(Typed, file, file, file_inode);
    let mode: u16 = field!(Typed, inode, inode_mode);
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    let ino: u64 = field!(Typed, inode, inode_ino);
    Some((task, field!(Typed, file, file_private), ino))
}

/// The IP socket behind a `struct socket`, whose place in the file has no type.
#[inline(always)]
pub fn ip_sock<A: Access>(socket: Ptr) -> Option<Ptr> {
    let sk = pointer!(A, socket, socket, socket_sk);
    if sk.is_null() {
        return None;
    }
    let family: u16 = field!(A, sk, sk_family);
    (family == AF_INET || family == AF_INET6).then_some(sk)
}

/// A socket of which something was seen, but not its process.
#[inline(always)]
fn complete(entry: *mut SockOwner, owner: &SockOwner) {
    unsafe {
        (*entry).ino = owner.ino;
        (*entry).comm = owner.comm;
        (*entry).pid = owner.pid;
    }
}

#[inline(always)]
fn keep<A: Access>(holder: Ptr, sk: Ptr, ino: u64) {
    let protocol: u16 = field!(A, sk, sk_protocol);
    let tcp = protocol == IPPROTO_TCP;
    let owner = SockOwner {
        start_ns: 0,
        ino,
        pid: field!(Typed, holder, task_tgid),
        retrans: if tcp {
            // Not a tcp_sock to the verifier.
            field!(Probed, sk, tcp_total_retrans)
        } else {
            0
        },
        comm: task::comm(holder),
        marks: 0,
    };
    // What was seen as it happened is known better; a stale entry has another inode.
    match store::get(sk) {
        Some(old) if unsafe { (*old).ino != 0 && (*old).ino != ino } => {
            store::put_aside(sk, &owner, 0)
        }
        Some(old) if unsafe { (*old).pid == 0 } => complete(old, &owner),
        Some(_) => {}
        None => store::put_aside(sk, &owner, BPF_NOEXIST),
    }
    if tcp && sock::state::<A>(sk) == LISTEN {
        let port: u16 = field!(A, sk, sk_num);
        let key = ListenKey {
            netns: sock::netns::<A>(sk),
            port: u32::from(port),
        };
        _ = LISTENERS.insert(key, owner, BPF_NOEXIST);
        crate::listen_overflow::poll::listens::<A>(sk);
    }
}
