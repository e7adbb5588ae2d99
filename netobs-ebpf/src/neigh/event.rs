//! Neighbours that do not answer, or have moved.

use crate::event::Header;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `MAX_ADDR_LEN`.
pub const MAC_BYTES: usize = 32;

/// `neigh`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Neigh {
    pub header: Header,
    pub ifname: [u64; 2],
    /// Hardware address before.
    pub old_mac: [u64; 4],
    /// Hardware address now; all zero when resolution failed.
    pub mac: [u64; 4],
    /// Network byte order; an IPv4 address is the first word.
    pub addr: [u32; 4],
    pub ifindex: u32,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// `CHANGED` or `FAILED`.
    pub what: u8,
    /// `NUD_*` that it goes to.
    pub state: u8,
    /// Bytes of a hardware address on this device.
    pub mac_len: u32,
    pub _pad: u32,
}

pub const FAILED: u8 = 0;
pub const CHANGED: u8 = 1;
