//! The round trip that a tool tells, less the one on the wire as tcpdump stamps it: tools in turn, idle and beside CPU hogs.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use netobs_tests::netns::Netns;
use netobs_tests::topology::Pair;
use netobs_tests::wire::{Trips, Wire};

use super::super::options::ProbeOptions;
use super::super::stats::median;
use super::super::tools::netobs;

/// Rounds in which each tool has its turn.
const ROUNDS: usize = 4;
/// What the kernel engine is to reach, at the median.
const LIMIT_US: f64 = 1.0;

/// A tool, and how far its round trips were from those on the wire.
struct Tool<'a> {
    name: &'a str,
    argv: Vec<&'a str>,
    differences: Vec<f64>,
    /// Median round trip on the wire, for the scale.
    wire: Vec<f64>,
}

pub fn run(options: &ProbeOptions) -> Result<()> {
    let count = if options.quick { "50" } else { "200" };
    let ours = netobs();
    let ours = ours.to_string_lossy();
    let ours = |engine| {
        let flags = ["ping", "--json", "-i", "0.01", "-c", count];
        [&[&*ours], &flags[..], &["--engine", engine]].concat()
    };
    for beside in [false, true] {
        let tool = |name, argv| Tool {
            name,
            argv,
            differences: Vec::new(),
            wire: Vec::new(),
        };
        let mut tools = [
            tool("netobs --engine kernel", ours("kernel")),
            tool("netobs --engine raw", ours("raw")),
            tool("ping", vec!["ping", "-n", "-i", "0.01", "-c", count]),
        ];
        let lab = Pair::new()?;
        let target = Pair::B4.to_string();
        let _hogs = beside.then(Hogs::start).transpose()?;
        for _ in 0..ROUNDS {
            for tool in &mut tools {
                let (told, wire) = measure(&lab.a, &tool.argv, &target)?;
                let pairs = told
                    .iter()
                    .filter_map(|(seq, us)| Some((us, wire.get(seq)?)));
                for (told, wire) in pairs {
                    tool.differences.push(told - wire);
                    tool.wire.push(*wire);
                }
            }
        }
        tell(&mut tools, beside);
    }
    Ok(())
}

fn tell(tools: &mut [Tool<'_>], beside: bool) {
    let what = if beside {
        "RTT told - on the wire, CPU hogs"
    } else {
        "RTT told - on the wire, idle"
    };
    for tool in tools {
        tool.differences.sort_by(f64::total_cmp);
        let at = |part: usize| {
            let last = tool.differences.len().saturating_sub(1);
            tool.differences
                .get(last * part / 100)
                .copied()
                .unwrap_or(f64::NAN)
        };
        let reached = match tool.name.ends_with("kernel") {
            true if median(&tool.differences).abs() <= LIMIT_US => ", reached",
            true => ", MISSED",
            false => "",
        };
        println!(
            "{what:<34} {:<34} {:>+9.2} us (p5 {:+.2}, p95 {:+.2}; {:.1} on the wire, {} replies{reached})",
            tool.name,
            median(&tool.differences),
            at(5),
            at(95),
            median(&tool.wire),
            tool.differences.len()
        );
    }
}

/// One process a processor that does nothing but want it.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Result<Self> {
        let count = std::thread::available_parallelism()?.get();
        let one = |_| {
            let mut hog = Command::new("sh");
            let hog = hog.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            hog.spawn().context("start a CPU hog")
        };
        (0..count).map(one).collect::<Result<_>>().map(Self)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // It ends by nothing else.
            drop(hog.kill());
            drop(hog.wait());
        }
    }
}

/// Microseconds by sequence number: as told, and as seen by tcpdump.
fn measure(ns: &Netns, argv: &[&str], target: &str) -> Result<(Trips, Trips)> {
    let wire = Wire::tap(ns)?;
    let output = ns.run(|| {
        Command::new(argv[0])
            .args(&argv[1..])
            .arg(target)
            .output()
            .context("start ping")
    })?;
    let told = String::from_utf8_lossy(&output.stdout);
    let told: Trips = told
        .lines()
        .filter_map(|line| json(line).or_else(|| text(line)))
        .collect();
    let last = told.keys().copied().max();
    let last = last.with_context(|| format!("{argv:?} told of no reply"))?;
    Ok((told, wire.trips(last)?))
}

fn json(line: &str) -> Option<(u64, f64)> {
    let object: serde_json::Value = serde_json::from_str(line).ok()?;
    Some((object["seq"].as_u64()?, object["rtt_us"].as_f64()?))
}

/// `... icmp_seq=1 ttl=64 time=0.045 ms`.
fn text(line: &str) -> Option<(u64, f64)> {
    let value = |key: &str| line.split(key).nth(1)?.split_whitespace().next();
    let ms: f64 = value("time=")?.parse().ok()?;
    Some((value("icmp_seq=")?.parse().ok()?, ms * 1000.0))
}
