//! `netobs traceroute`: every hop by every protocol, silence that is no loss, the time it takes, other tools' word.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use netobs_tests::wait;
use serde_json::{Value, json};

use super::probe::{self, Probed};
use crate::support::{at, has_tap, have};

/// Who answered at each hop.
fn hops(said: &Probed) -> Vec<Value> {
    said.matching(&json!({"event": "hop"}))
        .map(|hop| hop["addr"].clone())
        .collect()
}

fn wanted(addrs: &[IpAddr]) -> Vec<Value> {
    addrs.iter().map(|addr| json!(addr)).collect()
}

#[test]
fn every_hop_by_every_protocol() -> Result<()> {
    let lab = Path::new(5)?;
    for six in [false, true] {
        let target = lab.target(six);
        let _server = lab
            .destination()
            .run(|| Ok(tcp::listen(at(target, 443), 16)?))?;
        let target = target.to_string();
        for flags in [
            vec![],
            vec!["-I"],
            vec!["-T"],
            vec!["-T", "-p", "443"],
            vec!["-U"],
            vec!["-P", "icmp"],
        ] {
            let args = [vec!["traceroute", "-n"], flags.clone(), vec![&target]].concat();
            let said = probe::json(lab.source(), &args)?.ended(0)?;
            ensure!(
                hops(&said) == wanted(&lab.addresses(six)),
                "{flags:?}: {}",
                said.text
            );
            let all = json!({"event": "hop", "sent": 3, "answered": 3, "manner": "answers", "mark": null, "translated": false});
            ensure!(said.count(&all) == 5, "{flags:?}: {}", said.text);
            let end = said
                .expect(&json!({"event": "trace-end", "reached": true, "engine": probe::ENGINE}))?;
            let sentence = end["sentence"].as_str().unwrap_or_default();
            ensure!(
                sentence.starts_with(&format!("reached {target} in 5 hops")),
                "{sentence}"
            );
        }
    }
    Ok(())
}

