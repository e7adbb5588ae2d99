//! Threads that use their process's descriptors: the walk over files shows those of the process alone.

use super::set;
use crate::{
    kernel::{
        access::{Probed, Ptr, Typed, field},
        task,
    },
    symbols::Meta,
};
use aya_ebpf::helpers::generated::bpf_seq_write;
use core::mem::MaybeUninit;
use netobs_ebpf::sockets::record::{HolderRecord, KIND_THREAD};

/// Context of `iter/task` (5.8).
#[repr(C)]
pub struct Task {
    meta: *const Meta,
    task: Ptr,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub fn sockets_threads(ctx: *const Task) -> i32 {
    let (meta, thread) = unsafe { ((*ctx).meta, (*ctx).task) };
    if thread.is_null() {
        return 0;
    }
    let (pid, tid): (u32, u32) = (
        field!(Typed, thread, task_tgid),
        field!(Typed, thread, task_pid),
    );
    if pid == tid {
        return 0;
    }
    let leader: Ptr = field!(Probed, thread, task_leader);
    let (own, shared): (u64, u64) = (
        field!(Probed, thread, task_files),
        field!(Probed, leader, task_files),
    );
    if own == 0 || own != shared {
        return 0;
    }
    let comm = task::comm(thread);
    let mut room = MaybeUninit::<HolderRecord>::uninit();
    let record = room.as_mut_ptr();
    set!(record, {
        kind: KIND_THREAD,
        pid: pid,
        fd: 0,
        tid: tid,
        ino: 0,
        sk: 0,
        comm[0]: comm[0],
        comm[1]: comm[1],
    });
    let len = size_of::<HolderRecord>() as u32;
    unsafe {
        let seq = (&raw const (*meta).seq).read_volatile();
        bpf_seq_write(seq.cast(), record.cast(), len);
    }
    0
}
