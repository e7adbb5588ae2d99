//! Probes and answers as they pass the edge of the stack, with their time.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// In place of a port or identifier: none is wanted.
pub const NONE: u32 = u32::MAX;

/// Which packets are the probes of a run, and answers to them; frozen into `.rodata`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
pub struct ProbesWanted {
    /// Inode of the network namespace, for hooks that see all of them.
    pub netns: u32,
    /// Identifier of echoes.
    pub icmp_id: u32,
    /// Source ports of SYNs.
    pub tcp_first: u32,
    pub tcp_last: u32,
    /// Source port of datagrams, by family.
    pub udp4: u32,
    pub udp6: u32,
    /// Any other protocol, and the first word of its probes.
    pub other: u32,
    pub other_id: u32,
}

/// Enough for an ICMP error as Linux makes them, whole (576 bytes, or 1,280 over IPv6).
pub const STAMPED_BYTES: usize = 1280;

/// Bytes of a [`Stamp`] before the packet's own.
pub const STAMP_HEAD: usize = 32;

/// One packet: an answer, with room for `STAMPED_BYTES`, or a probe. Of the bytes `len` are the packet's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stamp<const ROOM: usize> {
    /// When the hook saw it, monotonic clock.
    pub time_ns: u64,
    /// When the kernel took it in (`skb->tstamp`, wall clock); 0: not told. Something else where a packet never left the machine.
    pub arrival_ns: u64,
    pub ifindex: u32,
    /// [`LEFT`] or [`CAME`].
    pub way: u32,
    /// Bytes that follow, from the IP header on.
    pub len: u32,
    /// Length of the IP packet.
    pub total: u32,
    pub bytes: [u8; ROOM],
}

/// Of a probe its headers are enough: IPv4 with all options, and twelve bytes.
pub const PROBE_BYTES: usize = 72;

/// On its way out.
pub const LEFT: u32 = 0;
/// It came in.
pub const CAME: u32 = 1;
