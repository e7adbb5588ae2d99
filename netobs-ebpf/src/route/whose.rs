//! Whose lookup it is: its flow lies on the stack of the process that asks, or in a socket; else nobody's.

use crate::{
    kernel::{
        access::{Probed, Ptr, field, number, offset},
        skb::FIRST_NETNS,
        sock::{self, AF_INET, AF_INET6, CLOSE},
    },
    subject::Subject,
};
use aya_ebpf::helpers::generated::bpf_get_current_task;

/// `THREAD_SIZE` of x86-64 and arm64; softirqs run on stacks of their own.
const STACK_BYTES: u64 = 16 << 10;
/// `PF_KTHREAD`: ksoftirqd and its like ask for others.
const KERNEL_THREAD: u32 = 0x0020_0000;

#[inline(always)]
pub fn of(flow: Ptr) -> Subject {
    if on_stack(flow) {
        return of_process(flow);
    }
    of_socket(flow)
}

/// In a system call: softirqs have another stack.
#[inline(always)]
pub fn on_stack(flow: Ptr) -> bool {
    let task = unsafe { bpf_get_current_task() } as Ptr;
    let stack: u64 = field!(Probed, task, task_stack);
    number(flow).wrapping_sub(stack) < STACK_BYTES
}

#[inline(always)]
fn of_process(flow: Ptr) -> Subject {
    let task = unsafe { bpf_get_current_task() } as Ptr;
    let flags: u32 = field!(Probed, task, task_flags);
    if flags & KERNEL_THREAD != 0 {
        return Subject::none(0);
    }
    let nsproxy: Ptr = field!(Probed, task, task_nsproxy);
    let net: Ptr = field!(Probed, nsproxy, nsproxy_net);
    let mut subject = Subject::none(field!(Probed, net, net_inum));
    subject.set_current();
    subject.uid = field!(Probed, flow, fl_uid);
    subject.uid_known = true;
    subject
}

/// The flow of `inet_sock.cork`: tcp_v4_connect and ip_queue_xmit ask with it.
#[inline(always)]
fn of_socket(flow: Ptr) -> Subject {
    let sk = number(flow).wrapping_sub(u64::from(offset!(inet_flow))) as Ptr;
    let family: u16 = field!(Probed, sk, sk_family);
    let netns = sock::netns::<Probed>(sk);
    if !matches!(family, AF_INET | AF_INET6) || netns < FIRST_NETNS {
        return Subject::none(0);
    }
    let mut subject = Subject::of::<Probed>(sk);
    // connect(2) asks before the socket gets its owner.
    if !subject.known && sock::state::<Probed>(sk) == CLOSE {
        subject.set_current();
    }
    subject
}
