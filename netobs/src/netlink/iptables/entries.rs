//! A table's entries, one behind the other, to chains and rules in the words of `iptables-save`.

use super::selectors::{Offsets, V4, V6, selectors};
use crate::netlink::{
    attrs::{array, text, u16_at, u32_at, u64_at},
    firewall::{Chain, Rule, Ruleset},
    ipset::IpSets,
    xtables::{self, Extension},
};
use std::collections::HashMap;

const VIA: &str = "iptables";
const HOOKS: [&str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];
const NAMES: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// Head of `struct xt_entry_match` and `struct xt_entry_target`.
const HEAD: usize = 32;

/// How a table is laid out: `struct ipt_getinfo`.
pub struct Layout<'s> {
    table: String,
    v6: bool,
    sets: &'s IpSets,
    /// Where the chain of each hook begins, and where its policy stands.
    hooks: Vec<(usize, usize, usize)>,
}

/// One entry, with where it stands.
struct Entry<'a> {
    at: usize,
    bytes: &'a [u8],
    target: &'a [u8],
}

impl<'s> Layout<'s> {
    pub fn new(table: &str, v6: bool, info: &[u8], sets: &'s IpSets) -> Self {
        let valid = u32_at(info, 32).unwrap_or(0);
        let word = |at: usize| u32_at(info, at).unwrap_or(0) as usize;
        let hooks = (0..HOOKS.len())
            .filter(|hook| valid >> hook & 1 != 0)
            .map(|hook| (hook, word(36 + hook * 4), word(56 + hook * 4)))
            .collect();
        Self {
            table: table.to_owned(),
            v6,
            sets,
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
        for (n, entry) in entries.iter().enumerate() {
            if let Some(name) = starts.get(&entry.at) {
                chain.clone_from(name);
                place = 0;
                ruleset.chains.push(self.chain(name, entry, &entries));
            }
            // A header of a user's chain, or the end of the table.
            let header = target_name(entry.target) == "ERROR";
            if header || self.is_policy(entry, entries.get(n + 1), &starts) {
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
        next: Option<&Entry<'_>>,
        starts: &HashMap<usize, String>,
    ) -> bool {
        if self
            .hooks
            .iter()
            .any(|(_, _, underflow)| *underflow == entry.at)
        {
            return true;
        }
        let ends = next.is_none_or(|next| {
            target_name(next.target) == "ERROR" || starts.contains_key(&next.at)
        });
        let bare = entry.bytes.len() == self.offsets().entry + HEAD + 8;
        ends && bare && verdict(entry.target) == Some(-5)
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
        let mut words = selectors(self.offsets(), entry.bytes);
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
                let revision = u32::from(head[31]);
                words.push(xtables::matched(&self.extension(&name, revision, info)));
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

    fn extension<'a>(&'a self, name: &'a str, revision: u32, info: &'a [u8]) -> Extension<'a> {
        Extension {
            name,
            revision,
            info,
            v6: self.v6,
            sets: self.sets,
        }
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
            let revision = u32::from(entry.target.get(31).copied().unwrap_or(0));
            let told = xtables::target(&self.extension(&name, revision, info));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A table as the kernel would never send it: no panic, no endless walk.
    #[test]
    fn no_bytes_are_too_odd() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_ne_bytes()
        };
        for round in 0..2_000 {
            let mut bytes: Vec<u8> = (0..64).flat_map(|_| next()).collect();
            // Mostly small offsets, so that entries are found at all.
            for at in [88, 90, 140, 142, 112, 168] {
                bytes[at + 1] = u8::from(round % 3 == 0);
            }
            let info: Vec<u8> = (0..11).flat_map(|_| next()).collect();
            for v6 in [false, true] {
                let sets = IpSets::default();
                let layout = Layout::new("t", v6, &info, &sets);
                for cut in [0, 50, 112, 113, 145, 200, 400, 512] {
                    layout.read(&bytes[..cut]);
                }
            }
        }
    }
}
