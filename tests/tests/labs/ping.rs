//! `netobs ping`: replies, silence, errors with their sender, many hosts, bad input, forged answers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::frame;
use netobs_tests::{sys, wait};
use serde_json::json;

use super::probe;
use crate::support::{have, octets4, positive};

#[test]
fn every_echo_is_answered() -> Result<()> {
    let lab = Pair::new()?;
    for target in [Pair::B4, Pair::B6] {
        let seen = Rule::add(
            &lab.b,
            Hook::Input,
            "meta l4proto { icmp, ipv6-icmp } icmp type echo-request",
            "accept",
        );
        let target = target.to_string();
        let said = probe::json(&lab.a, &["ping", "-c", "3", "-i", "0.05", &target])?.ended(0)?;
        ensure!(
            said.count(&json!({"event": "reply", "addr": target, "ttl": 64})) == 3,
            "{}",
            said.text
        );
        let summary = said.expect(&json!({"event": "summary", "sent": 3, "received": 3, "loss_pct": 0.0, "engine": probe::ENGINE}))?;
        for key in ["min_us", "avg_us", "p99_us"] {
            ensure!(
                summary[key].as_f64().is_some_and(|us| us > 0.0 && us < 1e5),
                "{key}: {summary}"
            );
        }
        if let (Ok(seen), true) = (seen, target.contains('.')) {
            ensure!(
                seen.packets()? == 3,
                "the host saw {} echoes",
                seen.packets()?
            );
        }
    }
    Ok(())
}

/// What people know from ping stands in the same places.
#[test]
fn the_text_is_that_of_ping() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let said = probe::text(&lab.a, &["ping", "-c", "2", "-i", "0.05", &target])?.ended(0)?;
    let words = |line: &str| -> Vec<String> {
        let words = line.split_whitespace();
        words
            .map(|word| word.split('=').next().unwrap_or_default().to_owned())
            .collect()
    };
    let mut theirs = String::new();
    if have(&["ping"])? {
        theirs = lab
            .a
            .tool("ping", &["-n", "-c", "2", "-i", "0.2", &target], "")?;
    }
    for (ours, other) in said.text.lines().zip(theirs.lines()).take(3) {
        ensure!(
            words(ours) == words(other),
            "`{ours}` is not as ping's `{other}`"
        );
    }
    ensure!(
        said.text
            .contains("2 packets transmitted, 2 received, 0% packet loss"),
        "{}",
        said.text
    );
    ensure!(
        said.text.contains("rtt min/avg/max/mdev = "),
        "{}",
        said.text
    );
    Ok(())
}

#[test]
fn silence_is_loss() -> Result<()> {
    let lab = Pair::new()?;
    let wall = Rule::add(&lab.b, Hook::Input, "icmp type echo-request", "drop")?;
    let target = Pair::B4.to_string();
    let said = probe::json(
        &lab.a,
        &["ping", "-c", "2", "-i", "0.05", "-W", "0.3", &target],
    )?
    .ended(1)?;
    said.expect(
        &json!({"event": "summary", "sent": 2, "received": 0, "loss_pct": 100.0, "errors": 0}),
    )?;
    ensure!(
        wall.packets()? == 2,
        "the wall met {} echoes",
        wall.packets()?
    );
    Ok(())
}

/// Whoever refuses is named.
#[test]
fn errors_name_their_sender() -> Result<()> {
    let lab = Path::new(4)?;
    for (six, kind, words) in [
        (
            false,
            "icmp type host-unreachable",
            "Destination Host Unreachable",
        ),
        (
            false,
            "icmp type net-unreachable",
            "Destination Net Unreachable",
        ),
        (false, "icmp type admin-prohibited", "Packet filtered"),
        (
            true,
            "icmpv6 type addr-unreachable",
            "Destination Host Unreachable",
        ),
        (true, "icmpv6 type admin-prohibited", "Packet filtered"),
    ] {
        let when = if six {
            "icmpv6 type echo-request"
        } else {
            "icmp type echo-request"
        };
        let _wall = Rule::add(
            lab.node(2),
            Hook::Forward,
            when,
            &format!("reject with {kind}"),
        )?;
        let target = lab.target(six).to_string();
        let said = probe::json(lab.source(), &["ping", "-c", "1", "-W", "2", &target])?.ended(1)?;
        said.expect(
            &json!({"event": "error", "addr": target, "by": Path::hop(2, six), "what": words}),
        )?;
        said.expect(&json!({"event": "summary", "errors": 1, "received": 0}))?;
    }
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["ping", "-c", "1", "-t", "3", &target])?.ended(1)?;
    said.expect(
        &json!({"event": "error", "by": Path::hop(3, false), "what": "Time to live exceeded"}),
    )?;
    Ok(())
}

