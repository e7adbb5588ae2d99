//! A socket with the process that has it, for packets to be told whose they are.

use crate::event::CommWords;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One socket of one process: open, or just closed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Holding {
    /// When it was closed (`bpf_ktime_get_ns()`); 0: it is open.
    pub closed_ns: u64,
    /// Network byte order, an IPv4 address in the first four bytes.
    pub laddr: [u64; 2],
    pub raddr: [u64; 2],
    /// Id of the cgroup v2; 0: not known.
    pub cgroup: u64,
    pub comm: CommWords,
    /// Inode of the network namespace.
    pub netns: u32,
    pub pid: u32,
    pub uid: u32,
    pub lport: u16,
    pub rport: u16,
    pub family: u16,
    pub proto: u16,
    pub state: u32,
}
