//! All the ways that routers spread flows over (MDA): more flows are tried until every router has been asked often enough to say
//! with 95 % confidence that it has no further successor.
//!
//! The rule of Augustin, Friedman and Teixeira ("Multipath tracing with Paris traceroute", 2007): a router with k known
//! successors, which spreads flows evenly, hides one more with a probability below 5 % once n(k) flows went through it.

use super::{Plan, Step};
use crate::{
    event::Mono,
    probes::{
        net::{Answer, Event, Probe, Proto, What},
        outstanding::Outstanding,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

/// n(k) for 5 %: flows through a router with k successors.
const ENOUGH: [usize; 16] = [
    6, 11, 16, 21, 27, 33, 38, 44, 51, 57, 63, 70, 76, 83, 90, 96,
];
/// Probes of one flow and hop before it counts as silent.
const TRIES: u8 = 3;
/// Flows tried at most, whatever the confidence.
const MOST_FLOWS: usize = 256;

/// What one flow met.
#[derive(Clone, Debug, Default)]
struct Flow {
    /// By distance; none: silent.
    hops: Vec<Met>,
    /// Where its way ended.
    last: Option<usize>,
    reached: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Met {
    tries: u8,
    addr: Option<IpAddr>,
    rtt_ns: u64,
    sent: Option<Mono>,
}

/// Who was met at a distance; none: somebody silent.
pub type Node = (u8, Option<IpAddr>);

/// Flows over a path.
pub struct Paths {
    plan: Plan,
    /// Most successors looked for at one router.
    most: usize,
    flows: Vec<Flow>,
    queue: VecDeque<(usize, usize)>,
    table: Outstanding<(usize, usize)>,
    count: u32,
    longest_ns: u64,
    pub foreign: u64,
}

impl Paths {
    pub fn new(plan: Plan, most: usize) -> Self {
        let mut paths = Self {
            most: most.clamp(1, ENOUGH.len()),
            flows: Vec::new(),
            queue: VecDeque::new(),
            table: Outstanding::new(1 << 14),
            count: 0,
            longest_ns: 0,
            foreign: 0,
            plan,
        };
        paths.add(ENOUGH[0]);
        paths
    }

    fn add(&mut self, flows: usize) {
        let span = usize::from(self.plan.max - self.plan.first) + 1;
        for _ in 0..flows {
            self.queue
                .extend((0..span).map(|hop| (self.flows.len(), hop)));
            self.flows.push(Flow {
                hops: vec![Met::default(); span],
                ..Flow::default()
            });
        }
    }

    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether any flow got to the destination.
    pub fn reached(&self) -> bool {
        self.flows.iter().any(|flow| flow.reached)
    }

    fn probe(&mut self, flow: usize, hop: usize) -> Probe {
        let ttl = self.plan.first + u8::try_from(hop).unwrap_or(0);
        let mut probe = self.plan.probe(self.count, 0, ttl);
        self.count += 1;
        let shift = u16::try_from(flow).unwrap_or(0);
        // What routers hash: the port that answers do not need to find us by.
        match self.plan.proto {
            Proto::Udp | Proto::Icmp | Proto::Other(_) => {
                probe.identity.b = self.plan.dport.wrapping_add(shift);
            }
            Proto::Tcp => probe.identity.a = self.plan.sport.wrapping_add(shift),
        }
        probe
    }

    pub fn step(&mut self, now: Mono) -> Step {
        loop {
            if self.in_flight(now) < self.plan.at_once {
                if let Some((flow, hop)) = self.next_to_send() {
                    return Step::Send(self.send(flow, hop, now));
                }
                if let Some(again) = self.silent(now) {
                    self.queue.extend(again);
                    continue;
                }
            }
            if let Some(until) = self.deadline(now) {
                return Step::Wait(until);
            }
            let more = self.wanted();
            if more == 0 {
                return Step::Done;
            }
            self.add(more);
        }
    }

    fn next_to_send(&mut self) -> Option<(usize, usize)> {
        while let Some((flow, hop)) = self.queue.pop_front() {
            if self.flows[flow].last.is_none_or(|last| hop <= last) {
                return Some((flow, hop));
            }
        }
        None
    }

    fn send(&mut self, flow: usize, hop: usize, now: Mono) -> Probe {
        let probe = self.probe(flow, hop);
        self.table.insert(probe.identity, (flow, hop));
        let met = &mut self.flows[flow].hops[hop];
        met.tries += 1;
        met.sent = Some(now);
        probe
    }

    fn wait(&self) -> u64 {
        if self.longest_ns == 0 {
            return self.plan.wait_ns;
        }
        (self.longest_ns * 2 + super::LEISURE_NS).min(self.plan.wait_ns)
    }

    /// Probes without an answer, and until when they may have one.
    fn waiting(&self) -> impl Iterator<Item = (usize, usize, Mono)> {
        let wait = self.wait();
        self.flows.iter().enumerate().flat_map(move |(f, flow)| {
            let last = flow.last.unwrap_or(flow.hops.len() - 1);
            let open = flow.hops[..=last].iter().enumerate();
            open.filter(|(_, met)| met.addr.is_none())
                .filter_map(move |(h, met)| Some((f, h, Mono(met.sent?.0 + wait))))
        })
    }

    fn in_flight(&self, now: Mono) -> usize {
        self.waiting().filter(|(_, _, until)| now < *until).count()
    }

    fn deadline(&self, now: Mono) -> Option<Mono> {
        let open = self.waiting().map(|(_, _, until)| until);
        open.filter(|until| now < *until).min()
    }

    /// What stayed silent is asked again where hops beyond have answered.
    fn silent(&mut self, now: Mono) -> Option<Vec<(usize, usize)>> {
        let farthest: Vec<usize> = self
            .flows
            .iter()
            .map(|flow| {
                flow.hops
                    .iter()
                    .rposition(|met| met.addr.is_some())
                    .unwrap_or(0)
            })
            .collect();
        let over = self.waiting().filter(|(f, h, until)| {
            now >= *until && *h < farthest[*f] && self.flows[*f].hops[*h].tries < TRIES
        });
        let again: Vec<_> = over.map(|(f, h, _)| (f, h)).collect();
        (!again.is_empty()).then_some(again)
    }

    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Answer(answer) | Event::Dropped(answer) => self.answer(answer),
            Event::Failed { identity, .. } => {
                if let Some((flow, hop)) = self.table.get(identity) {
                    self.flows[flow].hops[hop].sent = None;
                    self.flows[flow].last = Some(hop.saturating_sub(1));
                }
            }
            Event::Sent { .. } => {}
        }
    }

    fn answer(&mut self, answer: &Answer) {
        let Some(((flow, hop), _)) = self.table.find(answer) else {
            // Errors about others' packets are others' business.
            self.foreign += u64::from(answer.identity.peer == self.plan.target);
            return;
        };
        let target = self.plan.target;
        let flow = &mut self.flows[flow];
        let met = &mut flow.hops[hop];
        let (Some(sent), None) = (met.sent, met.addr) else {
            return;
        };
        met.addr = Some(answer.from);
        met.rtt_ns = answer.at.0.saturating_sub(sent.0);
        self.longest_ns = self.longest_ns.max(met.rtt_ns);
        if !matches!(answer.what, What::TimeExceeded | What::TooBig { .. }) {
            flow.last = Some(flow.last.map_or(hop, |last| last.min(hop)));
            flow.reached |= answer.from == target;
        }
    }

    /// Each node with its successors, and how many flows went through it.
    pub fn graph(&self) -> BTreeMap<Node, Passed> {
        let mut graph: BTreeMap<Node, Passed> = BTreeMap::new();
        for flow in &self.flows {
            let end = flow
                .last
                .or_else(|| flow.hops.iter().rposition(|m| m.addr.is_some()));
            let Some(end) = end else {
                continue;
            };
            for hop in 0..=end {
                let node = self.node(flow, hop);
                let passed = graph.entry(node).or_default();
                passed.flows += 1;
                let rtt = flow.hops[hop].rtt_ns;
                if rtt > 0 && (passed.best_ns == 0 || rtt < passed.best_ns) {
                    passed.best_ns = rtt;
                }
                if hop < end {
                    passed.next.insert(self.node(flow, hop + 1));
                }
            }
        }
        graph
    }

    fn node(&self, flow: &Flow, hop: usize) -> Node {
        let ttl = self.plan.first + u8::try_from(hop).unwrap_or(0);
        (ttl, flow.hops[hop].addr)
    }

    /// Flows still to be tried: as many as the router needs that is farthest from its rule.
    fn wanted(&self) -> usize {
        let graph = self.graph();
        let beginning = self.first_hops(&graph);
        let missing = graph
            .values()
            .chain(std::iter::once(&beginning))
            .map(|passed| {
                let known = passed
                    .next
                    .iter()
                    .filter(|(_, addr)| addr.is_some())
                    .count();
                if known == 0 || known > self.most {
                    return 0;
                }
                ENOUGH[known - 1].saturating_sub(passed.flows)
            });
        // One through every node takes more flows than that where they are spread, which the next look shows.
        let wanted = missing.max().unwrap_or(0);
        wanted.min(MOST_FLOWS.saturating_sub(self.flows.len()))
    }

    /// This machine itself may spread its flows.
    fn first_hops(&self, graph: &BTreeMap<Node, Passed>) -> Passed {
        let first = graph.keys().filter(|(ttl, _)| *ttl == self.plan.first);
        Passed {
            flows: self.flows.len(),
            next: first.copied().collect(),
            best_ns: 0,
        }
    }

    /// Whether every router has met its rule.
    pub fn is_confident(&self) -> bool {
        let graph = self.graph();
        self.wanted() == 0
            && self.flows.len() < MOST_FLOWS
            && graph.values().all(|p| p.next.len() <= self.most)
    }
}

/// What went through a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub flows: usize,
    pub next: BTreeSet<Node>,
    pub best_ns: u64,
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
