//! Who owns a socket: kept per socket from the moment it connects, listens or is cloned from a listener.

use crate::event::CommWords;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the `SOCKS` map, keyed by the socket's address.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SockOwner {
    /// SYN sent, or child made; 0: it was open before we were.
    pub start_ns: u64,
    /// Inode of the socket file when this was written; 0: not known. Guards against a reused address.
    pub ino: u64,
    pub pid: u32,
    /// `total_retrans` at the last retransmit event: what is missing in between failed to be sent.
    /// [`RETRANS_INHERITED`]: not known before the socket is established.
    pub retrans: u32,
    pub comm: CommWords,
    /// Bits: [`TOLD`], [`CROSSED`].
    pub marks: u64,
}

/// Its establishment was told; kept only where runs are looked at again.
pub const TOLD: u64 = 1;
/// Its SYN met one of the other end: both connect, nobody accepts.
pub const CROSSED: u64 = 2;

/// A child's `total_retrans` begins with its SYN-ACKs, which are told on their own.
pub const RETRANS_INHERITED: u32 = u32::MAX;

/// Owners of a set of sockets, side by side: the value of the `SLOTS` array.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Slots {
    /// Address of the socket in each slot, 0: free; the lowest bit says that its owner is being written.
    pub sk: [u64; SLOT_WAYS],
    pub owner: [SockOwner; SLOT_WAYS],
}

pub const SLOT_WAYS: usize = 4;
pub const SLOT_SETS: u32 = 1 << 12;
pub const SLOT_BUSY: u64 = 1;

/// The set in which the socket at `sk` may be.
#[inline(always)]
pub const fn slot_set(sk: u64) -> u32 {
    // Fibonacci hashing: neighbours in a slab spread over all sets.
    (sk.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOT_SETS.trailing_zeros())) as u32
}

/// Key of the `LISTENERS` map, for children whose listener cannot be told otherwise.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ListenKey {
    pub netns: u32,
    pub port: u32,
}
