//! Sockets by their ends: those that are open, and those that were closed not long ago, with the time when.

use super::flow::{Flow, TCP, is_loopback, number};
use crate::{
    bpf::holders::Holding,
    event::{Comm, Mono},
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Closed sockets that are remembered, and of those the ones that had the same ends.
const CLOSED: usize = 65_536;
const IN_TURN: usize = 64;
/// `TCP_CLOSE`: neither bound nor connected, or so again.
const CLOSE: u32 = 7;
/// What a socket sent before it was closed may wait so long in a queue.
const QUEUED_NS: u64 = 10_000_000;
/// A socket that is not closed.
const OPEN: Mono = Mono(u64::MAX);

/// A process that has a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub pid: u32,
    pub uid: u32,
    pub netns: u32,
    pub cgroup: u64,
    pub comm: Comm,
}

/// A process that has a socket, or had it until then.
#[derive(Clone, Copy)]
struct Held {
    holder: Holder,
    until: Mono,
}

/// The holder of one end of a packet.
#[derive(Clone, Copy)]
pub struct Found {
    pub holder: Holder,
    /// By its socket's being there at that time, not by being the last or the only one that could.
    pub sure: bool,
    /// Later packets are not its.
    pub until: Mono,
}

/// Where a socket listens, or takes datagrams from anybody.
type Place = (u8, u128, u16);

/// Of one kind of table: a tuple may exist in several namespaces.
#[derive(Default)]
struct Sockets {
    connected: HashMap<Flow, Vec<Held>, RandomState>,
    bound: HashMap<Place, Vec<Held>, RandomState>,
}

#[derive(Default)]
pub struct Table {
    /// The process that walks.
    walker: u32,
    open: Sockets,
    closed: Sockets,
    /// What was open before the walk that is made.
    before: Sockets,
    /// Namespaces that sockets were met in.
    namespaces: HashSet<u32>,
    remembered: usize,
}

/// A socket as its owner sees it: its own end first.
pub(super) fn flow_of(holding: &Holding) -> (Flow, bool) {
    let addr = |words: [u64; 2]| {
        let bytes: [u8; 16] = zerocopy::transmute!(words);
        if holding.family == 2 {
            let [a, b, c, d, ..] = bytes;
            number(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        } else {
            let v6 = Ipv6Addr::from(bytes);
            v6.to_ipv4_mapped()
                .map_or_else(|| u128::from(v6), |v4| number(IpAddr::V4(v4)))
        }
    };
    let flow = Flow {
        from: addr(holding.laddr),
        to: addr(holding.raddr),
        sport: holding.lport,
        dport: holding.rport,
        proto: u8::try_from(holding.proto).unwrap_or(0),
    };
    (flow, flow.dport != 0 && !flow.is_echo())
}

fn place_of(flow: &Flow) -> Place {
    (flow.proto, flow.from, flow.sport)
}

impl Sockets {
    fn add(&mut self, holding: &Holding, until: Mono) {
        let (flow, connected) = flow_of(holding);
        let holder = Holder {
            pid: holding.pid,
            uid: holding.uid,
            netns: holding.netns,
            cgroup: holding.cgroup,
            comm: Comm::from(holding.comm),
        };
        let all = if connected {
            self.connected.entry(flow).or_default()
        } else {
            self.bound.entry(place_of(&flow)).or_default()
        };
        let held = Held { holder, until };
        // The first holder of a socket that several share, and all of those that had it in turn.
        let known = all.iter_mut().find(|known| {
            let same = known.holder.netns == holder.netns && known.until == until;
            same && (connected || known.holder.pid == holder.pid)
        });
        match known {
            Some(known) if known.holder.pid == holder.pid => *known = held,
            Some(_) => {}
            None => {
                if all.len() >= IN_TURN && until != OPEN {
                    all.remove(0);
                }
                all.push(held);
            }
        }
    }
}

/// They had it until then.
fn until(mut all: Vec<Held>, now: Mono) -> Vec<Held> {
    for held in &mut all {
        held.until = now;
    }
    all
}

/// Who had it at a time: of those that had it in turn the first that had it still.
fn then<'a>(all: impl Iterator<Item = &'a Held>, at: Mono) -> Option<&'a Held> {
    let still = all.filter(|held| held.until >= at);
    still.min_by_key(|held| held.until)
}

/// Who had it last.
fn last<'a>(all: impl Iterator<Item = &'a Held>) -> Option<&'a Held> {
    all.max_by_key(|held| held.until)
}

impl Held {
    /// Had it at that time.
    fn surely(&self) -> Found {
        Found {
            holder: self.holder,
            sure: true,
            until: self.until,
        }
    }

    /// Closed it before, but what it sent may come still.
    fn barely(&self, at: Mono) -> Option<Found> {
        let until = Mono(self.until.0.saturating_add(QUEUED_NS));
        (until >= at).then_some(Found {
            holder: self.holder,
            sure: false,
            until,
        })
    }
}

impl Table {
    /// `walker`: the process that walks.
    pub fn new(walker: u32) -> Self {
        Self {
            walker,
            ..Self::default()
        }
    }

    /// A new walk begins: what was open may be so no more.
    pub fn begin(&mut self) {
        self.before = std::mem::take(&mut self.open);
    }

