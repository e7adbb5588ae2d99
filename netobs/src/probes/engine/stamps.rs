//! When the kernel says that a probe left: stamps come back in the order of a counter of the socket.

use super::socket::{Message, Reader};
use crate::{
    event::Mono,
    probes::net::{Event, Identity},
};
use socket2::Socket;
use std::collections::VecDeque;

/// `SO_EE_ORIGIN_TIMESTAMPING` of linux/errqueue.h.
const TIMESTAMPING: u8 = 4;
/// Probes whose stamp may still come.
const MOST: usize = 4096;

/// The probes of one socket in the order of sending.
#[derive(Default)]
pub struct Stamps {
    /// Number of the first one in `sent`.
    first: u32,
    sent: VecDeque<Identity>,
}

impl Stamps {
    pub fn sent(&mut self, identity: Identity) {
        self.sent.push_back(identity);
        if self.sent.len() > MOST {
            self.sent.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn find(&self, number: u32) -> Option<Identity> {
        let place = usize::try_from(number.wrapping_sub(self.first)).ok()?;
        self.sent.get(place).copied()
    }

    /// Reads the stamps that wait at `socket`.
    pub fn collect(
        &self,
        socket: &Socket,
        reader: &mut Reader,
        wall_offset_ns: u64,
        events: &mut Vec<Event>,
    ) {
        while let Some(message) = reader.next(socket, true) {
            events.extend(self.event(&message, wall_offset_ns));
        }
    }

    fn event(&self, message: &Message, wall_offset_ns: u64) -> Option<Event> {
        let kept = message.kept.filter(|kept| kept.origin == TIMESTAMPING)?;
        let identity = self.find(kept.data)?;
        let at = Mono(message.stamp?.wrapping_sub(wall_offset_ns));
        Some(Event::Sent { identity, at })
    }
}
