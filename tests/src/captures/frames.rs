//! Bytes of packets, one layer a function: lengths are right, checksums when asked for.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::traffic::frame::checksum;

pub const A4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const B4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const A6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub const B6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const A_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const EVERYBODY: [u8; 6] = [0xff; 6];

fn len16(bytes: &[u8], more: usize) -> [u8; 2] {
    u16::try_from(bytes.len() + more)
        .unwrap_or(u16::MAX)
        .to_be_bytes()
}

pub fn ether(kind: u16, payload: &[u8]) -> Vec<u8> {
    ether_to(B_MAC, kind, payload)
}

pub fn ether_to(to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &A_MAC, &kind.to_be_bytes(), payload].concat()
}

pub fn vlan(kind: u16, id: u16, frame: &[u8]) -> Vec<u8> {
    [
        &frame[..12],
        &kind.to_be_bytes(),
        &id.to_be_bytes(),
        &frame[12..],
    ]
    .concat()
}

/// An IPv4 packet: fragment word and options as given.
pub struct V4 {
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
    pub fragment: u16,
    pub tos: u8,
    pub ttl: u8,
    pub options: &'static [u8],
}

impl Default for V4 {
    fn default() -> Self {
        Self {
            from: A4,
            to: B4,
            fragment: 0x4000,
            tos: 0,
            ttl: 64,
            options: &[],
        }
    }
}

impl V4 {
    pub fn carry(&self, proto: u8, payload: &[u8]) -> Vec<u8> {
        let words = u8::try_from(5 + self.options.len() / 4).unwrap_or(5);
        let mut ip = vec![0x40 | words, self.tos];
        ip.extend(len16(payload, usize::from(words) * 4));
        ip.extend([0, 1]);
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, proto, 0, 0]);
        ip.extend(self.from.octets());
        ip.extend(self.to.octets());
        ip.extend(self.options);
        let sum = checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
        ip.extend(payload);
        ip
    }
}

pub fn v4(proto: u8, payload: &[u8]) -> Vec<u8> {
    V4::default().carry(proto, payload)
}

pub fn eth4(proto: u8, payload: &[u8]) -> Vec<u8> {
    ether(0x0800, &v4(proto, payload))
}

pub fn v6_to(to: Ipv6Addr, hops: u8, flow: u32, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = (0x6000_0000 | flow).to_be_bytes().to_vec();
    ip.extend(len16(payload, 0));
    ip.extend([next, hops]);
    ip.extend(A6.octets());
    ip.extend(to.octets());
    ip.extend(payload);
    ip
}

pub fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    v6_to(B6, 64, 0, next, payload)
}

pub fn eth6(next: u8, payload: &[u8]) -> Vec<u8> {
    ether(0x86dd, &v6(next, payload))
}

pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut udp = from.to_be_bytes().to_vec();
    udp.extend(to.to_be_bytes());
    udp.extend(len16(payload, 8));
    udp.extend([0, 0]);
    udp.extend(payload);
    udp
}

/// A TCP segment.
#[derive(Clone, Copy)]
pub struct Tcp {
    pub ports: (u16, u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub options: &'static [u8],
}

impl Tcp {
    pub fn carry(&self, payload: &[u8]) -> Vec<u8> {
        let words = u8::try_from(5 + self.options.len() / 4).unwrap_or(5);
        let mut tcp = self.ports.0.to_be_bytes().to_vec();
        tcp.extend(self.ports.1.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([words << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(self.options);
        tcp.extend(payload);
        tcp
    }
}

/// Puts the checksum of a transport packet of IPv4 between A and B at `at`.
pub fn summed4(proto: u8, at: usize, mut packet: Vec<u8>) -> Vec<u8> {
    let head = [
        &A4.octets()[..],
        &B4.octets(),
        &[0, proto],
        &len16(&packet, 0),
    ]
    .concat();
    put_sum(&head, at, &mut packet);
    packet
}

/// The same of IPv6.
pub fn summed6(proto: u8, at: usize, packet: Vec<u8>) -> Vec<u8> {
    summed6_to(B6, proto, at, packet)
}

pub fn summed6_to(to: Ipv6Addr, proto: u8, at: usize, mut packet: Vec<u8>) -> Vec<u8> {
    let length = len16(&packet, 0);
    let head = [
        &A6.octets()[..],
        &to.octets(),
        &[0, 0],
        &length,
        &[0, 0, 0, proto],
    ]
    .concat();
    put_sum(&head, at, &mut packet);
    packet
}

/// ICMP's sum covers the message alone.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0][..], &rest, payload].concat();
    put_sum(&[], 2, &mut message);
    message
}

fn put_sum(head: &[u8], at: usize, packet: &mut [u8]) {
    packet[at..at + 2].fill(0);
    let sum = checksum(&[head, packet].concat()).to_be_bytes();
    packet[at..at + 2].copy_from_slice(&sum);
}
