//! The current task: meaningful in process context only.

use super::access::{Access as _, Ptr, Typed, field, offset};
use crate::maps::config;
use aya_ebpf::helpers::generated::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task_btf,
};
use netobs_ebpf::event::{COMM_LEN, CommWords};

/// Process id as a user calls it (tgid), and name.
#[inline(always)]
pub fn current() -> (u32, CommWords) {
    // A direct load from the task is twenty times cheaper than the helpers.
    if config!(task_btf) != 0 {
        let task: Ptr = unsafe { bpf_get_current_task_btf() }.cast();
        let tgid: u32 = field!(Typed, task, task_tgid);
        return (tgid, comm(task));
    }
    let mut comm = [0_u64; 2];
    unsafe { bpf_get_current_comm(comm.as_mut_ptr().cast(), COMM_LEN as u32) };
    let tgid = (unsafe { bpf_get_current_pid_tgid() } >> 32) as u32;
    (tgid, comm)
}

/// Name of a task the verifier knows. Before 5.17 an earlier, longer name may still stand behind its end.
#[inline(always)]
pub fn comm(task: Ptr) -> CommWords {
    let first: u64 = field!(Typed, task, task_comm);
    let second: u64 = unsafe { Typed::load(task, offset!(task_comm) + 8) };
    let head = until_nul(first);
    // Only a first word full of name goes on in the second.
    let tail = if head >> 56 == 0 {
        0
    } else {
        until_nul(second)
    };
    [head, tail]
}

/// The bytes before the first zero, in the order of memory.
#[inline(always)]
fn until_nul(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
    // The lowest mark is right, those above it may not be; none leaves all bytes.
    let lowest = zeros & zeros.wrapping_neg();
    word & (lowest >> 7).wrapping_sub(1)
}
