//! One packet of each kind.

use std::net::Ipv6Addr;

use super::frames::{
    A4, A6, B4, B6, EVERYBODY, Tcp, V4, eth4, eth6, ether, ether_to, icmp, summed4, summed6,
    summed6_to, udp, v4, v6, v6_to, vlan,
};

const SYN_OPTIONS: &[u8] = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x01\0\0\0\0\x01\x03\x03\x07";
const STAMP: &[u8] = b"\x01\x01\x08\x0a\0\0\0\x05\0\0\0\x06";
const SACK: &[u8] = b"\x01\x01\x05\x0a\0\0\x03\xf3\0\0\x03\xfd";

/// Ethernet frames; their lines read as tcpdump's, with and without `-e`, `-v`, `-q`, `-S`.
pub fn zoo() -> Vec<Vec<u8>> {
    [
        tcp(),
        dns(),
        icmp4(),
        link(),
        icmp6(),
        extensions(),
        tunnels(),
        others(),
    ]
    .concat()
}

fn tcp() -> Vec<Vec<u8>> {
    let there = Tcp {
        ports: (40_000, 80),
        seq: 1000,
        ack: 0,
        flags: 0x02,
        window: 64_240,
        options: SYN_OPTIONS,
    };
    let back = Tcp {
        ports: (80, 40_000),
        seq: 5000,
        ack: 1001,
        flags: 0x12,
        ..there
    };
    let on = Tcp {
        seq: 1001,
        ack: 5001,
        flags: 0x10,
        window: 502,
        options: STAMP,
        ..there
    };
    let reply = V4 {
        from: B4,
        to: A4,
        ..V4::default()
    };
    let good = |tcp: &Tcp, payload: &[u8]| eth4(6, &summed4(6, 16, tcp.carry(payload)));
    let answer = |tcp: &Tcp| ether(0x0800, &reply.carry(6, &summed4(6, 16, tcp.carry(&[]))));
    let six = Tcp {
        ports: (1, 2),
        flags: 0x02,
        options: &[],
        ..there
    };
    vec![
        good(&there, &[]),
        answer(&back),
        good(&on, &[]),
        good(
            &Tcp { flags: 0x18, ..on },
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        answer(&Tcp {
            seq: 5001,
            ack: 1028,
            flags: 0x10,
            options: SACK,
            ..back
        }),
        answer(&Tcp {
            seq: 5001,
            ack: 1028,
            flags: 0x11,
            options: &[],
            ..back
        }),
        good(
            &Tcp {
                seq: 1028,
                ack: 5002,
                flags: 0x14,
                options: &[],
                ..on
            },
            &[],
        ),
        good(
            &Tcp {
                ports: (40_001, 81),
                flags: 0x04,
                options: &[],
                ..there
            },
            &[],
        ),
        good(
            &Tcp {
                ports: (40_001, 81),
                flags: 0xe0,
                options: &[],
                ..there
            },
            b"x",
        ),
        good(
            &Tcp {
                ports: (40_001, 81),
                flags: 0,
                options: &[],
                ..there
            },
            &[],
        ),
        eth4(6, &there.carry(&[])), // a wrong checksum
        eth6(6, &summed6(6, 16, six.carry(&[]))),
        eth6(6, &six.carry(b"abc")),
    ]
}

fn dns() -> Vec<Vec<u8>> {
    const NAME: &[u8] = b"\x03www\x07example\x03com\0";
    let question = [
        &b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0"[..],
        NAME,
        b"\0\x01\0\x01",
    ]
    .concat();
    let with_option = [
        &b"\x12\x36\x01\x20\0\x01\0\0\0\0\0\x01"[..],
        NAME,
        b"\0\x1c\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0",
    ]
    .concat();
    let answers = [
        &b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0"[..],
        NAME,
        b"\0\x01\0\x01\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03abc\xc0\x10\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03",
    ]
    .concat();
    let none = [
        &b"\x12\x35\x85\x83\0\x01\0\0\0\0\0\0"[..],
        NAME,
        b"\0\x1c\0\x01",
    ]
    .concat();
    let texts = [
        &b"\x12\x37\x81\x80\0\x01\0\x03\0\0\0\0"[..],
        NAME,
        b"\0\xff\0\x01\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x03a b\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x10",
        b"\xc0\x0c\0\x21\0\x01\0\0\0\x3c\0\x08\0\x01\0\x02\0\x50\xc0\x10",
    ]
    .concat();
    vec![
        eth4(17, &udp(5354, 53, &question)),
        eth4(17, &udp(5354, 53, &with_option)),
        eth4(17, &udp(53, 5354, &answers)),
        eth4(17, &udp(53, 5354, &none)),
        eth4(17, &summed4(17, 6, udp(53, 5354, &texts))),
        eth6(17, &summed6(17, 6, udp(5354, 53, &question))),
        eth4(17, &udp(1000, 2000, b"hello")),
    ]
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

/// Frames beyond those whose lines are compared: for filters, and for `no line is too odd`.
pub fn odd() -> Vec<Vec<u8>> {
    let inner = ether(
        0x0800,
        &v4(
            6,
            &[
                0, 5, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 2, 1, 0, 0, 0, 0, 0,
            ],
        ),
    );
    let geneve = |options: u8, kind: [u8; 2], payload: &[u8]| {
        let options_bytes = vec![0; usize::from(options) * 4];
        let head = [&[options, 0][..], &kind, &[0, 0, 5, 0], &options_bytes].concat();
        udp(9, 6081, &[&head, payload].concat())
    };
    let llc = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap_or(0);
        ether(length, bytes)
    };
    vec![
        eth4(17, &geneve(0, [0x65, 0x58], &inner)),
        eth4(17, &geneve(2, [0x65, 0x58], &inner)),
        eth4(17, &geneve(1, [0x08, 0x00], &inner[14..])),
        eth6(17, &geneve(0, [0x65, 0x58], &inner)),
        ether(
            0x0800,
            &V4 {
                options: b"\x94\x04\0\0",
                ttl: 1,
                to: [224, 0, 0, 251].into(),
                ..V4::default()
            }
            .carry(2, b"\x16\0\0\0\xe0\0\0\xfb"),
        ),
        ether(
            0x0800,
            &V4 {
                options: b"\x01\x01\x01\0",
                ..V4::default()
            }
            .carry(6, &inner[34..]),
        ),
        eth4(89, &[&[2, 1, 0, 44][..], &[0; 40]].concat()),
        eth4(
            51,
            &[
                &[6, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5][..],
                &[b'z'; 12],
                &inner[34..],
            ]
            .concat(),
        ),
        eth4(
            132,
            &[
                &[0, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20][..],
                &[0; 16],
            ]
            .concat(),
        ),
        eth4(112, &[0x21, 1, 100, 1, 0, 1, 0, 0, 10, 0, 0, 9]),
        eth4(103, &[0x20, 0, 0, 0]),
        eth4(9, &[0; 8]),
        eth6(50, &[0; 12]),
        eth6(
            51,
            &[
                &[6, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5][..],
                &[b'z'; 12],
                &inner[34..],
            ]
            .concat(),
        ),
        eth6(103, &[0x20, 0, 0, 0]),
        eth6(132, &[0, 5, 0, 132, 0, 0, 0, 0, 0, 0, 0, 0]),
        llc(&[0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0x37, 0, 0]),
        llc(&[0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b, 0, 0]),
        llc(&[0xff, 0xff, 0, 0, 0, 0]),
        llc(&[0xe0, 0xe0, 3, 0, 0, 0]),
        llc(&[0xf0, 0xf0, 0x03, 0, 0]),
        llc(&[0xfe, 0xfe, 3, 0x83, 0x1b, 1, 0, 0x12, 1, 0]),
        llc(&[0xfe, 0xfe, 3, 0x81, 0, 0]),
        llc(&[0x42, 0x42, 0x05, 0, 0]),
        ether(
            0x6003,
            &[
                0x81, 0x06, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0, 0, 0, 15, 0x28, 0, 0,
            ],
        ),
        ether(0x6004, &[0; 10]),
        ether(0x8137, &[0; 10]),
        ether(0x809b, &[0; 10]),
        ether(0x88cc, &[2, 7, 4, 2, 0, 0, 0, 0, 1, 0, 0]),
        vlan(0x9100, 5, &inner),
        vlan(0x8100, 5, &vlan(0x8100, 6, &inner)),
        inner[..40].to_vec(),
        inner[..33].to_vec(),
        inner[..15].to_vec(),
        vec![0; 10],
        vec![0xff; 70],
        ether(0x0800, &[0x35; 30]),
        ether(0x86dd, &[0x45; 50]),
    ]
}
