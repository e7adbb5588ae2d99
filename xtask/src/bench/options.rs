//! The command line of `cargo xtask bench`.
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask bench", no_binary_name = false)]
pub struct Bench {
    #[command(subcommand)]
    pub task: Task,
}

#[derive(Subcommand)]
pub enum Task {
    /// Cost, startup, memory, loss and latency of `netobs watch` beside its peers
    Watch(WatchOptions),
    /// CPU time and memory of `netobs ss` beside a bare kernel dump and ss
    Ss(SsOptions),
    /// A holder of connections, as the bench starts it
    #[command(hide = true)]
    Hold(HoldOptions),
    /// Reading and filtering a large capture beside tcpdump
    Dump(ReadOptions),
    /// Capturing packets of a veth pair beside tcpdump
    Capture(CaptureOptions),
    /// The bare dump of sockets
    #[command(hide = true)]
    BareSs(DumpOptions),
    /// One run of a command, with its account
    #[command(hide = true)]
    Once(OnceOptions),
    /// Traces, sweeps, scans and round trips beside traceroute, mtr, fping, nmap and ping
    Probes(ProbeOptions),
    /// The load generator alone, as the bench starts it
    #[command(hide = true)]
    Load(LoadOptions),
}

#[derive(Args, Clone, Debug)]
pub struct WatchOptions {
    /// ABBA pairs of each tool and close mode
    #[arg(long, default_value_t = 6)]
    pub pairs: usize,
    /// Rough length of one load run; what counts is the number of units it stands for, the same in all runs
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Only tools whose name contains NAME, or only one part: cost, startup, latency, drops (repeatable)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// A short run that checks counts and shows rough figures
    #[arg(long)]
    pub quick: bool,
    /// Pin the load to this CPU
    #[arg(long)]
    pub cpu: Option<usize>,
}

#[derive(Args, Clone, Debug)]
pub struct ProbeOptions {
    /// Runs of each tool; the median counts
    #[arg(long, default_value_t = 9)]
    pub runs: usize,
    /// Only one part: trace, sweep, scan, mtr, start, rtt (repeatable)
    #[arg(long, value_name = "PART")]
    pub only: Vec<String>,
    /// Fewer replies, and no ten-second runs
    #[arg(long)]
    pub quick: bool,
}

#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
    /// fin, rst or udp
    pub mode: String,
    #[arg(long)]
    pub units: u64,
    #[arg(long)]
    pub netns: PathBuf,
    #[arg(long)]
    pub cpu: Option<usize>,
}

#[derive(Args, Clone, Debug)]
pub struct SsOptions {
    /// Runs of each command
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Only parts whose name contains NAME: 50000, churned, 1000, processes, namespaces (repeatable)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct HoldOptions {
    #[arg(long)]
    pub connections: usize,
    /// Last byte of the loopback address
    #[arg(long)]
    pub host: u8,
    #[arg(long)]
    pub netns: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub struct ReadOptions {
    /// Runs of each command
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
    /// Size of the capture
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub size: u64,
}

#[derive(Args, Clone, Debug)]
pub struct CaptureOptions {
    /// Runs of each tool
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Packets of each run
    #[arg(long, default_value_t = 300_000)]
    pub packets: u64,
    /// Only tools whose name contains NAME (repeatable)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct DumpOptions {
    #[arg(long)]
    pub info: bool,
}

#[derive(Args, Clone, Debug)]
pub struct OnceOptions {
    #[arg(last = true)]
    pub command: Vec<String>,
}

const PARTS: [&str; 4] = ["cost", "startup", "latency", "drops"];

impl WatchOptions {
    /// Whether this part is to run: all do unless `--only` names some.
    pub fn part(&self, part: &str) -> bool {
        let named = |name: &String| PARTS.contains(&name.as_str());
        !self.only.iter().any(named) || self.only.iter().any(|name| name == part)
    }

    /// Whether this tool is to run: `--only` names it in part, or names no tool at all.
    pub fn tool(&self, tool: &str) -> bool {
        let mut names = self
            .only
            .iter()
            .filter(|name| !PARTS.contains(&name.as_str()))
            .peekable();
        names.peek().is_none() || names.any(|name| tool.contains(name.as_str()))
    }
}
