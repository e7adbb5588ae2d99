//! One packet of each kind.

use std::net::Ipv6Addr;

use super::frames::{
    A6, B6, EVERYBODY, V4, eth4, eth6, ether, ether_to, icmp, summed6, summed6_to, udp, v4, v6,
    v6_to, vlan,
};
use super::transports::transports;

/// Ethernet frames; their lines read as tcpdump's, with and without `-e`, `-v`, `-q`, `-S`.
pub fn zoo() -> Vec<Vec<u8>> {
    [
        transports(),
        icmp4(),
        link(),
        icmp6(),
        extensions(),
        tunnels(),
        short_session(),
        others(),
    ]
    .concat()
}

fn icmp4() -> Vec<Vec<u8>> {
    let lost = v4(17, &udp(1, 9, b"zz"));
    let tcp = v4(
        6,
        &[
            0, 1, 0, 9, 0, 0, 0, 3, 0, 0, 0, 4, 0x50, 0x10, 2, 0, 0, 0, 0, 0,
        ],
    );
    let say = |kind, code, rest, payload: &[u8]| eth4(1, &icmp(kind, code, rest, payload));
    vec![
        say(8, 0, [0x12, 0x34, 0, 1], &[b'a'; 56]),
        say(0, 0, [0x12, 0x34, 0, 1], &[b'a'; 56]),
        say(3, 3, [0; 4], &lost),
        say(3, 3, [0; 4], &tcp),
        say(3, 1, [0; 4], &lost),
        say(3, 0, [0; 4], &lost),
        say(3, 2, [0; 4], &lost),
        say(3, 4, [0, 0, 0x05, 0x78], &lost),
        say(3, 10, [0; 4], &lost),
        say(3, 13, [0; 4], &lost),
        say(11, 0, [0; 4], &lost),
        say(11, 1, [0; 4], &lost),
        say(5, 1, [10, 0, 0, 9], &lost),
        say(12, 0, [4, 0, 0, 0], &lost),
        eth4(1, &[8, 0, 0, 0, 0, 1, 0, 2]),
    ]
}

fn link() -> Vec<Vec<u8>> {
    let arp = |operation: u8, to: [u8; 6], target: [u8; 4]| {
        let mut arp = vec![
            0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1,
        ];
        arp.extend(to);
        arp.extend(target);
        arp
    };
    let plain = eth4(17, &udp(1, 2, b"v"));
    let six = eth6(17, &summed6(17, 6, udp(5, 6, b"xyz")));
    vec![
        ether_to(EVERYBODY, 0x0806, &arp(1, [0; 6], [10, 0, 0, 2])),
        ether(0x0806, &arp(2, [2, 0, 0, 0, 0, 2], [10, 0, 0, 2])),
        ether_to(EVERYBODY, 0x0806, &arp(1, [0; 6], [10, 0, 0, 1])),
        ether_to(EVERYBODY, 0x8035, &arp(3, [2, 0, 0, 0, 0, 1], [0; 4])),
        vlan(0x8100, 0x2005, &plain),
        vlan(0x88a8, 7, &vlan(0x8100, 6, &plain)),
        vlan(0x8100, 5, &six),
        vlan(0x8100, 6, &ether_to(EVERYBODY, 0x0806, &arp(1, [0; 6], [10, 0, 0, 2]))),
        ether(0x9999, b"abcdefgh"),
        ether_to([1, 0, 0x5e, 0, 0, 0xfb], 0x0800, &V4 { to: [224, 0, 0, 251].into(), ttl: 1, ..V4::default() }.carry(17, &udp(7, 8, b"m"))),
        ether_to(
            [1, 0x80, 0xc2, 0, 0, 0],
            0x0026,
            b"\x42\x42\x03\0\0\0\0\0\x80\0\x02\0\0\0\0\x01\0\0\0\0\x80\0\x02\0\0\0\0\x01\x80\x01\0\0\x14\0\x02\0\x0f\0\0\0\0\0\0\0\0\0",
        ),
    ]
}

fn icmp6() -> Vec<Vec<u8>> {
    let say = |to: Ipv6Addr, hops: u8, message: Vec<u8>| {
        let message = summed6_to(to, 58, 2, message);
        ether(0x86dd, &v6_to(to, hops, 0, 58, &message))
    };
    let with = |kind: u8, code: u8, rest: [u8; 4], payload: &[u8]| {
        [&[kind, code, 0, 0][..], &rest, payload].concat()
    };
    let source = [1, 1, 2, 0, 0, 0, 0, 1];
    let target = [2, 1, 2, 0, 0, 0, 0, 1];
    let lost = v6(17, &udp(1, 9, b"zz"));
    let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let prefix = [
        &[
            0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 1, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0,
        ][..],
        &Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0).octets(),
        &[5, 1, 0, 0, 0, 0, 5, 0xdc],
    ]
    .concat();
    vec![
        say(
            B6,
            255,
            with(135, 0, [0; 4], &[&B6.octets()[..], &source].concat()),
        ),
        say(
            B6,
            255,
            with(
                136,
                0,
                [0x60, 0, 0, 0],
                &[&B6.octets()[..], &target].concat(),
            ),
        ),
        say(routers, 255, with(133, 0, [0; 4], &source)),
        say(B6, 255, with(134, 0, [64, 0, 7, 8], &prefix)),
        say(B6, 64, with(128, 0, [0, 5, 0, 6], &[b'b'; 20])),
        say(B6, 64, with(129, 0, [0, 5, 0, 6], &[b'b'; 20])),
        say(B6, 64, with(1, 4, [0; 4], &lost)),
        say(B6, 64, with(2, 0, [0, 0, 5, 0], &lost)),
        say(B6, 64, with(3, 0, [0; 4], &lost)),
        eth6(58, &with(128, 0, [0, 5, 0, 7], b"wrong sum")),
    ]
}

