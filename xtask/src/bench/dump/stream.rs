//! What is lost of a stream of iperf3, with default settings and whole packets, written to nowhere: the disk is not what is measured.
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Pair;
use super::running::Running;
use crate::cmd;

/// Of each run.
const SECONDS: &str = "3";
const RATE: &str = "10G";
/// Where the server listens.
const LISTENS: &str = "5201";

pub fn run(netobs: &str, pair: &Pair) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if cmd::find("iperf3").is_none() {
        writeln!(out, "left out: iperf3 is not installed")?;
        return Ok(());
    }
    let write = ["-i", "v0", "-w", "/dev/null"];
    let tools: [(&str, &[&str]); 3] = [
        ("bpf", &[netobs, "dump", "--engine", "bpf"]),
        ("packet", &[netobs, "dump", "--engine", "packet"]),
        ("tcpdump", &["tcpdump"]),
    ];
    writeln!(
        out,
        "{:<34} {:>10} {:>8} {:>8}",
        format!("iperf3 of {RATE}bit/s, {SECONDS} s"),
        "captured",
        "lost",
        "Gbit/s"
    )?;
    for (name, argv) in tools {
        let argv = [argv, &write].concat();
        let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
        let running = Running::start(&pair.a, &argv, Stdio::null())?;
        running.listens().with_context(|| name.to_owned())?;
        let rate = stream(pair)?;
        let figures = running.end()?;
        writeln!(
            out,
            "{name:<34} {:>10} {:>8} {rate:>8.1}",
            figures.captured, figures.lost
        )?;
    }
    Ok(())
}

/// Bits that got there, in 10^9 a second.
fn stream(pair: &Pair) -> Result<f64> {
    let mut server = Command::new("nsenter")
        .arg(format!("--net={}", pair.b.path()))
        .args(["iperf3", "-s", "-1", "-p", LISTENS])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start iperf3")?;
    let outcome = client(pair);
    // After one stream it ends by itself.
    if outcome.is_err() {
        server.kill()?;
    }
    server.wait()?;
    outcome
}

fn client(pair: &Pair) -> Result<f64> {
    pair.wait_for(LISTENS)?;
    let args = [
        "-c", "10.9.0.2", "-p", LISTENS, "-b", RATE, "-t", SECONDS, "-J",
    ];
    let said = pair.a.tool("iperf3", &args, "")?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let rate = said["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(rate.with_context(|| format!("iperf3 tells no rate: {said}"))? / 1e9)
}
