//! The firewall as one list, whatever keeps it: `nf_tables` or the tables of legacy iptables.

use serde::Serialize;
use std::collections::HashMap;

/// A chain.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Chain {
    /// `nftables` (also iptables-nft) or `iptables` (legacy).
    pub via: &'static str,
    pub family: &'static str,
    pub table: String,
    pub chain: String,
    pub handle: Option<u64>,
    /// `filter`, `nat`, `route`; null: only reached by a jump.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub hook: Option<&'static str>,
    pub priority: Option<i32>,
    pub devices: Vec<String>,
    /// What happens to packets that no rule decided about.
    pub policy: Option<&'static str>,
    /// Packets that met the policy, where the kernel counts them.
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
}

/// A rule, rendered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rule {
    pub via: &'static str,
    pub family: &'static str,
    pub table: String,
    pub chain: String,
    /// Of the chain, if packets enter it from a hook.
    pub hook: Option<&'static str>,
    pub priority: Option<i32>,
    /// By which nft deletes it; legacy iptables: its place in the chain, from 1.
    pub handle: Option<u64>,
    /// Null: the rule does not count.
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    /// `dnat` `snat` `masquerade` `redirect` `netmap` `tproxy`; null: it translates nothing.
    pub nat: Option<&'static str>,
    /// What addresses or ports are turned into.
    pub nat_to: Option<String>,
    pub comment: Option<String>,
    /// In nft's words, or iptables'.
    pub rule: String,
}

/// A named set, map, counter, quota, flowtable ...
#[derive(Clone, Debug, Default, Serialize)]
pub struct SetRow {
    pub family: &'static str,
    pub table: String,
    pub name: String,
    pub handle: u64,
    /// `set`, `map`, `counter`, `quota` ...
    pub kind: &'static str,
    /// Type of its elements.
    pub key: String,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    pub elements: Vec<String>,
    pub text: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    pub chains: Vec<Chain>,
    pub rules: Vec<Rule>,
    pub sets: Vec<SetRow>,
    /// It changed each time it was read.
    pub torn: bool,
}

/// The way of a packet: hooks in the order it meets them.
const WAY: [&str; 7] = [
    "ingress",
    "prerouting",
    "input",
    "forward",
    "output",
    "postrouting",
    "egress",
];

impl Ruleset {
    /// Joins another list to this one.
    pub fn add(&mut self, other: Self) {
        self.chains.extend(other.chains);
        self.rules.extend(other.rules);
        self.sets.extend(other.sets);
        self.torn |= other.torn;
    }

    /// Chains as a packet meets them, those reached by jumps behind those of their table; each rule learns its chain's hook.
    pub fn arrange(&mut self) {
        let place = |chain: &Chain| WAY.iter().position(|hook| Some(*hook) == chain.hook);
        self.chains.sort_by_key(|chain| {
            let at = place(chain).unwrap_or(WAY.len());
            (
                at,
                chain.priority.unwrap_or(i32::MAX),
                chain.family,
                chain.table.clone(),
            )
        });
        let hooks: HashMap<Key<'_>, (Option<&'static str>, Option<i32>)> = self
            .chains
            .iter()
            .map(|chain| (chain.key(), (chain.hook, chain.priority)))
            .collect();
        for rule in &mut self.rules {
            let of_chain = hooks.get(&rule.key()).copied();
            (rule.hook, rule.priority) = of_chain.unwrap_or_default();
        }
    }
}

/// What tells chains apart.
pub type Key<'a> = (&'static str, &'static str, &'a str, &'a str);

impl Chain {
    pub fn key(&self) -> Key<'_> {
        (self.via, self.family, &self.table, &self.chain)
    }
}

impl Rule {
    /// Of the chain that it stands in.
    pub fn key(&self) -> Key<'_> {
        (self.via, self.family, &self.table, &self.chain)
    }
}
