//! Sockets as the iterators write them: fixed records, read from the iterator's file.

use crate::event::CommWords;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What programs are asked for: frozen before loading, so that the verifier drops what is not.
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
pub struct SocketsWanted {
    /// 1: TCP sockets are told whole.
    pub tcp_rows: u32,
    /// Of TCP sockets told whole: bit n for state n, as in `idiag_states`.
    pub states: u32,
    /// `HOLD_*`: sockets of which only the holder is told.
    pub holders: u32,
    /// Only of this network namespace; 0: of all.
    pub netns: u32,
    /// 1: `bpf_sock_from_file` exists (5.11), so sockets are read with types.
    pub from_file: u32,
    /// Slots of the map `TOLD`, a power of two.
    pub slots: u32,
    /// What prints begin with: nobody can choose addresses that have the same one.
    pub seed: u32,
    /// 1: user, inode, cookie, mark, cgroup, shutdown, timer too: a third of a walk's time.
    pub details: u32,
}

/// TCP sockets that are not told whole, MPTCP.
pub const HOLD_TCP: u32 = 1;
/// Everything else of `AF_INET` and `AF_INET6`.
pub const HOLD_INET: u32 = 2;
pub const HOLD_UNIX: u32 = 4;
/// Packet, netlink, vsock ...
pub const HOLD_OTHER: u32 = 8;

/// The kind of a record: the first word.
pub const KIND_HOLDER: u32 = 1;
pub const KIND_TCP: u32 = 2;
/// A UDP socket, in the shape of a TCP one.
pub const KIND_UDP: u32 = 4;
pub const KIND_UNIX: u32 = 5;
/// A thread that uses its process's descriptors.
pub const KIND_THREAD: u32 = 3;

/// One descriptor of one process, or a thread of it. The whole record, or the beginning of a [`TcpRecord`].
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct HolderRecord {
    /// `KIND_*`.
    pub kind: u32,
    /// 0: told by no descriptor.
    pub pid: u32,
    pub fd: u32,
    /// The thread, where it has descriptors of its own; else the same as `pid`.
    pub tid: u32,
    /// Inode number of the socket file; 0: none.
    pub ino: u64,
    pub sk: u64,
    pub comm: CommWords,
}

/// A TCP socket, told by a descriptor that holds it or by the kernel's table.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct TcpRecord {
    pub holder: HolderRecord,
    /// What it is told once by, see the map `TOLD`.
    pub print: u64,
    /// 0: the kernel made none yet.
    pub cookie: u64,
    pub cgroup: u64,
    /// Network byte order, IPv4 in the first four bytes.
    pub laddr: [u64; 2],
    pub raddr: [u64; 2],
    /// Host byte order.
    pub lport: u16,
    pub rport: u16,
    pub family: u16,
    /// As `sock_diag` says it.
    pub state: u8,
    /// `RECORD_*`.
    pub flags: u8,
    pub rqueue: u32,
    pub wqueue: u32,
    pub uid: u32,
    pub mark: u32,
    pub ifindex: u32,
    pub _pad: u32,
    /// Jiffies until the timer fires.
    pub left: u64,
    /// 1 retransmission, 2 keepalive, 3 time-wait, 4 probe.
    pub timer: u8,
    pub retrans: u8,
    pub shutdown: u8,
    /// Bit 5: `skc_ipv6only`.
    pub reuse: u8,
    pub _pad2: u32,
}

/// A UNIX socket.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnixRecord {
    /// [`KIND_UNIX`].
    pub kind: u32,
    pub rqueue: u32,
    pub wqueue: u32,
    /// Bytes of `name`.
    pub len: u32,
    pub ino: u64,
    /// Inode number of the peer.
    pub peer: u64,
    pub sk: u64,
    /// 0: the kernel made none yet.
    pub cookie: u64,
    pub uid: u32,
    /// `SOCK_STREAM` ...
    pub ty: u16,
    pub state: u8,
    /// `RECORD_*`.
    pub flags: u8,
    /// As bound: a path with or without NUL, or an abstract name.
    pub name: [u64; UNIX_NAME_WORDS],
}

/// More than the longest name has: the verifier sees a mask.
pub const UNIX_NAME_WORDS: usize = 16;
/// `UNIX_PATH_MAX`.
pub const UNIX_NAME_MAX: u32 = 108;

/// Of a UNIX socket: more messages wait than the program looks at, `rqueue` is not known.
pub const RECORD_LONG_QUEUE: u8 = 32;

/// No other descriptor holds the socket.
pub const RECORD_SOLE: u8 = 1;
/// It was told before.
pub const RECORD_AGAIN: u8 = 2;
/// `TOLD` had no room: the reader has to remember it.
pub const RECORD_UNMARKED: u8 = 4;
/// Of a listener: connections are being made.
pub const RECORD_REQUESTS: u8 = 8;
/// TIME-WAIT or SYN-RECV: no full socket.
pub const RECORD_MINI: u8 = 16;

/// What makes a connection the same one, whatever struct the kernel keeps of it: the entry in TIME-WAIT is another one.
/// `ends` has both addresses as they lie in memory, both ports and the interface. Never 0.
#[inline(always)]
pub const fn print(seed: u32, ends: [u64; 5]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let [a, b, c, d, e] = ends;
    let mut hash = (seed as u64).wrapping_mul(PRIME);
    hash = mixed(hash ^ a);
    hash = mixed(hash ^ b);
    hash = mixed(hash ^ c);
    hash = mixed(hash ^ d);
    hash = mixed(hash ^ e);
    if hash == 0 { 1 } else { hash }
}

#[inline(always)]
const fn mixed(hash: u64) -> u64 {
    let product = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    product ^ product >> 32
}

/// The last of the `ends`.
#[inline(always)]
pub const fn ports(lport: u16, rport: u16, ifindex: u32) -> u64 {
    lport as u64 | (rport as u64) << 16 | (ifindex as u64) << 32
}

/// The slot of a print in a table of so many, a power of two.
#[inline(always)]
pub const fn slot(print: u64, slots: u32) -> u32 {
    (print >> 16) as u32 & slots.wrapping_sub(1)
}
