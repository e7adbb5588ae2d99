//! Who has each socket: those that are open in one walk, and each as it is closed, or its connection has failed. What is
//! neither is not there yet.

use crate::{
    kernel::{
        access::{Probed, Ptr, Typed, field},
        sock::{self, CLOSE, IPPROTO_TCP, SYN_SENT},
        task,
    },
    maps::put,
    owners::existing::{TaskFile, ip_sock, socket_of},
    symbols::Meta,
};
use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns, bpf_ringbuf_output,
        bpf_seq_write,
    },
    macros::{map, raw_tracepoint},
    maps::{Array, LruHashMap, RingBuf},
    programs::RawTracePointContext,
};
use core::mem::MaybeUninit;
use netobs_ebpf::{
    event::{COMM_LEN, CommWords},
    holders::record::Holding,
};

/// Sockets as they are closed.
#[map]
static HOLDERS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// How many found no room there.
#[map]
static UNTOLD: Array<u64> = Array::with_max_entries(1, 0);

struct Caller {
    comm: CommWords,
    pid: u64,
}

/// Who calls connect(2), by the socket's address.
#[map]
static CONNECTING: LruHashMap<u64, Caller> = LruHashMap::with_max_entries(1 << 12, 0);

/// Tells the sockets of all processes.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn holders_open(ctx: *const TaskFile) -> i32 {
    let Some((holder, socket, _)) = (unsafe { socket_of(ctx) }) else {
        return 0;
    };
    let Some(sk) = ip_sock::<Probed>(socket) else {
        return 0;
    };
    let mut room = MaybeUninit::<Holding>::uninit();
    let record = room.as_mut_ptr();
    let pid: u32 = field!(Typed, holder, task_tgid);
    fill(record, sk, pid, task::comm(holder));
    put!(record, { closed_ns: 0 });
    unsafe {
        let meta = (*ctx).meta.cast::<Meta>();
        let seq = (&raw const (*meta).seq).read_volatile();
        // A full buffer has this file shown again in the next one.
        bpf_seq_write(seq.cast(), record.cast(), size_of::<Holding>() as u32);
    }
    0
}

/// Tells a socket that its last holder closes; its context is the socket itself.
#[unsafe(no_mangle)]
#[unsafe(link_section = "cgroup/sock_release")]
pub fn holders_closed(sk: Ptr) -> i32 {
    let mut comm = [0_u64; 2];
    let pid = unsafe {
        bpf_get_current_comm(comm.as_mut_ptr().cast(), COMM_LEN as u32);
        bpf_get_current_pid_tgid() >> 32
    } as u32;
    let mut room = MaybeUninit::<Holding>::uninit();
    let record = room.as_mut_ptr();
    fill(record, sk, pid, comm);
    tell(record);
    1
}

/// Tells a socket whose connection failed: when it is closed it has forgotten to whom, and from which port.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
#[inline(always)]
pub fn holders_refused(ctx: RawTracePointContext) -> i32 {
    let (sk, old, new): (Ptr, i32, i32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    if new == SYN_SENT {
        let (pid, comm) = task::current();
        let pid = u64::from(pid);
        _ = CONNECTING.insert(sk as u64, Caller { comm, pid }, 0);
        return 0;
    }
    let protocol: u16 = field!(Probed, sk, sk_protocol);
    if old != SYN_SENT || protocol != IPPROTO_TCP {
        return 0;
    }
    if new == CLOSE
        && let Some(caller) = CONNECTING.get_ptr(sk as u64)
    {
        let (pid, comm) = unsafe { ((*caller).pid as u32, (*caller).comm) };
        let mut room = MaybeUninit::<Holding>::uninit();
        let record = room.as_mut_ptr();
        fill(record, sk, pid, comm);
        // It has given its port back.
        let sport: u16 = field!(Probed, sk, tcp_sport);
        put!(record, { lport: u16::from_be(sport) });
        tell(record);
    }
    _ = CONNECTING.remove(sk as u64);
    0
}

/// Hands a socket over that is closed now.
#[inline(always)]
fn tell(record: *mut Holding) {
    let len = size_of::<Holding>() as u64;
    let now = unsafe { bpf_ktime_get_ns() };
    put!(record, { closed_ns: now });
    unsafe {
        let ring = (&raw const HOLDERS).cast_mut().cast();
        if bpf_ringbuf_output(ring, record.cast(), len, u64::from(BPF_RB_NO_WAKEUP)) != 0
            && let Some(untold) = UNTOLD.get_ptr_mut(0)
        {
            *untold += 1;
        }
    }
}

#[inline(always)]
fn fill(record: *mut Holding, sk: Ptr, pid: u32, comm: CommWords) {
    let family: u16 = field!(Probed, sk, sk_family);
    let (local, remote) = sock::addresses::<Probed>(sk, family);
    let rport: u16 = field!(Probed, sk, sk_dport);
    put!(record, {
        laddr: local,
        raddr: remote,
        cgroup: sock::cgroup::<Probed>(sk),
        comm: comm,
        netns: sock::netns::<Probed>(sk),
        pid: pid,
        uid: field!(Probed, sk, sk_uid),
        lport: field!(Probed, sk, sk_num),
        rport: u16::from_be(rport),
        family: family,
        proto: field!(Probed, sk, sk_protocol),
        state: sock::state::<Probed>(sk) as u32,
    });
}
