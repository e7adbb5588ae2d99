//! The firewall: each chain with its policy, its rules below it; what translates addresses stands out.

use super::Row;
use crate::{
    netlink::firewall::{Chain, Key, Rule, Ruleset, SetRow},
    views::table::{Table, escape, shown},
};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Elements of a set shown in a table; JSON has all.
const ELEMENTS: usize = 24;

const HEAD: &[&str] = &[
    "FAMILY", "TABLE", "CHAIN", "HOOK", "PRIO", "HANDLE", "PACKETS", "BYTES", "NAT", "RULE",
    "COMMENT",
];

impl Row for Chain {
    const KIND: &'static str = "firewall-chain";
    const HEAD: &'static [&'static str] = HEAD;

    fn cells(&self) -> Vec<String> {
        let devices = if self.devices.is_empty() {
            String::new()
        } else {
            format!(" {}", self.devices.join(","))
        };
        vec![
            self.family.to_owned(),
            table_name(self.via, &self.table),
            self.chain.clone(),
            self.hook
                .map(|hook| format!("{hook}{devices}"))
                .unwrap_or_default(),
            shown(self.priority.as_ref()),
            shown(self.handle.as_ref()),
            shown(self.packets.as_ref()),
            shown(self.bytes.as_ref()),
            String::new(),
            self.policy.map_or_else(
                || "(jumped to)".to_owned(),
                |policy| format!("policy {policy}"),
            ),
            String::new(),
        ]
    }
}

fn table_name(via: &str, table: &str) -> String {
    if via == "iptables" {
        format!("{table} (legacy)")
    } else {
        table.to_owned()
    }
}

impl Row for Rule {
    const KIND: &'static str = "firewall-rule";
    const HEAD: &'static [&'static str] = HEAD;

    fn cells(&self) -> Vec<String> {
        vec![
            self.family.to_owned(),
            table_name(self.via, &self.table),
            self.chain.clone(),
            String::new(),
            String::new(),
            shown(self.handle.as_ref()),
            shown(self.packets.as_ref()),
            shown(self.bytes.as_ref()),
            nat(self),
            without_counter(self),
            self.comment.clone().unwrap_or_default(),
        ]
    }
}

/// The columns count; the word would only take room. Named counters and what is quoted stay.
fn without_counter(rule: &Rule) -> String {
    let text = &rule.rule;
    if rule.packets.is_none() {
        return text.clone();
    }
    let alone = text.match_indices("counter").find(|(at, word)| {
        let (before, behind) = (&text[..*at], &text[at + word.len()..]);
        let starts = before.is_empty() || before.ends_with(' ');
        let ends = behind.is_empty() || behind.starts_with(' ');
        starts && ends && !behind.starts_with(" name ") && before.matches('"').count() % 2 == 0
    });
    match alone {
        Some((at, word)) => {
            let behind = text[at + word.len()..].trim_start();
            format!("{}{behind}", &text[..at]).trim_end().to_owned()
        }
        None => text.clone(),
    }
}

/// `DNAT -> 10.0.0.2:80`: what forwards a port is seen at once.
fn nat(rule: &Rule) -> String {
    let Some(kind) = rule.nat else {
        return String::new();
    };
    let kind = kind.to_uppercase();
    match rule.nat_to.as_deref() {
        None | Some("") => kind,
        Some(to) => format!("{kind} -> {to}"),
    }
}

