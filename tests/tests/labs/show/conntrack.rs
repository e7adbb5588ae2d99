//! Tracked connections against `conntrack -L`, and how full the table is.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{tcp, udp};
use serde_json::Value;

use super::{of, same, show, text};
use crate::support::at;

/// Both directions of every entry that `conntrack -L` lists: protocol, state, addresses and ports.
fn listed(ns: &Netns) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for family in ["ipv4", "ipv6"] {
        for line in ns.tool("conntrack", &["-L", "-f", family], "")?.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let state = words.get(3).filter(|w| !w.contains('='));
            let ends = words.iter().filter(|w| {
                ["src=", "dst=", "sport=", "dport="]
                    .iter()
                    .any(|key| w.starts_with(key))
            });
            let ends: Vec<&str> = ends.copied().collect();
            rows.push(format!(
                "{} {} {}",
                words[0],
                state.unwrap_or(&""),
                ends.join(" ")
            ));
        }
    }
    Ok(rows)
}

fn told(rows: &[Value]) -> Vec<String> {
    let row = |e: &Value| {
        let keys = [
            ("src", "saddr"),
            ("dst", "daddr"),
            ("sport", "sport"),
            ("dport", "dport"),
            ("src", "reply_saddr"),
            ("dst", "reply_daddr"),
            ("sport", "reply_sport"),
            ("dport", "reply_dport"),
        ];
        let ends = keys.iter().filter(|(_, key)| !e[*key].is_null());
        let ends: Vec<String> = ends
            .map(|(name, key)| format!("{name}={}", text(&e[*key])))
            .collect();
        format!(
            "{} {} {}",
            text(&e["proto"]),
            text(&e["state"]),
            ends.join(" ")
        )
    };
    of(rows, "conntrack").iter().map(row).collect()
}

fn lab() -> Result<Pair> {
    let lab = Pair::new()?;
    lab.a.tool(
        "nft",
        &["-f", "-"],
        "table ip t {\n chain out { type nat hook output priority -100;\n tcp dport 80 dnat to 10.77.1.2:9090\n }\n\
         chain post { type nat hook postrouting priority 100;\n masquerade\n }\n}\n\
         table ip6 t {\n chain f { type filter hook output priority 0;\n ct state new accept\n }\n}\n",
    )?;
    lab.a.sysctl("net/netfilter/nf_conntrack_acct", "1")?;
    Ok(lab)
}

#[test]
fn entries_and_translation() -> Result<()> {
    let lab = lab()?;
    let server = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 9090), 5)?))?;
    let client = lab
        .a
        .run(|| Ok(tcp::Dial::to(at(Pair::B4, 80)).connect()?))?;
    let _accepted = server.accept()?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 3, 100)?;
    udp::flood(&udp::bind(&lab.a, at(A6, 0))?, at(Pair::B6, 7), 3, 100)?;
    lab.a
        .tool("ping", &["-c1", "-W5", &Pair::B4.to_string()], "")?;
    let rows = show(&lab.a, &["conntrack"])?;
    same("entries", told(&rows), listed(&lab.a)?)?;
    let entries = of(&rows, "conntrack");
    let forwarded = entries
        .iter()
        .find(|e| e["dport"] == 80)
        .context("the connection is not told")?;
    ensure!(
        forwarded["nat"] == "dnat" && forwarded["reply_sport"] == 9090,
        "{forwarded}"
    );
    ensure!(
        forwarded["state"] == "ESTABLISHED" && forwarded["packets"].as_u64() >= Some(2),
        "{forwarded}"
    );
    ensure!(forwarded["timeout_s"].as_u64() > Some(1000), "{forwarded}");
    let datagrams = entries
        .iter()
        .find(|e| e["proto"] == "udp" && e["family"] == "ipv6")
        .context("no IPv6")?;
    ensure!(
        datagrams["packets"] == 3 && datagrams["bytes"] == 3 * 148,
        "{datagrams}"
    );
    drop(client);
    Ok(())
}

#[test]
fn fill() -> Result<()> {
    let lab = lab()?;
    for port in 1000..1020 {
        udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, port), 1, 10)?;
    }
    let rows = show(&lab.a, &["conntrack", "--fill"])?;
    let count = lab.a.run(|| {
        Ok(std::fs::read_to_string(
            "/proc/sys/net/netfilter/nf_conntrack_count",
        )?)
    })?;
    ensure!(
        rows.len() == 1 && text(&rows[0]["entries"]) == count.trim(),
        "{rows:?}, /proc: {count}"
    );
    let max = lab.a.run(|| {
        Ok(std::fs::read_to_string(
            "/proc/sys/net/netfilter/nf_conntrack_max",
        )?)
    })?;
    ensure!(
        rows[0]["max"].is_null() || text(&rows[0]["max"]) == max.trim(),
        "{rows:?}, /proc: {max}"
    );
    Ok(())
}
