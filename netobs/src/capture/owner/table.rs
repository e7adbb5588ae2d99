//! Sockets by their ends: those that are open, and those that were closed not long ago.

use super::flow::{Flow, ICMP, ICMP6, is_loopback, number};
use crate::{bpf::holders::Holding, event::Comm};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Closed sockets that are remembered.
const CLOSED: usize = 65_536;
/// `TCP_CLOSE`: neither bound nor connected, or so again.
const CLOSE: u32 = 7;

/// A process that has a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub pid: u32,
    pub uid: u32,
    pub netns: u32,
    pub cgroup: u64,
    pub comm: Comm,
}

/// Where a socket listens, or takes datagrams from anybody.
type Place = (u8, u128, u16);

/// Of one kind of table: a tuple may exist in several namespaces.
#[derive(Default)]
struct Sockets {
    connected: HashMap<Flow, Vec<Holder>, RandomState>,
    bound: HashMap<Place, Vec<Holder>, RandomState>,
}

#[derive(Default)]
pub struct Table {
    open: Sockets,
    closed: Sockets,
    /// What was open before the walk that is made.
    before: Sockets,
    /// Namespaces that sockets were met in.
    namespaces: HashSet<u32>,
    remembered: usize,
}

/// A socket as its owner sees it: its own end first.
fn flow_of(holding: &Holding) -> (Flow, bool) {
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
    let echo = flow.proto == ICMP || flow.proto == ICMP6;
    (flow, flow.dport != 0 && !echo)
}

impl Sockets {
    fn add(&mut self, holding: &Holding) {
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
            let place = (flow.proto, flow.from, flow.sport);
            self.bound.entry(place).or_default()
        };
        // The first holder of a socket that several share, and the last of those that had it in turn.
        match all.iter_mut().find(|known| known.netns == holder.netns) {
            Some(known) if known.pid == holder.pid => *known = holder,
            Some(_) if connected => {}
            _ => all.push(holder),
        }
    }
}

impl Table {
    /// A new walk begins: what was open may be so no more.
    pub fn begin(&mut self) {
        self.before = std::mem::take(&mut self.open);
    }

    /// A walk is over, and nobody else tells what was closed: what is no more there was. Of sockets that have no other end only
    /// those of the walk before this one are remembered, since no packet tells that somebody else has the port.
    pub fn compare(&mut self) {
        let before = std::mem::take(&mut self.before);
        let gone = before.bound.into_iter();
        let gone = gone.filter(|(place, _)| !self.open.bound.contains_key(place));
        self.closed.bound = gone.collect();
        for (flow, holders) in before.connected {
            if !self.open.connected.contains_key(&flow) {
                self.make_room(holders.len());
                self.closed.connected.insert(flow, holders);
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
            self.open.add(holding);
        }
    }

    pub fn close(&mut self, holding: &Holding) {
        if !is_somewhere(holding) {
            return;
        }
        let (flow, connected) = flow_of(holding);
        if connected {
            self.open.connected.remove(&flow);
            // The tuple is the newest socket's.
            self.closed.connected.remove(&flow);
        }
        self.make_room(1);
        self.namespaces.insert(holding.netns);
        self.closed.add(holding);
    }

    pub fn namespaces(&self) -> &HashSet<u32> {
        &self.namespaces
    }

    /// Whether the socket that was connected so is closed, as far as is known.
    pub fn is_closed(&self, flow: &Flow) -> bool {
        self.closed.connected.contains_key(flow) && !self.open.connected.contains_key(flow)
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
    pub fn connected(&self, flow: &Flow, own: u32) -> Option<Holder> {
        let here = is_loopback(flow.from);
        [&self.open, &self.closed].into_iter().find_map(|sockets| {
            let all = sockets.connected.get(flow)?;
            let in_own = all.iter().find(|holder| holder.netns == own);
            in_own.or_else(|| all.first().filter(|_| !here)).copied()
        })
    }

    /// The holder of the socket that is bound to this end, where `is_at` tells whether a namespace has the address.
    pub fn bound(&self, flow: &Flow, is_at: &dyn Fn(u32) -> bool) -> Option<Holder> {
        let raw = u16::from(flow.proto);
        let echo = flow.proto == ICMP || flow.proto == ICMP6;
        let places = [(flow.from, flow.sport), (0, flow.sport)];
        let raws = [(flow.from, raw), (0, raw)];
        [&self.open, &self.closed].into_iter().find_map(|sockets| {
            let at = |(addr, port)| sockets.bound.get(&(flow.proto, addr, port));
            let mut found = places.into_iter().filter_map(at).flatten();
            if let Some(holder) = found.find(|holder| is_at(holder.netns)) {
                return Some(*holder);
            }
            if !echo {
                return None;
            }
            // Raw sockets hear all echoes: the one whose process made the identifier, else the only one.
            let raws = raws.into_iter().filter_map(at).flatten();
            let all: Vec<&Holder> = raws.filter(|holder| is_at(holder.netns)).collect();
            let by_id = all.iter().find(|h| h.pid & 0xffff == u32::from(flow.sport));
            match (by_id, &all[..]) {
                (Some(holder), _) => Some(**holder),
                (None, [only]) => Some(**only),
                (None, _) => None,
            }
        })
    }
}

/// Bound or connected: else no packet can be its.
fn is_somewhere(holding: &Holding) -> bool {
    holding.lport != 0 && (holding.state != CLOSE || holding.proto != 6 || holding.rport != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(pid: u32, rport: u16) -> Holding {
        Holding {
            laddr: [u64::from(u32::from_ne_bytes([10, 0, 0, 1])), 0],
            raddr: [u64::from(u32::from_ne_bytes([10, 0, 0, 2])), 0],
            netns: 1,
            pid,
            lport: 4_000,
            rport,
            family: 2,
            proto: 6,
            state: 1,
            ..Holding::default()
        }
    }

    /// Nobody told that it was closed: it is known until its ports are taken again.
    #[test]
    fn what_two_walks_differ_in_was_closed() {
        let (gone, stays) = (holding(7, 80), holding(8, 81));
        let [flow, other] = [gone, stays].map(|one| flow_of(&one).0);
        let back = flow.back();
        let mut table = Table::default();
        for open in [&[gone, stays][..], &[stays]] {
            table.begin();
            for one in open {
                table.open(one);
            }
            table.compare();
        }
        let pid = |table: &Table, flow: &Flow| table.connected(flow, 1).map(|holder| holder.pid);
        assert_eq!(
            (pid(&table, &flow), pid(&table, &other)),
            (Some(7), Some(8))
        );
        assert_eq!(
            [flow, other].map(|flow| table.is_closed(&flow)),
            [true, false]
        );
        assert_eq!(pid(&table, &back), None);
        table.forget(&flow);
        assert_eq!(
            (pid(&table, &flow), table.is_connected(&flow)),
            (None, false)
        );
        table.begin();
        table.open(&holding(9, 80));
        table.compare();
        assert_eq!(
            (pid(&table, &flow), pid(&table, &other)),
            (Some(9), Some(8))
        );
    }
}
