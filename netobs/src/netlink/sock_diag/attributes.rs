//! Attributes after a message: type, length, value, one after the other.

use crate::socket::Memory;
use zerocopy::FromBytes;

/// Walks attributes; ends at the first that is longer than what is left.
pub struct Attributes<'a>(pub &'a [u8]);

const HEADER: usize = 4;
/// Bits that say "nested" and "network byte order".
const FLAGS: u16 = 0xc000;

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = self.0.split_first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & !FLAGS;
        let value = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

pub fn u8_of(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

pub fn u16_of(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

pub fn u32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub fn u64_of(value: &[u8]) -> Option<u64> {
    value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// Up to `N` words; what is not there is 0.
pub fn words<const N: usize>(value: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(value.chunks_exact(4)) {
        *word = u32::read_from_bytes(bytes).unwrap_or(0);
    }
    words
}

/// A name of at most 15 bytes, NUL-padded.
pub fn short_name(value: &[u8]) -> [u8; 16] {
    let mut name = [0; 16];
    let end = value.iter().position(|byte| *byte == 0);
    let length = end.unwrap_or(value.len()).min(15);
    name[..length].copy_from_slice(&value[..length]);
    name
}

/// `SK_MEMINFO_*`.
pub fn memory(value: &[u8]) -> Memory {
    let w = words::<9>(value);
    let told = value.len() / 4;
    Memory {
        rmem: w[0],
        rcvbuf: w[1],
        wmem: w[2],
        sndbuf: w[3],
        forward: w[4],
        queued: w[5],
        optmem: w[6],
        backlog: (told > 7).then_some(w[7]),
        drops: (told > 8).then_some(w[8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_where_they_lie() {
        let bytes = [6, 0, 1, 0, 7, 7, 0, 0, 5, 0, 2, 0x80, 9, 0, 0, 0];
        let all: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(all, [(1, &[7, 7][..]), (2, &[9][..])]);
        assert_eq!(Attributes(&[200, 0, 1, 0, 0]).count(), 0);
        assert_eq!(Attributes(&[3, 0, 1, 0, 0, 0]).count(), 0);
        assert_eq!(Attributes(&[0, 0, 0]).count(), 0);
    }
}
