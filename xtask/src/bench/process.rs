//! A tool under measurement: started, watched from outside (CPU, memory), ended with SIGINT.
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use super::clock::{self, Deadline};

/// When a tool counts as attached.
#[derive(Clone, Copy, Debug)]
pub enum Ready {
    /// It attaches nothing.
    AtOnce,
    /// It says so on stderr, with a line that begins so.
    Says(&'static str),
    /// Its set of BPF links and perf events has stopped growing.
    HoldsLinks,
}

const STARTING: Duration = Duration::from_mins(1);
const ENDING: Duration = Duration::from_secs(20);
/// Links unchanged for this long: attached.
const SETTLED_POLLS: usize = 15;
const POLL: Duration = Duration::from_millis(20);

/// Resident memory of the process tree, KiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    pub now_kib: u64,
    pub peak_kib: u64,
}

pub struct Tool {
    child: Child,
    stderr: PathBuf,
}

/// What is left of a tool that ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stderr: String,
}

impl Tool {
    /// Starts `argv` with stdout to `stdout` and stderr to the file `stderr`.
    pub fn start(argv: &[String], stdout: impl Into<Stdio>, stderr: &Path) -> Result<Self> {
        let (program, rest) = argv.split_first().context("an empty command")?;
        let child = Command::new(program)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(stderr)?)
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Self {
            child,
            stderr: stderr.to_owned(),
        })
    }

    pub fn wait_ready(&mut self, ready: Ready) -> Result<()> {
        let deadline = Deadline::after(STARTING);
        let (mut last, mut same) = (0, 0);
        let attached = deadline.poll(POLL, || {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "ended with {status} before it was attached: {}",
                    self.said().trim()
                );
            }
            Ok(match ready {
                Ready::AtOnce => true,
                Ready::Says(word) => self.said().lines().any(|line| line.starts_with(word)),
                Ready::HoldsLinks => {
                    let links = links(self.child.id());
                    same = if links == last { same + 1 } else { 0 };
                    last = links;
                    links > 0 && same >= SETTLED_POLLS
                }
            })
        })?;
        anyhow::ensure!(
            attached,
            "not attached after {STARTING:?}: {}",
            self.said().trim()
        );
        Ok(())
    }

    /// Waits until the tool has worked off what the load left it: no CPU used in two polls.
    pub fn wait_idle(&self) -> Result<()> {
        until_idle(|| self.cpu_ns())
    }

    /// CPU time of the process tree, nanoseconds.
    pub fn cpu_ns(&self) -> Result<u64> {
        tree(self.child.id()).into_iter().map(clock::cpu_ns).sum()
    }

    pub fn memory(&self) -> Memory {
        let sum = |key: &str| {
            tree(self.child.id())
                .into_iter()
                .filter_map(|pid| status_kib(pid, key))
                .sum()
        };
        Memory {
            now_kib: sum("VmRSS:"),
            peak_kib: sum("VmHWM:"),
        }
    }

    /// SIGINT, as a user ends it; SIGKILL when it does not listen.
    pub fn end(mut self) -> Result<Ended> {
        let status = self.interrupt()?;
        Ok(Ended {
            status,
            stderr: self.said(),
        })
    }

    fn interrupt(&mut self) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).ok();
        Deadline::after(ENDING).poll(POLL, || Ok(self.child.try_wait()?.is_some()))?;
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
        }
        Ok(self.child.wait()?)
    }

    fn said(&self) -> String {
        fs::read(&self.stderr)
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Tool {
    /// An error on the way leaves nothing attached.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt().ok();
        }
    }
}

/// The process and its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|child| child.parse().ok());
        found.extend(children.flat_map(tree));
    }
    found
}

/// How many BPF links, raw tracepoints and perf events the process holds open.
fn links(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let names = files.filter_map(|file| fs::read_link(file.path()).ok());
    let held = |name: &str| {
        ["bpf_link", "bpf-link", "raw-tracepoint", "perf_event"]
            .iter()
            .any(|kind| name.contains(kind))
    };
    names.filter(|name| held(&name.to_string_lossy())).count()
}

fn status_kib(pid: u32, key: &str) -> Option<u64> {
    let status = BufReader::new(File::open(format!("/proc/{pid}/status")).ok()?);
    let line = status
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Waits until what `cpu_ns` counts has all but stopped.
pub fn until_idle(cpu_ns: impl Fn() -> Result<u64>) -> Result<()> {
    let (mut last, mut same) = (0, 0);
    Deadline::after(Duration::from_secs(10)).poll(Duration::from_millis(100), || {
        let cpu = cpu_ns()?;
        // A timer of the tool may tick: 1 ms of CPU in 100 ms is idle.
        same = if cpu - last < 1_000_000 { same + 1 } else { 0 };
        last = cpu;
        Ok(same >= 2)
    })?;
    Ok(())
}
