//! The exit of connect(2): failures that never change the state of a socket.

use super::address::Address;
use crate::{
    filter,
    kernel::{
        access::{Access as _, Probed, Ptr, field, has, offset},
        sock::{self, AF_INET, AF_INET6},
    },
    maps::{config, count_run, put, reserve, submit},
    stash::{self, Call},
    subject::Subject,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_task_btf, bpf_ktime_get_ns, bpf_task_pt_regs},
    macros::{fexit, kprobe, kretprobe, map, tracepoint},
    maps::LruHashMap,
    programs::{FExitContext, ProbeContext, RetProbeContext, TracePointContext},
};
use netobs_ebpf::{
    event::{Flow, Kind},
    hook,
    lifecycle::event::{Opened, VIA_SYSCALL},
};

const HOOK: u32 = hook::CONNECT_EXIT;

/// Failures that were told before connect(2) returned them, by the inode of the socket's file, which MPTCP shares with the
/// connection below it.
#[map]
static FAILED: LruHashMap<u64, Told> = LruHashMap::with_max_entries(4096, 0);

#[derive(Clone, Copy)]
struct Told {
    sk: u64,
    /// 0: closed without an error.
    errno: u64,
}

/// The failure of `sk` was told: connect(2) need not repeat it.
#[inline(always)]
pub fn told(sk: Ptr, ino: u64, errno: u32) {
    let told = Told {
        sk: sk as u64,
        errno: u64::from(errno),
    };
    if ino != 0 {
        _ = FAILED.insert(ino, told, 0);
    }
}

#[fexit(function = "__sys_connect_file")]
#[inline(always)]
pub fn connect_fexit(ctx: FExitContext) -> i32 {
    count_run(HOOK);
    // After file, address, addrlen and flags.
    let result: i32 = ctx.arg(4);
    if is_failure(i64::from(result)) {
        let address: Ptr = ctx.arg(1);
        on_failure(ctx.arg(0), &Address::kernel(address), -result);
    }
    0
}

/// `(file, address, ...)`, or `(sk, address, ...)` of a protocol's own connect.

#[kprobe]
#[inline(always)]
pub fn connect_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(file), Some(address)) = (ctx.arg(0), ctx.arg(1)) {
        stash::put(Call::Connect, [file, address]);
    }
    0
}

#[kretprobe]
#[inline(always)]
pub fn connect_kretprobe(ctx: RetProbeContext) -> u32 {
    count_run(HOOK);
    let result: i32 = ctx.ret();
    if let Some([file, address]) = stash::take(Call::Connect)
        && is_failure(i64::from(result))
    {
        on_failure(file as Ptr, &Address::kernel(address as Ptr), -result);
    }
    0
}

#[kprobe]
#[inline(always)]
pub fn connect_protocol_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(sk), Some(address)) = (ctx.arg(0), ctx.arg(1)) {
        stash::put(Call::ConnectProtocol, [sk, address]);
    }
    0
}

/// A call that waits for its connection occupies one of the few returns that the kernel keeps for a function: beside
/// some that wait, `__sys_connect_file` is not seen to return. The protocols' functions inside it do not wait. Of two
/// inside one another, as for a v4-mapped address, the inner one takes the arguments.
#[kretprobe]
#[inline(always)]
pub fn connect_protocol_kretprobe(ctx: RetProbeContext) -> u32 {
    count_run(HOOK);
    let result: i32 = ctx.ret();
    if let Some([sk, address]) = stash::take(Call::ConnectProtocol)
        && is_failure(i64::from(result))
    {
        let sk = sk as Ptr;
        told(sk, sock::inode::<Probed>(sk), result.unsigned_abs());
        refused(sk, &Address::kernel(address as Ptr), -result);
    }
    0
}

/// Where `syscalls/sys_exit_connect` has the result (its format file).
const RESULT: usize = 16;

#[tracepoint]
#[inline(always)]
pub fn connect_tracepoint(ctx: TracePointContext) -> u32 {
    count_run(HOOK);
    let result = unsafe {
        ctx.as_ptr()
            .cast::<u8>()
            .add(RESULT)
            .cast::<i64>()
            .read_volatile()
    };
    if !is_failure(result) {
        return 0;
    }
    let task: Ptr = unsafe { bpf_get_current_task_btf() }.cast();
    let regs: Ptr = unsafe { bpf_task_pt_regs(task.cast_mut().cast()) } as Ptr;
    let fd: u64 = field!(Probed, regs, regs_di);
    let address: u64 = if has!(regs_si) {
        field!(Probed, regs, regs_si)
    } else {
        unsafe { Probed::load(regs, offset!(regs_array) + 8) }
    };
    if let Some(file) = file_of(task, fd as u32) {
        on_failure(file, &Address::user(address as Ptr), -(result as i32));
    }
    0
}

