//! `--on`: packets are kept for some seconds, and told only around an event.

use super::{
    kept::Kept,
    sink::{Ended, Sink},
    table::Interfaces,
};
use crate::{
    capture::{events::Events, file::Packet},
    event::Mono,
    sinks::stream::tell,
    wall::Wall,
};
use clap::ValueEnum;
use netobs_ebpf::event::Kind;
use std::collections::VecDeque;

/// Bytes that are kept at most; then the oldest packets go.
const MOST: usize = 256 << 20;

/// The event of `--on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Occasion {
    Drop,
    Reset,
    Retransmit,
}

impl Occasion {
    pub const fn kind(self) -> Kind {
        match self {
            Self::Drop => Kind::Drop,
            Self::Reset => Kind::Reset,
            Self::Retransmit => Kind::Retransmit,
        }
    }
}

/// `drop`, or `drop:tcp port 443`: an event and the packets that it has to be about.
pub fn occasion(text: &str) -> Result<(Occasion, String), String> {
    let (name, filter) = text.split_once(':').unwrap_or((text, ""));
    let occasion = Occasion::from_str(name.trim(), false)
        .map_err(|_| "expected drop, reset or retransmit, and perhaps a filter behind a colon")?;
    Ok((occasion, filter.trim().to_owned()))
}

pub struct On {
    events: Events,
    before_ns: u64,
    after_ns: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Packets up to then are told as they come.
    open_until: Mono,
    pub happened: u64,
    /// Packets that went before their time, for want of room.
    pub crowded: u64,
}

impl On {
    pub fn new(events: Events, [before_ns, after_ns]: [u64; 2]) -> Self {
        Self {
            events,
            before_ns,
            after_ns,
            kept: VecDeque::new(),
            bytes: 0,
            open_until: Mono(0),
            happened: 0,
            crowded: 0,
        }
    }

    pub fn collect(&mut self, wall: &Wall) {
        self.events.collect(wall);
    }

    pub fn close(&mut self) {
        self.events.close();
    }

    pub fn lost(&self) -> u64 {
        self.events.lost()
    }

    /// Tells what was kept, for each event before `until`; how many packets that were.
    pub fn until(
        &mut self,
        until: Mono,
        interfaces: &Interfaces,
        sink: &mut Sink<'_>,
    ) -> Result<u64, Ended> {
        let mut told = 0;
        while let Some(event) = self.events.next(until) {
            self.happened += 1;
            let begins = Mono(event.at.0.saturating_sub(self.before_ns));
            let is_open = event.at <= self.open_until;
            let mut packets = 0;
            for kept in self.kept.drain(..).filter(|kept| kept.at >= begins) {
                sink.packet(&kept.packet(), interfaces.all())?;
                packets += 1;
            }
            self.bytes = 0;
            self.open_until = Mono(event.at.0.saturating_add(self.after_ns));
            if !is_open {
                let plural = if packets == 1 { "" } else { "s" };
                let what = format!("{} {}", event.ends, event.why);
                let what = what.trim_start();
                tell(&format!(
                    "netobs: {what}; {packets} packet{plural} before it"
                ));
                sink.flush()?;
            }
            told += packets;
        }
        Ok(told)
    }

    /// Whether a packet is told now; else it is kept.
    pub fn tells(&mut self, packet: &Packet<'_>, at: Mono) -> bool {
        if at <= self.open_until {
            return true;
        }
        let oldest = Mono(at.0.saturating_sub(self.before_ns));
        while let Some(first) = self.kept.front() {
            let is_old = first.at < oldest;
            if !is_old && self.bytes < MOST {
                break;
            }
            self.bytes -= first.size();
            self.crowded += u64::from(!is_old);
            self.kept.pop_front();
        }
        let kept = Kept::of(packet, at);
        self.bytes += kept.size();
        self.kept.push_back(kept);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_its_filter() {
        let all = occasion("drop").unwrap();
        assert_eq!(all, (Occasion::Drop, String::new()));
        let some = occasion("reset:tcp port 80").unwrap();
        assert_eq!(some, (Occasion::Reset, "tcp port 80".to_owned()));
        assert!(occasion("connect").is_err());
    }
}
