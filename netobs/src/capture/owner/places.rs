//! Which namespace has which address, and what local translation makes of a flow.

use super::flow::{self, Flow, is_loopback, number};
use crate::{
    event::Mono,
    netlink::{
        addresses,
        conntrack::{self, Entry},
        socket::{NETFILTER, ROUTE, Socket},
    },
    netns,
};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};

/// Addresses are asked for again after so long, and translations that are remembered.
const AGAIN_NS: u64 = 1_000_000_000;
const MOST: usize = 65_536;

#[derive(Default)]
pub struct Places {
    addresses: HashSet<(u32, u128), RandomState>,
    /// The same of any namespace.
    local: HashSet<u128, RandomState>,
    asked: HashSet<u32>,
    next: Mono,
    translated: HashMap<Flow, Flow, RandomState>,
}

/// The addresses of the thread's namespace.
fn here() -> Vec<u128> {
    let asked = Socket::open(ROUTE).and_then(|mut socket| {
        let rows = addresses::all(&mut socket, &HashMap::new())?.rows;
        Ok(rows.into_iter().map(|row| number(row.addr)).collect())
    });
    // Without them only sockets that are connected are told.
    asked.unwrap_or_default()
}

impl Places {
    /// Whether a namespace has an address.
    pub fn has(&self, netns: u32, addr: u128, own: u32) -> bool {
        if is_loopback(addr) {
            return netns == own;
        }
        self.addresses.contains(&(netns, addr))
    }

    /// Whether an address is one of this machine's, as far as is known.
    pub fn is_local(&self, addr: u128) -> bool {
        is_loopback(addr) || self.local.contains(&addr)
    }

    /// Asks namespaces for their addresses, those that are new and, from time to time, all.
    pub fn look(&mut self, namespaces: &HashSet<u32>, own: u32, now: Mono) {
        let is_new = namespaces.iter().any(|netns| !self.asked.contains(netns));
        if now < self.next && !is_new {
            return;
        }
        self.next = Mono(now.0 + AGAIN_NS);
        self.asked.clone_from(namespaces);
        self.addresses.clear();
        let own_ones = here().into_iter().map(|addr| (own, addr));
        self.addresses.extend(own_ones);
        self.look_elsewhere(own);
        self.local.clear();
        let all = self.addresses.iter();
        self.local.extend(all.map(|(_, addr)| *addr));
    }

    /// In those that had no socket yet, too: the one that will have one is looked for then.
    fn look_elsewhere(&mut self, own: u32) {
        let Ok(machine) = netns::machine() else {
            return;
        };
        for netns in machine.found {
            let inode = netns.inode();
            if inode != own {
                // One that vanishes has no packets either.
                let found = netns.run(here).unwrap_or_default();
                let found = found.into_iter().map(|addr| (inode, addr));
                self.addresses.extend(found);
            }
        }
    }

    /// Asks the kernel for the connections that it translates.
    pub fn translations(&mut self) {
        self.translated.clear();
        // To find that there are none the kernel walks its whole table, 10 ms.
        let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
        if count.is_ok_and(|count| count.trim() == "0") {
            return;
        }
        let translated = &mut self.translated;
        // A kernel without it translates nothing.
        let _asked = Socket::open(NETFILTER).and_then(|mut socket| {
            conntrack::each(&mut socket, |entry| {
                let Some((before, after)) = both(&entry).filter(|(a, b)| a != b) else {
                    return;
                };
                if translated.len() < MOST {
                    for (a, b) in [(before, after), (after, before)] {
                        translated.insert(a, b);
                        translated.insert(a.back(), b.back());
                    }
                }
            })
        });
    }

    /// The same packet on the other side of a translation.
    pub fn translated(&self, flow: &Flow) -> Option<Flow> {
        self.translated.get(flow).copied()
    }
}

/// A tracked flow in the direction of its first packet, before and after translation.
fn both(entry: &Entry) -> Option<(Flow, Flow)> {
    let proto = match entry.proto.as_str() {
        "tcp" => flow::TCP,
        "udp" => flow::UDP,
        "icmp" => flow::ICMP,
        "ipv6-icmp" | "icmpv6" => flow::ICMP6,
        _ => return None,
    };
    let echo = entry.icmp_id.filter(|_| entry.sport.is_none());
    let before = Flow {
        from: number(entry.saddr?),
        to: number(entry.daddr?),
        sport: entry.sport.or(echo)?,
        dport: entry.dport.unwrap_or(0),
        proto,
    };
    let after = Flow {
        from: number(entry.reply_daddr?),
        to: number(entry.reply_saddr?),
        sport: entry.reply_dport.or(echo)?,
        dport: entry.reply_sport.unwrap_or(0),
        proto,
    };
    Some((before, after))
}
