//! Packets in a block of the ring: found by their lengths, given back what the kernel keeps beside them: tags, and the cooked header.

use crate::capture::{
    link::LinkType,
    live::{Captured, vlan},
};
use std::ops::Range;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// `struct tpacket3_hdr`, and the `struct sockaddr_ll` behind it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
struct Header {
    next: u32,
    seconds: u32,
    nanoseconds: u32,
    kept: u32,
    wire: u32,
    status: u32,
    link: u16,
    _network: u16,
    _hash: u32,
    tag: u32,
    tag_type: u16,
    _pad: [u8; 10],
    _family: u16,
    /// In network order.
    protocol: [u8; 2],
    device: u32,
    hardware: u16,
    kind: u8,
    address_length: u8,
    address: [u8; 8],
}

const TAGGED: u32 = 1 << 4;
const TAG_TYPE_KNOWN: u32 = 1 << 6;
const GSO_TCP: u32 = 1 << 8;
/// Type of a tag that names none.
const TAG: u16 = 0x8100;
/// Linux's second cooked header.
const COOKED: usize = 20;
/// Number of packets of a block, where its first begins, and what stands before that at least (`struct tpacket_block_desc`).
const COUNT: usize = 12;
const FIRST: usize = 16;
const DESCRIPTION: usize = 48;

/// The packets of a block. The kernel makes it, and yet what it says of lengths and places is not taken on trust.
pub struct Block<'a> {
    bytes: &'a mut [u8],
    left: u32,
    at: usize,
    link: LinkType,
}

impl<'a> Block<'a> {
    /// `link`: what is put before packets without a header, and where tags stand.
    pub fn new(bytes: &'a mut [u8], link: LinkType) -> Self {
        let word = |at: usize| u32::read_from_prefix(bytes.get(at..).unwrap_or_default());
        let word = |at| word(at).map_or(0, |(word, _)| word);
        Self {
            left: word(COUNT),
            at: word(FIRST) as usize,
            bytes,
            link,
        }
    }

    /// The next packet; none at the end, and where nothing the kernel makes begins.
    #[inline]
    pub fn packet(&mut self) -> Option<Captured<'_>> {
        if self.left == 0 {
            return None;
        }
        let (header, _) = Header::read_from_prefix(self.bytes.get(self.at..)?).ok()?;
        let Range { mut start, end } = self.place(&header)?;
        self.left -= 1;
        self.at = self.at.saturating_add(header.next as usize);
        let mut tag = (header.status & TAGGED != 0).then(|| header.tag());
        let added = match (self.link, tag) {
            (LinkType::Sll2, tag) => self.cook(&header, start, tag),
            (LinkType::Ethernet, Some(tag)) => self.tag(&header, start..end, tag),
            _ => 0,
        };
        if added == 0 {
            tag = None;
        }
        start -= added;
        Some(Captured {
            time_ns: u64::from(header.seconds) * 1_000_000_000 + u64::from(header.nanoseconds),
            at: None,
            data: self.bytes.get(start..end)?,
            wire: header
                .wire
                .saturating_add(u32::try_from(added).unwrap_or(0)),
            device: header.device,
            kind: header.kind,
            gso: header.status & GSO_TCP != 0,
            tag,
        })
    }

    /// Packets that were not handed out: in the end none, unless the block is not as the kernel makes it.
    pub fn unread(&self) -> u32 {
        self.left
    }

    /// Where a packet is, if it is behind its own header and before the next one.
    #[inline]
    fn place(&self, header: &Header) -> Option<Range<usize>> {
        let behind = self.bytes.len().checked_sub(self.at)?;
        let room = if self.left > 1 {
            behind.min(header.next as usize)
        } else {
            behind
        };
        let start = usize::from(header.link);
        let end = start.checked_add(header.kept as usize)?;
        let fits = self.at >= DESCRIPTION && start >= size_of::<Header>() && end <= room;
        fits.then(|| self.at + start..self.at + end)
    }

    /// Puts a tag back between the addresses and the type. There is room in place of the header.
    fn tag(&mut self, header: &Header, packet: Range<usize>, tag: u16) -> usize {
        let room = packet.start.saturating_sub(vlan::BYTES)..packet.start + vlan::ADDRESSES;
        let Some(addresses) = self.bytes.get_mut(room) else {
            return 0;
        };
        if packet.len() < vlan::ADDRESSES + 2 || addresses.len() < vlan::ADDRESSES + vlan::BYTES {
            return 0;
        }
        addresses.copy_within(vlan::BYTES.., 0);
        let tag = vlan::tag(header.tag_type().to_be_bytes(), tag);
        addresses[vlan::ADDRESSES..].copy_from_slice(&tag);
        vlan::BYTES
    }

    /// Writes the cooked header before a packet, and behind it the tag, as the protocol that it then is.
    fn cook(&mut self, header: &Header, start: usize, tag: Option<u16>) -> usize {
        let mut cooked = [0; COOKED + vlan::BYTES];
        let length = COOKED + tag.map_or(0, |_| vlan::BYTES);
        cooked[..2].copy_from_slice(&header.protocol);
        if let Some(tag) = tag {
            cooked[..2].copy_from_slice(&header.tag_type().to_be_bytes());
            cooked[COOKED..COOKED + 2].copy_from_slice(&tag.to_be_bytes());
            cooked[COOKED + 2..].copy_from_slice(&header.protocol);
        }
        cooked[4..8].copy_from_slice(&header.device.to_be_bytes());
        cooked[8..10].copy_from_slice(&header.hardware.to_be_bytes());
        cooked[10] = header.kind;
        cooked[11] = header.address_length;
        cooked[12..COOKED].copy_from_slice(&header.address);
        let room = start.saturating_sub(length)..start;
        let Some(place) = self.bytes.get_mut(room).filter(|room| room.len() == length) else {
            return 0;
        };
        place.copy_from_slice(&cooked[..length]);
        length
    }
}

