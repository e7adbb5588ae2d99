//! The beginning of a packet, as it was.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Enough for an ICMPv6 error with the quoted IPv6 header and ports.
pub const PACKET_BYTES: usize = 96;

/// From the network header on.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Packet {
    pub bytes: [u8; PACKET_BYTES],
    /// Valid bytes.
    pub len: u16,
    /// `skb->protocol`, host byte order.
    pub ethertype: u16,
    /// `skb->vlan_proto`, host byte order; 0: no tag was taken off.
    pub vlan_proto: u16,
    pub vlan_tci: u16,
}

/// The second half of an IPv4 header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Flow4 {
    pub ttl: u8,
    pub proto: u8,
    pub checksum: u16,
    pub saddr: u32,
    pub daddr: u32,
}
