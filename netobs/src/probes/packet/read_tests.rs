//! Answers as routers and forgers send them.

use super::*;
use crate::probes::{
    net::Probe,
    packet::build::{self, Look},
};

fn received(from: &str, bytes: &'static [u8]) -> Received<'static> {
    Received {
        at: Mono(5),
        from: from.parse().unwrap(),
        ttl: Some(60),
        bytes,
    }
}

fn probe(peer: &str, proto: Proto, token: u32) -> Probe {
    Probe {
        identity: Identity {
            peer: peer.parse().unwrap(),
            proto,
            a: 40_000,
            b: 33_434,
            token,
        },
        ttl: Some(3),
        payload: 16,
        service: None,
    }
}

/// An ICMP error about `probe` that quotes `len` bytes of it.
fn error(probe: &Probe, source: &str, head: [u8; 8], len: usize) -> Vec<u8> {
    let mut quoted = Vec::new();
    build::whole(probe, source.parse().unwrap(), Look::default(), &mut quoted).unwrap();
    quoted.truncate(len);
    let mut bytes = [head.to_vec(), quoted].concat();
    let sum = Sum16BitWords::new().add_slice(&bytes).ones_complement();
    bytes[2..4].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    Vec::leak(bytes)
}

#[test]
fn the_quote_names_the_probe() {
    for proto in [Proto::Udp, Proto::Tcp] {
        let sent = probe("10.0.9.9", proto, 0x1234);
        let bytes = leak(error(&sent, "10.0.0.1", [11, 0, 0, 0, 0, 0, 0, 0], 28));
        let answer = icmp(received("10.0.3.1", bytes)).unwrap();
        assert_eq!(answer.identity, sent.identity);
        assert_eq!(answer.what, What::TimeExceeded);
        assert_eq!(answer.quote.unwrap().id, Some(0x1234));
        let sent = probe("fd00:9::9", proto, 0x4321);
        let bytes = leak(error(&sent, "fd00::1", [1, 4, 0, 0, 0, 0, 0, 0], 48));
        let answer = icmp(received("fd00:3::1", bytes)).unwrap();
        assert_eq!(answer.identity, sent.identity);
        assert!(answer.is_port_unreachable());
    }
}

#[test]
fn what_is_cut_off_or_changed_is_refused() {
    let sent = probe("10.0.9.9", Proto::Udp, 9);
    let whole = error(&sent, "10.0.0.1", [3, 4, 0, 0, 0, 0, 5, 20], 28);
    let answer = icmp(received("10.0.3.1", leak(whole.clone()))).unwrap();
    assert_eq!(answer.what, What::TooBig { mtu: 1300 });
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x41;
        let refused = icmp(received("10.0.3.1", leak(flipped))).unwrap_err();
        assert_eq!(refused, Refusal::Checksum, "byte {at}");
    }
    for len in 0..28 {
        let bytes = leak(error(&sent, "10.0.0.1", [11, 0, 0, 0, 0, 0, 0, 0], len));
        let refused = icmp(received("10.0.3.1", bytes)).unwrap_err();
        assert_eq!(refused, Refusal::Truncated, "{len} bytes quoted");
    }
    for len in 0..8 {
        assert!(icmp(received("fd00::1", leak(vec![1; len]))).is_err());
    }
}

#[test]
fn no_bytes_are_too_odd() {
    for fill in 0..=255_u8 {
        for len in [0, 8, 9, 27, 28, 36, 48, 56, 140, 160, 200] {
            let bytes = leak(vec![fill; len]);
            for from in ["10.0.0.1", "fd00::1"] {
                drop(icmp(received(from, bytes)));
                drop(tcp(received(from, bytes), from.parse().unwrap()));
            }
            assert!(
                strip_ipv4(bytes, Mono(0)).is_ok_and(|r| r.bytes.len() < 256) || bytes.len() < 256
            );
        }
    }
}

#[test]
fn a_syn_ack_names_its_syn() {
    use etherparse::TcpHeader;
    let (from, to): (Ipv4Addr, Ipv4Addr) = ([10, 0, 9, 9].into(), [10, 0, 0, 1].into());
    let mut header = TcpHeader::new(80, 40_000, 77, 1000);
    (header.syn, header.ack, header.acknowledgment_number) = (true, true, 501);
    header.checksum = header
        .calc_checksum_ipv4_raw(from.octets(), to.octets(), &[])
        .unwrap();
    let good = leak(header.to_bytes().to_vec());
    let answer = tcp(received("10.0.9.9", good), to.into()).unwrap();
    assert_eq!(answer.what, What::SynAck);
    let Identity { a, b, token, .. } = answer.identity;
    assert_eq!((a, b, token), (40_000, 80, 500));
    let mut bad = good.to_vec();
    bad[9] ^= 1;
    assert_eq!(
        tcp(received("10.0.9.9", leak(bad)), to.into()).unwrap_err(),
        Refusal::Checksum
    );
}
