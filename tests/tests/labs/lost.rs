//! Promise one: what was told and what was lost make up what happened, exactly.

use anyhow::{Result, ensure};
use netobs_tests::machine;
use netobs_tests::netobs::{Observer, Watch};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use serde_json::json;

use crate::support::at;

fn connections() -> u64 {
    machine::times(3000) as u64
}

/// Connections from `a` to `b` as fast as one thread can, ended by RST; each has two ends.
fn churn(lab: &Pair) -> Result<()> {
    let listener = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 64)?))?;
    let to = listener.local_addr()?;
    lab.a.run(|| {
        for _ in 0..connections() {
            let client = tcp::Dial::to(to).connect()?;
            let (server, _) = listener.accept()?;
            tcp::abort(client)?;
            drop(server);
        }
        Ok(())
    })
}

fn watching(lab: &Pair, buffer: &str) -> Result<Observer> {
    Watch::json(&["close"])?
        .within(&lab.both())
        .arg("--buffer")
        .arg(buffer)
        .start()
}

/// The reader stands still, so that a buffer of one page must overflow.
#[test]
fn counted_when_the_ring_is_full() -> Result<()> {
    let lab = Pair::new()?;
    let watch = watching(&lab, "4k")?;
    watch.signal(libc::SIGSTOP)?;
    let churned = churn(&lab);
    watch.signal(libc::SIGCONT)?;
    churned?;
    let record = watch.stop()?;
    let (seen, lost) = record.seen_plus_lost(&json!({"event": "close"}), 2 * connections())?;
    ensure!(seen > 0 && lost > 0, "{seen} seen, {lost} lost: no test");
    let (hook_seen, hook_lost) = (
        record.hooks("close", "seen")?,
        record.hooks("close", "lost")?,
    );
    ensure!(
        (hook_seen, hook_lost) == (seen, lost),
        "the summary says {hook_seen} seen, {hook_lost} lost, not {seen}, {lost}"
    );
    Ok(())
}

/// The reader keeps up as it can.
#[test]
fn counted_when_the_ring_is_small() -> Result<()> {
    let lab = Pair::new()?;
    let watch = watching(&lab, "4k")?;
    churn(&lab)?;
    watch
        .stop()?
        .seen_plus_lost(&json!({"event": "close"}), 2 * connections())
        .map(drop)
}

#[test]
fn nothing_with_the_default_buffer() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect", "accept", "close"])?
        .within(&lab.both())
        .start()?;
    churn(&lab)?;
    let record = watch.stop()?;
    record.exactly(2 * connections(), &json!({"event": "close"}))?;
    record.exactly(connections(), &json!({"event": "connect"}))?;
    record.exactly(connections(), &json!({"event": "accept"}))
}