fn extensions() -> Vec<Vec<u8>> {
    let report = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    let message = [&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0][..], &group.octets()].concat();
    let message = summed6_to(report, 58, 2, message);
    let datagram = summed6(17, 6, udp(5, 6, b"d"));
    vec![
        ether(
            0x86dd,
            &v6_to(
                report,
                1,
                0,
                0,
                &[&[58, 0, 5, 2, 0, 0, 1, 0][..], &message].concat(),
            ),
        ),
        eth6(
            44,
            &[&[17, 0, 0, 1, 0, 0, 0, 7][..], &udp(5, 6, &[b'f'; 32])].concat(),
        ),
        eth6(
            44,
            &[&[17, 0, 0, 0x28, 0, 0, 0, 7][..], &[b'f'; 32]].concat(),
        ),
        eth6(
            44,
            &[
                &[6, 0, 0, 0, 0, 0, 0, 7][..],
                &[
                    0, 5, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
                ],
            ]
            .concat(),
        ),
        eth6(
            43,
            &[
                &[17, 2, 0, 1, 0, 0, 0, 0][..],
                &A6.octets(),
                &udp(5, 6, b"r"),
            ]
            .concat(),
        ),
        eth6(60, &[&[17, 0, 1, 4, 0, 0, 0, 0][..], &datagram].concat()),
        eth6(59, &[]),
        ether(0x86dd, &v6_to(B6, 64, 0x12345, 17, &datagram)),
    ]
}

fn tunnels() -> Vec<Vec<u8>> {
    let inner = v4(17, &udp(5, 6, b"g"));
    let six = v6(17, &summed6(17, 6, udp(5, 6, b"g")));
    let ping = v4(1, &icmp(8, 0, [0, 1, 0, 1], &[b'a'; 8]));
    let frame = ether(0x0800, &inner);
    let mpls = |labels: &[u32], payload: &[u8]| {
        let labels: Vec<u8> = labels
            .iter()
            .flat_map(|label| label.to_be_bytes())
            .collect();
        ether(0x8847, &[&labels, payload].concat())
    };
    let session = |kind: u16, payload: &[u8]| {
        let length = u16::try_from(payload.len() + 2).unwrap_or(0);
        let head = [
            &[0x11, 0, 0, 5][..],
            &length.to_be_bytes(),
            &kind.to_be_bytes(),
        ]
        .concat();
        ether(0x8864, &[&head, payload].concat())
    };
    vec![
        eth4(47, &[&[0, 0, 8, 0][..], &ping].concat()),
        eth4(
            47,
            &[&[0x20, 0, 0x86, 0xdd, 0, 0, 0, 77][..], &six].concat(),
        ),
        eth4(47, &[&[0, 0, 0x65, 0x58][..], &frame].concat()),
        eth4(
            17,
            &udp(
                3333,
                4789,
                &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &frame].concat(),
            ),
        ),
        mpls(&[100 << 12 | 1 << 8 | 64], &inner),
        mpls(&[100 << 12 | 64, 200 << 12 | 1 << 8 | 63], &inner),
        mpls(&[100 << 12 | 64, 200 << 12 | 1 << 8 | 63], &six),
        ether(0x8863, &[0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]),
        session(0x21, &inner),
        session(0x57, &six),
        vlan(
            0x8100,
            5,
            &session(
                0x21,
                &v4(
                    6,
                    &[
                        0, 5, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
                    ],
                ),
            ),
        ),
        eth4(4, &inner),
        eth4(41, &six),
        eth6(4, &inner),
    ]
}

/// PPP with one byte for the protocol, as both ends may agree.
fn short_session() -> Vec<Vec<u8>> {
    let inner = v4(17, &udp(5, 6, b"g"));
    let length = u8::try_from(inner.len() + 1).unwrap_or(0);
    let head = [0x11, 0, 0, 5, 0, length, 0x21];
    vec![ether(0x8864, &[&head[..], &inner].concat())]
}

fn others() -> Vec<Vec<u8>> {
    let first = V4 {
        fragment: 0x2000,
        ..V4::default()
    };
    let later = V4 {
        fragment: 0x0004,
        ..V4::default()
    };
    vec![
        ether(0x0800, &first.carry(17, &udp(5, 6, &[b'f'; 24]))),
        ether(0x0800, &later.carry(17, &[b'f'; 24])),
        eth4(50, &[&[0, 0, 1, 0, 0, 0, 0, 5][..], &[b'z'; 20]].concat()),
        eth4(253, b"abc"),
        ether(
            0x0800,
            &V4 {
                tos: 0xb9,
                ..V4::default()
            }
            .carry(17, &udp(1, 2, b"t")),
        ),
    ]
}
