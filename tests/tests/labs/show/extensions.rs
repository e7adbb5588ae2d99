//! Extensions of iptables, one rule each, against what iptables-save prints; sets of ipset by name.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;

use super::{of, same, show, text};

const RULES: &str = include_str!("extensions.txt");
const SETS: [&str; 3] = [
    "create netobs-lab hash:ip timeout 100 skbinfo",
    "create netobs-two hash:ip,port counters",
    "create netobs-six hash:ip family inet6",
];
/// Fewer than this were not worth a lab.
const ENOUGH: usize = 30;

/// Loads what this kernel takes; how many rules that is, and those that it refuses.
fn load(ns: &Netns, six: bool) -> Result<(usize, Vec<&'static str>)> {
    let program = if six {
        "ip6tables-legacy-restore"
    } else {
        "iptables-legacy-restore"
    };
    let (mut taken, mut refused) = (0, Vec::new());
    for line in RULES.lines().filter(|line| !line.starts_with('#')) {
        let (rule, of_six) = match line.strip_prefix("6 ") {
            Some(rule) => (rule, true),
            None => (line, false),
        };
        if of_six != six {
            continue;
        }
        let (table, rule) = match rule.strip_prefix("-t ") {
            Some(rest) => rest.split_once(' ').context("a rule after its table")?,
            None => ("filter", rule),
        };
        let input = format!("*{table}\n{rule}\nCOMMIT\n");
        match ns.tool(program, &["--noflush"], &input) {
            Ok(_) => taken += 1,
            Err(_) => refused.push(rule),
        }
    }
    Ok((taken, refused))
}

/// `table -A CHAIN words` of every rule.
fn saved(ns: &Netns, program: &str) -> Result<Vec<String>> {
    let mut table = String::new();
    let mut rules = Vec::new();
    for line in ns.tool(program, &[], "")?.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        } else if line.starts_with("-A") {
            rules.push(format!("{table} {line}"));
        }
    }
    Ok(rules)
}

fn told(ns: &Netns, family: &str) -> Result<Vec<String>> {
    let rules = of(&show(ns, &["firewall"])?, "firewall-rule");
    let rules = rules
        .iter()
        .filter(|rule| rule["via"] == "iptables" && rule["family"] == family);
    let rules = rules.map(|rule| {
        let [table, chain, words] = ["table", "chain", "rule"].map(|key| text(&rule[key]));
        format!("{table} -A {chain} {words}")
    });
    Ok(rules.collect())
}

#[test]
fn as_saved() -> Result<()> {
    let ns = Netns::new("extensions")?;
    if let Err(error) = ns.tool("iptables-legacy", &["-L"], "") {
        eprintln!("left out, no legacy iptables here: {error:#}");
        return Ok(());
    }
    for set in SETS {
        let words: Vec<&str> = set.split(' ').collect();
        if let Err(error) = ns.tool("ipset", &words, "") {
            eprintln!("left out, this kernel does not take the set {set}: {error:#}");
        }
    }
    let (taken, refused) = load(&ns, false)?;
    eprintln!("left out, this kernel does not take {refused:#?}");
    ensure!(taken >= ENOUGH, "this kernel takes {taken} rules only");
    same(
        "IPv4",
        told(&ns, "ip")?,
        saved(&ns, "iptables-legacy-save")?,
    )?;
    let (_, refused) = load(&ns, true)?;
    eprintln!("left out, this kernel does not take {refused:#?}");
    same(
        "IPv6",
        told(&ns, "ip6")?,
        saved(&ns, "ip6tables-legacy-save")?,
    )
}
