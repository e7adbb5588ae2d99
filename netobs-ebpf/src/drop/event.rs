//! The event of a freed packet.

use crate::event::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest IPv4 header, and TCP as far as its flags; also ARP and IPv6 with a short extension.
pub const START_BYTES: usize = 80;

/// `drop`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Dropped {
    pub header: Header,
    /// Return address of the call that freed it; 0: unknown.
    pub location: u64,
    /// `enum skb_drop_reason` with the subsystem in the upper half; `NO_REASON`: this kernel has none.
    pub reason: u32,
    /// `skb->len`.
    pub len: u32,
    /// Name of the device, zeroes: none.
    pub ifname: [u8; 16],
    /// From the network header on.
    pub start: [u8; START_BYTES],
    /// Valid bytes of `start`.
    pub start_len: u16,
    /// `skb->protocol`, host byte order.
    pub ethertype: u16,
    /// `skb->vlan_proto`, host byte order; 0: no tag was taken off.
    pub vlan_proto: u16,
    pub vlan_tci: u16,
}

pub const NO_REASON: u32 = u32::MAX;
