//! A table's entries, one behind the other, to chains and rules in the words of `iptables-save`.

use crate::netlink::{
    attrs::{array, ip, text, u16_at, u32_at, u64_at},
    firewall::{Chain, Rule, Ruleset},
    names::ip_protocol,
    xtables,
};
use std::collections::HashMap;

const VIA: &str = "iptables";
const HOOKS: [&str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];
const NAMES: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// Head of `struct xt_entry_match` and `struct xt_entry_target`.
const HEAD: usize = 32;

/// Where things stand in `struct ipt_entry` or `struct ip6t_entry`.
struct Offsets {
    address: usize,
    names: usize,
    protocol: usize,
    flags: usize,
    inverted: usize,
    target: usize,
    counters: usize,
    entry: usize,
}

const V4: Offsets = Offsets {
    address: 4,
    names: 16,
    protocol: 80,
    flags: 82,
    inverted: 83,
    target: 88,
    counters: 96,
    entry: 112,
};

const V6: Offsets = Offsets {
    address: 16,
    names: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    target: 140,
    counters: 152,
    entry: 168,
};

/// How a table is laid out: `struct ipt_getinfo`.
pub struct Layout {
    table: String,
    v6: bool,
    /// Where the chain of each hook begins, and where its policy stands.
    hooks: Vec<(usize, usize, usize)>,
}

/// One entry, with where it stands.
struct Entry<'a> {
    at: usize,
    bytes: &'a [u8],
    target: &'a [u8],
}

impl Layout {
    pub fn new(table: &str, v6: bool, info: &[u8]) -> Self {
        let valid = u32_at(info, 32).unwrap_or(0);
        let word = |at: usize| u32_at(info, at).unwrap_or(0) as usize;
        let hooks = (0..HOOKS.len())
            .filter(|hook| valid >> hook & 1 != 0)
            .map(|hook| (hook, word(36 + hook * 4), word(56 + hook * 4)))
            .collect();
        Self {
            table: table.to_owned(),
            v6,
            hooks,
        }
    }

