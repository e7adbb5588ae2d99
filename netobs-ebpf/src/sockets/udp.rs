//! The kernel's table of UDP: each socket whole, whoever holds it.

use super::{
    row::{self, Teller},
    set,
    told::Ends,
    wanted,
};
use crate::{
    kernel::{
        access::{Probed, Ptr, Typed, field, number},
        sock,
    },
    symbols::Meta,
};
use aya_ebpf::helpers::generated::bpf_seq_write;
use core::mem::MaybeUninit;
use netobs_ebpf::sockets::record::{KIND_UDP, TcpRecord};

/// Context of `iter/udp` (5.9).
#[repr(C)]
pub struct Udp {
    meta: *const Meta,
    sk: Ptr,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/udp")]
pub fn sockets_udp(ctx: *const Udp) -> i32 {
    let (meta, sk) = unsafe { ((*ctx).meta, (*ctx).sk) };
    if sk.is_null() {
        return 0;
    }
    let by = Teller::table(meta, sock::inode::<Probed>(sk));
    let mut room = MaybeUninit::<TcpRecord>::uninit();
    let record = room.as_mut_ptr();
    row::put_common::<Typed>(record, &by, sk, &Ends::of::<Typed>(sk));
    let (received, deficit): (u32, u32) = (
        field!(Typed, sk, sk_rmem_alloc),
        field!(Typed, sk, udp_deficit),
    );
    let sending: u32 = field!(Typed, sk, sk_wmem_alloc);
    set!(record, {
        holder.kind: KIND_UDP,
        print: number(sk),
        state: sock::state::<Typed>(sk) as u8,
        flags: 0,
        rqueue: received.wrapping_sub(deficit),
        // The socket counts as one byte itself.
        wqueue: sending.wrapping_sub(1),
    });
    row::put_no_details(record);
    if wanted!(details) != 0 {
        row::put_identity::<Typed, Probed>(record, sk);
    }
    let len = size_of::<TcpRecord>() as u32;
    // A full buffer has this socket told again in the next one.
    unsafe { bpf_seq_write(by.seq.cast(), record.cast(), len) };
    0
}
