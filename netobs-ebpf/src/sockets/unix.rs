//! The kernel's table of UNIX sockets, written to memory that the reader shares.
//!
//! Not to the iterator's file: when its buffer is full the kernel forgets the rest of the hash chain it was at
//! (`bpf_iter_unix_seq_stop` drops the batch and leaves `st_bucket_done` set, 5.17 and later; 6.18 measured). A walk that writes
//! nothing there is one read from end to end.

use super::set;
use crate::{
    kernel::{
        access::{Access as _, Probed, Ptr, Typed, copy, field, has, number, offset},
        sock::{self, LISTEN},
    },
    symbols::Meta,
};
use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use netobs_ebpf::sockets::local::{UnixCounts, UnixName, UnixRow};

const STREAM: u16 = 1;
const DATAGRAM: u16 = 2;
/// So many messages of a queue are added up; a longer one is left to `sock_diag`, which holds its lock.
const MESSAGES: u32 = 64;

/// Sizes are set by the loader.
#[map]
static UNIX_ROWS: Array<UnixRow> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static UNIX_NAMES: Array<UnixName> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static UNIX_COUNTS: Array<UnixCounts> = Array::with_max_entries(1, 0);

/// Context of `iter/unix` (5.15).
#[repr(C)]
pub struct Unix {
    meta: *const Meta,
    sk: Ptr,
    uid: u32,
    _pad: u32,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/unix")]
pub fn sockets_unix(ctx: *const Unix) -> i32 {
    let sk = unsafe { (*ctx).sk };
    if sk.is_null() {
        return 0;
    }
    let ino = sock::inode::<Probed>(sk);
    // Nobody accepted it yet, or it is being closed: `unix_diag` passes over it too.
    if ino == 0 {
        return 0;
    }
    let Some(counts) = UNIX_COUNTS.get_ptr_mut(0) else {
        return 0;
    };
    let (rows, names) = unsafe {
        (
            (&raw const (*counts).rows).read_volatile(),
            (&raw const (*counts).names).read_volatile(),
        )
    };
    set!(counts, { rows: rows.wrapping_add(1) });
    let Some(row) = UNIX_ROWS.get_ptr_mut(rows) else {
        return 0;
    };
    let kind: u16 = field!(Typed, sk, sk_type);
    let state = sock::state::<Typed>(sk);
    let peer: Ptr = field!(Probed, sk, unix_peer);
    set!(row, {
        sk: number(sk),
        ino: ino,
        peer: if peer.is_null() { 0 } else { sock::inode::<Probed>(peer) },
        kind: kind,
        state: state as u8,
        name: 0,
        name_len: 0,
    });
    let received = if state == LISTEN {
        set!(row, { wqueue: field!(Typed, sk, sk_max_ack_backlog) });
        Some(field!(Typed, sk, sk_received))
    } else {
        let sending: u32 = field!(Typed, sk, sk_wmem_alloc);
        // The socket counts as one byte itself.
        set!(row, { wqueue: sending.wrapping_sub(1) });
        unread(sk, kind)
    };
    match received {
        Some(bytes) => set!(row, { rqueue: bytes }),
        None => set!(counts, { unsure: 1 }),
    }
    let address: Ptr = field!(Probed, sk, unix_addr);
    if !address.is_null() {
        // Counted with or without room for it.
        set!(counts, { names: names.wrapping_add(1) });
        if let Some(name) = UNIX_NAMES.get_ptr_mut(names) {
            set!(row, { name: names.wrapping_add(1), name_len: put_name(name, address) });
        }
    }
    0
}

/// What `unix_inq_len` counts; `None`: too much to count here.
#[inline(always)]
fn unread(sk: Ptr, kind: u16) -> Option<u32> {
    if kind == STREAM && has!(unix_inq_len) {
        return Some(field!(Typed, sk, unix_inq_len));
    }
    let messages: u32 = field!(Typed, sk, sk_received);
    if messages == 0 {
        return Some(0);
    }
    let mut skb: Ptr = field!(Probed, sk, sk_receive_queue);
    if kind == DATAGRAM {
        return Some(field!(Probed, skb, skb_len));
    }
    if messages > MESSAGES {
        return None;
    }
    let mut bytes = 0_u32;
    for n in 0..MESSAGES {
        if n >= messages {
            break;
        }
        let len: u32 = field!(Probed, skb, skb_len);
        let consumed: u32 = unsafe { Probed::load(skb, offset!(skb_cb) + offset!(unix_consumed)) };
        bytes = bytes.wrapping_add(len.wrapping_sub(consumed));
        skb = field!(Probed, skb, skb_next);
    }
    Some(bytes)
}

/// Copies a name; its length.
#[inline(always)]
fn put_name(to: *mut UnixName, address: Ptr) -> u8 {
    let len: u32 = field!(Probed, address, unix_addr_len);
    // The family comes first; no name is longer than 108 bytes.
    let len = len.wrapping_sub(2) & 127;
    let from = address.wrapping_add(offset!(unix_addr_family) as usize + 2);
    unsafe { copy(to.cast(), len, from) };
    len as u8
}
