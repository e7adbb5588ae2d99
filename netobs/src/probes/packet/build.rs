//! A probe as bytes: its token stands where every router quotes it, in the first eight bytes behind the IP header.

use super::{
    other,
    services::{self, Free, LETTERS},
};
use crate::probes::net::{Probe, Proto};
use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpDscp, IpEcn, IpNumber,
    Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader, TcpOptionElement, UdpHeader,
};
use std::net::IpAddr;

/// What is the same in all probes of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Type of service, or traffic class.
    pub tos: u8,
    pub dont_fragment: bool,
}

/// Hop limit of probes that name none.
const TTL: u8 = 64;
/// What an Ethernet host would offer.
const MSS: u16 = 1460;
/// ICMP echoes keep one checksum, so that no router balances them by it.
const ECHO_CHECKSUM: u16 = 0x6e6f;

/// An echo request from its ICMP header on.
pub fn echo(probe: &Probe, source: IpAddr, out: &mut Vec<u8>) {
    out.clear();
    let echo = IcmpEchoHeader {
        id: probe.identity.a,
        seq: probe.identity.b,
    };
    let mut payload = pattern(probe.payload);
    if let (IpAddr::V6(from), IpAddr::V6(to)) = (source, probe.identity.peer) {
        let request = Icmpv6Type::EchoRequest(echo);
        let (from, to) = (from.octets(), to.octets());
        let sum = |payload: &[u8]| request.calc_checksum(from, to, payload).unwrap_or(0);
        steer(&mut payload, START, ECHO_CHECKSUM, sum);
        let header = Icmpv6Header {
            checksum: sum(&payload),
            icmp_type: request,
        };
        out.extend_from_slice(&header.to_bytes());
    } else {
        let request = Icmpv4Type::EchoRequest(echo);
        let sum = |payload: &[u8]| request.calc_checksum(payload);
        steer(&mut payload, START, ECHO_CHECKSUM, sum);
        let header = Icmpv4Header {
            checksum: sum(&payload),
            icmp_type: request.clone(),
        };
        out.extend_from_slice(&header.to_bytes());
    }
    out.extend_from_slice(&payload);
}

/// A whole packet, IP header included; none for echoes and where the families of the addresses differ.
pub fn whole(probe: &Probe, source: IpAddr, look: Look, out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let (header, proto) = match probe.identity.proto {
        Proto::Udp => (8, IpNumber::UDP),
        Proto::Tcp => (24, IpNumber::TCP),
        Proto::DCCP => (other::DCCP_REQUEST, IpNumber(33)),
        Proto::Other(number) => (other::HEADER, IpNumber(number)),
        Proto::Icmp => return None,
    };
    let (payload, free) = payload(probe);
    let len = u16::try_from(payload.len()).ok()?.checked_add(header)?;
    let ends = (source, probe.identity.peer);
    match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let ttl = probe.ttl.unwrap_or(TTL);
            let mut ip = Ipv4Header::new(len, ttl, proto, from.octets(), to.octets()).ok()?;
            // The low half of the token: a second place to know the probe by.
            ip.identification = u16::try_from(probe.identity.token & 0xffff).unwrap_or(0);
            ip.dont_fragment = look.dont_fragment;
            ip.dscp = IpDscp::try_new(look.tos >> 2).unwrap_or(IpDscp::ZERO);
            ip.ecn = IpEcn::try_new(look.tos & 3).unwrap_or(IpEcn::ZERO);
            ip.header_checksum = ip.calc_header_checksum();
            ip.write(out).ok()?;
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let ip = Ipv6Header {
                traffic_class: look.tos,
                flow_label: Ipv6FlowLabel::try_new(u32::from(probe.identity.a)).ok()?,
                payload_length: len,
                next_header: proto,
                hop_limit: probe.ttl.unwrap_or(TTL),
                source: from.octets(),
                destination: to.octets(),
            };
            ip.write(out).ok()?;
        }
        _ => return None,
    }
    match probe.identity.proto {
        Proto::Tcp => syn(probe, ends, &payload, out),
        Proto::Other(number) => {
            other::write(probe, number, ends, &payload, out);
            Some(())
        }
        Proto::Udp | Proto::Icmp => datagram(probe, ends, (payload, free), out),
    }
}

