//! `netobs mtr`: figures of every hop over rounds, route changes, reports for people and programs.

use anyhow::{Result, ensure};
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::{
    topology::{Pair, v4},
    wait,
};
use serde_json::{Value, json};

use super::probe;
use crate::support::have;

const FAST: [&str; 6] = ["mtr", "-n", "-c", "5", "-i", "0.05"];

#[test]
fn figures_of_every_hop() -> Result<()> {
    let lab = Path::new(4)?;
    for (six, flags) in [
        (false, vec![]),
        (true, vec![]),
        (false, vec!["-u"]),
        (false, vec!["-T"]),
    ] {
        let target = lab.target(six).to_string();
        let args = [&FAST[..], &flags, &[&target]].concat();
        let said = probe::json(lab.source(), &args)?.ended(0)?;
        for (n, addr) in (1..).zip(lab.addresses(six)) {
            let hop = said.expect(&json!({"event": "hop", "ttl": n, "addr": addr, "sent": 5, "answered": 5, "loss_pct": 0.0}))?;
            let us = |key: &str| hop[key].as_f64().unwrap_or_default();
            ensure!(
                us("best_us") > 0.0
                    && us("best_us") <= us("avg_us")
                    && us("avg_us") <= us("worst_us"),
                "{hop}"
            );
            // What this machine added is known where the edge of the stack was seen.
            for key in ["before_p50_us", "after_p50_us"] {
                ensure!(hop[key].is_number() == (probe::ENGINE == "kernel"), "{hop}");
            }
        }
        said.expect(&json!({"event": "trace-end", "reached": true, "rounds": 5}))?;
    }
    Ok(())
}

#[test]
fn loss_is_where_it_is() -> Result<()> {
    let lab = Path::new(4)?;
    let _quiet = Rule::add(lab.node(2), Hook::Output, "icmp type time-exceeded", "drop")?;
    let target = lab.target(false).to_string();
    let args = [&FAST[..], &[&target]].concat();
    let said = probe::json(lab.source(), &args)?.ended(0)?;
    said.expect(
        &json!({"event": "hop", "ttl": 2, "addr": null, "answered": 0, "loss_pct": 100.0}),
    )?;
    said.expect(&json!({"event": "hop", "ttl": 3, "answered": 5}))?;
    Ok(())
}

/// The same hops as mtr's, in its report as in its CSV.
#[test]
fn reports() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false).to_string();
    let report = probe::text(
        lab.source(),
        &["mtr", "-n", "-r", "-c", "2", "-i", "0.1", &target],
    )?
    .ended(0)?;
    let hosts = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|line| line.contains("|-- "));
        rows.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
            .collect()
    };
    ensure!(hosts(&report.text).len() == 3, "{}", report.text);
    // On a wire of no length microseconds are all there is.
    ensure!(!report.text.contains(" 0.0 "), "{}", report.text);
    if have(&["mtr"])? {
        let theirs = lab
            .source()
            .tool("mtr", &["-n", "-r", "-c", "1", &target], "")?;
        ensure!(
            hosts(&theirs) == hosts(&report.text),
            "{theirs}\n{}",
            report.text
        );
    }
    let csv = probe::text(
        lab.source(),
        &["mtr", "-n", "--csv", "-c", "2", "-i", "0.1", &target],
    )?
    .ended(0)?;
    let rows: Vec<&str> = csv.text.lines().collect();
    let columns = |row: &str| row.split(',').count();
    ensure!(
        rows.len() == 4 && rows.iter().all(|row| columns(row) == columns(rows[0])),
        "{}",
        csv.text
    );
    Ok(())
}

/// The second router gets another address while we look.
#[test]
fn a_route_change_is_kept() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false).to_string();
    let seen = Rule::add(
        lab.node(2),
        Hook::Output,
        "icmp type time-exceeded",
        "accept",
    )?;
    let mtr = probe::start(
        lab.source(),
        &["mtr", "-n", "-c", "20", "-i", "0.2", "--json", &target],
    )?;
    wait::until("some rounds", || Ok((seen.packets()? > 3).then_some(())))?;
    lab.node(2)
        .sysctl("net/ipv4/icmp_errors_use_inbound_ifaddr", "1")?;
    lab.node(2)
        .sysctl("net/ipv4/conf/left/promote_secondaries", "1")?;
    lab.node(2)
        .ip("addr add 10.77.2.77/24 dev left\naddr del 10.77.2.2/24 dev left\n")?;
    lab.node(2)
        .ip("addr add 10.77.2.2/24 dev left\nroute replace 10.77.1.0/24 via 10.77.2.1\n")?;
    let output = mtr.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let objects: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let change = objects
        .iter()
        .find(|object| object["event"] == "route-change");
    ensure!(
        change.is_some_and(|c| c["ttl"] == 2
            && c["from"] == json!(v4(2, 2))
            && c["to"] == "10.77.2.77"),
        "{text}"
    );
    Ok(())
}

/// Probes that never left are not lost on the way.
#[test]
fn no_way_out() -> Result<()> {
    let lab = Pair::new()?;
    let args = ["mtr", "-n", "-r", "-c", "1", "-W", "0.2", "10.99.0.1"];
    let said = probe::text(&lab.a, &args)?.ended(1)?;
    ensure!(said.text.contains("not sent: no route"), "{}", said.text);
    Ok(())
}
