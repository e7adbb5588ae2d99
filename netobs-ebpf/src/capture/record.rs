//! A packet as it passes TC.

use zerocopy::{FromBytes, Immutable, KnownLayout};

/// What stands before the packet's bytes.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
pub struct PacketHead {
    /// Monotonic clock.
    pub time_ns: u64,
    /// Bytes of the packet behind this head.
    pub kept: u32,
    /// Length of the packet.
    pub wire: u32,
    /// `PACKET_HOST` ... `PACKET_OUTGOING`
    pub kind: u32,
    /// Payload of each segment, if it is several (`gso_size`); else 0.
    pub segment: u32,
    /// The tag that the kernel keeps beside it, and [`TAGGED`].
    pub tag: u32,
    /// Its type, as on the wire.
    pub tag_type: u32,
}

/// There is a tag.
pub const TAGGED: u32 = 1 << 16;

/// Packets are kept in the smallest of these rooms that holds them: the kernel reserves constant sizes only.
pub const ROOMS: [usize; 7] = [96, 256, 768, 1632, 9216, 66_000, 262_144];

/// Counted on each processor.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Passed {
    /// Packets that passed the filter.
    pub packets: u64,
    /// Of these, those that found no room.
    pub lost: u64,
    /// Bytes since the reader was last woken.
    pub asleep: u64,
}