    fn family(&self) -> &'static str {
        if self.v6 { "ip6" } else { "ip" }
    }

    fn offsets(&self) -> &'static Offsets {
        if self.v6 { &V6 } else { &V4 }
    }

    /// Chains and rules; what is broken ends the walk.
    pub fn read(&self, bytes: &[u8]) -> Ruleset {
        let entries = self.split(bytes);
        let starts = self.starts(&entries);
        let mut ruleset = Ruleset::default();
        let mut chain = String::new();
        let mut place = 0;
        for entry in &entries {
            if let Some(name) = starts.get(&entry.at) {
                chain.clone_from(name);
                place = 0;
                ruleset.chains.push(self.chain(name, entry, &entries));
            }
            // A header of a user's chain, or the end of the table.
            if target_name(entry.target) == "ERROR" || self.is_policy(entry, &starts, &entries) {
                continue;
            }
            place += 1;
            ruleset.rules.push(self.rule(&chain, place, entry, &starts));
        }
        ruleset
    }

    fn split<'a>(&self, bytes: &'a [u8]) -> Vec<Entry<'a>> {
        let offsets = self.offsets();
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= offsets.entry) {
            let target = u16_at(rest, offsets.target).map_or(0, usize::from);
            let next = u16_at(rest, offsets.target + 2).map_or(0, usize::from);
            let (Some(entry), true) = (rest.get(..next), target >= offsets.entry) else {
                break;
            };
            let Some(target) = entry.get(target..) else {
                break;
            };
            entries.push(Entry {
                at,
                bytes: entry,
                target,
            });
            at += next;
        }
        entries
    }

    /// Names of chains by where their first entry stands: a user's chain begins behind its header.
    fn starts(&self, entries: &[Entry<'_>]) -> HashMap<usize, String> {
        let mut starts: HashMap<usize, String> = self
            .hooks
            .iter()
            .map(|(hook, entry, _)| (*entry, NAMES[*hook].to_owned()))
            .collect();
        for pair in entries.windows(2) {
            if target_name(pair[0].target) == "ERROR" {
                let name = text(pair[0].target.get(HEAD..).unwrap_or_default());
                starts.insert(pair[1].at, name);
            }
        }
        starts
    }

    /// The last entry of a chain: of a built-in one its policy, of a user's its return.
    fn is_policy(
        &self,
        entry: &Entry<'_>,
        starts: &HashMap<usize, String>,
        entries: &[Entry<'_>],
    ) -> bool {
        if self
            .hooks
            .iter()
            .any(|(_, _, underflow)| *underflow == entry.at)
        {
            return true;
        }
        let next = entry.at + entry.bytes.len();
        let ends = entries
            .iter()
            .find(|other| other.at == next)
            .is_none_or(|other| target_name(other.target) == "ERROR" || starts.contains_key(&next));
        ends && verdict(entry.target) == Some(-5)
            && entry.bytes.len() == self.offsets().entry + HEAD + 8
    }

    fn chain(&self, name: &str, first: &Entry<'_>, entries: &[Entry<'_>]) -> Chain {
        let hook = self.hooks.iter().find(|(_, entry, _)| *entry == first.at);
        let policy = hook.and_then(|(_, _, at)| entries.iter().find(|entry| entry.at == *at));
        let counters = policy.and_then(|entry| self.counters(entry));
        Chain {
            via: VIA,
            family: self.family(),
            table: self.table.clone(),
            chain: name.to_owned(),
            kind: hook.map(|_| self.table.clone()),
            hook: hook.map(|(hook, ..)| HOOKS[*hook]),
            priority: hook.map(|(hook, ..)| self.priority(*hook)),
            policy: policy.map(|entry| match verdict(entry.target) {
                Some(-1) => "drop",
                _ => "accept",
            }),
            packets: counters.map(|c| c.0),
            bytes: counters.map(|c| c.1),
            ..Chain::default()
        }
    }

    /// `NF_IP_PRI_*`.
    fn priority(&self, hook: usize) -> i32 {
        match (self.table.as_str(), HOOKS[hook]) {
            ("raw", _) => -300,
            ("mangle", _) => -150,
            ("nat", "prerouting" | "output") => -100,
            ("nat", _) => 100,
            ("security", _) => 50,
            _ => 0,
        }
    }

    fn counters(&self, entry: &Entry<'_>) -> Option<(u64, u64)> {
        let at = self.offsets().counters;
        Some((u64_at(entry.bytes, at)?, u64_at(entry.bytes, at + 8)?))
    }

    fn rule(
        &self,
        chain: &str,
        place: u64,
        entry: &Entry<'_>,
        starts: &HashMap<usize, String>,
    ) -> Rule {
        let mut words = self.selectors(entry);
        let mut comment = None;
        let target_at = entry.bytes.len() - entry.target.len();
        let mut at = self.offsets().entry;
        while let Some(head) = entry
            .bytes
            .get(at..target_at)
            .filter(|rest| rest.len() >= HEAD)
        {
            let size = u16_at(head, 0).map_or(0, usize::from);
            let (Some(info), name) = (head.get(HEAD..size), target_name(head)) else {
                break;
            };
            if name == "comment" {
                comment = Some(text(info));
            } else {
                words.push(xtables::matched(&name, u32::from(head[31]), info, self.v6));
            }
            at += size;
        }
        let (jump, nat) = self.jump(entry, starts);
        words.extend(jump);
        let counters = self.counters(entry);
        Rule {
            via: VIA,
            family: self.family(),
            table: self.table.clone(),
            chain: chain.to_owned(),
            handle: Some(place),
            packets: counters.map(|c| c.0),
            bytes: counters.map(|c| c.1),
            nat: nat.as_ref().map(|nat| nat.0),
            nat_to: nat.map(|nat| nat.1),
            comment,
            rule: words.join(" "),
            ..Rule::default()
        }
    }

    /// `-s 10.0.0.0/8 ! -i eth0 -p tcp`.
    fn selectors(&self, entry: &Entry<'_>) -> Vec<String> {
        let (offsets, bytes) = (self.offsets(), entry.bytes);
        let inverted = bytes.get(offsets.inverted).copied().unwrap_or(0);
        let not = |bit: u8| if inverted & bit != 0 { "! " } else { "" };
        let len = offsets.address;
        let mut words = Vec::new();
        for (flag, bit, n) in [("-s", 8, 0), ("-d", 16, 1)] {
            let part = |n: usize| bytes.get(n * len..(n + 1) * len).unwrap_or_default();
            let (address, mask) = (part(n), part(n + 2));
            if mask.iter().any(|b| *b != 0) || inverted & bit != 0 {
                words.push(format!("{}{flag} {}", not(bit), prefix(address, mask)));
            }
        }
        for (flag, bit, n) in [("-i", 1, 0), ("-o", 2, 1)] {
            let part = |n: usize| array::<16>(bytes, offsets.names + n * 16).unwrap_or_default();
            if let Some(name) = interface(&part(n), &part(n + 2)) {
                words.push(format!("{}{flag} {name}", not(bit)));
            }
        }
        let protocol = u16_at(bytes, offsets.protocol).unwrap_or(0);
        if protocol != 0 || inverted & 0x40 != 0 {
            let name = u8::try_from(protocol).map_or_else(|_| protocol.to_string(), ip_protocol);
            let name = if name == "icmpv6" {
                "ipv6-icmp".to_owned()
            } else {
                name
            };
            words.push(format!("{}-p {name}", not(0x40)));
        }
        let flags = bytes.get(offsets.flags).copied().unwrap_or(0);
        if !self.v6 && flags & 1 != 0 {
            words.push(format!("{}-f", not(0x20)));
        }
        words
    }

    /// What the rule does; nothing for one that only counts.
    fn jump(
        &self,
        entry: &Entry<'_>,
        starts: &HashMap<usize, String>,
    ) -> (Option<String>, Option<(&'static str, String)>) {
        let name = target_name(entry.target);
        if !name.is_empty() {
            let info = entry.target.get(HEAD..).unwrap_or_default();
            let told = xtables::target(&name, u32::from(entry.target[31]), info, self.v6);
            return (Some(told.text), told.nat);
        }
        let goto = entry.bytes.get(self.offsets().flags).copied().unwrap_or(0)
            & if self.v6 { 4 } else { 2 }
            != 0;
        let flag = if goto { "-g" } else { "-j" };
        let to = match verdict(entry.target) {
            Some(-1) => "DROP".to_owned(),
            Some(-2) => "ACCEPT".to_owned(),
            Some(-4) => "QUEUE".to_owned(),
            Some(-5) => "RETURN".to_owned(),
            Some(offset) if offset >= 0 => {
                let offset = usize::try_from(offset).unwrap_or(0);
                // To the next entry: the rule has no target.
                if offset == entry.at + entry.bytes.len() {
                    return (None, None);
                }
                starts
                    .get(&offset)
                    .cloned()
                    .unwrap_or_else(|| format!("[offset {offset}]"))
            }
            other => format!("[verdict {}]", other.unwrap_or(0)),
        };
        (Some(format!("{flag} {to}")), None)
    }
}

/// Name of a match or target: behind its size, up to 29 bytes.
fn target_name(head: &[u8]) -> String {
    text(head.get(2..31).unwrap_or_default())
}

fn verdict(target: &[u8]) -> Option<i32> {
    target_name(target)
        .is_empty()
        .then(|| array(target, HEAD).map(i32::from_ne_bytes))?
}

/// `10.0.0.0/8`, or with a mask that is no prefix.
fn prefix(address: &[u8], mask: &[u8]) -> String {
    let ones = mask.iter().take_while(|b| **b == 0xff).count();
    let partial = mask.get(ones).map_or(0, |b| b.leading_ones() as usize);
    let len = ones * 8 + partial;
    let total: usize = mask.iter().map(|b| b.count_ones() as usize).sum();
    let shown = ip(address).map(|ip| ip.to_string()).unwrap_or_default();
    if total == len {
        return format!("{shown}/{len}");
    }
    let mask = ip(mask).map(|ip| ip.to_string()).unwrap_or_default();
    format!("{shown}/{mask}")
}

/// `eth0`; where the mask leaves the end open `eth+`.
fn interface(name: &[u8; 16], mask: &[u8; 16]) -> Option<String> {
    let used = mask.iter().take_while(|b| **b != 0).count();
    let shown = text(name);
    match used {
        0 => None,
        used if used > shown.len() => Some(shown),
        // Only the beginning counts; iptables notes its `+` in the name too.
        _ => Some(format!("{}+", shown.trim_end_matches('+'))),
    }
}