/// What stands behind the header, and where it may be anything.
pub fn payload(probe: &Probe) -> (Vec<u8>, Free) {
    let asked = probe.service.filter(|_| probe.identity.proto == Proto::Udp);
    let question = asked.and_then(|nth| services::question(probe.identity.b, nth));
    question.map_or_else(
        || (pattern(probe.payload), START),
        |question| (question.bytes, question.free),
    )
}

/// The UDP checksum is the token; the bytes of the payload that may be anything make it so.
fn datagram(
    probe: &Probe,
    ends: (IpAddr, IpAddr),
    (mut payload, free): (Vec<u8>, Free),
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut udp = UdpHeader {
        source_port: probe.identity.a,
        destination_port: probe.identity.b,
        length: u16::try_from(8 + payload.len()).ok()?,
        checksum: 0,
    };
    let sum = |payload: &[u8]| match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => udp
            .calc_checksum_ipv4_raw(from.octets(), to.octets(), payload)
            .unwrap_or(0),
        (IpAddr::V6(from), IpAddr::V6(to)) => udp
            .calc_checksum_ipv6_raw(from.octets(), to.octets(), payload)
            .unwrap_or(0),
        _ => 0,
    };
    steer(
        &mut payload,
        free,
        u16::try_from(probe.identity.token).unwrap_or(0),
        sum,
    );
    udp.checksum = sum(&payload);
    udp.write(out).ok()?;
    out.extend_from_slice(&payload);
    Some(())
}

fn syn(probe: &Probe, ends: (IpAddr, IpAddr), payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut tcp = TcpHeader::new(
        probe.identity.a,
        probe.identity.b,
        probe.identity.token,
        u16::MAX,
    );
    tcp.syn = true;
    tcp.set_options(&[TcpOptionElement::MaximumSegmentSize(MSS)])
        .ok()?;
    tcp.checksum = match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => tcp
            .calc_checksum_ipv4_raw(from.octets(), to.octets(), payload)
            .ok()?,
        (IpAddr::V6(from), IpAddr::V6(to)) => tcp
            .calc_checksum_ipv6_raw(from.octets(), to.octets(), payload)
            .ok()?,
        _ => return None,
    };
    tcp.write(out).ok()?;
    out.extend_from_slice(payload);
    Some(())
}

/// As ping fills its packets, after two bytes that steer the checksum.
fn pattern(len: u16) -> Vec<u8> {
    let bytes = (0..len).map(|n| u8::try_from(n & 0xff).unwrap_or(0));
    bytes.collect()
}

/// The first two bytes, where nothing else is said.
const START: Free = Free::Word(0);

