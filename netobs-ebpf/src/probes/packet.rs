//! Which packets are probes of a run, and which answer them: by identifier or ports, in the packet or in what an error quotes.

use netobs_ebpf::probes::record::ProbesWanted;

/// Written by userspace, frozen before loading.
#[unsafe(no_mangle)]
pub static PROBES_WANTED: ProbesWanted = ProbesWanted {
    netns: 0,
    icmp_id: 0,
    tcp_first: 0,
    tcp_last: 0,
    udp4: 0,
    udp6: 0,
    other: 0,
    other_id: 0,
};

/// Reads one field of [`PROBES_WANTED`].
macro_rules! wanted {
    ($field:ident) => {
        $crate::kernel::access::constant(&raw const $crate::probes::packet::PROBES_WANTED.$field)
    };
}
pub(super) use wanted;

const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const FRAGMENT: u32 = 44;
const ICMP6: u32 = 58;

const SYN: u32 = 0x02;
const RST: u32 = 0x04;
const ACK: u32 = 0x10;

/// A packet from its IP header on.
pub trait Bytes {
    /// Words in network order; false where the packet is shorter.
    fn words<const N: usize>(&self, at: u32, to: &mut [u32; N]) -> bool;
}

/// What the IP header says, in one word each.
#[derive(Clone, Copy)]
struct Header {
    proto: u32,
    /// Where the next header begins.
    next: u32,
    /// Length of the packet; 0: no IP packet, or a later fragment, which has no ports.
    total: u32,
    six: bool,
}

#[inline(always)]
fn header(packet: &impl Bytes, at: u32) -> Header {
    let mut ip = [0; 5];
    let mut header = Header {
        proto: 0,
        next: 0,
        total: 0,
        six: false,
    };
    if !packet.words(at, &mut ip) {
        return header;
    }
    let (first, second) = (u32::from_be(ip[0]), u32::from_be(ip[1]));
    if first >> 28 == 4 && second & 0x1fff == 0 {
        header.proto = u32::from_be(ip[2]) >> 16 & 0xff;
        header.next = at + (first >> 24 & 15) * 4;
        header.total = first & 0xffff;
    } else if first >> 28 == 6 {
        header.proto = second >> 8 & 0xff;
        header.next = at + 40;
        header.total = (second >> 16) + 40;
        header.six = true;
    }
    header
}

/// Length of the packet if it is a probe that leaves; 0 else.
#[inline(always)]
pub fn probe(packet: &impl Bytes) -> u32 {
    let ip = header(packet, 0);
    let is_ours = match ip.proto {
        _ if ip.total == 0 => false,
        TCP => {
            let flags = flags(packet, ip.next);
            flags & (SYN | ACK) == SYN && sent(packet, &ip)
        }
        _ => sent(packet, &ip),
    };
    if is_ours { ip.total } else { 0 }
}

/// Length of the packet if it answers a probe; 0 else.
#[inline(always)]
pub fn answer(packet: &impl Bytes) -> u32 {
    let ip = header(packet, 0);
    let is_ours = match ip.proto {
        _ if ip.total == 0 => false,
        ICMP | ICMP6 => icmp(packet, &ip),
        TCP => {
            let flags = flags(packet, ip.next);
            let answers = flags & RST != 0 || flags & (SYN | ACK) == SYN | ACK;
            answers && tcp_port(destination(packet, ip.next))
        }
        UDP => destination(packet, ip.next) == udp(ip.six),
        proto => proto == wanted!(other) && destination(packet, ip.next) == wanted!(other_id),
    };
    if is_ours { ip.total } else { 0 }
}

#[inline(always)]
fn icmp(packet: &impl Bytes, ip: &Header) -> bool {
    let mut echo = [0; 2];
    if !packet.words(ip.next, &mut echo) {
        return false;
    }
    let kind = u32::from_be(echo[0]) >> 24;
    let (reply, errors) = if ip.six { (129, 1..=4) } else { (0, 3..=12) };
    if kind == reply {
        return u32::from_be(echo[1]) >> 16 == wanted!(icmp_id);
    }
    // Between unreachable and time exceeded stand types that quote nothing of ours.
    if !errors.contains(&kind) {
        return false;
    }
    let mut quoted = header(packet, ip.next + 8);
    if quoted.six && quoted.proto == FRAGMENT {
        let mut fragment = [0; 1];
        if !packet.words(quoted.next, &mut fragment) {
            return false;
        }
        quoted.proto = u32::from_be(fragment[0]) >> 24;
        quoted.next += 8;
    }
    quoted.total != 0 && sent(packet, &quoted)
}

/// Whether the header behind an IP header is one of ours, as we send it.
#[inline(always)]
fn sent(packet: &impl Bytes, ip: &Header) -> bool {
    let mut start = [0; 2];
    if !packet.words(ip.next, &mut start) {
        return false;
    }
    let first = u32::from_be(start[0]);
    let kind = if ip.six { 128 } else { 8 };
    match ip.proto {
        ICMP | ICMP6 => first >> 24 == kind && u32::from_be(start[1]) >> 16 == wanted!(icmp_id),
        TCP => tcp_port(first >> 16),
        UDP => first >> 16 == udp(ip.six),
        proto => proto == wanted!(other) && first >> 16 == wanted!(other_id),
    }
}

#[inline(always)]
fn tcp_port(port: u32) -> bool {
    port >= wanted!(tcp_first) && port <= wanted!(tcp_last)
}

#[inline(always)]
fn udp(six: bool) -> u32 {
    // Both are read: of one address chosen out of two the verifier of 5.10 knows no bounds.
    let (udp4, udp6) = (wanted!(udp4), wanted!(udp6));
    if six { udp6 } else { udp4 }
}

#[inline(always)]
fn destination(packet: &impl Bytes, at: u32) -> u32 {
    let mut ports = [0; 1];
    packet.words(at, &mut ports);
    u32::from_be(ports[0]) & 0xffff
}

#[inline(always)]
fn flags(packet: &impl Bytes, at: u32) -> u32 {
    let mut word = [0; 1];
    packet.words(at + 12, &mut word);
    u32::from_be(word[0]) >> 16 & 0xff
}
