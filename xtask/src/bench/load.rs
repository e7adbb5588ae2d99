//! What a load generator reports, and how the bench starts one and reads its report.
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// One run of a generator. A unit is a connection or a datagram.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Units made, all of them, warm-up included: events must add up to this.
    pub units: u64,
    /// CPU time (user and system) per unit after the warm-up, mean, nanoseconds.
    pub cpu_ns: f64,
    /// The same, median of a hundred slices.
    pub slice_ns: f64,
    /// Wall time per unit after the warm-up, nanoseconds.
    pub wall_ns: f64,
}

/// What the generator is told.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `fin`, `rst` (connections) or `udp` (datagrams).
    pub mode: &'a str,
    pub units: u64,
    pub netns: &'a Path,
    pub cpu: Option<usize>,
}

/// Runs this program again as generator, to its end: its own process, so that its CPU time is the load's alone.
pub fn run(request: &Request) -> Result<Load> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "bench",
        "load",
        request.mode,
        "--units",
        &request.units.to_string(),
        "--netns",
    ]);
    command
        .arg(request.netns)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(cpu) = request.cpu {
        command.args(["--cpu", &cpu.to_string()]);
    }
    let out = command.output().context("start the load generator")?;
    ensure!(
        out.status.success(),
        "the load generator ended with {}",
        out.status
    );
    serde_json::from_slice(&out.stdout).context("read the load generator's report")
}
