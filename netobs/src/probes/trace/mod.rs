//! A traceroute without sockets and clock: told what came in, it says what to send, when to wake it, and when it is done.
//!
//! All hops are asked at once, hop by hop, so that every router gets no more than a few probes in a row, which their limits let
//! through, and those the destination answers first are the ones that count. How long to wait for a silent hop is learnt from
//! the path: an answer from beyond proves that the probe went past it.

pub mod loops;
pub mod mtu;
pub mod paths;
pub mod rounds;
mod served;
pub mod verdict;

use super::{
    net::{Answer, Event, Extensions, Identity, Mark, Probe, Proto, SendError, Stamped, What},
    outstanding::{Match, Outstanding},
    packet::other,
};
use crate::event::Mono;
use std::net::IpAddr;

/// What to trace, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: IpAddr,
    pub proto: Proto,
    /// Source port, or identifier of echoes: the flow.
    pub sport: u16,
    pub dport: u16,
    pub first: u8,
    pub max: u8,
    pub queries: u8,
    /// Bytes behind the UDP, TCP or ICMP header.
    pub payload: u16,
    /// Least time between two probes, nanoseconds.
    pub gap_ns: u64,
    /// Longest wait for an answer, nanoseconds.
    pub wait_ns: u64,
    /// Most probes in flight.
    pub at_once: usize,
    /// Where tokens begin.
    pub token: u32,
}

impl Plan {
    /// The `n`th probe, the `query`th of its hop. TCP takes a flow per query: a second SYN of a flow gets no SYN-ACK while the
    /// first stands half open.
    pub fn probe(&self, n: u32, query: u8, ttl: u8) -> Probe {
        let (a, b, token) = match self.proto {
            Proto::Icmp => (self.sport, low(self.token.wrapping_add(n)), 0),
            // 0 and 0xffff are the same sum.
            Proto::Udp => (
                self.sport,
                self.dport,
                self.token.wrapping_add(n) % 0xfffe + 1,
            ),
            Proto::Tcp => {
                let sport = self.sport.wrapping_add(u16::from(query));
                (sport, self.dport, self.token.wrapping_add(n << 8) | 1)
            }
            Proto::Other(_) => {
                let dport = if self.proto.has_ports() {
                    self.dport
                } else {
                    0
                };
                let token = other::token(self.proto, self.token.wrapping_add(n));
                (self.sport, dport, token)
            }
        };
        Probe {
            identity: Identity {
                peer: self.target,
                proto: self.proto,
                a,
                b,
                token,
            },
            ttl: Some(ttl),
            payload: self.payload,
            service: None,
        }
    }
}

fn low(n: u32) -> u16 {
    u16::try_from(n & 0xffff).unwrap_or(0)
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Probe),
    /// Nothing before this moment, unless something comes in.
    Wait(Mono),
    Done,
}

/// An answer to one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub from: IpAddr,
    pub rtt_ns: u64,
    pub what: What,
    pub mark: Option<Mark>,
    /// Hop limit of the answer as it came in.
    pub ttl: Option<u8>,
    /// This machine itself made the error: the probe never left it.
    pub own: bool,
    pub extensions: Option<Box<Extensions>>,
    /// Checksum or ports of the probe were changed before it got there.
    pub rewritten: bool,
    /// This host dropped it: no socket got it.
    pub dropped: bool,
    pub stamped: Stamped,
}

impl Reply {
    fn new(answer: &Answer, rtt_ns: u64, dropped: bool) -> Self {
        Self {
            from: answer.from,
            rtt_ns,
            what: answer.what,
            mark: answer.mark(),
            ttl: answer.ttl,
            own: answer
                .quote
                .is_some_and(|quote| quote.source == answer.from)
                && answer.mark().is_some(),
            extensions: answer.extensions.clone(),
            rewritten: false,
            dropped,
            stamped: answer.stamped,
        }
    }
}

/// One probe of a hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Try {
    pub sent: Option<Mono>,
    pub failed: Option<SendError>,
    pub reply: Option<Reply>,
}

/// All that is known of one distance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub ttl: u8,
    pub tries: Vec<Try>,
}

impl Hop {
    pub fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.tries.iter().filter_map(|t| t.reply.as_ref())
    }

    pub fn answered(&self) -> usize {
        self.replies().count()
    }

    pub fn sent(&self) -> usize {
        self.tries.iter().filter(|t| t.sent.is_some()).count()
    }
}

/// What a wait allows beyond the round trips of the path: routers answer at leisure.
const LEISURE_NS: u64 = 20_000_000;
/// Least wait for what no later answer proves silent.
const TAIL_NS: u64 = 1_000_000_000;

/// One trace.
#[derive(Debug)]
pub struct Tracer {
    plan: Plan,
    hops: Vec<Hop>,
    table: Outstanding<(usize, usize)>,
    /// Next hop and query to send.
    next: (usize, usize),
    count: u32,
    not_before: Mono,
    /// Hops up to the first that ended the way.
    last: usize,
    /// The same, but for datagrams.
    ended: usize,
    /// Datagrams that came back, and whether this host dropped them.
    datagrams: Vec<(Answer, bool)>,
    /// They are as many as probes that got there.
    counted: bool,
    longest_ns: u64,
    /// One past the farthest hop that answered.
    farthest: usize,
    pub foreign: u64,
    pub duplicates: u64,
}

impl<T> std::fmt::Debug for Outstanding<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outstanding")
    }
}

