//! Pings of one or many hosts without sockets and clock: by echoes, or by SYNs to one port.

pub mod target;

use super::{
    net::{Answer, Event, Identity, Probe, Proto, SendError},
    outstanding::Outstanding,
    trace::Step,
};
use crate::event::Mono;
use std::net::IpAddr;
use target::{Answered, Target};

/// Whom to ask, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    pub targets: Vec<IpAddr>,
    pub proto: Proto,
    /// Identifier of echoes, or the first source port.
    pub sport: u16,
    pub dport: u16,
    /// Where sequence numbers of SYNs begin.
    pub token: u32,
    pub payload: u16,
    pub ttl: Option<u8>,
    /// Rounds; none: until stopped.
    pub count: Option<u64>,
    pub interval_ns: u64,
    /// How long the last probes are waited for where nothing answers.
    pub wait_ns: u64,
    /// All ends at this time after the start.
    pub deadline_ns: Option<u64>,
    /// The next round as soon as the last is answered.
    pub flood: bool,
}

/// Flood sends at least this often (ping -f: a hundred times a second).
const FLOOD_NS: u64 = 10_000_000;
/// Source ports that SYNs take in turn.
const PORTS: u64 = 512;
/// Probes remembered: more than fit in one turn of a sequence number.
const REMEMBERED: usize = 1 << 16;

#[derive(Clone, Copy)]
struct Sent {
    target: u32,
    n: u64,
    at: Mono,
    answered: bool,
    /// By an answer that this host dropped.
    dropped: bool,
}

/// What came of an event, for the line that tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Answer {
        target: usize,
        n: u64,
        answer: Answer,
        rtt_ns: u64,
        how: Answered,
    },
    Failed {
        target: usize,
        n: u64,
        error: SendError,
    },
}

/// One run.
pub struct Pinger {
    plan: Plan,
    targets: Vec<Target>,
    table: Outstanding<Sent>,
    start: Option<Mono>,
    round: u64,
    round_at: Mono,
    /// Next target of the round.
    next: usize,
    /// Probes sent and not settled.
    open: usize,
    last_sent: Mono,
    longest_ns: u64,
    stopped: bool,
    pub foreign: u64,
}

impl Pinger {
    pub fn new(plan: Plan) -> Self {
        Self {
            targets: plan.targets.iter().map(|addr| Target::new(*addr)).collect(),
            plan,
            table: Outstanding::new(REMEMBERED),
            start: None,
            round: 0,
            round_at: Mono(0),
            next: 0,
            open: 0,
            last_sent: Mono(0),
            longest_ns: 0,
            stopped: false,
            foreign: 0,
        }
    }

    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Rounds begun.
    pub fn rounds(&self) -> u64 {
        self.round + u64::from(self.next > 0)
    }