/// Debian's traceroute and mtr tell the same hops.
#[test]
fn other_tools_agree() -> Result<()> {
    let lab = Path::new(6)?;
    for six in [false, true] {
        let target = lab.target(six).to_string();
        let said = probe::json(lab.source(), &["traceroute", "-n", &target])?.ended(0)?;
        let ours = hops(&said);
        if have(&["traceroute"])? {
            let theirs = lab
                .source()
                .tool("traceroute", &["-n", "-q", "1", &target], "")?;
            let theirs: Vec<Value> = theirs
                .lines()
                .skip(1)
                .filter_map(|line| line.split_whitespace().nth(1))
                .map(|addr| json!(addr))
                .collect();
            ensure!(theirs == ours, "traceroute: {theirs:?}\nours: {ours:?}");
        }
        if have(&["mtr"])? {
            let theirs =
                lab.source()
                    .tool("mtr", &["-n", "-r", "-c", "1", "--json", &target], "")?;
            let theirs: Value = serde_json::from_str(&theirs)?;
            let hubs = theirs["report"]["hubs"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let theirs: Vec<Value> = hubs.iter().map(|hub| hub["host"].clone()).collect();
            ensure!(theirs == ours, "mtr: {theirs:?}\nours: {ours:?}");
        }
    }
    Ok(())
}

#[test]
fn a_silent_hop_is_no_loss() -> Result<()> {
    let lab = Path::new(5)?;
    let _quiet = Rule::add(lab.node(3), Hook::Output, "icmp type time-exceeded", "drop")?;
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", &target])?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 3, "addr": null, "rtt_us": [], "sent": 3, "answered": 0, "manner": "silent"}))?;
    let end = said.expect(&json!({"event": "trace-end", "reached": true}))?;
    ensure!(
        end["sentence"]
            .as_str()
            .is_some_and(|s| s.contains("hop 3 stays silent, which is no loss")),
        "{end}"
    );
    let said = probe::text(lab.source(), &["traceroute", "-n", &target])?.ended(0)?;
    ensure!(
        said.text
            .contains(" 3  * * *  [silent: hops beyond answer]"),
        "{}",
        said.text
    );
    Ok(())
}

#[test]
fn a_limit_is_no_loss() -> Result<()> {
    let lab = Path::new(5)?;
    let _limit = Rule::add(
        lab.node(2),
        Hook::Output,
        "icmp type time-exceeded limit rate over 1/minute burst 1 packets",
        "drop",
    )?;
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", &target])?.ended(0)?;
    let hop =
        said.expect(&json!({"event": "hop", "ttl": 2, "sent": 3, "manner": "rate-limited"}))?;
    ensure!(
        (1..3).contains(&hop["answered"].as_u64().unwrap_or_default()),
        "{hop}"
    );
    let end = said.expect(&json!({"event": "trace-end", "reached": true}))?;
    ensure!(
        end["sentence"]
            .as_str()
            .is_some_and(|s| s.contains("hop 2 limits its answers")),
        "{end}"
    );
    Ok(())
}

/// With the kernel's own limits in force the three probes of each hop are let through, however many hops are asked at once.
#[test]
fn the_kernels_limits_let_it_through() -> Result<()> {
    let lab = Path::new(5)?;
    for n in 1..=5 {
        lab.node(n).sysctl("net/ipv4/icmp_ratelimit", "1000")?;
    }
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", &target])?.ended(0)?;
    ensure!(
        said.count(&json!({"event": "hop", "answered": 3})) == 5,
        "{}",
        said.text
    );
    Ok(())
}

/// A round trip of 20 ms: all hops at once, and a silent one within three round trips.
#[test]
fn it_takes_one_round_trip() -> Result<()> {
    if !has_tap() {
        return Ok(());
    }
    let lab = Path::with_delay(10, Some(Duration::from_millis(10)))?;
    let target = lab.target(false).to_string();
    let args = ["traceroute", "-n", &target];
    // The first one also looks for neighbours.
    probe::json(lab.source(), &args)?.ended(0)?;
    let begun = wait::now();
    let said = probe::json(lab.source(), &args)?.ended(0)?;
    let took = begun.elapsed();
    ensure!(
        said.count(&json!({"event": "hop", "answered": 3})) == 10,
        "{}",
        said.text
    );
    // The figure itself is the bench's; here only that hops do not wait for each other.
    ensure!(took < Duration::from_millis(400), "{took:?}");
    for hop in said.matching(&json!({"event": "hop"})) {
        let first = hop["rtt_us"][0].as_f64().unwrap_or_default();
        ensure!(first >= 20_000.0, "{hop}");
    }
    Ok(())
}

/// Ordinary users trace by UDP without any privilege.
#[test]
fn as_an_ordinary_user() -> Result<()> {
    let lab = Path::new(4)?;
    let target = lab.target(false).to_string();
    let said =
        probe::as_nobody(lab.source(), &["traceroute", "-n", "--json", &target])?.ended(0)?;
    ensure!(
        hops(&said) == wanted(&lab.addresses(false)),
        "{}",
        said.text
    );
    said.expect(&json!({"event": "trace-end", "engine": "datagram", "reached": true}))?;
    let said = probe::as_nobody(lab.source(), &["traceroute", "-T", &target])?.ended(3)?;
    ensure!(said.stderr.contains("CAP_NET_RAW"), "{}", said.stderr);
    Ok(())
}

#[test]
fn bad_input() -> Result<()> {
    let lab = Path::new(1)?;
    for (args, status, words) in [
        (
            vec!["traceroute", "-f", "9", "-m", "3", "10.77.1.2"],
            2,
            "first hop 9",
        ),
        (vec!["traceroute", "-P", "gopher", "10.77.1.2"], 2, "gopher"),
        (
            vec!["traceroute", "-T", "-p", "70000", "10.77.1.2"],
            2,
            "70000",
        ),
        (vec!["traceroute", "-T", "--mtu", "10.77.1.2"], 2, "--mtu"),
        (
            vec!["traceroute", "-I", "--paths", "4", "10.77.1.2"],
            2,
            "--paths",
        ),
        (
            vec!["traceroute", "no.such.host.invalid"],
            2,
            "no.such.host.invalid",
        ),
        (vec!["traceroute", "-n", "10.99.0.1"], 1, ""),
    ] {
        let said = probe::text(lab.source(), &args)?.ended(status)?;
        ensure!(said.stderr.contains(words), "{args:?}: {}", said.stderr);
    }
    let said = probe::text(&Pair::new()?.a, &["traceroute", "-n", "10.99.0.1"])?;
    ensure!(
        said.text.contains("no probe left this machine: no route"),
        "{}",
        said.text
    );
    Ok(())
}
