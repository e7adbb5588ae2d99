//! What a capture tells: packets of the ring, with their owners, and dropped ones, in the order of their time.

use super::{
    kept::Waiting,
    on::On,
    owners::{Said, Whose},
    sink::{Ended, Sink},
    table::Interfaces,
};
use crate::{
    capture::{
        events::{Events, Happened},
        file::{Packet, Way},
        link::LinkType,
        live::{Captured, OUTGOING},
    },
    event::Mono,
    wall::Wall,
};

/// How many packets there were.
#[derive(Default)]
pub struct Counts {
    /// Told.
    pub shown: u64,
    /// Of the ring, told or kept for an event.
    pub captured: u64,
    /// Of the ring, of owners that were not asked for.
    pub others: u64,
    /// Dropped, told or kept.
    pub dropped: u64,
}

pub struct Told {
    pub interfaces: Interfaces,
    pub whose: Whose,
    pub drops: Option<Events>,
    /// Packets are told around an event only.
    pub on: Option<On>,
    pub link: LinkType,
    /// As many packets as wanted.
    pub most: u64,
    pub counts: Counts,
    /// What is said of a drop.
    pub comment: Vec<u8>,
    pub waiting: Waiting,
}

impl Told {
    /// Packets were taken from the kernel.
    pub fn refresh(&mut self) {
        self.whose.refresh();
    }

    /// Whether anything but the ring tells packets.
    pub fn has_events(&self) -> bool {
        self.drops.is_some() || self.on.is_some()
    }

    /// From here on nothing more happens.
    pub fn close(&mut self) {
        self.drops.iter_mut().for_each(Events::close);
        self.on.iter_mut().for_each(On::close);
    }

    /// Events that found no room.
    pub fn lost(&self) -> u64 {
        self.drops.as_ref().map_or(0, Events::lost) + self.on.as_ref().map_or(0, On::lost)
    }

    /// A packet of the ring; false: as many as wanted were told.
    #[inline]
    pub fn packet(
        &mut self,
        packet: &Captured<'_>,
        wall: &Wall,
        sink: &mut Sink<'_>,
    ) -> Result<bool, Ended> {
        let waits = self.has_events();
        let at = packet.at.unwrap_or_else(|| wall.mono(packet.time_ns));
        let Some(said) = self.whose.of(self.link, packet.data, at, packet.gso) else {
            self.counts.others += 1;
            return Ok(true);
        };
        let number = self.interfaces.number(packet.device);
        let packet = told(packet, number, &said);
        if waits {
            self.waiting.push(&packet, at);
            return Ok(true);
        }
        sink.packet(&packet, self.interfaces.all())?;
        self.counts.shown += 1;
        self.counts.captured += 1;
        Ok(self.wants_more())
    }

    /// Tells the packets up to then, and what happened; false: as many packets as wanted were told.
    pub fn until(&mut self, until: Mono, wall: &Wall, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        self.drops
            .iter_mut()
            .for_each(|events| events.collect(wall));
        self.on.iter_mut().for_each(|on| on.collect(wall));
        while let Some(kept) = self.waiting.next(until) {
            if !self.happened(kept.at, sink)? {
                return Ok(false);
            }
            self.counts.shown += tell(
                &mut self.on,
                (&kept.packet(), kept.at),
                &self.interfaces,
                sink,
            )?;
            self.counts.captured += 1;
            if !self.wants_more() {
                return Ok(false);
            }
        }
        self.happened(until, sink)
    }

    /// Drops, and events of `--on`.
    fn happened(&mut self, until: Mono, sink: &mut Sink<'_>) -> Result<bool, Ended> {
        while let Some(dropped) = self.drops.as_mut().and_then(|drops| drops.next(until)) {
            self.drop(&dropped, sink)?;
            if !self.wants_more() {
                return Ok(false);
            }
        }
        if let Some(on) = &mut self.on {
            self.counts.shown += on.until(until, &self.interfaces, sink)?;
        }
        Ok(self.wants_more())
    }

    fn drop(&mut self, dropped: &Happened, sink: &mut Sink<'_>) -> Result<(), Ended> {
        let Some(owners) = self.whose.of(self.link, &dropped.frame, dropped.at, false) else {
            return Ok(());
        };
        self.comment.clear();
        self.comment.extend_from_slice(dropped.why.as_bytes());
        if !owners.comment.is_empty() {
            self.comment.extend_from_slice(b"; ");
            self.comment.extend_from_slice(owners.comment);
        }
        let process = owners.process;
        let interface = self.interfaces.number(dropped.device);
        let packet = Packet {
            time_ns: dropped.time_ns,
            data: &dropped.frame,
            wire: dropped.wire,
            interface,
            way: None,
            comment: &self.comment,
            process,
        };
        self.counts.shown += tell(&mut self.on, (&packet, dropped.at), &self.interfaces, sink)?;
        self.counts.dropped += 1;
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.counts.shown < self.most
    }

    /// Packets that came out of the ring.
    pub fn taken(&self) -> u64 {
        self.counts.captured + self.counts.others + self.waiting.len() as u64
    }
}

/// How many packets were told: one, or none as it is kept for an event.
#[inline]
fn tell(
    on: &mut Option<On>,
    (packet, at): (&Packet<'_>, Mono),
    interfaces: &Interfaces,
    sink: &mut Sink<'_>,
) -> Result<u64, Ended> {
    if on.as_mut().is_some_and(|on| !on.tells(packet, at)) {
        return Ok(0);
    }
    sink.packet(packet, interfaces.all())?;
    Ok(1)
}

/// A packet of the ring as files and lines know it.
#[inline]
fn told<'a>(packet: &Captured<'a>, interface: usize, said: &Said<'a>) -> Packet<'a> {
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
        comment: said.comment,
        process: said.process,
    }
}
