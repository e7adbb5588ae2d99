//! A network for tests: hops that delay, lose, repeat, limit and misdirect, without a socket or a clock.

use super::net::{Answer, Event, Identity, Probe, Proto, Quote, Stamped, What};
use crate::event::Mono;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

pub const MS: u64 = 1_000_000;

/// One distance of the path.
#[derive(Clone, Debug)]
pub struct Router {
    /// One, or several that share the flows.
    pub addrs: Vec<IpAddr>,
    /// One way from the sender, nanoseconds.
    pub delay: u64,
    pub silent: bool,
    /// Answers it gives in all.
    pub limit: Option<u32>,
    /// Says this instead of passing on.
    pub refuses: Option<What>,
    /// Changes the UDP checksum of what it passes on: a translator.
    pub rewrites: bool,
}

/// The path, its end, and its vices.
#[derive(Clone, Debug)]
pub struct Net {
    pub routers: Vec<Router>,
    pub target: IpAddr,
    pub target_delay: u64,
    pub end: End,
    /// Of a thousand probes, answers that are lost, doubled, or take this much longer.
    pub loss: u64,
    pub twice: u64,
    pub jitter: u64,
    /// The routers of the path repeat from this hop on.
    pub round_from: Option<usize>,
    seed: u64,
    answered: HashMap<IpAddr, u32>,
    queue: BTreeMap<(u64, u64), Event>,
}

/// What the destination does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    Closed,
    Silent,
}

pub fn addr(n: usize) -> IpAddr {
    IpAddr::from([10, 0, u8::try_from(n).unwrap(), 1])
}

impl Net {
    /// `hops` hops, the last one the destination, 10 ms away and back 20.
    pub fn line(hops: usize) -> Self {
        let router = |n| Router {
            addrs: vec![addr(n)],
            delay: 10 * MS,
            silent: false,
            limit: None,
            refuses: None,
            rewrites: false,
        };
        Self {
            routers: (1..hops).map(router).collect(),
            target: addr(200),
            target_delay: 10 * MS,
            end: End::Closed,
            loss: 0,
            twice: 0,
            jitter: 0,
            round_from: None,
            seed: 7,
            answered: HashMap::new(),
            queue: BTreeMap::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        // Knuth's generator: enough to be unlike a pattern, and the same in every run.
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) % below.max(1)
    }

    /// A probe is sent; its answers come later.
    pub fn send(&mut self, probe: &Probe, now: Mono) {
        let ttl = usize::from(probe.ttl.unwrap_or(64));
        let reachable = match self.round_from {
            Some(_) => ttl,
            None => ttl.min(self.routers.len() + 1),
        };
        let mut identity = probe.identity;
        for place in 0..reachable {
            let router = self.router(place);
            let Some(router) = router else {
                return self.arrive(probe, identity, now);
            };
            let dies = place + 1 == ttl;
            let what = router.refuses.or(dies.then_some(What::TimeExceeded));
            if let Some(what) = what {
                return self.complain(&router, probe, identity, what, now);
            }
            if router.rewrites && identity.proto == Proto::Udp {
                identity.token ^= 0x5555;
            }
        }
    }

    fn router(&self, place: usize) -> Option<Router> {
        let place = match self.round_from {
            Some(from) if place >= from => from + (place - from) % (self.routers.len() - from),
            _ => place,
        };
        self.routers.get(place).cloned()
    }

    fn complain(
        &mut self,
        router: &Router,
        probe: &Probe,
        identity: Identity,
        what: What,
        now: Mono,
    ) {
        let flow = usize::from(identity.a ^ identity.b);
        let from = router.addrs[flow % router.addrs.len()];
        let given = self.answered.entry(from).or_default();
        let over = router.limit.is_some_and(|limit| *given >= limit);
        *given += 1;
        if router.silent || over {
            return;
        }
        let id = u16::try_from(probe.identity.token & 0xffff).unwrap();
        let quote = Quote {
            source: addr(0),
            ttl: 1,
            tos: 0,
            id: Some(id),
        };
        self.back(from, identity, what, Some(quote), router.delay, now);
    }

    fn arrive(&mut self, probe: &Probe, identity: Identity, now: Mono) {
        let what = match (self.end, probe.identity.proto) {
            (End::Silent, _) => return,
            (End::Open | End::Closed, Proto::Icmp) => What::EchoReply,
            (End::Open, Proto::Tcp) => What::SynAck,
            (End::Closed, Proto::Tcp) => What::Rst,
            (End::Open, Proto::Udp) => What::Datagram,
            (End::Closed, Proto::Udp) => What::Error { kind: 3, code: 3 },
            (_, Proto::Other(_)) => What::Error { kind: 3, code: 2 },
        };
        let mut identity = identity;
        if what == What::Datagram {
            identity.token = 0;
        }
        self.back(self.target, identity, what, None, self.target_delay, now);
    }

    fn back(
        &mut self,
        from: IpAddr,
        identity: Identity,
        what: What,
        quote: Option<Quote>,
        delay: u64,
        now: Mono,
    ) {
        let lost = self.random(1000) < self.loss;
        let copies = match (lost, self.random(1000) < self.twice) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let at = now.0 + 2 * delay + self.random(self.jitter);
            let number = u64::try_from(self.queue.len()).unwrap() + self.random(1 << 30) * 1000;
            let answer = Answer {
                at: Mono(at),
                identity,
                from,
                what,
                ttl: Some(60),
                quote,
                extensions: None,
                len: 64,
                stamped: Stamped::default(),
            };
            self.queue.insert((at, number), Event::Answer(answer));
        }
    }

    /// What has come by `now`.
    pub fn receive(&mut self, now: Mono) -> Vec<Event> {
        let later = self.queue.split_off(&(now.0 + 1, 0));
        let here = std::mem::replace(&mut self.queue, later);
        here.into_values().collect()
    }

    /// When the next answer comes.
    pub fn next(&self) -> Option<Mono> {
        self.queue.keys().next().map(|(at, _)| Mono(*at))
    }
}

/// A state machine as the runner drives it.
pub trait Machine {
    fn step(&mut self, now: Mono) -> super::trace::Step;
    fn on(&mut self, event: &Event);
}

/// Runs a machine to its end; how long that took.
pub fn run(net: &mut Net, machine: &mut impl Machine) -> u64 {
    use super::trace::Step;
    let mut now = Mono(1_000 * MS);
    for _ in 0..1_000_000 {
        for event in net.receive(now) {
            machine.on(&event);
        }
        match machine.step(now) {
            Step::Send(probe) => {
                net.send(&probe, now);
                now.0 += 10_000;
            }
            Step::Wait(at) => {
                now = net
                    .next()
                    .map_or(at, |next| next.min(at))
                    .max(Mono(now.0 + 1));
            }
            Step::Done => return now.0 - 1_000 * MS,
        }
    }
    panic!("it does not come to an end");
}
