//! What the kernel hands over of packets: each told once, of bytes behind its own header and before the next, with its tag.
//!
//! An input is a byte that says what it is, one for the link, and a block of a packet socket's ring (`TPACKET_V3`), or a record
//! of programs at TC. Both are read a second time, as plainly as `uapi/linux/if_packet.h` tells, to judge ours.

use netobs::capture::{
    link::LinkType,
    live::{
        Block, Captured,
        record::{self, Of},
        untagged,
    },
};
use netobs::{event::Mono, wall::Wall};

use crate::input::Input;

/// `struct tpacket_block_desc`; `struct tpacket3_hdr` and `struct sockaddr_ll`; the head of a record.
const DESCRIPTION: usize = 48;
const HEADER: usize = 68;
const HEAD: usize = 32;
/// Both addresses and the type.
const ETHERNET: usize = 14;
const WALL_OFFSET_NS: u64 = 1 << 60;
const DEVICE: u32 = 3;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (what, link) = (input.byte(), input.link());
    if what & 1 == 0 {
        block(input.0, link);
    } else {
        record(input.0, link);
    }
}

/// A packet as the kernel's bytes tell it.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    time_ns: u64,
    data: Vec<u8>,
    wire: u32,
    device: u32,
    kind: u8,
    gso: bool,
    tag: Option<u16>,
}

impl Told {
    fn of(packet: &Captured<'_>) -> Self {
        Self {
            time_ns: packet.time_ns,
            data: packet.data.to_vec(),
            wire: packet.wire,
            device: packet.device,
            kind: packet.kind,
            gso: packet.gso,
            tag: packet.tag,
        }
    }
}

fn block(bytes: &[u8], link: LinkType) {
    let (number, wanted) = packets(bytes, link);
    let mut ours = bytes.to_vec();
    let mut block = Block::new(&mut ours, link);
    let mut scratch = Vec::new();
    for (packet, plain) in &wanted {
        let ours = block.packet().expect("a packet is not told");
        assert_eq!(Told::of(&ours), *packet);
        let (seen, _) = untagged(&ours, link, &mut scratch);
        assert_eq!(seen, plain, "filters see another packet");
    }
    let more = block.packet().map(|packet| Told::of(&packet));
    assert_eq!(more, None, "a packet that is none");
    let told = u32::try_from(wanted.len()).expect("no more than bytes");
    assert_eq!(block.unread(), number - told, "packets went uncounted");
}

/// How many packets a block says to hold; those that it does, and each as a filter of the kernel sees it.
fn packets(block: &[u8], link: LinkType) -> (u32, Vec<(Told, Vec<u8>)>) {
    let (number, first) = (u32_at(block, 12), u32_at(block, 16));
    let (mut packets, mut at) = (Vec::new(), first as usize);
    for left in (1..=number).rev() {
        let Some(header) = block.get(at..).and_then(|header| header.get(..HEADER)) else {
            break;
        };
        let (next, start) = (u32_at(header, 0) as usize, usize::from(u16_at(header, 24)));
        let end = start + u32_at(header, 12) as usize;
        let behind = block.len() - at;
        let room = if left == 1 { behind } else { next.min(behind) };
        if at < DESCRIPTION || start < HEADER || end > room {
            break;
        }
        packets.push(packet(header, &block[at + start..at + end], link));
        at += next;
    }
    (number, packets)
}

