//! What a capture tells: packets of the ring, with their owners, and dropped ones, in the order of their time.

use super::{
    owners::Whose,
    sink::{Ended, Sink},
    table::Interfaces,
};
use crate::capture::{
    drops::{Dropped, Drops},
    file::{Packet, Way},
    link::LinkType,
    live::{Captured, attach::OUTGOING},
};

pub struct Told {
    pub interfaces: Interfaces,
    pub whose: Whose,
    pub drops: Option<Drops>,
    pub link: LinkType,
    /// As many packets as wanted.
    pub most: u64,
    /// Packets of the ring that were told.
    pub captured: u64,
    /// Packets of the ring, of owners that were not asked for.
    pub others: u64,
    /// Drops that were told.
    pub dropped: u64,
    /// What is said of a drop.
    pub comment: Vec<u8>,
}

impl Told {
    /// Packets were taken from the kernel.
    pub fn refresh(&mut self) {
        self.whose.refresh();
        if let Some(drops) = &mut self.drops {
            drops.collect();
        }
    }

    /// A packet of the ring; false: as many as wanted were told.
    #[inline]
    pub fn packet(&mut self, packet: &Captured<'_>, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        if self.drops.is_some() && !self.until(packet.time_ns, sink)? {
            return Ok(false);
        }
        let Some(comment) = self.whose.of(self.link, packet.data, packet.gso) else {
            self.others += 1;
            return Ok(true);
        };
        let number = self.interfaces.number(packet.device);
        sink.packet(&told(packet, number, comment), self.interfaces.all())?;
        self.captured += 1;
        Ok(self.wants_more())
    }

    /// Drops that came before `time_ns`; false: as many as wanted were told.
    pub fn until(&mut self, time_ns: u64, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        while let Some(dropped) = self.drops.as_mut().and_then(|drops| drops.next(time_ns)) {
            self.drop(&dropped, sink)?;
            if !self.wants_more() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn drop(&mut self, dropped: &Dropped, sink: &mut Sink<'_>) -> Result<(), Ended> {
        let Some(owners) = self.whose.of(self.link, &dropped.frame, false) else {
            return Ok(());
        };
        self.comment.clear();
        self.comment.extend_from_slice(dropped.why.as_bytes());
        if !owners.is_empty() {
            self.comment.extend_from_slice(b"; ");
            self.comment.extend_from_slice(owners);
        }
        let packet = Packet {
            time_ns: dropped.time_ns,
            data: &dropped.frame,
            wire: dropped.wire,
            interface: self.interfaces.number(dropped.device),
            way: None,
            comment: &self.comment,
        };
        sink.packet(&packet, self.interfaces.all())?;
        self.dropped += 1;
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.captured + self.dropped < self.most
    }

    /// Packets that came out of the ring.
    pub fn taken(&self) -> u64 {
        self.captured + self.others
    }
}

/// A packet of the ring as files and lines know it.
#[inline]
fn told<'a>(packet: &Captured<'a>, interface: usize, comment: &'a [u8]) -> Packet<'a> {
    // PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST
    const RECEPTIONS: [u8; 4] = [1, 3, 2, 4];
    Packet {
        time_ns: packet.time_ns,
        data: packet.data,
        wire: packet.wire,
        interface,
        way: Some(Way {
            out: packet.kind == OUTGOING,
            reception: RECEPTIONS
                .get(usize::from(packet.kind))
                .copied()
                .unwrap_or(0),
        }),
        comment,
    }
}