impl Tracer {
    pub fn new(plan: Plan) -> Self {
        let hop = |ttl| Hop {
            ttl,
            tries: vec![Try::default(); usize::from(plan.queries)],
        };
        let hops: Vec<Hop> = (plan.first..=plan.max).map(hop).collect();
        Self {
            table: Outstanding::new(hops.len() * usize::from(plan.queries)),
            last: hops.len(),
            ended: hops.len(),
            datagrams: Vec::new(),
            counted: false,
            plan,
            hops,
            next: (0, 0),
            count: 0,
            not_before: Mono(0),
            longest_ns: 0,
            farthest: 0,
            foreign: 0,
            duplicates: 0,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The hops up to the one that ended the way, or all.
    pub fn hops(&self) -> &[Hop] {
        &self.hops[..self.last]
    }

    /// How many hops from the first on are settled: they will not change but by late answers.
    pub fn settled(&self, now: Mono) -> usize {
        let open = |hop: &Hop| hop.tries.iter().any(|t| self.is_open(hop, t, now));
        let first = self.hops().iter().position(open);
        first.unwrap_or(self.last)
    }

    pub fn step(&mut self, now: Mono) -> Step {
        if let Some((hop, query)) = self.to_send()
            && self.in_flight(now) < self.plan.at_once
        {
            if now < self.not_before {
                return Step::Wait(self.not_before);
            }
            return Step::Send(self.send(hop, query, now));
        }
        match self.next_deadline(now) {
            None if self.to_send().is_none() => Step::Done,
            None => Step::Wait(now),
            Some(at) => Step::Wait(at),
        }
    }

    fn to_send(&self) -> Option<(usize, usize)> {
        (self.next.0 < self.last).then_some(self.next)
    }

    fn send(&mut self, hop: usize, query: usize, now: Mono) -> Probe {
        let probe = self.plan.probe(
            self.count,
            u8::try_from(query).unwrap_or(0),
            self.hops[hop].ttl,
        );
        self.count += 1;
        self.table.insert(probe.identity, (hop, query));
        self.hops[hop].tries[query].sent = Some(now);
        self.not_before = Mono(now.0 + self.plan.gap_ns);
        self.next = if query + 1 < usize::from(self.plan.queries) {
            (hop, query + 1)
        } else {
            (hop + 1, 0)
        };
        probe
    }

    /// Takes in what the engine tells.
    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Sent { identity, at } => {
                if let Some((hop, query)) = self.table.get(identity) {
                    self.hops[hop].tries[query].sent = Some(*at);
                }
            }
            Event::Failed { identity, error } => {
                if let Some((hop, query)) = self.table.get(identity) {
                    self.hops[hop].tries[query].failed = Some(*error);
                }
            }
            Event::Answer(answer) => self.answer(answer, false),
            Event::Dropped(answer) => self.answer(answer, true),
        }
    }

    fn answer(&mut self, answer: &Answer, dropped: bool) {
        let Some(((hop, query), how)) = self.table.find(answer) else {
            // Errors about others' packets are others' business.
            self.foreign += u64::from(answer.identity.peer == self.plan.target);
            return;
        };
        if answer.what == What::Datagram {
            return self.served(answer, dropped);
        }
        let one = &mut self.hops[hop].tries[query];
        // What took its place will be put elsewhere.
        one.reply.take_if(|reply| reply.what == What::Datagram);
        let (Some(sent), None) = (one.sent, &one.reply) else {
            self.duplicates += 1;
            return;
        };
        let rtt_ns = answer.at.0.saturating_sub(sent.0);
        let mut reply = Reply::new(answer, rtt_ns, dropped);
        reply.rewritten = how == Match::Rewritten;
        one.reply = Some(reply);
        self.longest_ns = self.longest_ns.max(rtt_ns);
        self.farthest = self.farthest.max(hop + 1);
        if ends_the_way(answer) {
            self.ended = self.ended.min(hop + 1);
            self.last = self.last.min(hop + 1);
        }
        self.assign();
    }

    fn is_open(&self, hop: &Hop, one: &Try, now: Mono) -> bool {
        let certain = |reply: &Reply| reply.what != What::Datagram || self.counted;
        if one.reply.as_ref().is_some_and(certain) || one.failed.is_some() {
            return false;
        }
        one.sent.is_none_or(|sent| now < self.deadline(hop, sent))
    }

    /// When a probe of `hop` counts as not answered.
    fn deadline(&self, hop: &Hop, sent: Mono) -> Mono {
        let place = usize::from(hop.ttl - self.plan.first);
        let learnt = if self.farthest == 0 {
            self.plan.wait_ns
        } else if place < self.farthest {
            self.longest_ns * 2 + LEISURE_NS
        } else {
            (self.longest_ns * 10).max(TAIL_NS)
        };
        Mono(sent.0 + learnt.min(self.plan.wait_ns))
    }

    fn open(&self, now: Mono) -> impl Iterator<Item = Mono> {
        self.hops().iter().flat_map(move |hop| {
            let open = hop.tries.iter().filter(move |t| self.is_open(hop, t, now));
            open.filter_map(|t| t.sent.map(|sent| self.deadline(hop, sent)))
        })
    }

    fn in_flight(&self, now: Mono) -> usize {
        self.open(now).count()
    }

    fn next_deadline(&self, now: Mono) -> Option<Mono> {
        self.open(now).min()
    }
}

/// Whether nothing farther can be learnt: the destination spoke, or a router said that it goes no further.
fn ends_the_way(answer: &Answer) -> bool {
    match answer.what {
        What::TimeExceeded | What::TooBig { .. } => false,
        What::EchoReply | What::SynAck | What::Rst | What::Datagram | What::Error { .. } => true,
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
