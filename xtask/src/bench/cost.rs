//! CPU that a tool adds to a load: pairs of runs with and without it, in ABBA order.
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::check::{self, Account};
use super::generate::{self, FLOOD_PORT, ratio};
use super::load::{self, Load, Request};
use super::netns::{Netns, command};
use super::options::WatchOptions;
use super::process::{Memory, Tool};
use super::stats::{Summary, summary};
use super::tools::{self, Spec};

/// A load and the tools that follow it.
#[derive(Clone, Copy)]
pub struct Case {
    /// The generator's mode: `fin`, `rst`, `udp`.
    pub mode: &'static str,
    /// The tools, for the namespace with this inode.
    pub tools: fn(u64) -> Vec<Spec>,
}

pub const FIN: Case = Case {
    mode: "fin",
    tools: tools::connections,
};
pub const RST: Case = Case {
    mode: "rst",
    tools: tools::connections,
};
pub const DROPS: Case = Case {
    mode: "udp",
    tools: tools::drops,
};

/// One line of the cost table. Times are nanoseconds of CPU per unit (connection or datagram).
#[derive(Debug, Serialize)]
pub struct Row {
    pub tool: &'static str,
    pub mode: &'static str,
    /// The load alone.
    pub base_ns: Summary,
    /// Growth of the load's own cost: what the BPF side costs.
    pub kernel_ns: Summary,
    /// CPU of the tool's process tree.
    pub tool_ns: Summary,
    /// Both, as share of the base.
    pub total_pct: Summary,
    pub memory: Memory,
    pub account: Account,
}

/// A run of the load beside a tool.
struct Beside {
    load: Load,
    tool_ns: f64,
    memory: Memory,
    account: Account,
}

/// All pairs of the tool at `index` of the case's table.
pub fn measure(case: Case, index: usize, options: &WatchOptions) -> Result<Row> {
    let (mut bases, mut kernel, mut tool, mut total) = (vec![], vec![], vec![], vec![]);
    let (mut memory, mut account) = (Memory::default(), Account::default());
    for pair in 0..options.pairs {
        let (base, beside) = if pair % 2 == 0 {
            let base = alone(case, options)?;
            (base, with_tool(case, index, options)?)
        } else {
            let beside = with_tool(case, index, options)?;
            (alone(case, options)?, beside)
        };
        let growth = beside.load.slice_ns - base.slice_ns;
        bases.push(base.slice_ns);
        kernel.push(growth);
        tool.push(beside.tool_ns);
        total.push((growth + beside.tool_ns) / base.slice_ns * 100.0);
        memory.now_kib = memory.now_kib.max(beside.memory.now_kib);
        memory.peak_kib = memory.peak_kib.max(beside.memory.peak_kib);
        account.add(beside.account);
    }
    let spec = (case.tools)(0).swap_remove(index);
    Ok(Row {
        tool: spec.name,
        mode: case.mode,
        base_ns: summary(&bases),
        kernel_ns: summary(&kernel),
        tool_ns: summary(&tool),
        total_pct: summary(&total),
        memory,
        account,
    })
}

fn alone(case: Case, options: &WatchOptions) -> Result<Load> {
    load(case, &namespace(case)?, options)
}

fn with_tool(case: Case, index: usize, options: &WatchOptions) -> Result<Beside> {
    let netns = namespace(case)?;
    let spec = (case.tools)(netns.inode()?).swap_remove(index);
    let (out, err) = (scratch("events.txt")?, scratch("stderr.txt")?);
    let mut tool = Tool::start(&spec.argv, File::create(&out)?, &err)?;
    tool.wait_ready(spec.ready)?;
    tool.wait_idle()?;
    let before = tool.cpu_ns()?;
    let load = load(case, &netns, options)?;
    netns.wait_closed()?;
    tool.wait_idle()?;
    let cpu = tool.cpu_ns()? - before;
    let memory = tool.memory();
    let ended = tool.end()?;
    let told = lines(&out, &spec)?;
    let truth = if case.mode == "udp" {
        rule_counter(&netns)?
    } else {
        load.units
    };
    let account = check::account(&spec, truth, told, &ended);
    Ok(Beside {
        tool_ns: ratio(cpu, load.units),
        load,
        memory,
        account,
    })
}

fn load(case: Case, netns: &Netns, options: &WatchOptions) -> Result<Load> {
    let path = netns.path();
    load::run(&Request {
        mode: case.mode,
        units: generate::units(case.mode, options.seconds),
        netns: &path,
        cpu: options.cpu,
    })
}

/// A fresh namespace for each run: the `TIME_WAIT` table of one run is not the burden of the next.
fn namespace(case: Case) -> Result<Netns> {
    let netns = Netns::new()?;
    if case.mode == "udp" {
        let rule = format!("udp dport {FLOOD_PORT} counter drop");
        netns.run(|| {
            command("nft", &["add table inet bench"])?;
            command(
                "nft",
                &["add chain inet bench in { type filter hook input priority 0; }"],
            )?;
            command("nft", &["add", "rule", "inet", "bench", "in", &rule])
        })?;
    }
    Ok(netns)
}

/// Packets that the rule dropped: the kernel's own count, not the generator's.
fn rule_counter(netns: &Netns) -> Result<u64> {
    let rules = netns.run(|| command("nft", &["list", "chain", "inet", "bench", "in"]))?;
    let mut words = rules
        .split_whitespace()
        .skip_while(|word| *word != "packets");
    let count = words.nth(1).and_then(|word| word.parse().ok());
    count.context("the rule's counter is not in nft's output")
}

fn lines(out: &Path, spec: &Spec) -> Result<u64> {
    let mut told = 0;
    for line in BufReader::new(File::open(out)?).split(b'\n') {
        told += u64::from(tools::counts(spec, &String::from_utf8_lossy(&line?)));
    }
    Ok(told)
}

/// A file of the bench's own below target/.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let place = super::target().join("bench");
    std::fs::create_dir_all(&place)?;
    Ok(place.join(name))
}