    /// No more probes, and no more waiting.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn step(&mut self, now: Mono) -> Step {
        let start = *self.start.get_or_insert(now);
        if self.round == 0 && self.next == 0 {
            self.round_at = start;
        }
        let end = self.plan.deadline_ns.map(|ns| Mono(start.0 + ns));
        if self.stopped || end.is_some_and(|end| now >= end) {
            return Step::Done;
        }
        let wake = |at: Mono| Step::Wait(end.map_or(at, |end| end.min(at)));
        if self.finished_sending() {
            let until = self.linger();
            return if self.open == 0 || now >= until || end.is_some() {
                Step::Done
            } else {
                wake(until)
            };
        }
        if now < self.round_at {
            return wake(self.round_at);
        }
        Step::Send(self.send(now))
    }

    /// With a deadline the count is one of answers, as ping has it.
    fn finished_sending(&self) -> bool {
        let answered = |count| self.targets.iter().all(|target| target.heard() >= count);
        self.plan.count.is_some_and(|count| {
            self.round >= count && (self.plan.deadline_ns.is_none() || answered(count))
        })
    }

    /// The end of waiting for the last probes: two round trips where something answers, as ping does.
    fn linger(&self) -> Mono {
        let silent = self
            .targets
            .iter()
            .any(|t| t.received == 0 && t.errors == 0 && t.dropped == 0);
        let wait = if silent || self.longest_ns == 0 {
            self.plan.wait_ns
        } else {
            let learnt = (2 * self.longest_ns).max(self.plan.interval_ns);
            learnt.min(self.plan.wait_ns.max(2 * self.longest_ns))
        };
        Mono(self.last_sent.0 + wait)
    }

    fn send(&mut self, now: Mono) -> Probe {
        let (place, n) = (self.next, self.round);
        let probe = self.probe(self.targets[place].addr, n);
        let sent = Sent {
            target: u32::try_from(place).unwrap_or(u32::MAX),
            n,
            at: now,
            answered: false,
            dropped: false,
        };
        self.table.insert(probe.identity, sent);
        self.targets[place].sent += 1;
        self.open += 1;
        self.last_sent = now;
        self.next += 1;
        if self.next == self.targets.len() {
            self.next = 0;
            self.round += 1;
            let pause = if self.plan.flood {
                FLOOD_NS
            } else {
                self.plan.interval_ns
            };
            // A round that came late does not make the next come early.
            self.round_at = Mono((self.round_at.0 + pause).max(now.0.saturating_sub(pause)));
            if self.plan.flood {
                self.round_at = Mono(now.0 + pause);
            }
        }
        probe
    }

    fn probe(&self, peer: IpAddr, n: u64) -> Probe {
        let low = |n: u64| u16::try_from(n & 0xffff).unwrap_or(0);
        let (a, b, token) = if self.plan.proto == Proto::Icmp {
            (self.plan.sport, low(n + 1), 0)
        } else {
            let token = self
                .plan
                .token
                .wrapping_add(u32::try_from(n & 0xff_ffff).unwrap_or(0) << 8);
            (
                self.plan.sport.wrapping_add(low(n % PORTS)),
                self.plan.dport,
                token | 1,
            )
        };
        Probe {
            identity: Identity {
                peer,
                proto: self.plan.proto,
                a,
                b,
                token,
            },
            ttl: self.plan.ttl,
            payload: self.plan.payload,
            service: None,
        }
    }

    /// Takes in what the engine tells.
    pub fn on(&mut self, event: &Event) -> Option<Told> {
        match event {
            Event::Sent { identity, at } => {
                if let Some(sent) = self.table.get_mut(identity) {
                    sent.at = *at;
                }
                None
            }
            Event::Failed { identity, error } => self.failed(identity, *error),
            Event::Answer(answer) => self.answer(answer),
            Event::Dropped(answer) => self.dropped(answer),
        }
    }

    fn failed(&mut self, identity: &Identity, error: SendError) -> Option<Told> {
        let sent = self.table.get_mut(identity)?;
        let first = !std::mem::replace(&mut sent.answered, true);
        let (target, n) = (sent.target as usize, sent.n);
        self.settle(first);
        self.targets[target].errors += 1;
        Some(Told::Failed { target, n, error })
    }

    fn answer(&mut self, answer: &Answer) -> Option<Told> {
        // An echo or a SYN is known by what it carries, whole: what was rewritten is not believed here.
        let Some(sent) = self.table.get_mut(&answer.identity) else {
            // Errors about others' packets are others' business.
            self.foreign += u64::from(self.plan.targets.contains(&answer.identity.peer));
            return None;
        };
        let mut first = !std::mem::replace(&mut sent.answered, true);
        let late = std::mem::take(&mut sent.dropped);
        let (place, n, at) = (sent.target as usize, sent.n, sent.at);
        if late {
            // A socket got it after all: the processor had been taken away for that long.
            first = true;
            self.open += 1;
            self.targets[place].dropped -= 1;
        }
        let rtt_ns = answer.at.0.saturating_sub(at.0);
        let how = self.targets[place].answer(answer, n, rtt_ns, first);
        if how != Answered::Error {
            self.longest_ns = self.longest_ns.max(rtt_ns);
        }
        self.settle(first);
        Some(Told::Answer {
            target: place,
            n,
            answer: answer.clone(),
            rtt_ns,
            how,
        })
    }

    /// The way is open, and this host itself closes it: no reply, and no loss of the network.
    fn dropped(&mut self, answer: &Answer) -> Option<Told> {
        let sent = self.table.get_mut(&answer.identity)?;
        if std::mem::replace(&mut sent.answered, true) {
            return None;
        }
        sent.dropped = true;
        let (target, n, at) = (sent.target as usize, sent.n, sent.at);
        let rtt_ns = answer.at.0.saturating_sub(at.0);
        self.targets[target].dropped += 1;
        self.longest_ns = self.longest_ns.max(rtt_ns);
        self.settle(true);
        Some(Told::Answer {
            target,
            n,
            answer: answer.clone(),
            rtt_ns,
            how: Answered::Dropped,
        })
    }

    fn settle(&mut self, first: bool) {
        if first {
            self.open = self.open.saturating_sub(1);
        }
        if self.open == 0 && self.plan.flood && self.next == 0 {
            self.round_at = Mono(0);
        }
    }
}

#[cfg(test)]
#[path = "ping_tests.rs"]
mod tests;
