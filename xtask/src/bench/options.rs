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
    /// `netobs dump` beside tcpdump: packets of a veth pair captured, the first one, a stream, and a large capture read
    Dump(DumpOptions),
    /// The bare dump of sockets
    #[command(hide = true)]
    BareSs(BareSsOptions),
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
pub struct DumpOptions {
    /// Runs of each command
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Packets of each run that captures
    #[arg(long, default_value_t = 300_000)]
    pub packets: u64,
    /// Size of the capture that is read
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub size: u64,
    /// Only one part: capture, stream, start, read; or, of capturing, only rows whose name contains NAME: packet, bpf, tcpdump, lines ... (repeatable)
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct BareSsOptions {
    #[arg(long)]
    pub info: bool,
}

#[derive(Args, Clone, Debug)]
pub struct OnceOptions {
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Parts of benches that `--only` names.
const WATCH: [&str; 4] = ["cost", "startup", "latency", "drops"];
const DUMP: [&str; 4] = ["capture", "stream", "start", "read"];

fn is_part(only: &[String], parts: &[&str], part: &str) -> bool {
    let named = |name: &String| parts.contains(&name.as_str());
    !only.iter().any(named) || only.iter().any(|name| name == part)
}

fn is_tool(only: &[String], parts: &[&str], tool: &str) -> bool {
    let mut names = only
        .iter()
        .filter(|name| !parts.contains(&name.as_str()))
        .peekable();
    names.peek().is_none() || names.any(|name| tool.contains(name.as_str()))
}

impl WatchOptions {
    /// Whether this part is to run: all do unless `--only` names some.
    pub fn part(&self, part: &str) -> bool {
        is_part(&self.only, &WATCH, part)
    }

    /// Whether this tool is to run: `--only` names it in part, or names no tool at all.
    pub fn tool(&self, tool: &str) -> bool {
        is_tool(&self.only, &WATCH, tool)
    }
}

impl DumpOptions {
    /// Whether this part is to run: all do unless `--only` names some, or a row, which only capturing has.
    pub fn part(&self, part: &str) -> bool {
        let rows = self.only.iter().any(|name| !DUMP.contains(&name.as_str()));
        let named = self.only.iter().any(|name| name == part);
        named || is_part(&self.only, &DUMP, part) && (part == "capture" || !rows)
    }

    /// Whether this row of capturing is to be measured.
    pub fn row(&self, row: &str) -> bool {
        is_tool(&self.only, &DUMP, row)
    }
}

#[cfg(test)]
mod tests {
    use super::DumpOptions;

    fn chosen(only: &[&str]) -> [bool; 4] {
        let options = DumpOptions {
            rounds: 1,
            packets: 1,
            size: 1,
            only: only.iter().map(|&name| name.to_owned()).collect(),
        };
        let parts = ["capture", "read"].map(|part| options.part(part));
        let rows = ["bpf -w", "tcpdump -w"].map(|row| options.row(row));
        [parts[0], parts[1], rows[0], rows[1]]
    }

    #[test]
    fn parts_and_rows_of_dump() {
        assert_eq!(chosen(&[]), [true; 4]);
        assert_eq!(chosen(&["capture"]), [true, false, true, true]);
        assert_eq!(chosen(&["read"]), [false, true, true, true]);
        assert_eq!(chosen(&["bpf"]), [true, false, true, false]);
        assert_eq!(chosen(&["capture", "bpf"]), [true, false, true, false]);
        assert_eq!(chosen(&["read", "capture"]), [true; 4]);
    }
}