fn packet(header: &[u8], bytes: &[u8], link: LinkType) -> (Told, Vec<u8>) {
    let status = u32_at(header, 20);
    let kind = if status & 1 << 6 == 0 {
        [0x81, 0]
    } else {
        u16_at(header, 36).to_be_bytes()
    };
    let [.., high, low] = u32_at(header, 32).to_be_bytes();
    let tag = (status & 1 << 4 != 0).then_some((kind, [high, low]));
    let (data, plain, tag) = match link {
        LinkType::Sll2 => {
            let of = |protocol| cooked(header, protocol);
            let plain = [&of([header[50], header[51]])[..], bytes].concat();
            let data = match tag {
                Some((kind, tag)) => [&of(kind)[..], &tag, &header[50..52], bytes].concat(),
                None => plain.clone(),
            };
            (data, plain, tag)
        }
        LinkType::Ethernet => {
            let (data, tag) = tagged(bytes, tag);
            (data, bytes.to_vec(), tag)
        }
        LinkType::Raw
        | LinkType::RawV4
        | LinkType::RawV6
        | LinkType::Sll
        | LinkType::Null
        | LinkType::Loop
        | LinkType::Ppp => (bytes.to_vec(), bytes.to_vec(), None),
    };
    let added = u32::try_from(data.len() - bytes.len()).expect("a header and a tag");
    let told = Told {
        time_ns: u64::from(u32_at(header, 4)) * 1_000_000_000 + u64::from(u32_at(header, 8)),
        data,
        wire: u32_at(header, 16).saturating_add(added),
        device: u32_at(header, 52),
        kind: header[58],
        gso: status & 1 << 8 != 0,
        tag: tag.map(|(_, tag)| u16::from_be_bytes(tag)),
    };
    (told, plain)
}

/// `struct sll2_header`
fn cooked(header: &[u8], protocol: [u8; 2]) -> Vec<u8> {
    let mut cooked = [protocol, [0, 0]].concat();
    cooked.extend(u32_at(header, 52).to_be_bytes());
    cooked.extend(u16_at(header, 56).to_be_bytes());
    cooked.extend(&header[58..HEADER]);
    cooked
}

type Tag = ([u8; 2], [u8; 2]);

/// A frame with its tag, if it has one and is long enough for it.
fn tagged(frame: &[u8], tag: Option<Tag>) -> (Vec<u8>, Option<Tag>) {
    match tag {
        Some((kind, tag)) if frame.len() >= ETHERNET => {
            let (addresses, rest) = frame.split_at(12);
            ([addresses, &kind, &tag, rest].concat(), Some((kind, tag)))
        }
        _ => (frame.to_vec(), None),
    }
}

fn record(bytes: &[u8], link: LinkType) {
    let of = Of {
        device: DEVICE,
        link,
    };
    let mut scratch = Vec::new();
    let wall = Wall::new(Mono(0), WALL_OFFSET_NS);
    let ours = record::packet(bytes, of, &wall, &mut scratch);
    assert_eq!(ours.as_ref().map(Told::of), recorded(bytes, link));
}

fn recorded(record: &[u8], link: LinkType) -> Option<Told> {
    let (head, behind) = record.split_at_checked(HEAD)?;
    let bytes = behind.get(..u32_at(head, 8) as usize)?;
    let [.., high, low] = u32_at(head, 24).to_be_bytes();
    let kind = [u32_at(head, 28) & 0xff, u32_at(head, 28) >> 8 & 0xff];
    let kind = kind.map(|byte| u8::try_from(byte).expect("a byte"));
    let has_tag = link == LinkType::Ethernet && u32_at(head, 24) >> 16 & 1 == 1;
    let (data, tag) = tagged(bytes, has_tag.then_some((kind, [high, low])));
    let added = u32::try_from(data.len() - bytes.len()).expect("a tag");
    let time_ns = u64::from_ne_bytes(*head.first_chunk()?);
    Some(Told {
        time_ns: time_ns.wrapping_add(WALL_OFFSET_NS),
        data,
        wire: u32_at(head, 12).saturating_add(added),
        device: DEVICE,
        // What is none is PACKET_OUTGOING.
        kind: u8::try_from(u32_at(head, 16)).unwrap_or(4),
        gso: u32_at(head, 20) != 0,
        tag: tag.map(|(_, tag)| u16::from_be_bytes(tag)),
    })
}

/// Zero where there is none.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_ne_bytes(*word))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u16::from_ne_bytes(*word))
}
