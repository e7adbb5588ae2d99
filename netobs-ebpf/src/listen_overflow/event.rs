//! The event of a full listener, and what is kept of listeners that are asked at intervals.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `listen-overflow`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Overflowed {
    pub header: Header,
    /// The remote end is empty where it is not known.
    pub flow: Flow,
    /// Entries in the queue.
    pub qlen: u32,
    /// `sk_max_ack_backlog`, or what `tcp_max_syn_backlog` leaves without syncookies.
    pub backlog: u32,
    /// `sk_drops` of the listener so far.
    pub drops: u32,
    /// Handshakes in this event.
    pub count: u32,
    /// `QUEUE_ACCEPT` or `QUEUE_SYN`.
    pub queue: u8,
    /// `DROPPED` or `SYNCOOKIE`.
    pub outcome: u8,
    pub _pad: [u8; 6],
}

pub const QUEUE_ACCEPT: u8 = 0;
pub const QUEUE_SYN: u8 = 1;
pub const DROPPED: u8 = 0;
pub const SYNCOOKIE: u8 = 1;

/// Value of the `LISTEN_SOCKS` map, keyed by the listener's address.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Polled {
    /// `sk_drops` as last told.
    pub drops: u32,
    /// Local port: guards against a reused address.
    pub port: u32,
}
