//! Sockets looked for by their addresses: what userspace asks, and what a walk over all open files finds.

use crate::event::CommWords;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Key of the `SOUGHT` map.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SoughtKey {
    pub netns: u32,
    /// Local port, host byte order.
    pub lport: u16,
    /// `IPPROTO_*`.
    pub proto: u16,
}

/// Value of the `SOUGHT` map: the question, and the best answer so far.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Sought {
    /// Network byte order, IPv4 as ::ffff:a.b.c.d.
    pub laddr: [u32; 4],
    pub raddr: [u32; 4],
    /// Host byte order.
    pub rport: u32,
    /// How well the socket fits, 0: none was found.
    pub score: u32,
    pub sk: u64,
    pub ino: u64,
    pub cgroup: u64,
    pub pid: u32,
    pub uid: u32,
    /// 1: it is wanted, as far as filters ask for owners.
    pub passes: u32,
    /// 1: sockets of several processes fit equally well.
    pub ambiguous: u32,
    pub comm: CommWords,
}

/// A socket that takes what comes to its port.
pub const SCORE_PORT: u32 = 1;
/// One bound to the local address.
pub const SCORE_BOUND: u32 = 2;
/// One connected to the remote end.
pub const SCORE_CONNECTED: u32 = 4;
