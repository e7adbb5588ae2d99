//! Route lookups that failed.

use crate::event::{Flow, Header};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `route`; also what is kept of a lookup while it may go on in another table.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Route {
    pub header: Header,
    /// Source as local end.
    pub flow: Flow,
    pub mark: u32,
    /// The table that answered last.
    pub table: u32,
    /// The table that was asked first: when it is asked again, another lookup has begun.
    pub first: u32,
    pub oif: u32,
    /// `LOOPBACK_IFINDEX` for packets of this machine.
    pub iif: u32,
    /// Positive errno; `EAGAIN`: the last table had no answer.
    pub errno: u32,
}

/// Table of local addresses (`RT_TABLE_LOCAL`).
pub const TABLE_LOCAL: u32 = 255;
/// The interface index of `lo` in every namespace.
pub const LOOPBACK_IFINDEX: u32 = 1;
/// Numbers of all architectures but a few that netobs is not built for.
pub const EAGAIN: u32 = 11;
pub const EACCES: u32 = 13;
pub const EINVAL: u32 = 22;
pub const ENETUNREACH: u32 = 101;
pub const EHOSTUNREACH: u32 = 113;
