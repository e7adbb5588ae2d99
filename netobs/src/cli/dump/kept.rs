//! Packets that are kept in memory for a while.

use crate::{
    capture::file::{Packet, Process, Way},
    event::Mono,
};
use std::collections::VecDeque;

/// What a packet takes beside its bytes.
const HEAD: usize = size_of::<Kept>();

/// A packet that waits: for an event, or for what happens to it.
pub struct Kept {
    /// When it was taken: what order is made by, as the wall clock may be set.
    pub at: Mono,
    time_ns: u64,
    data: Box<[u8]>,
    wire: u32,
    interface: usize,
    way: Option<Way>,
    comment: Box<[u8]>,
    process: Option<Process>,
}

impl Kept {
    pub fn of(packet: &Packet<'_>, at: Mono) -> Self {
        Self {
            at,
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
    pub fn push(&mut self, packet: &Packet<'_>, at: Mono) {
        let kept = Kept::of(packet, at);
        self.bytes += kept.size();
        self.kept.push_back(kept);
    }

    /// The oldest, if it is from before `until` or then, or if too many wait.
    pub fn next(&mut self, until: Mono) -> Option<Kept> {
        let many = self.bytes > MOST;
        let kept = self.kept.pop_front_if(|kept| many || kept.at <= until)?;
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
        let packet = Packet {
            time_ns: 0,
            data: &data,
            wire: 1 << 20,
            interface: 0,
            way: None,
            comment: &[],
            process: None,
        };
        for at in 1..=200 {
            waiting.push(&packet, Mono(at));
        }
        assert_eq!(waiting.next(Mono(1)).map(|kept| kept.at.0), Some(1));
        let told: Vec<u64> = std::iter::from_fn(|| waiting.next(Mono(0)))
            .map(|kept| kept.at.0)
            .collect();
        assert_eq!(told, (2..=73).collect::<Vec<_>>());
        assert_eq!(waiting.len(), 127);
    }
}
