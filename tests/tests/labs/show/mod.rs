//! `netobs show`: what it tells of a namespace against what ip, nft, iptables and /proc tell of the same one.

mod bad;
mod conntrack;
mod extensions;
mod firewall;
mod iptables;
mod limits;
mod links;
mod programs;
mod resolver;
mod routes;
mod stats;

use std::collections::BTreeSet;
use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use serde_json::Value;

/// `netobs show ARGS --json` of a namespace: its lines; it must succeed.
fn show(ns: &Netns, args: &[&str]) -> Result<Vec<Value>> {
    let path = ns.path();
    let output = binary::run(&[&["show"], args, &["--json", "--netns", &path]].concat())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "show {args:?} ended with {}: {said}",
        output.status
    );
    lines(&output.stdout)
}

fn lines(stdout: &[u8]) -> Result<Vec<Value>> {
    let text = String::from_utf8(stdout.to_vec()).context("JSON is UTF-8")?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
        .collect()
}

/// The rows of one kind.
fn of(rows: &[Value], kind: &str) -> Vec<Value> {
    rows.iter()
        .filter(|row| row["show"] == kind)
        .cloned()
        .collect()
}

/// A tool's JSON list, of the same namespace.
fn list(ns: &Netns, program: &str, args: &[&str]) -> Result<Vec<Value>> {
    let text = ns.tool(program, args, "")?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{program} {args:?}: {text}"))?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(
        || {
            if value.is_null() {
                String::new()
            } else {
                value.to_string()
            }
        },
        str::to_owned,
    )
}

/// Both sets must be the same and not empty.
fn same<T: Ord + Debug>(
    what: &str,
    told: impl IntoIterator<Item = T>,
    truth: impl IntoIterator<Item = T>,
) -> Result<()> {
    let (told, truth): (BTreeSet<T>, BTreeSet<T>) =
        (told.into_iter().collect(), truth.into_iter().collect());
    let missing: Vec<&T> = truth.difference(&told).collect();
    let extra: Vec<&T> = told.difference(&truth).collect();
    ensure!(!truth.is_empty(), "{what}: the other tool shows none");
    ensure!(
        missing.is_empty() && extra.is_empty(),
        "{what}: not told: {missing:#?}\ntold, but not so: {extra:#?}"
    );
    Ok(())
}
