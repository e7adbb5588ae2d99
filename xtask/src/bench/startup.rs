//! Time from exec to the first event, with a connection made every millisecond.
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::clock::{Deadline, mono_ns};
use super::cost::scratch;
use super::generate::CHURN_PORT;
use super::lines::Lines;
use super::netns::Netns;
use super::process::Tool;
use super::stats::{Summary, summary};
use super::tools::{self, Mark, Spec};

#[derive(Debug, Serialize)]
pub struct Row {
    pub tool: &'static str,
    /// Exec to the first line, milliseconds.
    pub first_event_ms: Summary,
}

pub fn measure(index: usize, runs: usize) -> Result<Option<Row>> {
    let netns = Netns::new()?;
    let spec = tools::connections(netns.inode()?).swap_remove(index);
    if matches!(spec.mark, Mark::Nothing) {
        return Ok(None);
    }
    let stop = AtomicBool::new(false);
    let times = thread::scope(|scope| {
        let ticker = scope.spawn(|| netns.run(|| tick(&stop)));
        let times: Result<Vec<f64>> = (0..runs).map(|_| once(&spec)).collect();
        stop.store(true, Ordering::Relaxed);
        ticker
            .join()
            .map_err(|_| anyhow::anyhow!("the ticker ended in a panic"))??;
        times
    })?;
    Ok(Some(Row {
        tool: spec.name,
        first_event_ms: summary(&times),
    }))
}

fn once(spec: &Spec) -> Result<f64> {
    let (mut lines, stdout) = output(spec)?;
    let start = mono_ns();
    let tool = Tool::start(&spec.argv, stdout, &scratch("stderr.txt")?)?;
    let wanted = |line: &str| tools::names_port(line, CHURN_PORT);
    let found = lines.find(Deadline::after(Duration::from_mins(1)), wanted)?;
    // Its end closed, a tool that is still writing ends too.
    drop(lines);
    tool.end()?;
    let (at, _) = found.with_context(|| format!("{}: no event within a minute", spec.name))?;
    Ok(millis(at - start))
}

/// netobs promises its latency to a pipe as well; peers fill a buffer unless they face a terminal.
pub fn output(spec: &Spec) -> Result<(Lines, std::process::Stdio)> {
    if spec.ours {
        Lines::pipe()
    } else {
        Lines::terminal()
    }
}

fn tick(stop: &AtomicBool) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, CHURN_PORT))?;
    while !stop.load(Ordering::Relaxed) {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, CHURN_PORT))?;
        let (server, _) = listener.accept()?;
        drop(client);
        drop(server);
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 ns")]
pub fn millis(ns: u64) -> f64 {
    ns as f64 / 1e6
}
