//! What every event starts with, and the kinds there are.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `TASK_COMM_LEN`.
pub const COMM_LEN: usize = 16;

/// A task's name in words: an array of bytes would be filled by a call to memset.
pub type CommWords = [u64; 2];

/// The kind of an event: the tag in [`Header::kind`], and the bit in `Config::events` that asks for it.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Connect = 0,
    Accept = 1,
    Close = 2,
    ConnectFailed = 3,
    Retransmit = 4,
    Drop = 5,
    Reset = 6,
    Icmp = 7,
    Route = 8,
    Neigh = 9,
    UdpDrop = 10,
    ListenOverflow = 11,
}

impl Kind {
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The owner fields of a header hold a process.
pub const OWNER_KNOWN: u8 = 1;
/// `Header::uid` is valid.
pub const UID_KNOWN: u8 = 2;

/// The first 64 bytes of every event.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Header {
    /// `bpf_ktime_get_ns()`: `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Address of the socket, an opaque key to look an owner up; 0: none.
    pub sk: u64,
    /// Id of the cgroup v2 the socket was made in (`cgroup.kn.id`); 0: unknown.
    pub cgroup: u64,
    /// Inode number of the network namespace; 0: unknown.
    pub netns: u32,
    pub pid: u32,
    pub uid: u32,
    /// [`Kind`].
    pub kind: u8,
    /// The hook that made it, an index into the counters.
    pub hook: u8,
    /// `OWNER_KNOWN`, `UID_KNOWN`.
    pub flags: u8,
    pub _pad: u8,
    /// Inode number of the socket file, when the owner is not known; 0: none (not accepted yet, orphaned).
    pub ino: u64,
    pub comm: CommWords,
}

/// Both ends of a socket, local and remote.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Flow {
    /// Network byte order; an IPv4 address is the first word.
    pub laddr: [u32; 4],
    pub raddr: [u32; 4],
    /// Host byte order.
    pub lport: u16,
    /// Host byte order.
    pub rport: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// `IPPROTO_TCP` ...
    pub proto: u16,
}

/// What one hook did on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct HookCount {
    /// Times the program ran.
    pub runs: u64,
    /// Events handed to the ring.
    pub seen: u64,
    /// Events the ring had no room for.
    pub lost: u64,
}

/// Upper bound of hook numbers.
pub const MAX_HOOKS: u32 = 64;
