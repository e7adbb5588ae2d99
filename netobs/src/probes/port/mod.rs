//! Many ports at once without sockets and clock: open, closed or filtered, bounded in rate and in flight.

mod patient;
mod slow;
mod state;

pub use state::{Heard, Port, Reason, State};

use super::{
    net::{Answer, Event, Identity, Probe, Proto, SendError, What},
    outstanding::{Match, Outstanding},
    stats::Beside,
    trace::Step,
};
use crate::event::Mono;
use patient::Patient;
use state::state_of;
use std::{collections::VecDeque, net::IpAddr};

/// Which ports of which hosts, and how hard.
#[derive(Clone, Debug)]
pub struct Plan {
    pub targets: Vec<IpAddr>,
    pub ports: Vec<u16>,
    pub proto: Proto,
    pub sport: u16,
    pub token: u32,
    /// Bytes of UDP probes, where the usual service of the port is not asked.
    pub payload: u16,
    /// UDP: ports are asked what their usual services answer.
    pub services: bool,
    /// Hop limit; none: the system's.
    pub ttl: Option<u8>,
    /// Probes of a port that does not answer, beyond the first.
    pub retries: u8,
    /// Most probes a second.
    pub rate: u64,
    pub at_once: usize,
    /// Longest wait for an answer, nanoseconds.
    pub wait_ns: u64,
    /// UDP: silent ports of hosts that limit their errors are asked again at their pace.
    pub patient: bool,
}

#[derive(Clone, Copy)]
struct Sent {
    place: usize,
    at: Mono,
}

/// Shortest time-out that is learnt; the first guess before anything has answered.
const SHORTEST_NS: u64 = 100_000_000;
const GUESS_NS: u64 = 1_000_000_000;

const TFTP: u16 = 69;

/// One scan.
pub struct Scan {
    plan: Plan,
    /// By host, then port.
    results: Vec<Option<Port>>,
    tries: Vec<u8>,
    next: usize,
    again: VecDeque<usize>,
    flying: VecDeque<Sent>,
    table: Outstanding<Sent>,
    count: u32,
    not_before: Mono,
    open: usize,
    srtt_ns: Option<u64>,
    variance_ns: u64,
    told: VecDeque<Port>,
    patient: Patient,
    /// Hosts that answered what they had not before: `patient` shall know.
    late: Vec<bool>,
    stopped: bool,
    pub beside: Beside,
    pub sent: u64,
    pub foreign: u64,
}

