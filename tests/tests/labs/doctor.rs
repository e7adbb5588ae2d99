//! `netobs doctor`: what this kernel allows, as a table and as one JSON object.

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::doctor::Doctor;
use netobs_tests::netobs::{binary, collector_of};

const EVENTS: [&str; 12] = [
    "connect",
    "accept",
    "close",
    "connect-failed",
    "retransmit",
    "drop",
    "reset",
    "icmp",
    "route",
    "neigh",
    "udp-drop",
    "listen-overflow",
];

#[test]
fn json_knows_the_hooks_of_every_event() -> Result<()> {
    let doctor = Doctor::ask()?;
    ensure!(doctor.answer()["event"] == "doctor", "{}", doctor.answer());
    for event in EVENTS {
        for hook in doctor.hooks(event)? {
            ensure!(hook["hook"].is_string(), "a hook without a name: {hook}");
            let refused = hook["refused"].as_array();
            let refused = refused.with_context(|| format!("no list of rungs refused: {hook}"))?;
            for rung in refused {
                let why = rung["reason"].as_str().unwrap_or_default();
                ensure!(!why.is_empty(), "a rung refused without a reason: {hook}");
            }
        }
        // Either a rung was taken, or there are reasons why none was.
        doctor.missing(event)?;
    }
    Ok(())
}

#[test]
fn text_names_every_collector() -> Result<()> {
    let output = binary::run(&["doctor"])?;
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    for name in EVENTS.map(collector_of) {
        ensure!(text.contains(name), "doctor does not name {name}:\n{text}");
    }
    Ok(())
}

/// Without privileges it still answers, and says what is missing.
#[test]
fn answers_nobody_too() -> Result<()> {
    let output = binary::run_as_nobody(&["doctor"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.contains("CAP_BPF"),
        "doctor does not say what is missing: {}\n{text}",
        output.status
    );
    Ok(())
}

/// Without BTF it says what still works, what does not, and what to do; what cannot work ends at once.
#[test]
fn names_what_works_without_btf() -> Result<()> {
    let output = binary::run_without_btf(&["doctor"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {text}", output.status);
    for words in [
        "CONFIG_DEBUG_INFO_BTF",
        "--btf FILE",
        "cannot work here: retransmit, drop, reset,",
    ] {
        ensure!(text.contains(words), "it does not say {words}:\n{text}");
    }
    let states = text.lines().find(|line| line.contains("sock-state"));
    ensure!(
        states.is_some_and(|line| line.contains(" tracepoint ")),
        "connections need no BTF:\n{text}"
    );
    let output = binary::run_without_btf(&["watch", "--duration", "0.1"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    let told = said.lines().find(|line| line.contains("not attached: "));
    ensure!(
        output.status.success() && told.is_some_and(|line| line.contains("retransmit, drop,")),
        "watch does not say what it cannot see: {said}"
    );
    let output = binary::run_without_btf(&["watch", "drop"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(3) && said.contains("BTF"),
        "{}: {said}",
        output.status
    );
    Ok(())
}
