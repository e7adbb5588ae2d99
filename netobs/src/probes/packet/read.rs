//! An answer from bytes: length first, checksum next, then what it says; the rest is refused with its reason.

use super::extensions;
use crate::{
    event::Mono,
    probes::net::{Answer, Identity, Proto, Quote, Stamped, What},
};
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, checksum::Sum16BitWords};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Truncated,
    Checksum,
    /// Well-formed, and about something else: other types, other programs' packets.
    Other,
}

/// An IP packet's payload and what its header says.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub at: Mono,
    pub from: IpAddr,
    pub ttl: Option<u8>,
    /// From the ICMP or TCP header on.
    pub bytes: &'a [u8],
}

/// What IPv4 raw sockets give begins with the IP header.
pub fn strip_ipv4(packet: &[u8], at: Mono) -> Result<Received<'_>, Refusal> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| Refusal::Truncated)?;
    let start = header.slice().len();
    let end = usize::from(header.total_len()).min(packet.len());
    Ok(Received {
        at,
        from: IpAddr::V4(header.source_addr()),
        ttl: Some(header.ttl()),
        bytes: packet.get(start..end).ok_or(Refusal::Truncated)?,
    })
}

pub(super) const PROTO_ICMP: u8 = 1;
pub(super) const PROTO_TCP: u8 = 6;
pub(super) const PROTO_UDP: u8 = 17;
const PROTO_FRAGMENT: u8 = 44;
pub(super) const PROTO_ICMP6: u8 = 58;

/// An ICMP message of either family. The kernel has checked the checksum of `ICMPv6` before a raw socket gets it.
pub fn icmp(received: Received<'_>) -> Result<Answer, Refusal> {
    let sum = Sum16BitWords::new().add_slice(received.bytes);
    if received.bytes.len() < 8 {
        return Err(Refusal::Truncated);
    }
    if received.from.is_ipv4() && sum.ones_complement() != 0 {
        return Err(Refusal::Checksum);
    }
    message(received)
}

/// The same, with a checksum that somebody else has checked or nobody can.
pub(super) fn message(received: Received<'_>) -> Result<Answer, Refusal> {
    let bytes = received.bytes;
    let [kind, code, _, _, rest @ ..] = bytes.first_chunk::<8>().ok_or(Refusal::Truncated)?;
    let v4 = received.from.is_ipv4();
    let mtu = if v4 {
        u32::from(u16::from_be_bytes([rest[2], rest[3]]))
    } else {
        u32::from_be_bytes(*rest)
    };
    let what = match (v4, *kind, *code) {
        (true, 0, 0) | (false, 129, 0) => What::EchoReply,
        (true, 11, 0) | (false, 3, 0) => What::TimeExceeded,
        (true, 3, 4) | (false, 2, _) => What::TooBig { mtu },
        (true, 3 | 12, code) | (false, 1 | 4, code) => What::Error { kind: *kind, code },
        _ => return Err(Refusal::Other),
    };
    let mut answer = Answer {
        at: received.at,
        identity: Identity {
            peer: received.from,
            proto: Proto::Icmp,
            a: u16::from_be_bytes([rest[0], rest[1]]),
            b: u16::from_be_bytes([rest[2], rest[3]]),
            token: 0,
        },
        from: received.from,
        what,
        ttl: received.ttl,
        quote: None,
        extensions: None,
        len: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        stamped: Stamped::default(),
    };
    if what == What::EchoReply {
        return Ok(answer);
    }
    let quoted = &bytes[8..];
    (answer.identity, answer.quote) = if v4 {
        quoted4(quoted)?
    } else {
        quoted6(quoted)?
    };
    // The length of the quote stands in another byte of each family, in other units.
    let told = if v4 {
        usize::from(rest[1]) * 4
    } else {
        usize::from(rest[0]) * 8
    };
    // A packet too big tells its MTU there.
    if !matches!(what, What::TooBig { .. }) {
        answer.extensions = extensions::read(quoted, told);
    }
    Ok(answer)
}

pub(super) type Quoted = (Identity, Option<Quote>);

pub(super) fn quoted4(quoted: &[u8]) -> Result<Quoted, Refusal> {
    let ip = Ipv4HeaderSlice::from_slice(quoted).map_err(|_| Refusal::Truncated)?;
    if ip.fragments_offset().value() != 0 {
        return Err(Refusal::Other);
    }
    let quote = Quote {
        source: IpAddr::V4(ip.source_addr()),
        ttl: ip.ttl(),
        tos: ip.dcp().value() << 2 | ip.ecn().value(),
        id: Some(ip.identification()),
    };
    let behind = &quoted[ip.slice().len()..];
    let identity = transport(IpAddr::V4(ip.destination_addr()), ip.protocol().0, behind)?;
    Ok((identity, Some(quote)))
}