#[test]
fn larger_than_the_mtu() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let said = probe::text(
        &lab.a,
        &[
            "ping", "-c", "1", "-W", "0.2", "-M", "do", "-s", "2000", &target,
        ],
    )?
    .ended(1)?;
    ensure!(said.text.contains("message too long"), "{}", said.text);
    let said = probe::json(&lab.a, &["ping", "-c", "1", "-s", "4000", &target])?.ended(0)?;
    said.expect(&json!({"event": "reply", "bytes": 4008}))?;
    Ok(())
}

#[test]
fn whole_networks_at_once() -> Result<()> {
    let lab = Pair::new()?;
    lab.b.ip("route add local 10.77.50.0/24 dev lo\n")?;
    lab.a.ip("route add 10.77.50.0/24 via 10.77.1.2\n")?;
    let seen = Rule::add(&lab.b, Hook::Input, "icmp type echo-request", "accept")?;
    let said = probe::json(&lab.a, &["ping", "-c", "1", "10.77.50.0/24"])?.ended(0)?;
    ensure!(
        said.count(&json!({"event": "reply"})) == 254,
        "{}",
        said.count(&json!({"event": "reply"}))
    );
    ensure!(said.count(&json!({"event": "summary", "received": 1})) == 254);
    ensure!(seen.packets()? == 254, "the host saw {}", seen.packets()?);
    Ok(())
}

/// Without privileges ping sockets do, where the sysctl lets them.
#[test]
fn as_an_ordinary_user() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false).to_string();
    let args = ["ping", "-c", "1", "--json", &target];
    let refused = probe::as_nobody(lab.source(), &args)?.ended(3)?;
    ensure!(
        refused.stderr.contains("ping_group_range") && refused.stderr.lines().count() == 1,
        "{}",
        refused.stderr
    );
    lab.source()
        .sysctl("net/ipv4/ping_group_range", "0 2147483647")?;
    let said = probe::as_nobody(lab.source(), &args)?.ended(0)?;
    said.expect(&json!({"event": "reply", "addr": target, "ttl": 62}))?;
    said.expect(&json!({"event": "summary", "engine": "datagram", "received": 1}))?;
    let late = ["ping", "-c", "1", "-t", "1", "-W", "1", "--json", &target];
    let said = probe::as_nobody(lab.source(), &late)?.ended(1)?;
    said.expect(
        &json!({"event": "error", "by": Path::hop(1, false), "what": "Time to live exceeded"}),
    )?;
    Ok(())
}

/// A service address that only translation rules know.
#[test]
fn a_virtual_address_cannot_answer() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip("route add 10.96.0.0/16 via 10.77.1.2\n")?;
    let rules = "table ip services {\n chain out {\n  type nat hook output priority -100;\n  \
                 ip daddr 10.96.0.10 tcp dport 80 dnat to 10.77.1.2:8080\n }\n}\n";
    lab.a.tool("nft", &["-f", "-"], rules)?;
    // As kube-proxy has it in its nftables mode.
    let proxy = "table ip kube-proxy {\n chain service-web {\n  ip protocol tcp dnat to 10.77.1.2:8443\n }\n map service-ips {\n  \
                 type ipv4_addr . inet_proto . inet_service : verdict\n  \
                 elements = { 10.96.0.11 . tcp . 443 : goto service-web }\n }\n chain out {\n  \
                 type nat hook output priority -90;\n  ip daddr . meta l4proto . th dport vmap @service-ips\n }\n}\n";
    lab.a.tool("nft", &["-f", "-"], proxy)?;
    for (address, port) in [("10.96.0.10", "80"), ("10.96.0.11", "443")] {
        let said = probe::text(&lab.a, &["ping", "-c", "1", "-W", "0.2", address])?.ended(1)?;
        let offer = format!("netobs tcping {address} {port}");
        ensure!(said.stderr.contains(&offer), "{}", said.stderr);
    }
    // An address that merely does not answer is no service.
    let said = probe::text(&lab.a, &["ping", "-c", "1", "-W", "0.2", "10.96.0.12"])?.ended(1)?;
    ensure!(!said.stderr.contains("tcping"), "{}", said.stderr);
    Ok(())
}

