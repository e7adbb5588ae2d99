//! Sockets that were open before we were: every process's files are walked once, in the kernel.

use crate::{
    kernel::{
        access::{Probed, Ptr, Typed, field},
        sock::{self, AF_INET, AF_INET6, IPPROTO_TCP, LISTEN},
        task,
    },
    maps::{LISTENERS, SOCKS},
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
    if let Some((task, sk, ino)) = unsafe { socket_of(ctx) } {
        keep(task, sk, ino);
    }
    0
}

/// Task, IP socket and inode number, if the file is one.
///
/// # Safety
/// `ctx` is the context of an iterator program.
#[inline(always)]
pub unsafe fn socket_of(ctx: *const TaskFile) -> Option<(Ptr, Ptr, u64)> {
    let (task, file) = unsafe { ((*ctx).task, (*ctx).file) };
    if task.is_null() || file.is_null() {
        return None;
    }
    let inode: Ptr = field!(Typed, file, file_inode);
    let mode: u16 = field!(Typed, inode, inode_mode);
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    let ino: u64 = field!(Typed, inode, inode_ino);
    // private_data is untyped: what hangs below it is read with checks.
    let socket: Ptr = field!(Typed, file, file_private);
    let sk: Ptr = field!(Probed, socket, socket_sk);
    let family: u16 = field!(Probed, sk, sk_family);
    let ip = !sk.is_null() && (family == AF_INET || family == AF_INET6);
    ip.then_some((task, sk, ino))
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
fn keep(holder: Ptr, sk: Ptr, ino: u64) {
    let protocol: u16 = field!(Probed, sk, sk_protocol);
    let tcp = protocol == IPPROTO_TCP;
    let owner = SockOwner {
        start_ns: 0,
        ino,
        pid: field!(Typed, holder, task_tgid),
        retrans: if tcp {
            field!(Probed, sk, tcp_total_retrans)
        } else {
            0
        },
        comm: task::comm(holder),
    };
    // What was seen as it happened is known better; a stale entry has another inode.
    let key = sk as u64;
    match SOCKS.get_ptr_mut(key) {
        Some(old) if unsafe { (*old).ino != 0 && (*old).ino != ino } => {
            _ = SOCKS.insert(key, owner, 0)
        }
        Some(old) if unsafe { (*old).pid == 0 } => complete(old, &owner),
        Some(_) => {}
        None => _ = SOCKS.insert(key, owner, BPF_NOEXIST),
    }
    if tcp && sock::state::<Probed>(sk) == LISTEN {
        let port: u16 = field!(Probed, sk, sk_num);
        let key = ListenKey {
            netns: sock::netns::<Probed>(sk),
            port: u32::from(port),
        };
        _ = LISTENERS.insert(key, owner, BPF_NOEXIST);
        crate::listen_overflow::poll::listens::<Probed>(sk);
    }
}
