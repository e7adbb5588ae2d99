//! Sockets that were just told of an error: its owner is known before the socket is gone.

use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed, field},
        sock,
    },
    maps::put,
    owners,
    subject::Subject,
};
use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, fentry, kprobe, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{BtfTracePointContext, FEntryContext, ProbeContext, RawTracePointContext},
};
use netobs_ebpf::event::{CommWords, Flow};

/// The last socket of this CPU that an error was reported to.
pub struct Reported {
    time_ns: u64,
    /// Of the socket.
    owner: Owner,
    lport: u16,
    rport: u16,
    proto: u16,
}

/// What [`Subject`] has of a socket.
struct Owner {
    sk: u64,
    cgroup: u64,
    ino: u64,
    comm: CommWords,
    netns: u32,
    pid: u32,
    uid: u32,
    known: bool,
}

#[map]
static REPORTED: PerCpuArray<Reported> = PerCpuArray::with_max_entries(1, 0);

/// The handler of an error reports and returns within one softirq.
const FRESH_NS: u64 = 1_000_000;

#[btf_tracepoint(function = "inet_sk_error_report")]
#[inline(always)]
pub fn icmp_reported_tp_btf(ctx: BtfTracePointContext) -> i32 {
    note::<Typed>(ctx.arg(0));
    0
}

#[raw_tracepoint(tracepoint = "inet_sk_error_report")]
#[inline(always)]
pub fn icmp_reported_raw_tp(ctx: RawTracePointContext) -> i32 {
    note::<Probed>(ctx.arg(0));
    0
}

/// `sock_def_error_report`, for kernels before 5.14.
#[fentry(function = "sock_def_error_report")]
#[inline(always)]
pub fn icmp_reported_fentry(ctx: FEntryContext) -> i32 {
    note::<Typed>(ctx.arg(0));
    0
}

#[kprobe]
#[inline(always)]
pub fn icmp_reported_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(sk) = ctx.arg(0) {
        note::<Probed>(sk);
    }
    0
}

#[inline(always)]
fn note<A: Access>(sk: Ptr) {
    let Some(slot) = REPORTED.get_ptr_mut(0) else {
        return;
    };
    let lport: u16 = field!(Probed, sk, inet_sport);
    let rport: u16 = field!(A, sk, sk_dport);
    let proto: u16 = field!(A, sk, sk_protocol);
    if !matches!(proto, 1 | 6 | 17 | 58 | 132 | 136) || !sock::is_full::<A>(sk) {
        return;
    }
    let mut subject = Subject::of::<A>(sk);
    if !subject.known
        && let Some((pid, comm)) = owners::of_failed(sk)
    {
        (subject.pid, subject.comm, subject.known) = (pid, comm, pid != 0);
    }
    put!(slot, {
        time_ns: unsafe { bpf_ktime_get_ns() },
        lport: u16::from_be(lport),
        rport: u16::from_be(rport),
        proto: proto,
        owner.sk: subject.sk as u64,
        owner.pid: subject.pid,
        owner.comm: subject.comm,
        owner.known: subject.known,
        owner.uid: subject.uid,
        owner.netns: subject.netns,
        owner.cgroup: subject.cgroup,
        owner.ino: subject.ino,
    });
}

/// The owner of the socket that the error about `flow` was just reported to, else nobody.
#[inline(always)]
pub fn owner(flow: &Flow, netns: u32) -> Subject {
    let mut subject = Subject::none(netns);
    let Some(last) = REPORTED.get_ptr(0) else {
        return subject;
    };
    let last = unsafe { &*last };
    let age = unsafe { bpf_ktime_get_ns() }.wrapping_sub(last.time_ns);
    // ICMP has no ports; an unconnected socket has no remote one.
    let ports = matches!(flow.proto, 1 | 58)
        || (last.lport == flow.lport && (last.rport == 0 || last.rport == flow.rport));
    let same = ports && last.proto == flow.proto;
    if age < FRESH_NS && same && last.owner.netns == netns {
        // An owner not known here is looked for by address.
        subject.sk = if last.owner.known {
            last.owner.sk as Ptr
        } else {
            core::ptr::null()
        };
        subject.pid = last.owner.pid;
        subject.comm = last.owner.comm;
        subject.known = last.owner.known;
        subject.uid = last.owner.uid;
        subject.uid_known = true;
        subject.cgroup = last.owner.cgroup;
        subject.ino = last.owner.ino;
    }
    subject
}