/// A wrong checksum and a quote of a packet never sent change nothing, and are counted.
#[test]
fn forged_answers_are_counted() -> Result<()> {
    let lab = Pair::new()?;
    let (own, other) = (frame::mac(&lab.b, "eth0")?, frame::mac(&lab.a, "eth0")?);
    let (here, there) = (octets4(A4), octets4(Pair::B4));
    let quote = frame::quoted_udp((here, 40_000), (there, 33_434), 7, 7);
    let message = [vec![3, 3, 0, 0, 0, 0, 0, 0], quote].concat();
    let forged = |wrong: bool| frame::icmp((own, other), there, here, &message, wrong);
    let cut = frame::icmp((own, other), there, here, &message[..20], false);
    let target = Pair::B4.to_string();
    let ping = probe::start(&lab.a, &["ping", "-c", "5", "-i", "0.2", "--json", &target])?;
    let seen = Rule::add(&lab.b, Hook::Input, "icmp type echo-request", "accept")?;
    wait::until("the first echo", || Ok((seen.packets()? > 0).then_some(())))?;
    for frame in [forged(true), forged(false), cut] {
        frame::send(&lab.b, "eth0", &frame, 2)?;
    }
    let output = ping.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_str(last)?;
    ensure!(
        summary["received"] == 5 && summary["errors"] == 0,
        "{summary}"
    );
    for key in ["checksum", "foreign", "truncated"] {
        ensure!(positive(&summary["ignored"], key)? == 2, "{key}: {summary}");
    }
    Ok(())
}

#[test]
fn bad_input_is_one_line() -> Result<()> {
    let lab = Pair::new()?;
    let nowhere: IpAddr = Ipv4Addr::new(10, 99, 0, 1).into();
    let nowhere = nowhere.to_string();
    for (args, status, words) in [
        (
            vec!["ping", "-c", "1", "no.such.host.invalid"],
            2,
            "no.such.host.invalid",
        ),
        (vec!["ping", "-f", "10.77.1.2"], 2, "-c"),
        (vec!["ping", "-c", "0", "10.77.1.2"], 2, "0"),
        (vec!["ping", "10.0.0.0/8"], 2, "10.0.0.0/8"),
        (
            vec!["ping", "--netns", "no-such", "10.77.1.2"],
            2,
            "no-such",
        ),
        (
            vec!["ping", "-c", "1", "-I", "no-such-dev", "10.77.1.2"],
            4,
            "no-such-dev",
        ),
    ] {
        let said = probe::text(&lab.a, &args)?.ended(status)?;
        ensure!(
            said.stderr.contains(words) && said.stderr.lines().count() == 1,
            "{args:?}: {}",
            said.stderr
        );
    }
    let said = probe::text(&lab.a, &["ping", "-c", "1", "-W", "0.1", &nowhere])?.ended(1)?;
    ensure!(said.text.contains("no route"), "{}", said.text);
    Ok(())
}

/// Ctrl-C ends with the summary, and with the status that the answers deserve.
#[test]
fn an_interrupt_tells_the_summary() -> Result<()> {
    interrupted(&["ping", "-i", "0.1", "--json"])
}

/// A flood never waits, and obeys all the same.
#[test]
fn an_interrupt_ends_a_flood() -> Result<()> {
    interrupted(&["ping", "-f", "-w", "20", "--json", "-q"])
}

fn interrupted(args: &[&str]) -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let seen = Rule::add(&lab.b, Hook::Input, "icmp type echo-request", "accept")?;
    let begun = wait::now();
    let ping = probe::start(&lab.a, &[args, &[&target]].concat())?;
    wait::until("three echoes", || Ok((seen.packets()? > 2).then_some(())))?;
    sys::kill(i32::try_from(ping.id())?, 2)?;
    let output = ping.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    ensure!(
        output.status.code() == Some(0) && summary["event"] == "summary",
        "{text}"
    );
    ensure!(positive(&summary, "received")? > 2, "{summary}");
    ensure!(
        begun.elapsed() < Duration::from_secs(18),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}
