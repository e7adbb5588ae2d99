//! Ctrl-C: what is known by then is told, at once and with a status that says so.

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::probe;
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use netobs_tests::{sys, wait};

use crate::support::{at, ended_with, said};

/// Ctrl-C while somebody does not answer: what is known by then, and status 4.
#[test]
fn an_interrupt_tells_what_is_known() -> Result<()> {
    let lab = Pair::new()?;
    let _mute = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 80), 16)?))?;
    let target = Pair::B4.to_string();
    let (url, secure, server) = (
        format!("http://{target}/"),
        format!("{target}:80"),
        format!("@{target}"),
    );
    for (args, when, words) in [
        (
            vec!["http", &url],
            "tcp dport 80 tcp flags & psh != 0",
            "stopped waiting for the answer",
        ),
        (
            vec!["tls", &secure],
            "tcp dport 80 tcp flags & psh != 0",
            "stopped during the handshake",
        ),
        (
            vec!["http", "http://10.77.1.2:81/"],
            "tcp dport 81",
            "stopped connecting",
        ),
        (vec!["tls", "10.77.1.2:81"], "tcp dport 81", "stopped"),
        (
            vec!["dns", "a.example", &server],
            "udp dport 53",
            "stopped after",
        ),
        (
            vec!["dns", "a.example", &server, "--tcp"],
            "tcp dport 53",
            "stopped after",
        ),
        (
            vec!["dns", "a.example", "--trace", "--root", &target],
            "udp dport 53",
            "stopped after",
        ),
    ] {
        let verdict = if when.contains("80") {
            "accept"
        } else {
            "drop"
        };
        let met = Rule::add(&lab.b, Hook::Input, when, verdict)?;
        let begun = wait::now();
        interrupted(&lab.a, &args, &met, (4, words))?;
        ensure!(
            begun.elapsed() < wait::patience() / 3,
            "{args:?}: {:?}",
            begun.elapsed()
        );
    }
    Ok(())
}

/// Ctrl-C as soon as something of it has come by; its status and words.
fn interrupted(from: &Netns, args: &[&str], met: &Rule<'_>, end: (i32, &str)) -> Result<()> {
    let child = probe::start(from, args)?;
    wait::until("what it sends", || Ok((met.packets()? > 0).then_some(())))?;
    sys::kill(i32::try_from(child.id())?, 2)?;
    let output = child.wait_with_output()?;
    ended_with(&output, end.0)?;
    ensure!(said(&output).contains(end.1), "{args:?}: {}", said(&output));
    Ok(())
}

/// The same while probes fly.
#[test]
fn an_interrupt_ends_scans_and_traces() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false).to_string();
    for (args, words) in [
        (
            vec!["scan", "-p", "1-2000", "--rate", "100", &target],
            "interrupted: ",
        ),
        (
            vec!["traceroute", "-n", "-w", "30", &target],
            "interrupted; so far stopped after hop 2",
        ),
        (
            vec!["mtr", "-n", "-i", "0.05", "--report", "-c", "1000", &target],
            "10.77.2.2",
        ),
    ] {
        let met = Rule::add(lab.node(2), Hook::Forward, "ip version 4", "drop")?;
        interrupted(lab.source(), &args, &met, (1, words))?;
    }
    Ok(())
}
