//! The same seen at functions: `tcp_set_state` is called before the state changes, but not when a socket begins to
//! listen, nor for a child that a listener makes.

use super::hooks::{HOOK, on_state};
use crate::{
    kernel::{
        access::{Access, Probed, Ptr, Typed},
        sock,
    },
    maps::count_run,
    owners,
};
use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};

#[fentry(function = "tcp_set_state")]
#[inline(always)]
pub fn lifecycle_fentry(ctx: FEntryContext) -> i32 {
    let sk = ctx.arg(0);
    on_state::<Typed>(sk, sock::state::<Typed>(sk), ctx.arg(1));
    0
}

#[kprobe]
#[inline(always)]
pub fn lifecycle_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(sk), Some(new)) = (ctx.arg(0), ctx.arg(1)) {
        on_state::<Probed>(sk, sock::state::<Probed>(sk), new);
    }
    0
}

#[fentry(function = "inet_csk_listen_start")]
#[inline(always)]
pub fn listen_fentry(ctx: FEntryContext) -> i32 {
    listens::<Typed>(ctx.arg(0));
    0
}

#[kprobe]
#[inline(always)]
pub fn listen_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(sk) = ctx.arg(0) {
        listens::<Probed>(sk);
    }
    0
}

#[fexit(function = "inet_csk_clone_lock")]
#[inline(always)]
pub fn child_fexit(ctx: FExitContext) -> i32 {
    // After the three arguments.
    child::<Typed>(ctx.arg(3));
    0
}

#[kretprobe]
#[inline(always)]
pub fn child_kretprobe(ctx: RetProbeContext) -> u32 {
    child::<Probed>(ctx.ret());
    0
}

#[inline(always)]
fn listens<A: Access>(sk: Ptr) {
    count_run(HOOK);
    let tp = unsafe { A::tcp_sock(sk) };
    if !tp.is_null() {
        owners::adopt::<A>(sk, tp, true);
    }
}

#[inline(always)]
fn child<A: Access>(sk: Ptr) {
    count_run(HOOK);
    if sk.is_null() {
        return;
    }
    let tp = unsafe { A::tcp_sock(sk) };
    if !tp.is_null() {
        owners::inherit::<A>(sk, tp);
    }
}
