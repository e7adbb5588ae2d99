//! Probes and answers as they stand on the wire, from their IP header on.

use super::read::{
    self, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP, PROTO_UDP, Received, Refusal, checksum_fits,
};
use crate::{
    event::Mono,
    probes::net::{Answer, Identity, Proto},
};
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};
use std::net::IpAddr;

/// What a probe of ours is known by.
pub fn probe(packet: &[u8]) -> Option<Identity> {
    let quoted = if is_six(packet) {
        read::quoted6(packet)
    } else {
        read::quoted4(packet)
    };
    quoted.ok().map(|(identity, _)| identity)
}

fn is_six(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
}

/// An answer, of `total` bytes on the wire. `proven`: all of it is here, and its checksum fits.
pub fn answer(packet: &[u8], at: Mono, total: usize) -> Result<(Answer, bool), Refusal> {
    let parts = if is_six(packet) {
        six(packet, at)?
    } else {
        four(packet, at)?
    };
    let whole = packet.len() >= total && !parts.fragment;
    let ends = (parts.received.from, parts.to);
    let fits = |place| whole && checksum_fits(parts.received.bytes, ends, parts.proto, place);
    match parts.proto {
        PROTO_ICMP if whole => read::icmp(parts.received).map(|answer| (answer, true)),
        PROTO_ICMP | PROTO_ICMP6 => {
            let mut answer = read::message(parts.received)?;
            let missing = total.saturating_sub(packet.len());
            answer.len = answer
                .len
                .saturating_add(u16::try_from(missing).unwrap_or(0));
            Ok((answer, parts.proto == PROTO_ICMP6 && fits(2)))
        }
        PROTO_TCP => read::tcp(parts.received, parts.to).map(|answer| (answer, whole)),
        PROTO_UDP => read::ported(parts.received, Proto::Udp).map(|answer| (answer, fits(6))),
        _ => Err(Refusal::Other),
    }
}

struct Parts<'a> {
    received: Received<'a>,
    to: IpAddr,
    proto: u8,
    fragment: bool,
}

fn four(packet: &[u8], at: Mono) -> Result<Parts<'_>, Refusal> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| Refusal::Truncated)?;
    Ok(Parts {
        received: read::strip_ipv4(packet, at)?,
        to: IpAddr::V4(header.destination_addr()),
        proto: header.protocol().0,
        fragment: header.more_fragments(),
    })
}

fn six(packet: &[u8], at: Mono) -> Result<Parts<'_>, Refusal> {
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| Refusal::Truncated)?;
    let start = header.slice().len();
    let end = (start + usize::from(header.payload_length())).min(packet.len());
    Ok(Parts {
        received: Received {
            at,
            from: IpAddr::V6(header.source_addr()),
            ttl: Some(header.hop_limit()),
            bytes: packet.get(start..end).ok_or(Refusal::Truncated)?,
        },
        to: IpAddr::V6(header.destination_addr()),
        proto: header.next_header().0,
        fragment: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::{
        net::Probe,
        packet::build::{Look, whole},
    };

    fn sent(from: &str, to: &str, proto: Proto) -> (Identity, Vec<u8>) {
        let identity = Identity {
            peer: to.parse().unwrap(),
            proto,
            a: 50_000,
            b: 33_434,
            token: 0x1234,
        };
        let probe = Probe {
            identity,
            ttl: None,
            payload: 10,
            service: None,
        };
        let mut bytes = Vec::new();
        whole(&probe, from.parse().unwrap(), Look::default(), &mut bytes).unwrap();
        (identity, bytes)
    }

    #[test]
    fn a_probe_is_known_as_it_was_sent() {
        for (from, to) in [("10.0.0.1", "10.0.9.9"), ("fd00::1", "fd00:9::9")] {
            for proto in [Proto::Udp, Proto::Tcp] {
                let (identity, bytes) = sent(from, to, proto);
                assert_eq!(probe(&bytes), Some(identity));
                for len in 0..bytes.len() {
                    probe(&bytes[..len]);
                }
            }
        }
    }

    #[test]
    fn a_datagram_is_proven_by_its_checksum() {
        for (from, to) in [("10.0.0.1", "10.0.9.9"), ("fd00::1", "fd00:9::9")] {
            let (_, mut bytes) = sent(from, to, Proto::Udp);
            let read = |bytes: &[u8], total| answer(bytes, Mono(1), total);
            let (told, proven) = read(&bytes, bytes.len()).unwrap();
            assert!(proven);
            assert_eq!(told.identity.peer, from.parse::<IpAddr>().unwrap());
            assert_eq!((told.identity.a, told.identity.b), (33_434, 50_000));
            assert!(!read(&bytes, bytes.len() + 1).unwrap().1, "cut off");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            assert!(!read(&bytes, bytes.len()).unwrap().1, "changed");
            for len in 0..bytes.len() {
                drop(read(&bytes[..len], len));
            }
        }
    }
}
