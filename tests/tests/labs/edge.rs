//! The kernel engine itself: its times are the wire's, and what this host drops is told as that.

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::probe::{self, Probed};
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use netobs_tests::wire::Wire;
use serde_json::json;

use crate::support::{at, have, kernel_since};

/// Where the programs may stand on this kernel.
pub fn places() -> Result<Vec<&'static str>> {
    Ok(if kernel_since(6, 6)? {
        vec!["tracepoints", "tcx", "clsact"]
    } else {
        vec!["tracepoints", "clsact"]
    })
}

pub fn ping(ns: &Netns, engine: &str, count: &str, target: &str) -> Result<Probed> {
    let args = ["ping", "-c", count, "-i", "0.02", "-W", "0.3"];
    probe::json(ns, &[&args[..], &["--engine", engine, target]].concat())
}

/// Whether anything of TC stands on the device.
pub fn tc(ns: &Netns) -> Result<String> {
    let qdiscs = ns.tool("tc", &["qdisc", "show", "dev", "eth0"], "")?;
    let mut filters = String::new();
    for way in ["ingress", "egress"] {
        // An error is an answer too: there is no such qdisc.
        let listed = ns.tool("tc", &["filter", "show", "dev", "eth0", way], "");
        filters.push_str(&listed.unwrap_or_default());
    }
    let clsact = qdiscs.lines().filter(|line| line.contains("clsact"));
    Ok(format!("{}{filters}", clsact.collect::<String>()))
}

#[test]
fn both_ways_are_stamped_at_every_place() -> Result<()> {
    let lab = Pair::new()?;
    for place in places()? {
        for target in [Pair::B4, Pair::B6] {
            let said = ping(&lab.a, place, "3", &target.to_string())?.ended(0)?;
            let reply = json!({"event": "reply", "stamps": "kernel"});
            ensure!(said.count(&reply) == 3, "{place}: {}", said.text);
            for reply in said.matching(&reply) {
                for key in ["rtt_us", "before_us", "after_us"] {
                    let us = reply[key].as_f64().unwrap_or_default();
                    ensure!(us > 0.0 && us < 1e6, "{place}: {key}: {reply}");
                }
            }
            let wanted =
                json!({"event": "summary", "engine": "kernel", "received": 3, "dropped_here": 0});
            let summary = said.expect(&wanted)?;
            ensure!(summary["before_p50_us"].is_number(), "{summary}");
        }
        ensure!(tc(&lab.a)?.is_empty(), "{place}: {}", tc(&lab.a)?);
    }
    Ok(())
}

/// The loopback device, and addresses of this machine.
#[test]
fn to_itself() -> Result<()> {
    let lab = Pair::new()?;
    for place in places()? {
        for target in ["127.0.0.1", "::1", "10.77.1.1"] {
            let said = ping(&lab.a, place, "2", target)?.ended(0)?;
            let reply = json!({"event": "reply", "stamps": "kernel", "addr": target});
            ensure!(said.count(&reply) == 2, "{place}: {}", said.text);
        }
    }
    Ok(())
}

