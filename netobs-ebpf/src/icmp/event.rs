//! ICMP errors, sent and received.

use crate::{event::Header, packet::Packet};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `icmp`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Icmp {
    pub header: Header,
    pub packet: Packet,
    /// Who gets the error, unless `packet` has the outer header.
    pub to: [u32; 4],
    /// Second word of the ICMP header, network byte order, likewise: MTU, gateway, pointer.
    pub rest: u32,
    /// ICMP type, likewise.
    pub kind: u8,
    /// ICMP code, likewise.
    pub code: u8,
    /// `SENT` or `RECEIVED`.
    pub direction: u8,
    /// What `packet` begins with: `OUTER`, `MESSAGE` or `QUOTED`.
    pub form: u8,
}

pub const SENT: u8 = 0;
pub const RECEIVED: u8 = 1;

/// The IP header of the error itself.
pub const OUTER: u8 = 0;
/// The ICMP header.
pub const MESSAGE: u8 = 1;
/// The IP header of the packet in question.
pub const QUOTED: u8 = 2;
