//! `cargo xtask bench`: what netobs costs beside its peers, measured in the same run.
//!
//! Method: A is the load alone, B the load beside a tool, in pairs AB BA AB ..., each run in a fresh network namespace. Cost
//! per connection = growth of the load's own CPU time (the BPF programs run inside it) + CPU time of the tool's process
//! tree, drained. Medians; `+-` is half the distance of the quartiles. The row `nothing (control)` shows the bench's own
//! error. Ratios travel between machines, times do not. Only counts decide: the bench fails if seen + lost is not what was made.
mod check;
pub mod clock;
mod cost;
mod dump;
mod generate;
mod latency;
mod lines;
mod load;
pub mod netns;
mod options;
mod probes;
mod process;
mod report;
mod ss;
mod startup;
mod stats;
pub mod summary;
mod tools;
mod watch;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use options::{Bench, LoadOptions, Task};

/// `args`: what follows `cargo xtask bench`.
pub fn run(args: Vec<String>) -> Result<()> {
    let bench = Bench::parse_from(std::iter::once("bench".to_owned()).chain(args));
    match bench.task {
        Task::Watch(options) => watch::run(options),
        Task::Ss(options) => ss::run(&options),
        Task::Probes(options) => probes::run(&options),
        Task::Load(options) => generate(&options),
        Task::Hold(options) => ss::hold::run(&options),
        Task::Dump(options) => dump::run(&options),
        Task::BareSs(options) => ss::dump::run(&options),
        Task::Once(options) => ss::once(&options),
    }
}

fn generate(options: &LoadOptions) -> Result<()> {
    netns::enter(&options.netns)?;
    if let Some(cpu) = options.cpu {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    let report = generate::run(&options.mode, options.units)?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

/// Where builds go: `CARGO_TARGET_DIR`, else target/ of the workspace.
fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}
