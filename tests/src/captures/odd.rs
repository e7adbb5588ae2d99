//! Frames beyond those whose lines are compared: for filters, and for lines that must only not be none.

use super::frames::{V4, eth4, eth6, ether, udp, v4, vlan};

/// Rare protocols, tunnels, frames of 802.3, and damaged packets.
pub fn odd() -> Vec<Vec<u8>> {
    [protocols(), tunnels(), framed(), typed(), damaged()].concat()
}

const SEGMENT: [u8; 20] = [
    0, 5, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 2, 1, 0, 0, 0, 0, 0,
];
const AH: [u8; 24] = [
    6, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
];

fn inner() -> Vec<u8> {
    ether(0x0800, &v4(6, &SEGMENT))
}

fn protocols() -> Vec<Vec<u8>> {
    let alert = V4 {
        options: b"\x94\x04\0\0",
        ttl: 1,
        to: [224, 0, 0, 251].into(),
        ..V4::default()
    };
    let padded = V4 {
        options: b"\x01\x01\x01\0",
        ..V4::default()
    };
    vec![
        ether(0x0800, &alert.carry(2, b"\x16\0\0\0\xe0\0\0\xfb")),
        ether(0x0800, &padded.carry(6, &SEGMENT)),
        eth4(89, &[&[2, 1, 0, 44][..], &[0; 40]].concat()),
        eth4(51, &[&AH[..], &SEGMENT].concat()),
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
        eth6(51, &[&AH[..], &SEGMENT].concat()),
        eth6(103, &[0x20, 0, 0, 0]),
        eth6(132, &[0, 5, 0, 132, 0, 0, 0, 0, 0, 0, 0, 0]),
    ]
}

fn tunnels() -> Vec<Vec<u8>> {
    let geneve = |options: u8, kind: [u8; 2], payload: &[u8]| {
        let zeros = vec![0; usize::from(options) * 4];
        let head = [&[options, 0][..], &kind, &[0, 0, 5, 0], &zeros].concat();
        udp(9, 6081, &[&head, payload].concat())
    };
    let inner = inner();
    vec![
        eth4(17, &geneve(0, [0x65, 0x58], &inner)),
        eth4(17, &geneve(2, [0x65, 0x58], &inner)),
        eth4(17, &geneve(1, [0x08, 0x00], &inner[14..])),
        eth6(17, &geneve(0, [0x65, 0x58], &inner)),
        vlan(0x9100, 5, &inner),
        vlan(0x8100, 5, &vlan(0x8100, 6, &inner)),
    ]
}

/// Frames with a length where others have a type.
fn framed() -> Vec<Vec<u8>> {
    let contents: [&[u8]; 8] = [
        &[0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0x37, 0, 0],
        &[0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b, 0, 0],
        &[0xff, 0xff, 0, 0, 0, 0],
        &[0xe0, 0xe0, 3, 0, 0, 0],
        &[0xf0, 0xf0, 0x03, 0, 0],
        &[0xfe, 0xfe, 3, 0x83, 0x1b, 1, 0, 0x12, 1, 0],
        &[0xfe, 0xfe, 3, 0x81, 0, 0],
        &[0x42, 0x42, 0x05, 0, 0],
    ];
    let frame = |bytes: &&[u8]| ether(u16::try_from(bytes.len()).unwrap_or(0), bytes);
    contents.iter().map(frame).collect()
}

fn typed() -> Vec<Vec<u8>> {
    let decnet = [
        0x81, 0x06, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0, 0, 0, 15, 0x28, 0, 0,
    ];
    vec![
        ether(0x6003, &decnet),
        ether(0x6004, &[0; 10]),
        ether(0x8137, &[0; 10]),
        ether(0x809b, &[0; 10]),
        ether(0x88cc, &[2, 7, 4, 2, 0, 0, 0, 0, 1, 0, 0]),
    ]
}

fn damaged() -> Vec<Vec<u8>> {
    let inner = inner();
    vec![
        inner[..40].to_vec(),
        inner[..33].to_vec(),
        inner[..15].to_vec(),
        vec![0; 10],
        vec![0xff; 70],
        ether(0x0800, &[0x35; 30]),
        ether(0x86dd, &[0x45; 50]),
    ]
}