/// Sets the bytes of `payload` that may be anything so that `sum` gives `wanted`.
pub(super) fn steer(payload: &mut [u8], free: Free, wanted: u16, sum: impl Fn(&[u8]) -> u16) {
    if let Free::Word(at) = free
        && let Some(word) = payload.get_mut(at..at + 2)
    {
        word.fill(0);
    }
    // In one's complement, what is missing from the sum is !wanted - !now.
    let (missing, carry) = (!wanted).overflowing_add(sum(payload));
    let missing = missing + u16::from(carry);
    match free {
        Free::Word(at) => {
            if let Some(word) = payload.get_mut(at..at + 2) {
                word.copy_from_slice(&missing.to_be_bytes());
            }
        }
        Free::Letters(at) => {
            let [high, low] = missing.to_be_bytes();
            let letters = payload.get_mut(at..at + LETTERS).unwrap_or_default();
            for (first, mut more) in [(0, high), (1, low)] {
                for letter in letters.iter_mut().skip(first).step_by(2) {
                    let step = more.min(b'Z' - b'A');
                    *letter = b'A' + step;
                    more -= step;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::net::Identity;
    use etherparse::{PacketHeaders, TransportHeader};

    fn probe(peer: &str, proto: Proto, token: u32) -> Probe {
        Probe {
            identity: Identity {
                peer: peer.parse().unwrap(),
                proto,
                a: 50_000,
                b: 33_434,
                token,
            },
            ttl: Some(7),
            payload: 32,
            service: None,
        }
    }

    #[test]
    fn the_checksum_is_the_token() {
        for (from, to) in [("10.0.0.1", "10.0.9.9"), ("fd00::1", "fd00:9::9")] {
            for token in [1, 2, 0x1234, 0xfffe] {
                let mut bytes = Vec::new();
                let probe = probe(to, Proto::Udp, token);
                whole(&probe, from.parse().unwrap(), Look::default(), &mut bytes).unwrap();
                let read = PacketHeaders::from_ip_slice(&bytes).unwrap();
                let Some(TransportHeader::Udp(udp)) = read.transport else {
                    panic!("no UDP header");
                };
                assert_eq!(u32::from(udp.checksum), token, "{to}");
                let parsed = crate::packet::Parsed::ip(&bytes);
                assert_eq!(parsed.ttl, Some(7));
                assert_eq!(parsed.ports, Some((50_000, 33_434)));
            }
        }
    }

    #[test]
    fn every_question_carries_its_token() {
        for (from, to) in [("10.0.0.1", "10.0.9.9"), ("fd00::1", "fd00:9::9")] {
            for port in (1..=u16::MAX).filter(|port| services::question(*port, 0).is_some()) {
                for (token, nth) in [(1, 0), (0x1234, 1), (0xff00, 0), (0xfffe, 1)] {
                    let mut probe = probe(to, Proto::Udp, token);
                    (probe.identity.b, probe.service) = (port, Some(nth));
                    let mut bytes = Vec::new();
                    whole(&probe, from.parse().unwrap(), Look::default(), &mut bytes).unwrap();
                    let read = PacketHeaders::from_ip_slice(&bytes).unwrap();
                    let Some(TransportHeader::Udp(udp)) = read.transport else {
                        panic!("no UDP header");
                    };
                    assert_eq!(u32::from(udp.checksum), token, "{port}");
                    let own = services::question(port, nth).unwrap().bytes.len();
                    assert_eq!(read.payload.slice().len(), own, "{port}");
                }
            }
        }
    }

    #[test]
    fn a_syn_carries_its_token_as_sequence_number() {
        let mut bytes = Vec::new();
        let probe = Probe {
            payload: 0,
            ..probe("10.0.9.9", Proto::Tcp, 0xdead_beef)
        };
        let look = Look {
            tos: 0x10,
            dont_fragment: true,
        };
        whole(&probe, "10.0.0.1".parse().unwrap(), look, &mut bytes).unwrap();
        let read = PacketHeaders::from_ip_slice(&bytes).unwrap();
        let Some(TransportHeader::Tcp(tcp)) = read.transport else {
            panic!("no TCP header");
        };
        assert_eq!(
            (tcp.sequence_number, tcp.syn, tcp.ack),
            (0xdead_beef, true, false)
        );
        assert_eq!(bytes[1], 0x10);
        assert_eq!(bytes[6] & 0x40, 0x40);
    }

    #[test]
    fn echoes_keep_one_checksum() {
        let mut bytes = Vec::new();
        for b in [0, 1, 500, 65_535] {
            let mut probe = probe("10.0.9.9", Proto::Icmp, 0);
            probe.identity.b = b;
            echo(&probe, "10.0.0.1".parse().unwrap(), &mut bytes);
            assert_eq!(bytes[2..4], ECHO_CHECKSUM.to_be_bytes());
            assert_eq!(bytes.len(), 40);
        }
    }
}
