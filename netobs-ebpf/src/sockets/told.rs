//! Which sockets were told: a table the walk over files fills, so that the walk over connections tells the others.

use crate::kernel::{
    access::{Access, Ptr, field},
    sock::LISTEN,
};
use aya_ebpf::{macros::map, maps::Array};

/// The size is set by the loader.
#[map]
static TOLD: Array<u64> = Array::with_max_entries(1 << 12, 0);

/// What makes a socket the same one. A connection goes by its addresses: its TIME-WAIT entry is another struct, with
/// the same hash (32 bits, keyed, with the namespace) and ports. A listener goes by its address in memory.
#[inline(always)]
pub fn print<A: Access>(sk: Ptr, state: i32) -> u64 {
    if state == LISTEN {
        return crate::kernel::access::number(sk);
    }
    let hash: u32 = field!(A, sk, sk_hash);
    let ports: u32 = field!(A, sk, sk_ports);
    u64::from(hash) << 32 | u64::from(ports)
}

/// The slot of a print.
#[inline(always)]
pub fn slot(print: u64) -> Option<*mut u64> {
    let slots = super::wanted!(slots);
    let mixed = print.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    TOLD.get_ptr_mut(mixed as u32 & (slots - 1))
}
