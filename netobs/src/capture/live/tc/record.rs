//! A packet in a record of the ring of our programs at TC: the tag that the kernel keeps beside it is put back.

use crate::{
    bpf::packets::{PacketHead, TAGGED},
    capture::{
        link::LinkType,
        live::{Captured, OUTGOING, vlan},
    },
    event::Mono,
    wall::Wall,
};
use zerocopy::FromBytes as _;

/// Whose packets they are.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    pub device: u32,
    pub link: LinkType,
}

/// The packet of a record; none: not what our programs write. `scratch` holds it if it was tagged.
#[inline]
pub fn packet<'a>(
    record: &'a [u8],
    of: Of,
    wall: &Wall,
    scratch: &'a mut Vec<u8>,
) -> Option<Captured<'a>> {
    let (head, bytes) = PacketHead::read_from_prefix(record).ok()?;
    let at = Mono(head.time_ns);
    let mut packet = Captured {
        time_ns: wall.wall(at),
        at: Some(at),
        data: bytes.get(..head.kept as usize)?,
        wire: head.wire,
        device: of.device,
        kind: u8::try_from(head.kind).unwrap_or(OUTGOING),
        gso: head.segment != 0,
        tag: None,
    };
    // Behind the addresses, where it was and will be.
    if head.tag & TAGGED != 0
        && of.link == LinkType::Ethernet
        && let Some((addresses, rest @ [_, _, ..])) = packet.data.split_at_checked(vlan::ADDRESSES)
    {
        let [tag, kind] = [head.tag, head.tag_type].map(low);
        scratch.clear();
        scratch.extend_from_slice(addresses);
        scratch.extend_from_slice(&vlan::tag(kind.to_ne_bytes(), tag));
        scratch.extend_from_slice(rest);
        let added = u32::try_from(vlan::BYTES).unwrap_or(0);
        packet.wire = packet.wire.saturating_add(added);
        packet.data = scratch;
        packet.tag = Some(tag);
    }
    Some(packet)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is wanted"
)]
const fn low(word: u32) -> u16 {
    word as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of = Of {
        device: 3,
        link: LinkType::Ethernet,
    };

    /// One tagged frame of 14 bytes in a room of 16, as long as may be on the wire.
    fn record() -> Vec<u8> {
        let tag = TAGGED | 0x2a;
        let kind = u32::from(0x88a8_u16.to_be());
        let mut record = 7_u64.to_ne_bytes().to_vec();
        for word in [14, u32::MAX, 0, 1448, tag, kind] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(0..16);
        record
    }

    #[test]
    fn a_tag_stands_behind_the_addresses() {
        let (record, mut scratch) = (record(), Vec::new());
        let wall = Wall::new(Mono(0), 5);
        let read = packet(&record, OF, &wall, &mut scratch).unwrap();
        let frame = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x88, 0xa8, 0, 42, 12, 13,
        ];
        assert_eq!((read.time_ns, read.data), (12, &frame[..]));
        assert!(read.gso && read.tag == Some(42) && read.wire == u32::MAX);
        let raw = Of {
            link: LinkType::Raw,
            ..OF
        };
        let read = packet(&record, raw, &wall, &mut scratch).unwrap();
        assert_eq!((read.data.len(), read.tag), (14, None));
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        let (record, mut scratch) = (record(), Vec::new());
        let wall = Wall::new(Mono(0), 0);
        for length in 0..32 + 14 {
            assert!(packet(&record[..length], OF, &wall, &mut scratch).is_none());
        }
    }
}
