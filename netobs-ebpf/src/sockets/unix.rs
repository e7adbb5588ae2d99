//! The kernel's table of UNIX sockets: each socket whole, whoever holds it.

use super::set;
use crate::{
    kernel::{
        access::{Access as _, Probed, Ptr, Typed, copy, field, has, number, offset},
        sock::{self, LISTEN},
    },
    symbols::Meta,
};
use aya_ebpf::helpers::generated::bpf_seq_write;
use core::mem::MaybeUninit;
use netobs_ebpf::sockets::record::{
    KIND_UNIX, RECORD_LONG_QUEUE, UNIX_NAME_MAX, UNIX_NAME_WORDS, UnixRecord,
};

const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
/// Messages of a queue that are looked at.
const MESSAGES: u32 = 32;

/// Context of `iter/unix` (5.15).
#[repr(C)]
pub struct Unix {
    meta: *const Meta,
    sk: Ptr,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/unix")]
pub fn sockets_unix(ctx: *const Unix) -> i32 {
    let (meta, sk) = unsafe { ((*ctx).meta, (*ctx).sk) };
    if sk.is_null() {
        return 0;
    }
    let mut room = MaybeUninit::<UnixRecord>::uninit();
    let record = room.as_mut_ptr();
    let state = sock::state::<Typed>(sk);
    let ty: u16 = field!(Typed, sk, sk_type);
    let peer: Ptr = field!(Probed, sk, unix_peer);
    let peer = if peer.is_null() {
        0
    } else {
        sock::inode::<Probed>(peer)
    };
    let sending: u32 = field!(Typed, sk, sk_wmem_alloc);
    let (rqueue, flags) = queued(sk, ty, state);
    set!(record, {
        kind: KIND_UNIX,
        rqueue: rqueue,
        wqueue: if state == LISTEN {
            field!(Typed, sk, sk_max_ack_backlog)
        } else {
            sending.wrapping_sub(1)
        },
        ino: sock::inode::<Probed>(sk),
        peer: peer,
        sk: number(sk),
        cookie: field!(Typed, sk, sk_cookie),
        uid: field!(Typed, sk, sk_uid),
        ty: ty,
        state: state as u8,
        flags: flags,
    });
    put_name(record, sk);
    let len = size_of::<UnixRecord>() as u32;
    // A full buffer has this socket told again in the next one.
    unsafe {
        let seq = (&raw const (*meta).seq).read_volatile();
        bpf_seq_write(seq.cast(), record.cast(), len);
    }
    0
}

#[inline(always)]
fn put_name(record: *mut UnixRecord, sk: Ptr) {
    for word in 0..UNIX_NAME_WORDS {
        unsafe { (&raw mut (*record).name[word]).write_volatile(0) };
    }
    let addr: Ptr = field!(Probed, sk, unix_addr);
    let len: u32 = field!(Probed, addr, unix_addr_len);
    // The family stands before the name.
    let len = len.wrapping_sub(2);
    if len > UNIX_NAME_MAX {
        set!(record, { len: 0 });
        return;
    }
    set!(record, { len: len });
    let from = addr.wrapping_add(offset!(unix_addr_name) as usize + 2);
    // Read back, or the compiler leaves out the mask that the verifier needs.
    let len = unsafe { (&raw const (*record).len).read_volatile() } & 127;
    unsafe { copy((&raw mut (*record).name).cast(), len, from) };
}

/// What waits to be read, or to be accepted, as `sock_diag` counts it; and whether that is not known.
#[inline(always)]
fn queued(sk: Ptr, ty: u16, state: i32) -> (u32, u8) {
    let queue = offset!(sk_receive_queue);
    if state == LISTEN {
        let waiting = unsafe { Probed::load(sk, queue + offset!(queue_len)) };
        return (waiting, 0);
    }
    if ty == SOCK_STREAM && has!(unix_inq_len) {
        return (field!(Probed, sk, unix_inq_len), 0);
    }
    let head = number(sk).wrapping_add(u64::from(queue));
    let mut bytes = 0_u32;
    let mut skb: u64 = unsafe { Probed::load(sk, queue) };
    for _ in 0..MESSAGES {
        if skb == head || skb == 0 {
            return (bytes, 0);
        }
        let (len, read): (u32, u32) = (field!(Probed, skb as Ptr, skb_len), unsafe {
            Probed::load(skb as Ptr, offset!(skb_cb) + offset!(unix_consumed))
        });
        if ty == SOCK_DGRAM {
            return (len, 0);
        }
        bytes = bytes.wrapping_add(len.wrapping_sub(read));
        skb = field!(Probed, skb as Ptr, skb_next);
    }
    (0, RECORD_LONG_QUEUE)
}