/// Round trips are those of the wire, whoever else wants the processor.
#[test]
fn times_are_those_of_the_wire() -> Result<()> {
    if !have(&["tcpdump"])? {
        return Ok(());
    }
    let lab = Pair::new()?;
    let wire = Wire::tap(&lab.a)?;
    let said = ping(&lab.a, "kernel", "50", &Pair::B4.to_string())?;
    let wire = wire.trips(50)?;
    let said = said.ended(0)?;
    let reply = json!({"event": "reply", "stamps": "kernel"});
    let replies = said.matching(&reply);
    let mut differences: Vec<f64> = replies
        .filter_map(|reply| {
            let told = reply["rtt_us"].as_f64()?;
            Some(told - wire.get(&reply["seq"].as_u64()?)?)
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    ensure!(differences.len() >= 40, "{wire:?}{}", said.text);
    let median = differences[differences.len() / 2];
    // The figure itself is the bench's; on an emulated processor every instruction counts.
    ensure!(median.abs() < 25.0, "{median}: {differences:?}");
    Ok(())
}

/// The network is innocent: the answer came, and this host's own rules took it.
#[test]
fn what_this_host_drops_is_told_as_that() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    for (hook, place) in [(Hook::Input, "kernel"), (Hook::Prerouting, "clsact")] {
        let wall = Rule::add(&lab.a, hook, "icmp type echo-reply", "drop")?;
        let said = ping(&lab.a, place, "2", &target)?.ended(1)?;
        let told = json!({"event": "dropped-here", "addr": target, "by": target, "ttl": 64});
        ensure!(said.count(&told) == 2, "{}", said.text);
        let one = said.expect(&told)?;
        let words = one["what"].as_str().unwrap_or_default();
        ensure!(
            words.contains("reached this host and was dropped here, by local firewall"),
            "{one}"
        );
        said.expect(&json!({"event": "summary", "received": 0, "dropped_here": 2, "errors": 0}))?;
        ensure!(wall.packets()? == 2, "{}", wall.packets()?);
        // Without the edge it is loss and nothing more.
        let said = ping(&lab.a, "raw", "2", &target)?.ended(1)?;
        ensure!(said.count(&told) == 0, "{}", said.text);
    }
    let wall = Rule::add(&lab.a, Hook::Input, "icmp type echo-reply", "drop")?;
    let said = probe::text(&lab.a, &["ping", "-c", "1", "-W", "0.3", &target])?.ended(1)?;
    ensure!(
        said.text.contains("was dropped here, by local firewall")
            && said.text.contains("+1 dropped here"),
        "{}",
        said.text
    );
    drop(wall);
    ping(&lab.a, "kernel", "1", &target)?.ended(0)?;
    Ok(())
}

/// Handshakes and hops whose answers this host drops.
#[test]
fn every_command_tells_it() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false);
    let _server = lab
        .destination()
        .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
    let text = target.to_string();
    let kernel = ["--engine", "kernel"];
    let _hops = Rule::add(lab.source(), Hook::Input, "icmp type time-exceeded", "drop")?;
    let args = [&["traceroute", "-n", &text], &kernel[..]].concat();
    let said = probe::json(lab.source(), &args)?.ended(0)?;
    for n in 1..3 {
        said.expect(
            &json!({"event": "hop", "ttl": n, "addr": Path::hop(n, false), "dropped_here": 3}),
        )?;
    }
    said.expect(&json!({"event": "hop", "ttl": 3, "addr": target, "dropped_here": 0}))?;
    let args = [&["mtr", "-n", "-c", "2", "-i", "0.05", &text], &kernel[..]].concat();
    let said = probe::json(lab.source(), &args)?.ended(0)?;
    said.expect(
        &json!({"event": "hop", "ttl": 1, "addr": Path::hop(1, false), "dropped_here": 2}),
    )?;
    let _wall = Rule::add(lab.source(), Hook::Input, "tcp sport 80", "drop")?;
    let args = [&["scan", "-p", "80", &text], &kernel[..]].concat();
    let said = probe::json(lab.source(), &args)?.ended(1)?;
    let port =
        said.expect(&json!({"event": "port", "port": 80, "state": "filtered", "by": target}))?;
    let reason = port["reason"].as_str().unwrap_or_default();
    ensure!(
        reason.starts_with("syn-ack, but") && reason.contains("dropped here"),
        "{port}"
    );
    let args = [
        &["tcping", "--syn", "-c", "1", "-W", "0.3", &text, "80"],
        &kernel[..],
    ]
    .concat();
    let said = probe::json(lab.source(), &args)?.ended(1)?;
    said.expect(&json!({"event": "dropped-here", "by": target}))?;
    let args = [
        &["tcping", "-c", "1", "-W", "0.3", &text, "80"],
        &kernel[..],
    ]
    .concat();
    let said = probe::json(lab.source(), &args)?.ended(1)?;
    let port = json!({"event": "port", "state": "filtered", "by": null});
    let sentence = said.expect(&port)?["sentence"].as_str().unwrap_or_default();
    ensure!(sentence.contains("is filtered by this host"), "{sentence}");
    Ok(())
}

/// Whole handshakes of the system have the times of the edge too.
#[test]
fn handshakes_are_stamped() -> Result<()> {
    let lab = Path::new(2)?;
    for six in [false, true] {
        let target = lab.target(six);
        let _server = lab
            .destination()
            .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
        let target = target.to_string();
        for syn in [&[][..], &["--syn"]] {
            for port in ["80", "81"] {
                let args = ["tcping", "-c", "3", "-i", "0.02", &target, port];
                let said = probe::json(lab.source(), &[&args[..], syn].concat())?;
                let reply = json!({"event": "port", "stamps": "kernel"});
                ensure!(said.count(&reply) == 3, "{syn:?} {port}: {}", said.text);
                said.expect(&json!({"event": "summary", "engine": "kernel", "received": 3}))?;
            }
        }
    }
    Ok(())
}

/// Who may not load programs gets the raw engine by default, and one line with the reason where the kernel engine was asked for.
#[test]
fn without_the_privilege() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.sysctl("net/ipv4/ping_group_range", "0 2147483647")?;
    let target = Pair::B4.to_string();
    let args = ["ping", "-c", "1", "--json", &target];
    let said = probe::as_nobody(&lab.a, &args)?.ended(0)?;
    said.expect(&json!({"event": "summary", "engine": "datagram"}))?;
    let args = ["ping", "-c", "1", "--engine", "kernel", &target];
    let said = probe::as_nobody(&lab.a, &args)?.ended(3)?;
    ensure!(
        said.stderr.contains("CAP_BPF") && said.stderr.lines().count() == 1,
        "{}",
        said.stderr
    );
    Ok(())
}
