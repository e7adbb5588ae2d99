//! Classic pcap: one header, then packets; in both byte orders, with microseconds or nanoseconds.

use super::{
    Interface, LONGEST, Order, Packet,
    error::{FileError, What},
    source::Source,
};
use crate::capture::link::LinkType;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Of the file, and of a packet.
const HEADER: usize = 24;
const RECORD: usize = 16;

pub(super) struct Classic {
    little: bool,
    nanoseconds: bool,
    snaplen: u32,
}

impl Classic {
    pub fn open(source: &mut Source, magic: [u8; 4]) -> Result<(Self, Interface), FileError> {
        let forms = [
            (u32::from_le_bytes(magic), true),
            (u32::from_be_bytes(magic), false),
        ];
        let known = forms
            .into_iter()
            .find(|(n, _)| [MICROSECONDS, NANOSECONDS].contains(n));
        let Some((number, little)) = known else {
            if let Some(by) = compressed(magic) {
                return Err(source.error(What::Compressed(by)));
            }
            let shown = format!("{:#010x}", u32::from_be_bytes(magic));
            return Err(source.error(What::NoCapture(shown)));
        };
        let order = Order { little };
        let header = source.peek(HEADER, "the header of the file")?;
        let versions = header.get(4..8).and_then(<[u8]>::first_chunk::<4>);
        let [a, b, c, d] = *versions.unwrap_or(&[0; 4]);
        let version = (order.u16([a, b]), order.u16([c, d]));
        let (snaplen, link) = (order.word(header, 4), order.word(header, 5));
        if version != (2, 4) {
            return Err(source.error_at(4, What::Version(version.0, version.1)));
        }
        // The upper bits tell of checksums at the end of frames.
        let number_of_link = u16::try_from(link & 0xffff).unwrap_or(0);
        let Some(link) = LinkType::of(number_of_link) else {
            return Err(source.error_at(20, What::Link(number_of_link)));
        };
        source.take(HEADER);
        let nanoseconds = number == NANOSECONDS;
        let snaplen = if (1..=LONGEST).contains(&snaplen) {
            snaplen
        } else {
            LONGEST
        };
        let interface = Interface {
            link,
            snaplen,
            name: None,
            nanoseconds,
            swapped: order.is_swapped(),
        };
        let classic = Self {
            little,
            nanoseconds,
            snaplen,
        };
        Ok((classic, interface))
    }

    #[inline]
    pub fn next<'s>(&self, source: &'s mut Source) -> Result<Option<Packet<'s>>, FileError> {
        let order = Order {
            little: self.little,
        };
        if source.fill(RECORD)? == 0 {
            return Ok(None);
        }
        let record = source.chunk::<RECORD>("the header of a packet")?;
        let [seconds, fraction, length, wire] = [0, 1, 2, 3].map(|index| order.word(record, index));
        if length > LONGEST {
            return Err(source.error(What::TooLong {
                of: "a packet",
                length: u64::from(length),
                most: u64::from(LONGEST),
            }));
        }
        let length = length as usize;
        let found = source.fill(RECORD + length)?;
        if found < RECORD + length {
            return Err(source.error(What::Truncated {
                inside: "a packet",
                wanted: length,
                found: found.saturating_sub(RECORD),
            }));
        }
        source.take(RECORD + length);
        // A fraction beyond a second is nonsense that must not stop us.
        let fraction = u64::from(fraction) * if self.nanoseconds { 1 } else { 1000 };
        Ok(Some(Packet {
            time_ns: u64::from(seconds) * 1_000_000_000 + fraction,
            data: source.taken(length, length.min(self.snaplen as usize)),
            wire,
            interface: 0,
            way: None,
            comment: &[],
            process: None,
        }))
    }
}

/// The tool that made such a file, which captures are often kept by.
fn compressed(magic: [u8; 4]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0xfd, b'7', b'z', b'X'] => Some("xz"),
        [b'B', b'Z', b'h', _] => Some("bzip2"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("zstd"),
        [0x04, 0x22, 0x4d, 0x18] => Some("lz4"),
        _ => None,
    }
}
