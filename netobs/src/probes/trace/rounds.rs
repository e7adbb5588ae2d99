//! A trace that never ends: round after round, figures of every hop, route changes kept.

use super::{Plan, Step};
use crate::{
    event::Mono,
    probes::{
        net::{Answer, Event, Extensions, Identity, Probe, SendError, What},
        outstanding::Outstanding,
        stats::{Beside, Rtts},
    },
};
use std::{collections::VecDeque, net::IpAddr};

/// Round trips kept for the picture of a hop.
const HISTORY: usize = 256;
/// Hops asked beyond the last that answers, while the destination does not.
const BEYOND: usize = 5;
/// Probes remembered for late answers.
const REMEMBERED: usize = 1 << 14;
/// Route changes kept.
const CHANGES: usize = 256;

/// A hop that is now another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Mono,
    pub ttl: u8,
    pub from: IpAddr,
    pub to: IpAddr,
}

/// Figures of one distance.
#[derive(Clone, Debug, Default)]
pub struct Hop {
    pub ttl: u8,
    pub sent: u64,
    pub lost: u64,
    pub rtts: Rtts,
    pub beside: Beside,
    /// Who answered, the latest first.
    pub addrs: Vec<IpAddr>,
    pub changes: u64,
    /// Answers that this host dropped; they count as answers.
    pub dropped_here: u64,
    /// The latest last; none: lost.
    pub history: VecDeque<Option<u64>>,
    pub extensions: Option<Box<Extensions>>,
}

impl Hop {
    /// Share of settled probes without an answer, percent.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn loss_pct(&self) -> f64 {
        let settled = self.rtts.count() + self.lost;
        self.lost as f64 * 100.0 / settled.max(1) as f64
    }

    fn remember(&mut self, rtt: Option<u64>) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(rtt);
    }
}

#[derive(Clone, Copy)]
struct Sent {
    hop: usize,
    at: Mono,
    answered: bool,
}

/// Rounds of probes to every hop.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Rounds {
    plan: Plan,
    interval_ns: u64,
    /// Rounds to make; none: until stopped.
    most: Option<u64>,
    hops: Vec<Hop>,
    table: Outstanding<Sent>,
    flying: VecDeque<(Identity, Mono)>,
    count: u32,
    round: u64,
    round_at: Option<Mono>,
    next: usize,
    limit: usize,
    /// One past the hop that ended the way.
    distance: Option<usize>,
    /// Whether somebody ended the way since the round began.
    ended: bool,
    /// Datagrams ended it: where, is a guess.
    guessed: bool,
    /// Rounds in a row in which nobody did.
    missed: u8,
    pub changes: VecDeque<Change>,
    /// Of all hops.
    pub beside: Beside,
    /// Why the last probe that could not be sent was not.
    pub failed: Option<SendError>,
    pub reached: bool,
    pub foreign: u64,
    pub paused: bool,
}

impl Rounds {
    pub fn new(plan: Plan, interval_ns: u64, most: Option<u64>) -> Self {
        let hop = |ttl| Hop {
            ttl,
            ..Hop::default()
        };
        let hops: Vec<Hop> = (plan.first..=plan.max).map(hop).collect();
        Self {
            limit: hops.len(),
            hops,
            plan,
            interval_ns,
            most,
            table: Outstanding::new(REMEMBERED),
            flying: VecDeque::new(),
            count: 0,
            round: 0,
            round_at: None,
            next: 0,
            distance: None,
            ended: false,
            guessed: false,
            missed: 0,
            changes: VecDeque::new(),
            beside: Beside::default(),
            failed: None,
            reached: false,
            foreign: 0,
            paused: false,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn rounds(&self) -> u64 {
        self.round
    }

    /// The hops worth showing: to the destination, or to the last that answers and one more.
    pub fn hops(&self) -> &[Hop] {
        let farthest = self.hops.iter().rposition(|hop| hop.rtts.count() > 0);
        let shown = self
            .distance
            .unwrap_or_else(|| farthest.map_or(1, |last| last + 2));
        &self.hops[..shown.min(self.hops.len())]
    }

    /// All figures begin anew.
    pub fn reset(&mut self) {
        for hop in &mut self.hops {
            *hop = Hop {
                ttl: hop.ttl,
                ..Hop::default()
            };
        }
        self.table = Outstanding::new(REMEMBERED);
        self.flying.clear();
        self.changes.clear();
        self.beside = Beside::default();
    }

    pub fn step(&mut self, now: Mono) -> Step {
        self.expire(now);
        let round_at = *self.round_at.get_or_insert(now);
        if self.next < self.limit && self.next > 0 {
            return Step::Send(self.send(now));
        }
        let over = self.most.is_some_and(|most| self.round >= most);
        if over {
            return match self.flying.front() {
                Some((_, sent)) => Step::Wait(Mono(sent.0 + self.wait())),
                None => Step::Done,
            };
        }
        if now < round_at {
            return Step::Wait(round_at);
        }
        if self.paused {
            self.round_at = Some(Mono(now.0 + self.interval_ns));
            return Step::Wait(Mono(now.0 + self.interval_ns));
        }
        self.begin(now);
        Step::Send(self.send(now))
    }

    /// Settles how far this round goes.
    fn begin(&mut self, now: Mono) {
        if self.round > 0 && !self.ended {
            self.missed = self.missed.saturating_add(1);
        } else {
            self.missed = 0;
        }
        if self.missed >= 3 {
            // The way may have become longer.
            self.distance = None;
        }
        let farthest = self
            .hops
            .iter()
            .rposition(|hop| hop.history.back().is_some_and(Option::is_some));
        let beyond = farthest.map_or(BEYOND, |last| last + 1 + BEYOND);
        self.limit = match (self.round, self.distance) {
            (_, Some(distance)) => distance,
            (0, None) => self.hops.len(),
            (_, None) => beyond.min(self.hops.len()),
        };
        self.ended = false;
        self.next = 0;
        self.round_at = Some(Mono(now.0 + self.interval_ns));
    }

    fn send(&mut self, now: Mono) -> Probe {
        let hop = self.next;
        let query = u8::try_from(self.round % 64).unwrap_or(0);
        let probe = self.plan.probe(self.count, query, self.hops[hop].ttl);
        self.count += 1;
        self.hops[hop].sent += 1;
        let sent = Sent {
            hop,
            at: now,
            answered: false,
        };
        self.table.insert(probe.identity, sent);
        self.flying.push_back((probe.identity, now));
        self.next += 1;
        if self.next >= self.limit {
            self.next = 0;
            self.limit = 0;
            self.round += 1;
        }
        probe
    }

    /// Twice the longest round trip, and no less than a quarter of a second: mtr's loss is never a slow answer.
    fn wait(&self) -> u64 {
        let longest = self
            .hops
            .iter()
            .map(|hop| hop.rtts.max())
            .max()
            .unwrap_or(0);
        if longest == 0 {
            return self.plan.wait_ns;
        }
        (2 * longest).max(250_000_000).min(self.plan.wait_ns.max(1))
    }

    fn expire(&mut self, now: Mono) {
        let wait = self.wait();
        while let Some((identity, sent)) = self.flying.front().copied() {
            let answered = self.table.get(&identity).is_none_or(|sent| sent.answered);
            if !answered && now.0 < sent.0 + wait {
                return;
            }
            self.flying.pop_front();
            if let Some(sent) = self.table.get(&identity).filter(|sent| !sent.answered) {
                let hop = &mut self.hops[sent.hop];
                hop.lost += 1;
                hop.remember(None);
            }
        }
    }

    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Sent { identity, at } => {
                if let Some(sent) = self.table.get_mut(identity) {
                    sent.at = *at;
                }
            }
            Event::Failed { error, .. } => self.failed = Some(*error),
            Event::Answer(answer) => self.answer(answer, false),
            // The network has done its part.
            Event::Dropped(answer) => self.answer(answer, true),
        }
    }