pub(super) fn quoted6(quoted: &[u8]) -> Result<Quoted, Refusal> {
    let ip = Ipv6HeaderSlice::from_slice(quoted).map_err(|_| Refusal::Truncated)?;
    let quote = Quote {
        source: IpAddr::V6(ip.source_addr()),
        ttl: ip.hop_limit(),
        tos: ip.traffic_class(),
        id: None,
    };
    let (mut proto, mut behind) = (ip.next_header().0, &quoted[ip.slice().len()..]);
    if proto == PROTO_FRAGMENT {
        proto = *behind.first().ok_or(Refusal::Truncated)?;
        behind = behind.get(8..).ok_or(Refusal::Truncated)?;
    }
    let identity = transport(IpAddr::V6(ip.destination_addr()), proto, behind)?;
    Ok((identity, Some(quote)))
}

/// The first eight bytes behind the quoted IP header: all that routers owe us.
fn transport(peer: IpAddr, proto: u8, behind: &[u8]) -> Result<Identity, Refusal> {
    let word = |at: usize| u16::from_be_bytes([behind[at], behind[at + 1]]);
    if behind.len() < 8 {
        return Err(Refusal::Truncated);
    }
    let whole = u32::from(word(4)) << 16 | u32::from(word(6));
    let (proto, a, b, token) = match proto {
        PROTO_UDP => (Proto::Udp, word(0), word(2), u32::from(word(6))),
        PROTO_TCP => (Proto::Tcp, word(0), word(2), whole),
        PROTO_ICMP if behind[0] == 8 => (Proto::Icmp, word(4), word(6), 0),
        PROTO_ICMP6 if behind[0] == 128 => (Proto::Icmp, word(4), word(6), 0),
        PROTO_ICMP | PROTO_ICMP6 => return Err(Refusal::Other),
        other => (Proto::Other(other), word(0), word(2), whole),
    };
    Ok(Identity {
        peer,
        proto,
        a,
        b,
        token,
    })
}

/// A SYN-ACK or RST; its acknowledgement names the SYN it answers.
pub fn tcp(received: Received<'_>, to: IpAddr) -> Result<Answer, Refusal> {
    let header = TcpHeaderSlice::from_slice(received.bytes).map_err(|_| Refusal::Truncated)?;
    let what = match (header.syn(), header.rst(), header.ack()) {
        (true, false, true) => What::SynAck,
        (_, true, true) => What::Rst,
        _ => return Err(Refusal::Other),
    };
    if !checksum_fits(received.bytes, (received.from, to), PROTO_TCP, 16) {
        return Err(Refusal::Checksum);
    }
    let len = received.bytes.len() - header.slice().len();
    Ok(Answer {
        at: received.at,
        identity: Identity {
            peer: received.from,
            proto: Proto::Tcp,
            a: header.destination_port(),
            b: header.source_port(),
            token: header.acknowledgment_number().wrapping_sub(1),
        },
        from: received.from,
        what,
        ttl: received.ttl,
        quote: None,
        extensions: None,
        len: u16::try_from(len).unwrap_or(u16::MAX),
        stamped: Stamped::default(),
    })
}

/// A packet of a protocol whose ports say whom it answers.
pub fn ported(received: Received<'_>, proto: Proto) -> Result<Answer, Refusal> {
    let [a, b, c, d, ..] = *received.bytes else {
        return Err(Refusal::Truncated);
    };
    let len = received.bytes.len().saturating_sub(8);
    Ok(Answer {
        at: received.at,
        identity: Identity {
            peer: received.from,
            proto,
            a: u16::from_be_bytes([c, d]),
            b: u16::from_be_bytes([a, b]),
            token: 0,
        },
        from: received.from,
        what: What::Datagram,
        ttl: received.ttl,
        quote: None,
        extensions: None,
        len: u16::try_from(len).unwrap_or(u16::MAX),
        stamped: Stamped::default(),
    })
}

/// Whether the checksum at `at` fits. A packet of this machine or its containers may carry only the sum of its addresses yet: the device would have done the rest.
pub(super) fn checksum_fits(bytes: &[u8], ends: (IpAddr, IpAddr), proto: u8, at: usize) -> bool {
    let pseudo = pseudo(ends, proto, bytes.len());
    let partial = !pseudo.ones_complement();
    let stands = bytes
        .get(at..at + 2)
        .map(|s| u16::from_ne_bytes([s[0], s[1]]));
    stands == Some(partial) || pseudo.add_slice(bytes).ones_complement() == 0
}

/// The sum of what IP adds to the checksums of what it carries.
pub(super) fn pseudo(ends: (IpAddr, IpAddr), proto: u8, len: usize) -> Sum16BitWords {
    let sum = Sum16BitWords::new();
    let mut sum = match ends {
        (IpAddr::V4(a), IpAddr::V4(b)) => add4(sum, a, b),
        (IpAddr::V6(a), IpAddr::V6(b)) => add6(sum, a, b),
        _ => sum,
    };
    let len = u32::try_from(len).unwrap_or(0).to_be_bytes();
    sum.add_4bytes([0, 0, 0, proto]).add_4bytes(len)
}

fn add4(mut sum: Sum16BitWords, a: Ipv4Addr, b: Ipv4Addr) -> Sum16BitWords {
    sum.add_4bytes(a.octets()).add_4bytes(b.octets())
}

fn add6(mut sum: Sum16BitWords, a: Ipv6Addr, b: Ipv6Addr) -> Sum16BitWords {
    sum.add_16bytes(a.octets()).add_16bytes(b.octets())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