const EINTR: i64 = 4;
const EFAULT: i64 = 14;
const EISCONN: i64 = 106;
const EALREADY: i64 = 114;
const EINPROGRESS: i64 = 115;

/// A connection that goes on in the background, or a call that made no sense, is no failed connection.
#[inline(always)]
fn is_failure(result: i64) -> bool {
    // From 512 on: to be restarted after a signal.
    result < 0
        && result > -512
        && !matches!(-result, EINTR | EFAULT | EISCONN | EALREADY | EINPROGRESS)
}

#[inline(always)]
fn file_of(task: Ptr, fd: u32) -> Option<Ptr> {
    let files: Ptr = field!(Probed, task, task_files);
    let table: Ptr = field!(Probed, files, files_fdt);
    let max: u32 = field!(Probed, table, fdt_max);
    if fd >= max {
        return None;
    }
    let array: Ptr = field!(Probed, table, fdt_fd);
    let file: Ptr = unsafe { Probed::load(array.add(fd as usize * 8), 0) };
    (!file.is_null()).then_some(file)
}

const IPPROTO_MPTCP: u16 = 262;
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

#[inline(always)]
fn on_failure(file: Ptr, address: &Address, errno: i32) {
    let inode: Ptr = field!(Probed, file, file_inode);
    let mode: u16 = field!(Probed, inode, inode_mode);
    if mode & S_IFMT != S_IFSOCK {
        return;
    }
    let socket: Ptr = field!(Probed, file, file_private);
    let sk: Ptr = field!(Probed, socket, socket_sk);
    let family: u16 = field!(Probed, sk, sk_family);
    if sk.is_null() || (family != AF_INET && family != AF_INET6) {
        return;
    }
    if !already_told(sk, errno) {
        refused(sk, address, errno);
    }
}

#[inline(always)]
fn refused(sk: Ptr, address: &Address, errno: i32) {
    let family: u16 = field!(Probed, sk, sk_family);
    let mut subject = Subject::of::<Probed>(sk);
    subject.set_current();
    let lport: u16 = field!(Probed, sk, sk_num);
    let flow = flow(sk, address, [family, lport]);
    if !subject.passes() || !filter::flow_passes(&flow) {
        return;
    }
    tell(&subject, &flow, errno);
}

#[inline(always)]
fn already_told(sk: Ptr, errno: i32) -> bool {
    let ino = sock::inode::<Probed>(sk);
    let Some(told) = (unsafe { FAILED.get(ino) }) else {
        return false;
    };
    let Told {
        sk: whose,
        errno: of,
    } = *told;
    _ = FAILED.remove(ino);
    let protocol: u16 = field!(Probed, sk, sk_protocol);
    (whose == sk as u64 || protocol == IPPROTO_MPTCP)
        && (of == 0 || of == u64::from(errno.unsigned_abs()))
}

#[inline(always)]
fn flow(sk: Ptr, address: &Address, [family, lport]: [u16; 2]) -> Flow {
    let (local, _) = sock::addresses::<Probed>(sk, family);
    let protocol: u16 = field!(Probed, sk, sk_protocol);
    Flow {
        laddr: unsafe { core::mem::transmute::<[u64; 2], [u32; 4]>(local) },
        raddr: address.remote(family),
        lport,
        rport: address.port(),
        family,
        proto: protocol,
    }
}

#[inline(always)]
fn tell(subject: &Subject, flow: &Flow, errno: i32) {
    if config!(events) & Kind::ConnectFailed.bit() == 0 {
        return;
    }
    let Some(slot) = reserve::<Opened>(HOOK) else {
        return;
    };
    let now = unsafe { bpf_ktime_get_ns() };
    unsafe { subject.put(&raw mut (*slot).header, now, Kind::ConnectFailed, HOOK) };
    put!(slot, {
        flow.laddr: flow.laddr,
        flow.raddr: flow.raddr,
        flow.lport: flow.lport,
        flow.rport: flow.rport,
        flow.family: flow.family,
        flow.proto: flow.proto,
        latency_ns: 0,
        errno: errno as u32,
        via: VIA_SYSCALL,
    });
    submit(slot);
}
