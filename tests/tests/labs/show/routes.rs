//! Routes of all tables, single lookups, and the routing policy, as `ip -j` shows them.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::topology::Pair;
use serde_json::Value;

use super::{lines, list, same, show, text};

fn lab() -> Result<Pair> {
    let lab = Pair::new()?;
    lab.a.ip(
        "route add default via 10.77.1.2 metric 50\nroute add 10.1.0.0/16 via 10.77.1.2 table 100 metric 5\n\
         route add 10.2.0.0/16 nexthop via 10.77.1.2 weight 2 nexthop via 10.77.1.3 weight 3\n\
         route add blackhole 10.66.0.0/16\nroute add unreachable 10.67.0.0/16 metric 9\nroute add prohibit 10.68.0.0/16 table 5000\n\
         route add 10.3.0.0/16 dev eth0 src 10.77.1.1 mtu 1300 proto static\nroute add fd02::/64 via fd00:77:1::2 metric 77\n\
         route add blackhole fd66::/64\nroute add fd03::/64 via fd00:77:1::2 table 100\n\
         rule add fwmark 0x10/0xff lookup 100 prio 50\nrule add from 10.5.0.0/16 iif eth0 lookup 5000 prio 60\n\
         rule add not to 10.6.0.0/16 ipproto 6 dport 80-90 uidrange 5-6 lookup 100 prio 70\n",
    )?;
    lab.a.tool(
        "ip",
        &[
            "-6", "rule", "add", "oif", "eth0", "lookup", "100", "prio", "80",
        ],
        "",
    )?;
    Ok(lab)
}

/// The end of `ip`'s defaults: it leaves out what goes without saying.
fn or<'a>(value: &'a Value, default: &'a str) -> String {
    if value.is_null() {
        default.to_owned()
    } else {
        text(value)
    }
}

fn ip_routes(ns: &Netns, family: &str) -> Result<Vec<Vec<String>>> {
    let routes = list(ns, "ip", &["-j", family, "route", "show", "table", "all"])?;
    let scope = if family == "-4" { "global" } else { "" };
    Ok(routes
        .iter()
        .map(|r| {
            vec![
                or(&r["type"], "unicast"),
                text(&r["dst"]),
                text(&r["gateway"]),
                // ip shows the device of IPv6's rejecting routes too, as the kernel gives it.
                text(&r["dev"]),
                or(&r["table"], "main"),
                or(&r["protocol"], "boot"),
                if scope.is_empty() {
                    String::new()
                } else {
                    or(&r["scope"], scope)
                },
                text(&r["prefsrc"]),
                text(&r["metric"]),
                r["nexthops"].as_array().map_or(0, Vec::len).to_string(),
            ]
        })
        .collect())
}

fn our_routes(ns: &Netns, family: &str) -> Result<Vec<Vec<String>>> {
    let routes = show(ns, &["route"])?;
    let v4 = family == "-4";
    Ok(routes
        .iter()
        .filter(|r| (r["family"] == "ipv4") == v4)
        .map(|r| {
            vec![
                text(&r["type"]),
                text(&r["dst"]),
                text(&r["gateway"]),
                text(&r["dev"]),
                text(&r["table"]),
                text(&r["proto"]),
                if v4 { text(&r["scope"]) } else { String::new() },
                text(&r["src"]),
                text(&r["metric"]),
                r["nexthops"].as_array().map_or(0, Vec::len).to_string(),
            ]
        })
        .collect())
}

#[test]
fn all_tables() -> Result<()> {
    let lab = lab()?;
    for family in ["-4", "-6"] {
        same(
            "routes",
            our_routes(&lab.a, family)?,
            ip_routes(&lab.a, family)?,
        )?;
    }
    let told = show(&lab.a, &["route"])?;
    let of = |dst: &str| {
        told.iter()
            .find(|r| r["dst"] == dst)
            .context("a route is not told")
    };
    let several = of("10.2.0.0/16")?;
    ensure!(
        several["nexthops"][1]["gateway"] == "10.77.1.3" && several["nexthops"][1]["weight"] == 3,
        "{several}"
    );
    ensure!(of("10.3.0.0/16")?["mtu"] == 1300, "{}", of("10.3.0.0/16")?);
    let table = show(&lab.a, &["route", "--table", "5000"])?;
    ensure!(
        table.len() == 1 && table[0]["type"] == "prohibit",
        "{table:?}"
    );
    Ok(())
}

