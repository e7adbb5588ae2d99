//! `netobs dump` beside Debian's tcpdump: programs, packets, lines, and files.

mod bad;
mod capture;
mod drops;
mod engine;
mod files;
mod filters;
mod lines;
mod live;
mod owners;
mod owners_files;
mod owners_turns;
mod snaplen;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::BEGIN;
use netobs_tests::netobs::binary;

/// What tcpdump printed, if it took the arguments.
fn tcpdump(args: &[&str]) -> Result<Option<String>> {
    let output = Command::new("tcpdump")
        .args(args)
        .env("TZ", "UTC")
        .output()
        .context("run tcpdump")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(output.status.success().then_some(text))
}

/// What netobs printed, if it took the arguments; an error is one of usage, in words.
fn netobs(args: &[&str]) -> Result<Option<String>> {
    let mut command = binary::command()?;
    let output = command.arg("dump").args(args).env("TZ", "UTC").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(Some(String::from_utf8(output.stdout)?)),
        Some(2) if said.contains("netobs: filter") => Ok(None),
        _ => anyhow::bail!("netobs dump {args:?} ended with {}: {said}", output.status),
    }
}

/// Numbers of the packets whose lines these are.
fn numbers(text: &str) -> Result<Vec<u64>> {
    let prefix = format!("{BEGIN}.");
    let stamps = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    let number = |rest: &str| {
        let digits = rest.get(..6).context("a time without its fraction")?;
        digits.parse().with_context(|| format!("no time: {digits}"))
    };
    stamps.map(number).collect()
}

/// The packets that an expression picks from a file, by both.
fn same_packets(file: &str, expression: &str) -> Result<usize> {
    let args = ["-n", "-q", "-tt", "-r", file, "--", expression];
    let theirs = tcpdump(&args)?.map(|text| numbers(&text)).transpose()?;
    let ours = netobs(&args)?.map(|text| numbers(&text)).transpose()?;
    ensure!(
        ours == theirs,
        "`{expression}` on {file}: netobs picks {ours:?}, tcpdump {theirs:?}"
    );
    Ok(ours.map_or(0, |all| all.len()))
}
