//! `netobs doctor`: what this kernel allows, as a table and as one JSON object.

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::binary;
use netobs_tests::netobs::doctor::Doctor;

const COLLECTORS: [&str; 12] = [
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
fn json_knows_every_collector() -> Result<()> {
    let doctor = Doctor::ask()?;
    for name in COLLECTORS {
        let collector = doctor.collector(name)?;
        let status = collector["status"].as_str().unwrap_or_default();
        ensure!(
            ["ok", "partial", "unavailable"].contains(&status),
            "status of {name}: {collector}"
        );
        let hooks = collector["hooks"]
            .as_array()
            .with_context(|| format!("{name} lists no hooks: {collector}"))?;
        for hook in hooks {
            ensure!(hook["hook"].is_string(), "a hook without a name: {hook}");
            // Either a rung was taken, or the reason why none was.
            let why = hook["reason"].as_str().unwrap_or_default();
            ensure!(
                hook["rung"].is_string() || !why.is_empty(),
                "no rung and no reason: {hook}"
            );
        }
        if status != "ok" {
            ensure!(doctor.can(name)?.is_err(), "{name}: {collector}");
        }
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
    for name in COLLECTORS {
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