    /// A walk is over, and nobody else tells what was closed: what is no more there was, by then. Of sockets that have no other
    /// end only those of the walk before this one are remembered, since no packet tells that somebody else has the port.
    pub fn compare(&mut self, now: Mono) {
        let before = std::mem::take(&mut self.before);
        let gone = before.bound.into_iter().filter_map(|(place, mut all)| {
            if let Some(open) = self.open.bound.get(&place) {
                all.retain(|held| open.iter().all(|one| one.holder.netns != held.holder.netns));
            }
            (!all.is_empty()).then(|| (place, until(all, now)))
        });
        self.closed.bound = gone.collect();
        for (flow, all) in before.connected {
            if !self.open.connected.contains_key(&flow) {
                self.make_room(all.len());
                self.closed.connected.insert(flow, until(all, now));
            }
        }
    }

    fn make_room(&mut self, for_more: usize) {
        if self.remembered >= CLOSED {
            (self.closed, self.remembered) = (Sockets::default(), 0);
        }
        self.remembered += for_more;
    }

    pub fn open(&mut self, holding: &Holding) {
        if is_somewhere(holding) {
            self.namespaces.insert(holding.netns);
            self.open.add(holding, OPEN);
        }
    }

    pub fn close(&mut self, holding: &Holding) {
        if !is_somewhere(holding) {
            return;
        }
        let (flow, connected) = flow_of(holding);
        let is_here = |held: &mut Held| held.holder.netns == holding.netns;
        let had: Vec<Held> = if connected {
            self.open.connected.remove(&flow).unwrap_or_default()
        } else if let Some(all) = self.open.bound.get_mut(&place_of(&flow)) {
            // Who else holds it shares it no more, or has one of its own, which the next walk tells.
            all.extract_if(.., is_here).collect()
        } else {
            Vec::new()
        };
        self.make_room(1);
        self.namespaces.insert(holding.netns);
        let until = Mono(holding.closed_ns);
        if holding.pid != self.walker {
            return self.closed.add(holding, until);
        }
        // Our walk had it in hand when its process closed it: it was told then whose it is.
        for held in had {
            let told = Holding {
                pid: held.holder.pid,
                uid: held.holder.uid,
                cgroup: held.holder.cgroup,
                comm: zerocopy::transmute!(held.holder.comm.0),
                ..*holding
            };
            self.closed.add(&told, until);
        }
    }

    /// A connection begins: sockets that were connected so, and closed before, are others.
    pub fn begins(&mut self, flow: &Flow, at: Mono) {
        for flow in [*flow, flow.back()] {
            if let Some(all) = self.closed.connected.get_mut(&flow) {
                all.retain(|held| held.until >= at);
                if all.is_empty() {
                    self.closed.connected.remove(&flow);
                }
            }
        }
    }

    pub fn namespaces(&self) -> &HashSet<u32> {
        &self.namespaces
    }

    /// Whether a socket was connected so, when somebody looked.
    pub fn is_connected(&self, flow: &Flow) -> bool {
        let mut both = [&self.open, &self.closed].into_iter();
        both.any(|sockets| sockets.connected.contains_key(flow))
    }

    /// Sockets that are connected so, or were, are not known any more.
    pub fn forget(&mut self, flow: &Flow) {
        self.open.connected.remove(flow);
        self.closed.connected.remove(flow);
    }

    /// The holder of the socket that is connected so, its own end first.
    pub fn connected(&self, flow: &Flow, own: u32, at: Mono) -> Option<Found> {
        let both = [&self.closed, &self.open].map(|sockets| sockets.connected.get(flow));
        if let [None, None] = both {
            return None;
        }
        let all = || both.into_iter().flatten().flatten();
        let in_own = || all().filter(|held| held.holder.netns == own);
        let here = is_loopback(flow.from);
        let found = then(in_own(), at).or_else(|| last(in_own()));
        let found = found.or_else(|| {
            let elsewhere = then(all(), at).or_else(|| last(all()));
            elsewhere.filter(|_| !here)
        })?;
        if flow.proto == TCP {
            // The kernel ends it when the process has closed it, and another one begins with a segment that shows it.
            let until = OPEN;
            return Some(Found {
                until,
                ..found.surely()
            });
        }
        if found.until >= at {
            Some(found.surely())
        } else {
            found.barely(at)
        }
    }

    /// The holder of the socket that is bound to this end, where `is_at` tells whether a namespace has the address.
    pub fn bound(&self, flow: &Flow, at: Mono, is_at: &dyn Fn(u32) -> bool) -> Option<Found> {
        let all = |addr: u128, port: u16| {
            let place = (flow.proto, addr, port);
            let both = [&self.closed, &self.open].map(|sockets| sockets.bound.get(&place));
            let all = both.into_iter().flatten().flatten();
            all.filter(|held| is_at(held.holder.netns))
        };
        let places = || [flow.from, 0].into_iter().map(|addr| all(addr, flow.sport));
        if let Some(held) = places().find_map(|place| then(place, at)) {
            return Some(held.surely());
        }
        if let Some(found) = places().find_map(|place| last(place)?.barely(at)) {
            return Some(found);
        }
        if !flow.is_echo() {
            return None;
        }
        // Raw sockets hear all echoes: the one whose process made the identifier, else the only one.
        let raw = u16::from(flow.proto);
        let raws = [flow.from, 0].into_iter().flat_map(|addr| all(addr, raw));
        let raws: Vec<&Held> = raws.filter(|held| held.until >= at).collect();
        let is_by_id = |held: &&&Held| held.holder.pid & 0xffff == u32::from(flow.sport);
        match (raws.iter().find(is_by_id), &raws[..]) {
            (Some(held), _) => Some(held.surely()),
            (None, [only]) => Some(Found {
                sure: false,
                ..only.surely()
            }),
            (None, _) => None,
        }
    }
}

/// Bound or connected: else no packet can be its.
fn is_somewhere(holding: &Holding) -> bool {
    holding.lport != 0 && (holding.state != CLOSE || holding.proto != 6 || holding.rport != 0)
}