impl Row for SetRow {
    const KIND: &'static str = "firewall-set";
    const HEAD: &'static [&'static str] = &[
        "FAMILY", "TABLE", "NAME", "KIND", "TYPE", "HANDLE", "PACKETS", "BYTES", "COUNT",
        "ELEMENTS",
    ];
    const YIELDING: &'static [&'static str] = &["HANDLE", "FAMILY", "COUNT"];

    fn cells(&self) -> Vec<String> {
        let count = self.elements.len();
        let mut elements = self.elements[..count.min(ELEMENTS)].join(", ");
        if count > ELEMENTS {
            _ = write!(elements, ", and {} more (--json has all)", count - ELEMENTS);
        }
        vec![
            self.family.to_owned(),
            self.table.clone(),
            self.name.clone(),
            self.kind.to_owned(),
            self.key.clone(),
            self.handle.to_string(),
            shown(self.packets.as_ref()),
            shown(self.bytes.as_ref()),
            if matches!(self.kind, "set" | "map") {
                count.to_string()
            } else {
                String::new()
            },
            if elements.is_empty() {
                self.text.clone()
            } else {
                elements
            },
        ]
    }
}

/// Chains and rules as one table, sets and objects as a second.
pub fn text(ruleset: &Ruleset, width: Option<usize>) -> String {
    if ruleset.chains.is_empty() && ruleset.sets.is_empty() {
        return "no firewall rules: nothing is filtered or translated here\n".to_owned();
    }
    let mut rules: HashMap<Key<'_>, Vec<&Rule>> = HashMap::new();
    for rule in &ruleset.rules {
        rules.entry(rule.key()).or_default().push(rule);
    }
    let chains: Vec<(&Chain, Vec<&Rule>)> = ruleset
        .chains
        .iter()
        .map(|chain| (chain, rules.remove(&chain.key()).unwrap_or_default()))
        .collect();
    let mut text = whole(&chains);
    let fits = width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width));
    if !fits {
        text = chains
            .iter()
            .map(|(chain, rules)| block(chain, rules, width))
            .collect();
    }
    if !ruleset.sets.is_empty() {
        text.push('\n');
        text.push_str(&super::table(&ruleset.sets, width));
    }
    text
}

/// All in one table.
fn whole(chains: &[(&Chain, Vec<&Rule>)]) -> String {
    let mut table = Table::new(HEAD);
    for (chain, rules) in chains {
        table.push(&chain.cells());
        for rule in rules {
            table.push(&rule.cells());
        }
    }
    table.render(None)
}

/// Columns of a rule that its chain's line does not say.
const OF_RULE: [usize; 6] = [5, 6, 7, 8, 9, 10];

/// A chain in a line, and its rules below: for terminals that are too narrow for all columns.
fn block(chain: &Chain, rules: &[&Rule], width: Option<usize>) -> String {
    let cells = chain.cells();
    let mut words = vec![cells[9].clone()];
    if !cells[3].is_empty() {
        words.insert(0, format!("{} priority {}", cells[3], cells[4]));
    }
    if let (Some(packets), Some(bytes)) = (chain.packets, chain.bytes) {
        words.push(format!("{packets} packets {bytes} bytes"));
    }
    if !cells[5].is_empty() {
        words.push(format!("handle {}", cells[5]));
    }
    let head = format!(
        "{} {} {}: {}",
        cells[0],
        cells[1],
        cells[2],
        words.join(", ")
    );
    let mut text = format!("{}\n", escape(&head));
    if rules.is_empty() {
        return text;
    }
    let mut table = Table::new(&OF_RULE.map(|n| HEAD[n])).yielding(&["NAT"]);
    for rule in rules {
        let cells = rule.cells();
        table.push(&OF_RULE.map(|n| cells[n].clone()));
    }
    for line in table
        .render(width.map(|width| width.saturating_sub(2)))
        .lines()
    {
        _ = writeln!(text, "  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_that_the_columns_repeat_goes() {
        for (rule, want) in [
            ("counter", ""),
            ("tcp dport 80 counter accept", "tcp dport 80 accept"),
            (
                "oifname \"a counter b\" counter drop",
                "oifname \"a counter b\" drop",
            ),
            ("counter name \"x\" counter drop", "counter name \"x\" drop"),
            ("log prefix \" counter \"", "log prefix \" counter \""),
        ] {
            let rule = Rule {
                rule: rule.to_owned(),
                packets: Some(1),
                ..Rule::default()
            };
            assert_eq!(without_counter(&rule), want);
        }
    }
}
