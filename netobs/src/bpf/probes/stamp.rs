//! One record of the ring.

use netobs_ebpf::probes::record::{LEFT, STAMP_HEAD};

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Left,
    Came,
}

/// A probe or an answer, and when it passed the edge of the stack.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    pub way: Way,
    /// Monotonic clock.
    pub time_ns: u64,
    /// When the kernel took the packet in, wall clock: earlier than `time_ns` by what stood in between; 0: not told.
    pub arrival_ns: u64,
    pub ifindex: u32,
    /// Length of the IP packet, of which `bytes` may be the beginning only.
    pub total: u32,
    pub bytes: &'a [u8],
}

impl<'a> Stamp<'a> {
    /// None: not what our programs write.
    pub fn read(record: &'a [u8]) -> Option<Self> {
        let (head, bytes) = record.split_at_checked(STAMP_HEAD)?;
        let long = |at: usize| Some(u64::from_ne_bytes(*head.get(at..)?.first_chunk()?));
        let word = |at: usize| Some(u32::from_ne_bytes(*head.get(at..)?.first_chunk()?));
        let len = usize::try_from(word(24)?).ok()?;
        Some(Self {
            way: if word(20)? == LEFT {
                Way::Left
            } else {
                Way::Came
            },
            time_ns: long(0)?,
            arrival_ns: long(8)?,
            ifindex: word(16)?,
            total: word(28)?,
            bytes: bytes.get(..len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netobs_ebpf::probes::record::{CAME, STAMPED_BYTES, Stamp as Record};

    #[test]
    fn records_are_read_to_their_length() {
        let mut bytes = Vec::new();
        bytes.extend([5_u64, 7].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend([3, CAME, 4, 60].iter().flat_map(|word| word.to_ne_bytes()));
        assert_eq!(bytes.len(), STAMP_HEAD);
        assert_eq!(
            size_of::<Record<STAMPED_BYTES>>(),
            STAMP_HEAD + STAMPED_BYTES
        );
        bytes.extend(b"abcde");
        let stamp = Stamp::read(&bytes[..STAMP_HEAD + 4]).unwrap();
        assert_eq!(
            (stamp.way, stamp.time_ns, stamp.arrival_ns),
            (Way::Came, 5, 7)
        );
        assert_eq!((stamp.ifindex, stamp.total), (3, 60));
        assert_eq!(stamp.bytes, b"abcd");
        for len in 0..STAMP_HEAD + 4 {
            assert!(Stamp::read(&bytes[..len]).is_none());
        }
    }
}