impl Scan {
    pub fn new(plan: Plan) -> Self {
        let total = plan.targets.len() * plan.ports.len();
        Self {
            results: vec![None; total],
            tries: vec![0; total],
            next: 0,
            again: VecDeque::new(),
            flying: VecDeque::new(),
            table: Outstanding::new((4 * plan.at_once).max(1 << 16)),
            count: 0,
            not_before: Mono(0),
            open: 0,
            srtt_ns: None,
            variance_ns: 0,
            told: VecDeque::new(),
            patient: Patient::new(plan.targets.len()),
            late: vec![false; plan.targets.len()],
            stopped: false,
            beside: Beside::default(),
            sent: 0,
            foreign: 0,
            plan,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Ports that have become known since the last call.
    pub fn told(&mut self) -> Option<Port> {
        self.told.pop_front()
    }

    /// All that is known, by host, then port.
    pub fn results(&self) -> impl Iterator<Item = &Port> {
        self.results.iter().flatten()
    }

    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn step(&mut self, now: Mono) -> Step {
        self.expire(now);
        if self.stopped {
            return Step::Done;
        }
        let waiting = !self.again.is_empty() || self.next < self.results.len();
        if waiting && self.open < self.plan.at_once {
            if now < self.not_before {
                return Step::Wait(self.not_before);
            }
            return self.send(now).map_or(Step::Wait(now), Step::Send);
        }
        match self.flying.front() {
            Some(first) => Step::Wait(Mono(first.at.0 + self.timeout())),
            None if waiting => Step::Wait(now),
            None => self.step_patiently(now),
        }
    }

    /// Four deviations beyond the mean round trip, as TCP waits.
    fn timeout(&self) -> u64 {
        let learnt = self.srtt_ns.map_or(GUESS_NS, |srtt| {
            (srtt + 4 * self.variance_ns).max(SHORTEST_NS).max(2 * srtt)
        });
        learnt.min(self.plan.wait_ns)
    }

    fn send(&mut self, now: Mono) -> Option<Probe> {
        let place = match self.again.pop_front() {
            Some(place) if self.results[place].is_some() => return None,
            Some(place) => place,
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        let probe = self.transmit(place, now);
        self.open += 1;
        self.flying.push_back(Sent { place, at: now });
        // A late turn of the loop may catch up by a millisecond's worth of probes.
        let gap = 1_000_000_000 / self.plan.rate.max(1);
        let earliest = now.0.saturating_sub(1_000_000);
        self.not_before = Mono((self.not_before.0 + gap).max(earliest));
        Some(probe)
    }

    fn transmit(&mut self, place: usize, now: Mono) -> Probe {
        let probe = self.probe(place);
        self.count += 1;
        self.sent += 1;
        self.tries[place] = self.tries[place].saturating_add(1);
        self.table.insert(probe.identity, Sent { place, at: now });
        probe
    }

    fn probe(&self, place: usize) -> Probe {
        let (host, port) = (place / self.plan.ports.len(), place % self.plan.ports.len());
        let n = self.plan.token.wrapping_add(self.count);
        let token = match self.plan.proto {
            Proto::Tcp => n << 8 | 1,
            Proto::Udp | Proto::Icmp | Proto::Other(_) => n % 0xfffe + 1,
        };
        Probe {
            identity: Identity {
                peer: self.plan.targets[host],
                proto: self.plan.proto,
                a: self.plan.sport,
                b: self.plan.ports[port],
                token,
            },
            ttl: self.plan.ttl,
            payload: if self.plan.proto == Proto::Udp {
                self.plan.payload
            } else {
                0
            },
            service: self.plan.services.then_some(self.tries[place]),
        }
    }

    /// Probes whose time is over are sent again, or settle their port.
    fn expire(&mut self, now: Mono) {
        let timeout = self.timeout();
        while let Some(first) = self.flying.front().copied() {
            let settled = self.results[first.place].is_some();
            if !settled && now.0 < first.at.0 + timeout {
                return;
            }
            self.flying.pop_front();
            if settled {
                continue;
            }
            self.open = self.open.saturating_sub(1);
            if self.tries[first.place] <= self.plan.retries {
                self.again.push_back(first.place);
            } else if self.plan.proto == Proto::Udp && self.plan.patient {
                self.patient.hold(self.host(first.place), first.place);
            } else {
                self.settle_silent(first.place);
            }
        }
    }

    fn host(&self, place: usize) -> usize {
        place / self.plan.ports.len()
    }

    fn settle(&mut self, place: usize, state: State, reason: Reason, heard: Option<Heard>) {
        let port = Port {
            addr: self.plan.targets[place / self.plan.ports.len()],
            port: self.plan.ports[place % self.plan.ports.len()],
            state,
            reason,
            heard,
        };
        self.told.push_back(port.clone());
        self.results[place] = Some(port);
    }

    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Sent { identity, at } => {
                if let Some(sent) = self.table.get_mut(identity) {
                    sent.at = *at;
                }
            }
            Event::Failed { identity, error } => self.failed(identity, *error),
            Event::Answer(answer) => self.answer(answer, false),
            Event::Dropped(answer) => self.answer(answer, true),
        }
    }

    fn failed(&mut self, identity: &Identity, error: SendError) {
        let Some(sent) = self.table.get(identity) else {
            return;
        };
        if self.results[sent.place].is_none() {
            self.open = self.open.saturating_sub(1);
            let reason = Reason::NotSent(error);
            self.settle(sent.place, State::Unreachable, reason, None);
        }
    }

    fn answer(&mut self, answer: &Answer, dropped: bool) {
        let found = self.table.find(answer);
        let Some((sent, _)) = found.or_else(|| self.find_tftp(answer)) else {
            // Errors about others' packets are others' business.
            self.foreign += u64::from(self.plan.targets.contains(&answer.identity.peer));
            return;
        };
        let Some(state) = state_of(answer, self.plan.proto) else {
            return;
        };
        let rtt = answer.at.0.saturating_sub(sent.at.0);
        self.learn(rtt);
        if self.results[sent.place].is_some() {
            return;
        }
        self.open = self.open.saturating_sub(1);
        let reason = if dropped {
            Reason::DroppedHere(answer.what, answer.mark())
        } else {
            Reason::Answer(answer.what, answer.mark())
        };
        // What no program of this host would get is filtered for them, by this host.
        let state = if dropped { State::Filtered } else { state };
        let heard = Heard {
            by: answer.from,
            rtt_ns: rtt,
            stamped: answer.stamped,
        };
        self.beside.add(answer.stamped);
        self.settle(sent.place, state, reason, Some(heard));
        let host = self.host(sent.place);
        self.late[host] |= state == State::Closed && self.tries[sent.place] > 1;
        self.patient.answered(host, sent.place);
    }

    /// A TFTP server answers from a port of its own choice (RFC 1350, 4).
    fn find_tftp(&self, answer: &Answer) -> Option<(Sent, Match)> {
        if answer.what != What::Datagram || !self.plan.services {
            return None;
        }
        let mut asked = answer.clone();
        asked.identity.b = TFTP;
        self.table.find(&asked)
    }

    /// RFC 6298's estimator.
    fn learn(&mut self, rtt: u64) {
        match &mut self.srtt_ns {
            None => {
                self.srtt_ns = Some(rtt);
                self.variance_ns = rtt / 2;
            }
            Some(srtt) => {
                self.variance_ns = (3 * self.variance_ns + srtt.abs_diff(rtt)) / 4;
                *srtt = (7 * *srtt + rtt) / 8;
            }
        }
    }
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