    fn answer(&mut self, answer: &Answer, dropped: bool) {
        let datagram = answer.what == What::Datagram;
        let found = if datagram {
            self.served()
        } else {
            let found = self.table.find(answer);
            found.map(|(sent, _)| (answer.identity, sent))
        };
        let Some((identity, sent)) = found else {
            // Errors about others' packets are others' business.
            self.foreign += u64::from(answer.identity.peer == self.plan.target);
            return;
        };
        if sent.answered {
            return;
        }
        let late = !self.flying.iter().any(|(flying, _)| *flying == identity);
        if let Some(sent) = self.table.get_mut(&identity) {
            sent.answered = true;
        }
        let place = sent.hop;
        let ends = !matches!(answer.what, What::TimeExceeded | What::TooBig { .. });
        if !ends && self.guessed && self.distance.is_some_and(|d| place + 1 >= d) {
            // A slow router: the datagrams came from farther.
            self.distance = None;
        }
        if ends {
            self.guessed = datagram;
            self.ended = true;
            self.reached |= answer.from == self.plan.target;
            let nearer = self.distance.is_none_or(|distance| place < distance);
            if nearer {
                self.distance = Some(place + 1);
            }
            if self.distance.is_some_and(|distance| place + 1 > distance) {
                return; // Beyond the destination: counted where it stands.
            }
        }
        let hop = &mut self.hops[place];
        let rtt = answer.at.0.saturating_sub(sent.at.0);
        if late {
            hop.lost = hop.lost.saturating_sub(1);
            hop.history.pop_back();
        }
        hop.rtts.add(rtt);
        hop.beside.add(answer.stamped);
        self.beside.add(answer.stamped);
        hop.dropped_here += u64::from(dropped);
        hop.remember(Some(rtt));
        hop.extensions.clone_from(&answer.extensions);
        self.speaker(place, answer);
    }

    /// The probe that a datagram answers, which does not name it: the first in flight behind all routers.
    fn served(&self) -> Option<(Identity, Sent)> {
        let target = self.plan.target;
        let is_router = |hop: &Hop| hop.addrs.iter().any(|addr| *addr != target);
        let behind = self.hops.iter().rposition(is_router);
        let first = behind.map_or(0, |last| last + 1);
        let mut open = self.flying.iter().filter_map(|(identity, _)| {
            let sent = self.table.get(identity)?;
            (!sent.answered && sent.hop >= first).then_some((*identity, sent))
        });
        open.next()
    }

    fn speaker(&mut self, place: usize, answer: &Answer) {
        let hop = &mut self.hops[place];
        let before = hop.addrs.first().copied();
        if before == Some(answer.from) {
            return;
        }
        hop.addrs.retain(|addr| *addr != answer.from);
        hop.addrs.insert(0, answer.from);
        hop.addrs.truncate(8);
        let Some(from) = before else {
            return;
        };
        hop.changes += 1;
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(Change {
            at: answer.at,
            ttl: hop.ttl,
            from,
            to: answer.from,
        });
    }
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
