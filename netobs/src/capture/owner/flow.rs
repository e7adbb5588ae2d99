//! Ends of a packet, as fast as can be: addresses and ports where they always are, nothing of it trusted.

use crate::capture::link::LinkType;
use std::net::{IpAddr, Ipv6Addr};

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMP6: u8 = 58;

/// One way of a conversation. IPv4 addresses are mapped into IPv6; an echo has its identifier at the end that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    pub from: u128,
    pub to: u128,
    pub sport: u16,
    pub dport: u16,
    pub proto: u8,
}

impl Flow {
    pub fn back(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            sport: self.dport,
            dport: self.sport,
            proto: self.proto,
        }
    }

    pub const fn is_echo(&self) -> bool {
        matches!(self.proto, ICMP | ICMP6)
    }

    /// Whether a process can have the first end: echoes are answered by the kernel.
    pub const fn is_somebodys(&self) -> bool {
        self.sport != 0
    }
}

/// An address as a number; of all addresses (`0.0.0.0`, `::`) 0.
pub fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) if v4.is_unspecified() => 0,
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// An address of the loopback device: it means another host in each namespace.
pub fn is_loopback(addr: u128) -> bool {
    let v6 = Ipv6Addr::from(addr);
    v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// The flow of a packet, and whether it begins a connection; none: nothing that a socket has, or not its first fragment.
#[inline]
pub fn of(link: LinkType, data: &[u8]) -> Option<(Flow, bool)> {
    let (mut kind, mut at) = match link {
        LinkType::Ethernet => (be16(data, 12)?, 14),
        LinkType::Sll2 => (be16(data, 0)?, 20),
        LinkType::Raw => {
            let six = data.first()? >> 4 == 6;
            (if six { 0x86dd } else { 0x0800 }, 0)
        }
        LinkType::RawV4
        | LinkType::RawV6
        | LinkType::Sll
        | LinkType::Null
        | LinkType::Loop
        | LinkType::Ppp => return None,
    };
    // Two tags at most: more of them no socket of this host has sent.
    for _ in 0..2 {
        if kind == 0x8100 || kind == 0x88a8 {
            (kind, at) = (be16(data, at + 2)?, at + 4);
        }
    }
    match kind {
        0x0800 => four(data.get(at..)?, false),
        0x86dd => six(data.get(at..)?, false),
        _ => None,
    }
}

#[inline]
fn four(ip: &[u8], quoted: bool) -> Option<(Flow, bool)> {
    let header = ip.first_chunk::<20>()?;
    let length = usize::from(header[0] & 0x0f) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if header[0] >> 4 != 4 || length < 20 || fragment != 0 {
        return None;
    }
    let [_, _, _, _, _, _, _, _, _, _, _, _, ends @ ..] = *header;
    let words = u64::from_be_bytes(ends);
    let mapped = |addr: u64| 0xffff_u128 << 32 | u128::from(addr);
    let (from, to) = (mapped(words >> 32), mapped(words & 0xffff_ffff));
    ports((header[9], from, to), ip.get(length..)?, quoted)
}

#[inline]
fn six(ip: &[u8], quoted: bool) -> Option<(Flow, bool)> {
    let header = ip.first_chunk::<40>()?;
    let addr = |at: usize| {
        let bytes = header.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u128::from_be_bytes(*bytes))
    };
    let (mut proto, mut at) = (header[6], 40);
    // Hop-by-hop, routing and destination options stand before what has ports.
    for _ in 0..4 {
        if ![0, 43, 60].contains(&proto) {
            break;
        }
        let extension = ip.get(at..)?.first_chunk::<2>()?;
        proto = extension[0];
        at += (usize::from(extension[1]) + 1) * 8;
    }
    ports((proto, addr(8), addr(24)), ip.get(at..)?, quoted)
}

#[inline]
fn ports((proto, from, to): (u8, u128, u128), next: &[u8], quoted: bool) -> Option<(Flow, bool)> {
    let mut flow = Flow {
        from,
        to,
        sport: 0,
        dport: 0,
        proto,
    };
    match proto {
        TCP | UDP => {
            (flow.sport, flow.dport) = (be16(next, 0)?, be16(next, 2)?);
            let first = proto == TCP && next.get(13).is_some_and(|flags| flags & 0x12 == 0x02);
            Some((flow, first))
        }
        ICMP | ICMP6 => {
            let id = be16(next, 4)?;
            match (proto, *next.first()?) {
                (ICMP, 8) | (ICMP6, 128) => flow.sport = id,
                (ICMP, 0) | (ICMP6, 129) => flow.dport = id,
                // An error is about the packet that it quotes: it belongs to who sent that.
                (ICMP, 3 | 11 | 12) if !quoted => return four(next.get(8..)?, true).map(answer),
                (ICMP6, 1..=4) if !quoted => return six(next.get(8..)?, true).map(answer),
                _ => return None,
            }
            Some((flow, false))
        }
        _ => None,
    }
}

/// What comes back to a flow.
fn answer((flow, _): (Flow, bool)) -> (Flow, bool) {
    (flow.back(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as they may come from anybody: nothing but an answer, or none.
    #[test]
    fn no_packet_is_too_odd() {
        const KINDS: [[u8; 2]; 4] = [[0x08, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8]];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        for round in 0..200_000 {
            let length = usize::from(random()) / 2;
            let mut data: Vec<u8> = (0..length).map(|_| random()).collect();
            let kind = KINDS[round % 4];
            for (at, byte) in [(12, kind[0]), (13, kind[1]), (14, 0x40 | random() & 15)] {
                if let Some(place) = data.get_mut(at) {
                    *place = byte;
                }
            }
            for link in [LinkType::Ethernet, LinkType::Sll2, LinkType::Raw] {
                of(link, &data);
            }
        }
    }

    #[test]
    fn ends_of_segments_and_echoes() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 5, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
        frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80]);
        frame.extend([0; 9]);
        frame.extend([2, 0, 0]);
        let (flow, first) = of(LinkType::Ethernet, &frame).unwrap();
        assert_eq!((flow.sport, flow.dport, flow.proto), (40_000, 80, TCP));
        assert_eq!(flow.from, number("10.0.0.1".parse().unwrap()));
        assert!(first);
        assert_eq!(of(LinkType::Ethernet, &frame[..39]), None);
        // An error that quotes the segment is about its flow, and one that quotes an error about nothing.
        let error = |quoted: &[u8]| {
            let mut packet = vec![
                0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 9, 9, 9, 9, 10, 0, 0, 1,
            ];
            packet.extend([3, 3, 0, 0, 0, 0, 0, 0]);
            packet.extend(quoted);
            packet
        };
        let about = of(LinkType::Raw, &error(&frame[18..])).map(|(flow, _)| flow);
        assert_eq!(about, Some(flow.back()));
        assert_eq!(of(LinkType::Raw, &error(&error(&frame[18..]))), None);
        for cut in 0..frame.len() {
            of(LinkType::Ethernet, &frame[..cut]);
            of(LinkType::Sll2, &frame[..cut]);
            of(LinkType::Raw, &frame[cut..]);
        }
    }
}
