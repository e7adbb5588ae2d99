//! Bytes that no kernel would send: nothing panics, and nothing is read beyond them.

use super::{inet, packet, unix, wire};
use crate::socket::{Row, Table};
use zerocopy::FromZeros;

/// A generator that needs no crate: `SplitMix64`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Attributes with small types and lengths that are now right, now not.
    fn attributes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.next() % 6 {
            let length = u16::try_from(self.next() % 120).unwrap_or(0);
            let kind = u16::try_from(self.next() % 26).unwrap_or(0);
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            for _ in 0..self.next() % 130 {
                bytes.push(u8::try_from(self.next() % 12).unwrap_or(0));
            }
        }
        bytes
    }
}

#[test]
fn nothing_panics() {
    let mut noise = Noise(1);
    let mut row = Row::default();
    for round in 0..20_000 {
        let bytes = noise.attributes();
        row.reset();
        row.table = [Table::Tcp, Table::Mptcp, Table::Udp][round % 3];
        inet::fill_attributes(&mut row, &bytes);
        unix::fill(&mut row, &wire::UnixMessage::new_zeroed(), &bytes);
        packet::fill(&mut row, &wire::PacketMessage::new_zeroed(), &bytes);
    }
}
