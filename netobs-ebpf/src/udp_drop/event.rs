//! The event of a refused datagram.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `udp-drop`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Refused {
    pub header: Header,
    /// The remote end is empty where the kernel does not say (no packet in the tracepoint before 6.10).
    pub flow: Flow,
    /// `sk_rcvbuf`, bytes.
    pub rcvbuf: u32,
    /// `sk_rmem_alloc`, bytes.
    pub queued: u32,
    /// `sk_drops` so far.
    pub drops: u32,
    /// Positive errno: ENOMEM the buffer is full, ENOBUFS the memory of all UDP sockets is.
    pub errno: u32,
    /// Payload, bytes; `NO_LEN`: the kernel does not say.
    pub len: u32,
    pub _pad: u32,
}

pub const NO_LEN: u32 = u32::MAX;
