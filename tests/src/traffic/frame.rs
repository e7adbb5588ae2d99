//! Whole Ethernet frames from a packet socket: what no ordinary socket sends.

use std::ffi::CString;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use crate::netns::Netns;
use crate::sys;

pub type Mac = [u8; 6];
const BROADCAST: Mac = [0xff; 6];
const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0];
const ETHERTYPE_ARP: [u8; 2] = [8, 6];

/// Sends `count` copies of `frame` out of `ifname`.
pub fn send(ns: &Netns, ifname: &str, frame: &[u8], count: u64) -> Result<()> {
    let ifname = CString::new(ifname)?;
    ns.run(|| {
        let socket =
            sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).context("open a packet socket")?;
        let index = sys::ifindex(&ifname)?;
        (0..count)
            .try_for_each(|_| sys::send_frame(socket.as_fd(), index, frame))
            .context("send a frame")
    })
}

/// The hardware address of an interface, from `ip`.
pub fn mac(ns: &Netns, ifname: &str) -> Result<Mac> {
    let said = ns.tool("ip", &["-o", "link", "show", ifname], "")?;
    let text = said
        .split_once("link/ether ")
        .and_then(|(_, rest)| rest.get(..17))
        .context("ip shows no link/ether")?;
    parse_mac(text)
}

pub fn parse_mac(text: &str) -> Result<Mac> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|b| u8::from_str_radix(b, 16))
        .collect::<Result<_, _>>()?;
    bytes
        .try_into()
        .ok()
        .with_context(|| format!("hardware address {text}"))
}

/// A tagged frame with an IPv4 UDP datagram inside.
pub fn vlan_udp(
    vlan: u16,
    from: Mac,
    to: Mac,
    source: (Ipv4Addr, u16),
    target: (Ipv4Addr, u16),
) -> Vec<u8> {
    let mut frame = [to, from].concat();
    frame.extend(ETHERTYPE_VLAN);
    frame.extend(vlan.to_be_bytes());
    frame.extend([8, 0]);
    // Version and length, 32 bytes in all, do not fragment, TTL 64, UDP.
    let mut ip = vec![0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend(source.0.octets());
    ip.extend(target.0.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    frame.extend(ip);
    for word in [source.1, target.1, 12, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(*b"lab!");
    frame
}

/// A gratuitous ARP reply: `ip` is now at `mac`.
pub fn gratuitous_arp(mac: Mac, ip: Ipv4Addr) -> Vec<u8> {
    arp(2, mac, ip, BROADCAST, ip)
}

/// An ARP request for `wanted`.
pub fn arp_request(mac: Mac, ip: Ipv4Addr, wanted: Ipv4Addr) -> Vec<u8> {
    arp(1, mac, ip, [0; 6], wanted)
}

fn arp(operation: u8, mac: Mac, ip: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = [BROADCAST, mac].concat();
    frame.extend(ETHERTYPE_ARP);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(mac);
    frame.extend(ip.octets());
    frame.extend(target_mac);
    frame.extend(target.octets());
    frame
}

/// An ICMP message in an IPv4 packet; its checksum is right unless `forged`.
pub fn icmp(
    macs: (Mac, Mac),
    from: Ipv4Addr,
    to: Ipv4Addr,
    message: &[u8],
    forged: bool,
) -> Vec<u8> {
    let mut icmp = message.to_vec();
    icmp[2..4].fill(0);
    let sum = checksum(&icmp) ^ u16::from(forged);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let len = u16::try_from(20 + icmp.len()).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0];
    ip[2..4].copy_from_slice(&len.to_be_bytes());
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let mut frame = [macs.1, macs.0].concat();
    frame.extend([8, 0]);
    frame.extend(ip);
    frame.extend(icmp);
    frame
}

/// A UDP datagram's first 28 bytes, as an ICMP error quotes them.
pub fn quoted_udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), id: u16, sum: u16) -> Vec<u8> {
    let mut quote = vec![0x45, 0, 0, 60];
    quote.extend(id.to_be_bytes());
    quote.extend([0, 0, 1, 17, 0, 0]);
    quote.extend(from.0.octets());
    quote.extend(to.0.octets());
    for word in [from.1, to.1, 40, sum] {
        quote.extend(word.to_be_bytes());
    }
    quote
}

/// The checksum of RFC 1071.
pub fn checksum(header: &[u8]) -> u16 {
    let (words, odd) = header.as_chunks::<2>();
    let words = words.iter().map(|w| u32::from(u16::from_be_bytes(*w)));
    let last = odd.first().map_or(0, |b| u32::from(*b) << 8);
    let sum: u32 = words.sum::<u32>() + last;
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_checksum_is_that_of_rfc_1071() {
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(checksum(&header), 0xb861);
    }

    #[test]
    fn a_tagged_frame_carries_its_tag() {
        let (here, there) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let frame = vlan_udp(5, [2; 6], [4; 6], (here, 1), (there, 2));
        assert_eq!(frame.len(), 14 + 4 + 32);
        assert_eq!(frame[12..18], [0x81, 0, 0, 5, 8, 0]);
    }
}