/// The kernel's answer to the same question, asked twice.
#[test]
fn get() -> Result<()> {
    let lab = lab()?;
    for question in [
        &["10.77.1.2"][..],
        &["10.1.2.3"],
        &["10.1.2.3", "mark", "0x10"],
        &["10.3.0.1", "from", "10.77.1.1"],
        &["10.77.1.9", "dev", "eth0"],
        &["127.0.0.1"],
        &["fd02::5"],
        &["fd00:77:1::2", "from", "fd00:77:1::1"],
    ] {
        let told = show(&lab.a, &[&["route", "get"], question].concat())?;
        let truth = list(&lab.a, "ip", &[&["-j", "route", "get"], question].concat())?;
        let (told, truth) = (
            told.first().context("no answer")?,
            truth.first().context("ip has no answer")?,
        );
        let ours = [&told["gateway"], &told["dev"], &told["src"]].map(text);
        let ips = [&truth["gateway"], &truth["dev"], &truth["prefsrc"]].map(text);
        ensure!(ours == ips, "{question:?}: {told}\nip: {truth}");
    }
    Ok(())
}

/// "No" is an answer with a status of its own.
#[test]
fn no_route() -> Result<()> {
    let lab = lab()?;
    lab.a.ip("route del default\n")?;
    for (addr, word) in [
        ("192.0.2.1", "ENETUNREACH"),
        ("10.67.0.1", "EHOSTUNREACH"),
        ("10.66.0.1", "blackhole"),
    ] {
        let path = lab.a.path();
        let output = binary::run(&["show", "route", "get", addr, "--netns", &path])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(1) && said.contains(word),
            "{addr}: {}: {said}",
            output.status
        );
        let output = binary::run(&["show", "route", "get", addr, "--netns", &path, "--json"])?;
        let answer = lines(&output.stdout)?;
        ensure!(
            output.status.code() == Some(1) && answer[0]["show"] == "no-route",
            "{answer:?}"
        );
    }
    Ok(())
}

#[test]
fn rules() -> Result<()> {
    let lab = lab()?;
    let row = |values: [&Value; 9]| values.map(text).to_vec();
    let told = show(&lab.a, &["rules"])?;
    let told = told.iter().map(|r| {
        let prefix = |v: &Value| {
            if v.is_null() {
                Value::from("all")
            } else {
                v.clone()
            }
        };
        let hex = |v: &Value| {
            v.as_u64()
                .map_or(Value::Null, |n| Value::from(format!("{n:#x}")))
        };
        let (mark, bits) = (hex(&r["fwmark"]), hex(&r["fwmask"]));
        let action = if r["action"] == "lookup" {
            Value::Null
        } else {
            r["action"].clone()
        };
        row([
            &r["priority"],
            &prefix(&r["from"]),
            &r["to"],
            &r["iif"],
            &r["oif"],
            &mark,
            &bits,
            &r["table"],
            &action,
        ])
    });
    let mut truth = Vec::new();
    for family in ["-4", "-6"] {
        for r in list(&lab.a, "ip", &["-j", family, "rule"])? {
            let side = |addr: &str, len: &str| match (&r[addr], &r[len]) {
                (addr, Value::Null) => addr.clone(),
                (addr, len) => Value::from(format!("{}/{len}", text(addr))),
            };
            truth.push(row([
                &r["priority"],
                &side("src", "srclen"),
                &side("dst", "dstlen"),
                &r["iif"],
                &r["oif"],
                &r["fwmark"],
                &r["fwmask"],
                &r["table"],
                &r["action"],
            ]));
        }
    }
    same("rules", told, truth)
}

#[test]
fn selectors_of_rules() -> Result<()> {
    let lab = lab()?;
    let told = show(&lab.a, &["rules"])?;
    let not = told
        .iter()
        .find(|r| r["priority"] == 70)
        .context("not told")?;
    ensure!(
        not["not"] == true
            && not["dport"] == "80-90"
            && not["ipproto"] == "tcp"
            && not["uidrange"] == "5-6",
        "{not}"
    );
    Ok(())
}
