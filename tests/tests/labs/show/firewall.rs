//! nftables: every rule in nft's own words, counters by traffic, chains and sets.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::udp;
use serde_json::{Value, json};

use super::{of, same, show, text};
use crate::support::at;

/// One rule a line, behind `family hook | `; `=` lines go to nft as they are.
const RULES: &str = include_str!("rules.txt");
/// What an old kernel may lack; the rest must load.
const LEAST: usize = 120;

/// What nft prints by numbers where /etc/protocols and iproute2's files are missing, as in virtual machines.
const NAMED: [&str; 5] = [
    "proto",
    "nexthdr",
    "group",
    "with tcp reset",
    "fully-random",
];

/// The tables, chains and sets, without rules.
fn tables(ns: &Netns) -> Result<()> {
    let plain = RULES.lines().filter_map(|line| line.strip_prefix('='));
    let script: Vec<String> = plain
        .map(|line| format!("{}\n", line.replace('\\', "\n")))
        .collect();
    ns.tool("nft", &["-f", "-"], &script.concat()).map(drop)
}

/// Loads what this kernel knows, each rule alone; how many it took.
fn load(ns: &Netns) -> Result<usize> {
    tables(ns)?;
    let names = Path::new("/etc/protocols").exists();
    let mut taken = 0;
    for line in RULES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some((chain, rule)) = line.split_once(" | ") {
            if !names && NAMED.iter().any(|word| rule.contains(word)) {
                continue;
            }
            let command = format!("add rule {chain} {rule}\n");
            taken += usize::from(ns.tool("nft", &["-f", "-"], &command).is_ok());
        }
    }
    Ok(taken)
}

/// Text of each rule by family, table, chain and handle, as `nft -s -a list ruleset` prints it.
fn printed(ns: &Netns) -> Result<BTreeMap<String, String>> {
    let listing = ns.tool("nft", &["-s", "-a", "list", "ruleset"], "")?;
    let (mut table, mut chain) = (String::new(), None);
    let mut rules = BTreeMap::new();
    for line in listing.lines().map(str::trim) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["table", family, name, ..] => (table, chain) = (format!("{family} {name}"), None),
            ["chain", name, ..] => chain = Some((*name).to_owned()),
            ["}"] => chain = None,
            _ => {
                if let (Some(chain), Some((rule, handle))) =
                    (&chain, line.rsplit_once(" # handle "))
                {
                    // Older nft prints the numbers of anonymous counters even when told not to.
                    rules.insert(format!("{table} {chain} {handle}"), rule.to_owned());
                }
            }
        }
    }
    Ok(rules)
}

fn told(rows: &[Value]) -> BTreeMap<String, String> {
    let rules = of(rows, "firewall-rule");
    rules
        .iter()
        .filter(|r| r["via"] == "nftables")
        .map(|r| {
            let place = ["family", "table", "chain", "handle"]
                .map(|key| text(&r[key]))
                .join(" ");
            let comment = r["comment"]
                .as_str()
                .map(|c| format!(" comment \"{c}\""))
                .unwrap_or_default();
            (place, format!("{}{comment}", text(&r["rule"])))
        })
        .collect()
}

#[test]
fn rules_in_nfts_words() -> Result<()> {
    let ns = Netns::new("firewall")?;
    let taken = load(&ns)?;
    ensure!(taken >= LEAST, "nft took {taken} rules only");
    same("rules", told(&show(&ns, &["firewall"])?), printed(&ns)?)
}

/// Chains with type, hook, priority, policy and devices, as nft's JSON has them.
#[test]
fn chains() -> Result<()> {
    let ns = Netns::new("firewall")?;
    tables(&ns)?;
    let row = |c: &Value, keys: [&str; 7]| keys.map(|key| text(&c[key])).to_vec();
    let chains = of(&show(&ns, &["firewall"])?, "firewall-chain");
    let keys = [
        "family", "table", "chain", "handle", "type", "hook", "priority",
    ];
    let told = chains.iter().map(|c| row(c, keys));
    let listing: Value = serde_json::from_str(&ns.tool("nft", &["-j", "list", "chains"], "")?)?;
    let truth = listing["nftables"]
        .as_array()
        .context("nft lists nothing")?;
    let keys = ["family", "table", "name", "handle", "type", "hook", "prio"];
    let truth = truth
        .iter()
        .filter_map(|entry| entry.get("chain"))
        .map(|c| row(c, keys));
    let ingress = chains
        .iter()
        .find(|c| c["family"] == "netdev")
        .context("no netdev chain")?;
    ensure!(
        ingress["devices"] == json!(["lo"]) && ingress["policy"] == "accept",
        "{ingress}"
    );
    same("chains", told, truth)
}

/// What traffic hits is counted; port forwarding stands out.
#[test]
fn counters_and_forwarding() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.tool(
        "nft",
        &["-f", "-"],
        "table ip t {\n counter hits { }\n set some { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 11.99.0.1-11.99.0.7 } }\n\
         chain out { type nat hook output priority -100; policy accept;\n udp dport 7 counter dnat to 10.77.1.2:9\n }\n\
         chain post { type nat hook postrouting priority 100;\n masquerade\n }\n\
         chain last { type filter hook output priority 5; policy drop;\n udp dport 9 counter name \"hits\" counter accept comment \"let it pass\"\n }\n}\n",
    )?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 5, 100)?;
    let rows = show(&lab.a, &["firewall"])?;
    let rules = of(&rows, "firewall-rule");
    let dnat = rules
        .iter()
        .find(|r| r["chain"] == "out")
        .context("no rule")?;
    ensure!(
        dnat["nat"] == "dnat" && dnat["nat_to"] == "10.77.1.2:9",
        "{dnat}"
    );
    ensure!(
        dnat["hook"] == "output" && dnat["priority"] == -100 && dnat["packets"] == 1,
        "{dnat}"
    );
    let pass = rules
        .iter()
        .find(|r| r["chain"] == "last")
        .context("no rule")?;
    ensure!(pass["packets"] == 5 && pass["bytes"] == 5 * 128, "{pass}");
    ensure!(text(&pass["comment"]).contains("pass"), "{pass}");
    let chain = of(&rows, "firewall-chain")
        .into_iter()
        .find(|c| c["chain"] == "last")
        .context("no chain")?;
    ensure!(chain["policy"] == "drop", "{chain}");
    let sets = of(&rows, "firewall-set");
    let hits = sets
        .iter()
        .find(|s| s["name"] == "hits")
        .context("no counter")?;
    ensure!(hits["kind"] == "counter" && hits["packets"] == 5, "{hits}");
    let some = sets
        .iter()
        .find(|s| s["name"] == "some")
        .context("no set")?;
    ensure!(
        text(&some["elements"]).contains("10.0.0.0/8") && some["key"] == "ipv4_addr",
        "{some}"
    );
    let path = lab.a.path();
    let output = netobs_tests::netobs::binary::run(&["show", "firewall", "--netns", &path])?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said.contains("DNAT -> 10.77.1.2:9") && said.contains("MASQUERADE"),
        "{said}"
    );
    Ok(())
}

#[test]
fn nothing_at_all_is_said() -> Result<()> {
    let ns = Netns::new("firewall")?;
    let path = ns.path();
    let output = netobs_tests::netobs::binary::run(&["show", "firewall", "--netns", &path])?;
    ensure!(
        String::from_utf8_lossy(&output.stdout).contains("no firewall rules"),
        "{output:?}"
    );
    Ok(())
}
