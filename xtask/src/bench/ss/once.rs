//! One run of a command, measured by a process that has no other children: so the kernel's account is of that run alone.
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::{Deserialize, Serialize};

use super::super::clock::mono_ns;
use super::super::options::OnceOptions;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Run {
    /// User and system time, milliseconds.
    pub cpu_ms: f64,
    pub wall_ms: f64,
    pub rss_kib: i64,
    /// Memory of the process that started it: the kernel's account of a child begins there, so less is not told apart.
    pub floor_kib: i64,
    /// Bytes it wrote.
    pub bytes: u64,
}

/// What the hidden subcommand does.
pub fn run(options: &OnceOptions) -> Result<()> {
    let file = tempfile()?;
    let (program, rest) = options.command.split_first().context("an empty command")?;
    let start = mono_ns();
    let status = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("run {program}"))?;
    let wall = mono_ns() - start;
    ensure!(status.success(), "{program} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu: TimeVal = usage.user_time() + usage.system_time();
    let run = Run {
        cpu_ms: milliseconds(cpu.num_microseconds()),
        wall_ms: milliseconds(i64::try_from(wall / 1000)?),
        rss_kib: usage.max_rss(),
        floor_kib: getrusage(UsageWho::RUSAGE_SELF)?.max_rss(),
        bytes: file.metadata()?.len(),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&run)?)?;
    Ok(())
}

/// A file in memory: neither a terminal nor a pipe whose reader would have to keep up.
fn tempfile() -> Result<File> {
    let name = format!("/dev/shm/netobs-bench-{}", std::process::id());
    let file = File::create(&name).context("create a file in /dev/shm")?;
    std::fs::remove_file(&name)?;
    Ok(file)
}

#[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 us")]
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

/// Runs `command` by a process of its own and reads its account.
pub fn measure(command: &[String]) -> Result<Run> {
    let out = Command::new(std::env::current_exe()?)
        .args(["bench", "once", "--"])
        .args(command)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start a run")?;
    ensure!(
        out.status.success(),
        "{}: {}",
        command.join(" "),
        out.status
    );
    serde_json::from_slice(&out.stdout).context("read a run's account")
}
