//! TCP, and DNS over UDP.

use super::frames::{A4, B4, Tcp, V4, eth4, eth6, ether, summed4, summed6, udp};

/// Conversations, lone segments, questions and answers.
pub fn transports() -> Vec<Vec<u8>> {
    [tcp(), segments(), dns(), rare()].concat()
}

const SYN_OPTIONS: &[u8] = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x01\0\0\0\0\x01\x03\x03\x07";
const STAMP: &[u8] = b"\x01\x01\x08\x0a\0\0\0\x05\0\0\0\x06";
const SACK: &[u8] = b"\x01\x01\x05\x0a\0\0\x03\xf3\0\0\x03\xfd";

const THERE: Tcp = Tcp {
    ports: (40_000, 80),
    seq: 1000,
    ack: 0,
    flags: 0x02,
    window: 64_240,
    options: SYN_OPTIONS,
};
const BACK: Tcp = Tcp {
    ports: (80, 40_000),
    seq: 5000,
    ack: 1001,
    flags: 0x12,
    ..THERE
};
const ON: Tcp = Tcp {
    seq: 1001,
    ack: 5001,
    flags: 0x10,
    window: 502,
    options: STAMP,
    ..THERE
};
/// A conversation.
fn tcp() -> Vec<Vec<u8>> {
    let reply = V4 {
        from: B4,
        to: A4,
        ..V4::default()
    };
    let good = |tcp: &Tcp, payload: &[u8]| eth4(6, &summed4(6, 16, tcp.carry(payload)));
    let answer = |tcp: &Tcp| ether(0x0800, &reply.carry(6, &summed4(6, 16, tcp.carry(&[]))));
    vec![
        good(&THERE, &[]),
        answer(&BACK),
        good(&ON, &[]),
        good(
            &Tcp { flags: 0x18, ..ON },
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        answer(&Tcp {
            seq: 5001,
            ack: 1028,
            flags: 0x10,
            options: SACK,
            ..BACK
        }),
        answer(&Tcp {
            seq: 5001,
            ack: 1028,
            flags: 0x11,
            options: &[],
            ..BACK
        }),
        good(
            &Tcp {
                seq: 1028,
                ack: 5002,
                flags: 0x14,
                options: &[],
                ..ON
            },
            &[],
        ),
    ]
}

/// Segments without a conversation.
fn segments() -> Vec<Vec<u8>> {
    let there = Tcp {
        ports: (40_001, 81),
        seq: 1000,
        ack: 0,
        flags: 0x02,
        window: 64_240,
        options: &[],
    };
    let good = |tcp: &Tcp, payload: &[u8]| eth4(6, &summed4(6, 16, tcp.carry(payload)));
    let six = Tcp {
        ports: (1, 2),
        ..there
    };
    vec![
        good(
            &Tcp {
                flags: 0x04,
                ..there
            },
            &[],
        ),
        good(
            &Tcp {
                flags: 0xe0,
                ..there
            },
            b"x",
        ),
        good(&Tcp { flags: 0, ..there }, &[]),
        eth4(
            6,
            &Tcp {
                options: SYN_OPTIONS,
                ..there
            }
            .carry(&[]),
        ), // a wrong checksum
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

/// Options that few use, a version told in the clear, and datagrams that are longer than what is there.
fn rare() -> Vec<Vec<u8>> {
    let good = |tcp: &Tcp, payload: &[u8]| eth4(6, &summed4(6, 16, tcp.carry(payload)));
    let ssh = Tcp {
        ports: (22, 40_002),
        options: &[],
        ..ON
    };
    let first = V4 {
        fragment: 0x2000,
        ..V4::default()
    };
    let mut long = udp(1000, 2000, b"hello");
    long[4..6].copy_from_slice(&3008_u16.to_be_bytes());
    let mut operation = udp(5354, 53, &[0; 12]);
    operation[10] = 0x30;
    let printer =
        b"\0\0\0\0\0\x01\0\0\0\0\0\0\x0aMy Printer\x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01";
    let options: [&[u8]; 4] = [
        b"\xfd\x04ab",
        b"\xfe\x08\xf9\x89abcd",
        b"\x22\x0acookie12\x01\x01",
        b"\xfe\x08\x12\x34abcd",
    ];
    let options = options.map(|options| good(&Tcp { options, ..THERE }, &[]));
    [
        &options[..],
        &[
            good(&ssh, b"SSH-2.0-OpenSSH_9.2\r\n"),
            good(&ssh, b"\0\0\0\x0c\x0a\x15\x9b\x01"),
            eth4(17, &long),
            ether(0x0800, &first.carry(17, &long)),
            eth4(17, &operation),
            eth4(17, &udp(5353, 5353, printer)),
        ],
    ]
    .concat()
}
