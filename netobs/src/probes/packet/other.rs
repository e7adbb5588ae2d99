//! Probes of any IP protocol: what they are known by stands in the first eight bytes, as ports and a checksum where it has such.

use super::{build::steer, read::pseudo, services::Free};
use crate::probes::net::{Probe, Proto};
use std::net::IpAddr;

/// Bytes before the payload.
pub const HEADER: u16 = 8;
/// Those of a DCCP-Request (RFC 4340, 5.1): ports, offset, checksum, type, 48 bits of a sequence number, service code.
pub const DCCP_REQUEST: u16 = 20;

/// A request is five words long, and its checksum covers all.
const DCCP_TOKEN: u32 = 5 << 24;

/// The token of the `n`th probe: where there is a checksum the lower half is that, never 0 or its twin.
pub const fn token(proto: Proto, n: u32) -> u32 {
    let sum = n % 0xfffe + 1;
    match proto {
        Proto::DCCP => DCCP_TOKEN | sum,
        // A coverage of 0 is all.
        Proto::UDP_LITE => sum,
        Proto::Icmp | Proto::Udp | Proto::Tcp | Proto::Other(_) => n,
    }
}

/// Appends header and payload.
pub fn write(probe: &Probe, number: u8, ends: (IpAddr, IpAddr), payload: &[u8], out: &mut Vec<u8>) {
    let identity = probe.identity;
    let start = out.len();
    out.extend_from_slice(&identity.a.to_be_bytes());
    out.extend_from_slice(&identity.b.to_be_bytes());
    out.extend_from_slice(&identity.token.to_be_bytes());
    let free = match identity.proto {
        Proto::DCCP => {
            // A request with a long sequence number, whose upper bits are left to the checksum.
            out.extend_from_slice(b"\x01\0\0\0\0\0\0\x01trac");
            10
        }
        Proto::UDP_LITE => usize::from(HEADER),
        Proto::Icmp | Proto::Udp | Proto::Tcp | Proto::Other(_) => {
            out.extend_from_slice(payload);
            return;
        }
    };
    out.extend_from_slice(payload);
    let bytes = &mut out[start..];
    let [_, _, high, low] = identity.token.to_be_bytes();
    bytes[6..8].fill(0);
    let sum = |bytes: &[u8]| {
        let sum = pseudo(ends, number, bytes.len()).add_slice(bytes);
        u16::from_be_bytes(sum.ones_complement().to_ne_bytes())
    };
    steer(
        bytes,
        Free::Word(free),
        u16::from_be_bytes([high, low]),
        sum,
    );
    bytes[6..8].copy_from_slice(&[high, low]);
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            build::{Look, whole},
            read::checksum_fits,
            wire,
        },
        *,
    };
    use crate::probes::net::Identity;

    fn built(proto: Proto, from: &str, to: &str) -> (Identity, Vec<u8>) {
        let identity = Identity {
            peer: to.parse().unwrap(),
            proto,
            a: 61_000,
            b: 33_434,
            token: token(proto, 0x1234),
        };
        let probe = Probe {
            identity,
            ttl: Some(3),
            payload: 12,
            service: None,
        };
        let mut bytes = Vec::new();
        whole(&probe, from.parse().unwrap(), Look::default(), &mut bytes).unwrap();
        (identity, bytes)
    }

    #[test]
    fn what_is_sent_is_known_again() {
        for (from, to, ip) in [("10.0.0.1", "10.0.9.9", 20), ("fd00::1", "fd00:9::9", 40)] {
            for number in [2, 33, 47, 132, 136, 253] {
                let (identity, bytes) = built(Proto::Other(number), from, to);
                assert_eq!(wire::probe(&bytes), Some(identity), "{number}");
                let header = if number == 33 { DCCP_REQUEST } else { HEADER };
                assert_eq!(bytes.len(), ip + usize::from(header) + 12);
                if [33, 136].contains(&number) {
                    let ends = (from.parse().unwrap(), to.parse().unwrap());
                    assert!(checksum_fits(&bytes[ip..], ends, number, 6), "{number}");
                }
            }
        }
    }
}