impl Header {
    #[expect(clippy::cast_possible_truncation, reason = "a tag has 16 bits")]
    const fn tag(&self) -> u16 {
        self.tag as u16
    }

    fn tag_type(&self) -> u16 {
        if self.status & TAG_TYPE_KNOWN == 0 {
            TAG
        } else {
            self.tag_type
        }
    }
}

/// A packet and its length as a filter in the kernel sees them: without the tag that was put back.
pub fn untagged<'a>(
    packet: &Captured<'a>,
    link: LinkType,
    scratch: &'a mut Vec<u8>,
) -> (&'a [u8], u32) {
    let place = if link == LinkType::Sll2 {
        COOKED
    } else {
        vlan::ADDRESSES
    };
    let Some((before, [_, _, high, low, behind @ ..])) = packet.data.split_at_checked(place) else {
        return (packet.data, packet.wire);
    };
    if packet.tag.is_none() {
        return (packet.data, packet.wire);
    }
    scratch.clear();
    scratch.extend_from_slice(before);
    scratch.extend_from_slice(behind);
    if link == LinkType::Sll2 {
        // The tag's type hides the packet's, which stands behind the tag.
        scratch[..2].copy_from_slice(&[*high, *low]);
    }
    (scratch, packet.wire.saturating_sub(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one tagged frame of 60 bytes.
    fn block() -> Vec<u8> {
        let mut bytes = vec![0_u8; 512];
        let mut put = |at: usize, word: u32| bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        put(COUNT, 1);
        put(FIRST, 48);
        for (at, word) in [(4, 7), (8, 5), (12, 60), (16, 60)] {
            put(48 + at, word);
        }
        put(48 + 20, TAGGED | TAG_TYPE_KNOWN | GSO_TCP);
        put(48 + 32, 42);
        bytes[48 + 24..48 + 26].copy_from_slice(&82_u16.to_ne_bytes());
        bytes[48 + 36..48 + 38].copy_from_slice(&0x88a8_u16.to_ne_bytes());
        for (at, byte) in bytes[48 + 82..48 + 82 + 60].iter_mut().enumerate() {
            *byte = u8::try_from(at).unwrap();
        }
        bytes
    }

    #[test]
    fn a_tag_stands_behind_the_addresses() {
        let mut bytes = block();
        let mut block = Block::new(&mut bytes, LinkType::Ethernet);
        let packet = block.packet().unwrap();
        assert_eq!((packet.time_ns, packet.wire), (7_000_000_005, 64));
        assert_eq!(
            packet.data[..18],
            [
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x88, 0xa8, 0, 42, 12, 13
            ]
        );
        assert!(packet.gso && packet.data.len() == 64);
        assert!(block.packet().is_none());
    }

    #[test]
    fn the_cooked_header_tells_the_tag_as_protocol() {
        let mut bytes = block();
        let mut block = Block::new(&mut bytes, LinkType::Sll2);
        let packet = block.packet().unwrap();
        assert_eq!((packet.data.len(), packet.wire), (84, 84));
        assert_eq!(
            (&packet.data[..2], &packet.data[20..22]),
            (&[0x88, 0xa8][..], &[0, 42][..])
        );
    }

    /// As a packet of a block that says of the next one to be at itself.
    #[test]
    fn no_packet_is_told_twice() {
        let mut bytes = block();
        bytes[COUNT..COUNT + 4].fill(0xff);
        let mut block = Block::new(&mut bytes, LinkType::Ethernet);
        assert!(block.packet().is_none());
        assert_eq!(block.unread(), u32::MAX);
    }

    #[test]
    fn filters_see_what_the_kernel_shows_them() {
        let (good, mut scratch) = (block(), Vec::new());
        for link in [LinkType::Ethernet, LinkType::Sll2] {
            let mut bytes = good.clone();
            let mut block = Block::new(&mut bytes, link);
            let packet = block.packet().unwrap();
            let (data, wire) = untagged(&packet, link, &mut scratch);
            let from = data.len() - 60;
            assert_eq!(
                (&data[from..], wire as usize),
                (&good[130..190], data.len())
            );
        }
    }

    /// Whatever lengths say, nothing outside of the block is touched.
    #[test]
    fn no_block_is_too_odd() {
        let good = block();
        for at in 0..130 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                for link in [LinkType::Ethernet, LinkType::Sll2, LinkType::Raw] {
                    let mut bytes = good.clone();
                    bytes[at] = byte;
                    let mut block = Block::new(&mut bytes, link);
                    for _ in 0..64 {
                        block.packet();
                    }
                }
            }
        }
    }
}
