//! Packets that are kept in memory for a while.

use crate::capture::file::{Packet, Process, Way};
use std::collections::VecDeque;

/// What a packet takes beside its bytes.
const HEAD: usize = size_of::<Kept>();

/// A packet that waits: for an event, or for what happens to it.
pub struct Kept {
    pub time_ns: u64,
    data: Box<[u8]>,
    wire: u32,
    interface: usize,
    way: Option<Way>,
    comment: Box<[u8]>,
    process: Option<Process>,
}

impl Kept {
    pub fn of(packet: &Packet<'_>) -> Self {
        Self {
            time_ns: packet.time_ns,
            data: packet.data.into(),
            wire: packet.wire,
            interface: packet.interface,
            way: packet.way,
            comment: packet.comment.into(),
            process: packet.process,
        }
    }

    pub fn packet(&self) -> Packet<'_> {
        Packet {
            time_ns: self.time_ns,
            data: &self.data,
            wire: self.wire,
            interface: self.interface,
            way: self.way,
            comment: &self.comment,
            process: self.process,
        }
    }

    pub fn size(&self) -> usize {
        HEAD + self.data.len() + self.comment.len()
    }
}

/// Bytes of packets that wait at most; then the oldest wait no longer.
const MOST: usize = 128 << 20;

/// Packets of which it is not known yet what happens to them.
#[derive(Default)]
pub struct Waiting {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Waiting {
    pub fn push(&mut self, packet: &Packet<'_>) {
        let kept = Kept::of(packet);
        self.bytes += kept.size();
        self.kept.push_back(kept);
    }

    /// The oldest, if it is from before `time_ns` or then, or if too many wait: clocks that are set make them wait for long.
    pub fn next(&mut self, time_ns: u64) -> Option<Kept> {
        let many = self.bytes > MOST;
        let kept = self
            .kept
            .pop_front_if(|kept| many || kept.time_ns <= time_ns)?;
        self.bytes -= kept.size();
        Some(kept)
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_the_future_do_not_fill_the_memory() {
        let mut waiting = Waiting::default();
        let data = vec![0; 1 << 20];
        for time_ns in 1..=200 {
            waiting.push(&Packet {
                time_ns,
                data: &data,
                wire: 1 << 20,
                interface: 0,
                way: None,
                comment: &[],
                process: None,
            });
        }
        assert_eq!(waiting.next(1).map(|kept| kept.time_ns), Some(1));
        let told: Vec<u64> = std::iter::from_fn(|| waiting.next(0))
            .map(|kept| kept.time_ns)
            .collect();
        assert_eq!(told, (2..=73).collect::<Vec<_>>());
        assert_eq!(waiting.len(), 127);
    }
}
