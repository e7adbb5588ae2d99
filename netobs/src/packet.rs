//! The beginning of a packet, read: addresses, ports, flags, ICMP; whatever is cut off or odd is left out.

use netobs_ebpf::packet::Packet;
use std::net::{IpAddr, SocketAddr};

/// What the first bytes of a packet say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub ethertype: u16,
    /// VLAN id, if tagged.
    pub vlan: Option<u16>,
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    /// IP protocol number.
    pub proto: Option<u8>,
    pub ports: Option<(u16, u16)>,
    /// TCP flags, the low byte of the header's flags word.
    pub tcp_flags: Option<u8>,
    pub icmp: Option<(u8, u8)>,
    pub ttl: Option<u8>,
}

impl Parsed {
    pub fn source_end(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.source?, self.ports?.0))
    }

    pub fn destination_end(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.destination?, self.ports?.1))
    }
}

/// The valid bytes of a packet as the kernel side copied it.
pub fn bytes(packet: &Packet) -> &[u8] {
    &packet.bytes[..usize::from(packet.len).min(packet.bytes.len())]
}
