//! Packets that are kept in memory for a while.

use crate::{
    capture::file::{Packet, Process, Way},
    event::Mono,
};

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
