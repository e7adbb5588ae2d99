//! The kernel's table of TCP: what no descriptor told, which is TIME-WAIT, SYN-RECV, orphans, not yet accepted.
//!
//! Listeners come first and cost little. Then the walk waits for the reader, who may know by then that nothing is missing.

use super::row::{self, Teller};
use crate::{
    kernel::{
        access::{Access as _, Probed, Ptr, Typed},
        sock::{self, LISTEN, NEW_SYN_RECV, TIME_WAIT},
    },
    symbols::Meta,
};
use aya_ebpf::{macros::map, maps::Array};

/// 1: connections are wanted too.
#[map]
static GO_ON: Array<u32> = Array::with_max_entries(1, 0);

/// The kernel shows the same socket again at the next read.
const SAME_AGAIN: i32 = 1;

/// Context of `iter/tcp` (5.9).
#[repr(C)]
pub struct Tcp {
    meta: *const Meta,
    sk: Ptr,
    uid: u32,
    _pad: u32,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub fn sockets_tcp(ctx: *const Tcp) -> i32 {
    let (meta, sk) = unsafe { ((*ctx).meta, (*ctx).sk) };
    if sk.is_null() {
        return 0;
    }
    let state = sock::state::<Typed>(sk);
    if state != LISTEN
        && GO_ON
            .get_ptr(0)
            .is_none_or(|go| unsafe { go.read_volatile() } == 0)
    {
        return SAME_AGAIN;
    }
    if !row::is_wanted(state) {
        return 0;
    }
    let mini = state == TIME_WAIT || state == NEW_SYN_RECV;
    let ino = if mini { 0 } else { sock::inode::<Probed>(sk) };
    let by = Teller::table(meta, ino);
    if mini {
        row::tell::<Typed, Probed>(&by, sk, core::ptr::null(), state);
        return 0;
    }
    let full = unsafe { Typed::tcp_sock(sk) };
    if !full.is_null() {
        row::tell::<Typed, Probed>(&by, sk, full, state);
    }
    0
}
