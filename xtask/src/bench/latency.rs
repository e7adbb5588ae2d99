//! Delivery when idle: from close(2) of a connection to its line being readable.
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use serde::Serialize;

use super::clock::{Deadline, mono_ns};
use super::cost::scratch;
use super::generate::CHURN_PORT;
use super::lines::Lines;
use super::netns::Netns;
use super::process::Tool;
use super::startup::{millis, output};
use super::stats::{Summary, summary};
use super::tools::{self, Mark};

#[derive(Debug, Serialize)]
pub struct Row {
    pub tool: &'static str,
    /// close(2) to the line, milliseconds.
    pub delivery_ms: Summary,
    /// Lines that did not come within two seconds.
    pub missed: usize,
}

/// Only for tools that tell a connection once, at its close.
pub fn measure(index: usize, closes: usize) -> Result<Option<Row>> {
    let netns = Netns::new()?;
    let spec = tools::connections(netns.inode()?).swap_remove(index);
    if matches!(spec.mark, Mark::Nothing) || spec.per_unit.len() != 1 {
        return Ok(None);
    }
    let (mut lines, stdout) = output(&spec)?;
    let mut tool = Tool::start(&spec.argv, stdout, &scratch("stderr.txt")?)?;
    tool.wait_ready(spec.ready)?;
    tool.wait_idle()?;
    let times = netns.run(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, CHURN_PORT))?;
        (0..closes)
            .map(|round| once(&listener, &mut lines, round))
            .collect::<Result<Vec<_>>>()
    })?;
    drop(lines);
    tool.end()?;
    let came: Vec<f64> = times.iter().copied().flatten().collect();
    Ok(Some(Row {
        tool: spec.name,
        delivery_ms: summary(&came),
        missed: times.len() - came.len(),
    }))
}

fn once(listener: &TcpListener, lines: &mut Lines, round: usize) -> Result<Option<f64>> {
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, CHURN_PORT))?;
    let (_server, peer) = listener.accept()?;
    // Not in step with any timer of the tool.
    thread::sleep(Duration::from_micros(4_000 + 977 * (round as u64 % 13)));
    lines.drain()?;
    // RST: both ends are closed when close(2) returns.
    setsockopt(
        &client,
        sockopt::Linger,
        &linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )?;
    let start = mono_ns();
    drop(client);
    let wanted = |line: &str| tools::names_port(line, peer.port());
    let found = lines.find(Deadline::after(Duration::from_secs(2)), wanted)?;
    Ok(found.map(|(at, _)| millis(at.saturating_sub(start))))
}
