//! `netobs watch` as a command: when it ends, what it sums up, and that two of them do not disturb each other.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::{Record, Watch};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::at;

const HOOK_KEYS: [&str; 7] = [
    "collector",
    "hook",
    "rung",
    "seen",
    "lost",
    "run_ns",
    "cpu_pct",
];

fn listener(lab: &Pair) -> Result<TcpListener> {
    lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 64)?))
}

fn connect(lab: &Pair, listener: &TcpListener, count: u64) -> Result<()> {
    let to = listener.local_addr()?;
    lab.a.run(|| {
        for _ in 0..count {
            let client = tcp::Dial::to(to).connect()?;
            listener.accept()?;
            tcp::abort(client)?;
        }
        Ok(())
    })
}

fn has_hook_keys(line: &Value) -> Result<()> {
    let hooks = line["hooks"]
        .as_array()
        .with_context(|| format!("no hooks: {line}"))?;
    ensure!(!hooks.is_empty(), "no hook at all: {line}");
    for hook in hooks {
        for key in HOOK_KEYS {
            ensure!(hook.get(key).is_some(), "a hook without {key}: {hook}");
        }
    }
    Ok(())
}

#[test]
fn count_ends_it() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.a])
        .arg("--count")
        .arg("3")
        .start()?;
    connect(&lab, &listener, 10)?;
    let record = watch.wait()?;
    ensure!(
        record.status.success(),
        "{}\n{}",
        record.status,
        record.tail()
    );
    record.summary()?;
    let told = record.count(&json!({"event": "connect"}));
    ensure!(told == 3, "{told} events instead of 3\n{}", record.tail());
    Ok(())
}

#[test]
fn duration_ends_it() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.a])
        .arg("--duration")
        .arg("1")
        .start()?;
    let start = wait::now();
    let record = watch.wait()?;
    ensure!(
        record.status.success(),
        "{}\n{}",
        record.status,
        record.tail()
    );
    let lasted = start.elapsed();
    ensure!(lasted.as_millis() > 500, "it ended after {lasted:?}");
    // Nothing happened, and it says so: a summary with a count of 0, not silence.
    ensure!(record.hooks("connect", "seen")? == 0, "{}", record.tail());
    has_hook_keys(record.summary()?)
}

#[test]
fn stats_come_along() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.a])
        .arg("--stats")
        .arg("1")
        .start()?;
    connect(&lab, &listener, 5)?;
    watch.expect_count(2, &json!({"event": "stats"}))?;
    let record = watch.stop()?;
    let stats = record
        .matching(&json!({"event": "stats"}))
        .last()
        .cloned()
        .context("no stats")?;
    has_hook_keys(&stats)?;
    record.exactly(5, &json!({"event": "connect"}))
}

#[test]
fn the_last_line_is_the_summary() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::json(&["connect", "accept", "close"])?
        .within(&lab.both())
        .start()?;
    connect(&lab, &listener, 5)?;
    watch.expect_count(10, &json!({"event": "close"}))?;
    let record = watch.stop()?;
    has_hook_keys(record.summary()?)?;
    for collector in ["connect", "accept", "close"] {
        ensure!(
            record.hooks(collector, "lost")? == 0,
            "{collector} lost events"
        );
    }
    every_event_has_the_common_keys(&record)
}

#[test]
fn text_sums_up_on_stderr() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::text(&["connect"])?
        .within(&[&lab.a])
        .arg("-n")
        .start()?;
    connect(&lab, &listener, 7)?;
    let port = listener.local_addr()?.port().to_string();
    wait::until("seven lines", || {
        let text = watch.output();
        let told = text.lines().filter(|line| line.contains(&port)).count();
        Ok((told >= 7).then_some(()))
    })?;
    let record = watch.stop()?;
    let told = record.text.lines().filter(|line| line.contains(&port));
    ensure!(told.count() == 7, "not seven lines:\n{}", record.text);
    ensure!(
        record.stderr.contains(" 7 events seen, 0 lost, "),
        "the summary does not count 7: {}",
        record.stderr
    );
    Ok(())
}

/// SIGUSR1 has it sum up, and go on.
#[test]
fn sums_up_on_request() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::json(&["connect"])?.within(&[&lab.a]).start()?;
    connect(&lab, &listener, 3)?;
    watch.expect_count(3, &json!({"event": "connect"}))?;
    watch.signal(libc::SIGUSR1)?;
    has_hook_keys(&watch.expect(&json!({"event": "stats"}))?)?;
    connect(&lab, &listener, 2)?;
    watch.expect_count(5, &json!({"event": "connect"}))?;
    let record = watch.stop()?;
    ensure!(record.hooks("connect", "seen")? == 5, "{}", record.tail());
    Ok(())
}

/// What the programs log is on stderr where it is asked for; else they log nothing.
#[test]
fn log_of_the_programs() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    for wanted in [false, true] {
        let watch = Watch::json(&["connect"])?.within(&[&lab.a]);
        let watch = if wanted {
            watch.arg("--bpf-log")
        } else {
            watch
        };
        let watch = watch.start()?;
        connect(&lab, &listener, 1)?;
        watch.expect(&json!({"event": "connect"}))?;
        let record = watch.stop()?;
        let told = record.stderr.lines().any(|line| line.starts_with("bpf: "));
        ensure!(told == wanted, "--bpf-log {wanted}: {}", record.stderr);
    }
    Ok(())
}

fn every_event_has_the_common_keys(record: &Record) -> Result<()> {
    let keys = [
        "ts",
        "pid",
        "comm",
        "uid",
        "netns",
        "cgroup",
        "container",
        "pod",
        "proto",
        "family",
    ];
    for event in record.events.iter().filter(|e| e["event"] != "summary") {
        for key in keys {
            ensure!(event.get(key).is_some(), "an event without {key}: {event}");
        }
        let ts = event["ts"].as_str().unwrap_or_default();
        ensure!(
            ts.len() == "2026-01-01T00:00:00.000000000Z".len() && ts.ends_with('Z'),
            "ts in UTC with ns: {event}"
        );
    }
    Ok(())
}

#[test]
fn two_at_once_both_see_everything() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let start = || {
        Watch::json(&["connect", "close"])?
            .within(&[&lab.a])
            .start()
    };
    let (one, two) = (start()?, start()?);
    connect(&lab, &listener, 100)?;
    for watch in [one, two] {
        watch.expect_count(100, &json!({"event": "close"}))?;
        let record = watch.stop()?;
        record.exactly(100, &json!({"event": "connect"}))?;
        record.exactly(100, &json!({"event": "close"}))?;
    }
    Ok(())
}

/// The second one may end at any time: the first does not notice.
#[test]
fn one_survives_the_other() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let start = || Watch::json(&["connect"])?.within(&[&lab.a]).start();
    let (one, two) = (start()?, start()?);
    connect(&lab, &listener, 10)?;
    two.stop()?.exactly(10, &json!({"event": "connect"}))?;
    connect(&lab, &listener, 10)?;
    one.stop()?.exactly(20, &json!({"event": "connect"}))
}
