//! iptables, by `nf_tables` and legacy: rules in the words of iptables-save, translation that stands out.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::udp;
use serde_json::Value;

use super::{of, same, show, text};
use crate::support::at;

const RULES: [&str; 31] = [
    "-t nat -N KUBE-SVC",
    "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j KUBE-SVC",
    "-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080",
    "-t nat -A PREROUTING -p tcp -m multiport --dports 80,443,1000:2000 -j REDIRECT --to-ports 8080",
    "-t nat -A KUBE-SVC -m statistic --mode random --probability 0.5 -j RETURN",
    "-t nat -A POSTROUTING -s 10.0.0.0/8 ! -d 10.0.0.0/8 -o eth0 -j MASQUERADE",
    "-t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully",
    "-t nat -A POSTROUTING -s 10.1.1.1/32 -j SNAT --to-source 1.2.3.4",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -m conntrack ! --ctstate INVALID -m conntrack --ctstate DNAT -j ACCEPT",
    "-A INPUT -m state --state NEW -p tcp --dport 22 --tcp-flags SYN,ACK SYN -j ACCEPT",
    "-A INPUT -p udp ! --sport 53 --dport 1000:2000 -j DROP",
    "-A INPUT -p icmp --icmp-type echo-request -m limit --limit 10/sec --limit-burst 20 -j ACCEPT",
    "-A INPUT -j LOG --log-prefix drop: --log-level 6",
    "-A INPUT -m mac --mac-source 00:11:22:33:44:55 -j ACCEPT",
    "-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT",
    "-A INPUT -m pkttype --pkt-type broadcast -j DROP",
    "-A INPUT -m length --length 100:200 -j DROP",
    "-A INPUT -i eth+ -f -j DROP",
    "-A INPUT -m limit --limit 3/hour -j DROP",
    "-A INPUT -m hashlimit --hashlimit-above 10/sec --hashlimit-name x --hashlimit-mode srcip -j DROP",
    "-A INPUT -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 7 --hashlimit-name y",
    "-A INPUT -m recent --set --name ssh",
    "-A INPUT -m recent --update --seconds 60 --hitcount 4 --rttl --name ssh --rsource -j DROP",
    "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
    "-A OUTPUT -m owner --uid-owner 0 -p udp --dport 7",
    "-A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
    "-t mangle -A PREROUTING -j CONNMARK --restore-mark",
    "-t mangle -A PREROUTING -j MARK --set-mark 5",
    "-t raw -A PREROUTING -p udp --dport 53 -j CT --notrack",
];

fn load(ns: &Netns, program: &str) -> Result<()> {
    for rule in RULES {
        let words: Vec<&str> = rule.split(' ').collect();
        ns.tool(program, &words, "")?;
    }
    ns.tool(program, &["-P", "FORWARD", "DROP"], "").map(drop)
}

/// `nat [packets:bytes] -A CHAIN words` of every rule, and `nat :CHAIN policy`, as iptables-save prints them.
fn saved(ns: &Netns, program: &str) -> Result<Vec<String>> {
    let mut table = String::new();
    let mut rows = Vec::new();
    for line in ns.tool(program, &["-c"], "")?.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        } else if line.starts_with(['[', ':']) {
            rows.push(format!("{table} {line}"));
        }
    }
    Ok(rows)
}

fn told(rows: &[Value]) -> Vec<String> {
    let count = |row: &Value| format!("[{}:{}]", text(&row["packets"]), text(&row["bytes"]));
    let legacy = |row: &&Value| row["via"] == "iptables";
    let chains = of(rows, "firewall-chain");
    let chains = chains
        .iter()
        .filter(legacy)
        .map(|c| match c["policy"].as_str() {
            Some(policy) => format!(
                "{} :{} {} {}",
                text(&c["table"]),
                text(&c["chain"]),
                policy.to_uppercase(),
                count(c)
            ),
            None => format!("{} :{} - [0:0]", text(&c["table"]), text(&c["chain"])),
        });
    let rules = of(rows, "firewall-rule");
    let rules = rules.iter().filter(legacy).map(|r| {
        format!(
            "{} {} -A {} {}",
            text(&r["table"]),
            count(r),
            text(&r["chain"]),
            text(&r["rule"])
        )
    });
    chains.chain(rules).collect()
}

/// Legacy tables, with counters that traffic has hit. A kernel without them is left out, and says so.
#[test]
fn legacy_as_saved() -> Result<()> {
    let lab = Pair::new()?;
    if let Err(error) = lab.a.tool("iptables-legacy", &["-L"], "") {
        eprintln!("left out, no legacy iptables here: {error:#}");
        return Ok(());
    }
    load(&lab.a, "iptables-legacy")?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 5, 100)?;
    let rows = show(&lab.a, &["firewall"])?;
    same("rules", told(&rows), saved(&lab.a, "iptables-legacy-save")?)?;
    let counted = of(&rows, "firewall-rule")
        .into_iter()
        .find(|r| r["chain"] == "OUTPUT")
        .context("no rule")?;
    ensure!(
        counted["packets"] == 5 && counted["bytes"] == 5 * 128,
        "{counted}"
    );
    Ok(())
}

/// A table that nobody has used is not made by looking.
#[test]
fn looking_makes_no_table() -> Result<()> {
    let ns = Netns::new("untouched")?;
    show(&ns, &["firewall"])?;
    let names = ns.run(|| {
        Ok(std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default())
    })?;
    ensure!(names.is_empty(), "tables now: {names}");
    Ok(())
}

/// iptables-nft: no extension goes untold, and what translates is marked.
#[test]
fn by_nf_tables() -> Result<()> {
    let lab = Pair::new()?;
    load(&lab.a, "iptables")?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 5, 100)?;
    let rows = of(&show(&lab.a, &["firewall"])?, "firewall-rule");
    ensure!(
        rows.len() == RULES.len() - 1,
        "{} rules told: {rows:#?}",
        rows.len()
    );
    let odd = rows
        .iter()
        .find(|r| text(&r["rule"]).contains("not decoded"));
    ensure!(odd.is_none(), "{odd:?}");
    let mut nat: Vec<String> = rows
        .iter()
        .filter(|r| !r["nat"].is_null())
        .map(|r| {
            format!("{} {}", text(&r["nat"]), text(&r["nat_to"]))
                .trim()
                .to_owned()
        })
        .collect();
    nat.sort();
    ensure!(
        nat == [
            "dnat 10.0.0.2:8080",
            "masquerade",
            "masquerade",
            "redirect 8080",
            "snat 1.2.3.4"
        ],
        "{nat:?}"
    );
    let counted = rows
        .iter()
        .find(|r| r["chain"] == "OUTPUT")
        .context("no rule")?;
    ensure!(
        counted["packets"] == 5 && text(&counted["rule"]).contains("udp dport 7"),
        "{counted}"
    );
    Ok(())
}
