//! The beginning of a packet, read: addresses, ports, flags, ICMP; whatever is cut off or odd is left out.

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket};
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
    /// Type and code.
    pub icmp: Option<(u8, u8)>,
    pub ttl: Option<u8>,
    /// Bytes of the packet before the payload of IP.
    pub header_len: usize,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// `skb->vlan_tci`: the VLAN id.
const VLAN_ID: u16 = 0x0fff;

impl Parsed {
    pub fn source_end(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.source?, self.ports?.0))
    }

    pub fn destination_end(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.destination?, self.ports?.1))
    }

    /// Reads a packet as the kernel side copied it.
    pub fn new(packet: &Packet) -> Self {
        Self::of(packet.ethertype, bytes(packet)).tagged(packet.vlan_proto, packet.vlan_tci)
    }

    /// Reads bytes that begin with the header of `ethertype`.
    pub fn of(ethertype: u16, bytes: &[u8]) -> Self {
        let sliced = LaxSlicedPacket::from_ether_type(EtherType(ethertype), bytes);
        Self {
            ethertype,
            ..Self::read(&sliced, bytes)
        }
    }

    /// With the tag that was taken off the packet; `proto` 0: none was.
    #[must_use]
    pub fn tagged(mut self, proto: u16, tci: u16) -> Self {
        if proto != 0 {
            self.vlan = Some(tci & VLAN_ID);
        }
        self
    }

    /// Reads bytes that begin with an IP header, as ICMP errors quote them.
    pub fn ip(bytes: &[u8]) -> Self {
        match LaxSlicedPacket::from_ip(bytes) {
            Ok(sliced) => Self::read(&sliced, bytes),
            Err(_) => Self::default(),
        }
    }

    fn read(sliced: &LaxSlicedPacket<'_>, bytes: &[u8]) -> Self {
        let mut parsed = Self {
            vlan: sliced.vlan_ids().first().map(|id| id.value()),
            ..Self::default()
        };
        let (payload, fragment) = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                parsed.source = Some(IpAddr::V4(header.source_addr()));
                parsed.destination = Some(IpAddr::V4(header.destination_addr()));
                parsed.ttl = Some(header.ttl());
                (ip.payload(), header.fragments_offset().value() != 0)
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                parsed.source = Some(IpAddr::V6(header.source_addr()));
                parsed.destination = Some(IpAddr::V6(header.destination_addr()));
                parsed.ttl = Some(header.hop_limit());
                (ip.payload(), false)
            }
            Some(LaxNetSlice::Arp(arp)) => {
                parsed.source = ipv4(arp.sender_protocol_addr());
                parsed.destination = ipv4(arp.target_protocol_addr());
                return parsed;
            }
            None => return parsed,
        };
        parsed.proto = Some(payload.ip_number.0);
        parsed.header_len = payload.payload.as_ptr() as usize - bytes.as_ptr() as usize;
        if !fragment {
            parsed.transport(payload.payload);
        }
        parsed
    }

    /// The payload may be cut off anywhere: quoted packets end after eight bytes of it.
    fn transport(&mut self, payload: &[u8]) {
        match self.proto {
            Some(TCP | UDP | 132 | 136) => {
                self.ports = payload.first_chunk().map(|[a, b, c, d]| {
                    (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
                });
                if self.proto == Some(TCP) {
                    self.tcp_flags = payload.get(13).copied();
                }
            }
            Some(ICMP | ICMPV6) => {
                self.icmp = payload.first_chunk().map(|[kind, code]| (*kind, *code));
            }
            _ => {}
        }
    }
}

fn ipv4(bytes: &[u8]) -> Option<IpAddr> {
    Some(IpAddr::from(*bytes.first_chunk::<4>()?))
}

/// The valid bytes of a packet as the kernel side copied it.
pub fn bytes(packet: &Packet) -> &[u8] {
    &packet.bytes[..usize::from(packet.len).min(packet.bytes.len())]
}

/// TCP flags as tcpdump's letters: `S` `SA` `R` `F` `P`.
pub fn flag_letters(flags: u8) -> String {
    letters(flags).collect()
}

/// The same, one by one.
pub fn letters(flags: u8) -> impl Iterator<Item = char> {
    const LETTERS: [(u8, char); 8] = [
        (0x02, 'S'),
        (0x01, 'F'),
        (0x04, 'R'),
        (0x08, 'P'),
        (0x10, 'A'),
        (0x20, 'U'),
        (0x40, 'E'),
        (0x80, 'W'),
    ];
    LETTERS
        .into_iter()
        .filter(move |(bit, _)| flags & bit != 0)
        .map(|(_, letter)| letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_packet_ends_after_its_ports() {
        let mut bytes = vec![
            0x45, 0, 0, 60, 0, 0, 0, 0, 64, UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        bytes.extend([0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        let parsed = Parsed::ip(&bytes);
        assert_eq!(parsed.source_end(), Some("10.0.0.1:12345".parse().unwrap()));
        assert_eq!(
            parsed.destination_end(),
            Some("10.0.0.2:53".parse().unwrap())
        );
        assert_eq!(parsed.ttl, Some(64));
        assert_eq!(parsed.header_len, 20);
    }

    #[test]
    fn no_bytes_are_too_odd() {
        for len in 0..96 {
            for fill in [0x00, 0x45, 0x4f, 0x60, 0xff] {
                let mut packet = Packet {
                    bytes: [fill; 96],
                    len,
                    ethertype: 0x0800,
                    vlan_proto: 0,
                    vlan_tci: 0,
                };
                for ethertype in [0x0800, 0x86dd, 0x0806, 0x8100, 0] {
                    packet.ethertype = ethertype;
                    Parsed::new(&packet);
                }
                Parsed::ip(&packet.bytes[..usize::from(len)]);
            }
        }
    }

    #[test]
    fn flags_have_letters() {
        assert_eq!(flag_letters(0x12), "SA");
        assert_eq!(flag_letters(0x04), "R");
    }
}
