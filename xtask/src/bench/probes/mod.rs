//! `cargo xtask bench probes`: traces, sweeps, scans and round trips of netobs beside its peers, over namespaces as routers.
//!
//! The first link of a path takes 10 ms each way (a TAP device: no netem needed), ICMP limits are off. Each figure is the median
//! of the runs, wall time of the whole process. Tools that are not installed are left out and named.
mod rtt;

use std::path::Path as File;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use nix::sys::resource::{UsageWho, getrusage};

use super::clock::mono_ns;
use super::options::ProbeOptions;
use super::stats::median;
use super::tools::netobs;

const ONE_WAY: Duration = Duration::from_millis(10);

/// One line of the table.
struct Row {
    what: String,
    tool: String,
    ms: f64,
    worst: f64,
}

/// One part of the bench.
type Part = fn(&ProbeOptions) -> Result<()>;

pub fn run(options: &ProbeOptions) -> Result<()> {
    ensure!(
        netobs().is_file(),
        "no {}: run `cargo xtask release`, or name a build in NETOBS_BIN",
        netobs().display()
    );
    println!(
        "{:<34} {:<34} {:>9} {:>9}",
        "WHAT", "TOOL", "MEDIAN ms", "WORST ms"
    );
    let part = |name: &str| options.only.is_empty() || options.only.iter().any(|one| one == name);
    let mut traces = Vec::new();
    for (hops, silent) in [(10, 5), (30, 12)] {
        if part("trace") {
            traces.extend(trace(options, hops, silent)?);
        }
    }
    let parts: [(&str, Part); 5] = [
        ("sweep", sweeps),
        ("scan", scans),
        ("mtr", mtr_cpu),
        ("start", start),
        ("rtt", rtt::run),
    ];
    for (name, run) in parts {
        if part(name) {
            run(options)?;
        }
    }
    reach(&traces);
    Ok(())
}

/// One echo by each engine: what loading the programs costs.
fn start(options: &ProbeOptions) -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let ours = netobs();
    let ours = ours.to_string_lossy();
    for engine in ["raw", "tracepoints", "tcx", "clsact"] {
        let argv = [&*ours, "ping", "-c", "1", "--engine", engine, &target];
        measure(options, &lab.a, "one echo", &argv, usize::MAX)?;
    }
    measure(
        options,
        &lab.a,
        "one echo",
        &["ping", "-c", "1", &target],
        usize::MAX,
    )?;
    Ok(())
}

/// Runs a tool in the namespace; its wall time in ms.
fn time(ns: &Netns, argv: &[&str]) -> Result<f64> {
    ns.run(|| {
        let begun = mono_ns();
        let status = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("start {}", argv[0]))?;
        // fping and netobs say "no" by their status where a hop or host is silent.
        ensure!(
            status.code().is_some_and(|code| code < 2),
            "{argv:?} ended with {status}"
        );
        #[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
        Ok((mono_ns() - begun) as f64 / 1e6)
    })
}

fn measure(
    options: &ProbeOptions,
    ns: &Netns,
    what: &str,
    argv: &[&str],
    most: usize,
) -> Result<Option<Row>> {
    let installed = argv[0].contains('/')
        || ["/usr/bin", "/usr/sbin"]
            .iter()
            .any(|dir| File::new(dir).join(argv[0]).is_file());
    let name = File::new(argv[0])
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let tool = std::iter::once(name.as_str())
        .chain(argv[1..argv.len() - 1].iter().copied())
        .collect::<Vec<_>>()
        .join(" ");
    if !installed {
        println!("{what:<34} {tool:<34} not installed");
        return Ok(None);
    }
    let runs: Vec<f64> = (0..options.runs.min(most))
        .map(|_| time(ns, argv))
        .collect::<Result<_>>()?;
    let worst = runs.iter().copied().fold(0.0, f64::max);
    let row = Row {
        what: what.to_owned(),
        tool,
        ms: median(&runs),
        worst,
    };
    println!(
        "{:<34} {:<34} {:>9.1} {:>9.1}",
        row.what, row.tool, row.ms, row.worst
    );
    Ok(Some(row))
}

/// Times of one path, first with all hops answering, then with a silent one.
fn trace(options: &ProbeOptions, hops: u8, silent: u8) -> Result<Vec<Row>> {
    let path = Path::with_delay(hops, Some(ONE_WAY))?;
    let target = path.target(false).to_string();
    let ours = netobs();
    let ours = ours.to_string_lossy();
    let source = path.source();
    // Neighbours are learnt before anything counts.
    time(source, &[&ours, "traceroute", "-n", &target])?;
    let mut rows = Vec::new();
    for quiet in [false, true] {
        let _wall = quiet
            .then(|| {
                Rule::add(
                    path.node(silent),
                    Hook::Output,
                    "icmp type time-exceeded",
                    "drop",
                )
            })
            .transpose()?;
        let what = if quiet {
            format!("{hops} hops, hop {silent} silent")
        } else {
            format!("{hops} hops, all answer")
        };
        for (argv, most) in [
            (vec![&*ours, "traceroute", "-n", &target], usize::MAX),
            (
                vec![&*ours, "traceroute", "-n", "--engine", "raw", &target],
                usize::MAX,
            ),
            (vec![&*ours, "traceroute", "-n", "-I", &target], usize::MAX),
            (vec![&*ours, "traceroute", "-n", "-T", &target], usize::MAX),
            (vec!["traceroute", "-n", &target], usize::MAX),
            (
                vec!["traceroute", "-n", "-q", "1", "-N", "40", &target],
                usize::MAX,
            ),
            (vec!["tcptraceroute", "-n", &target], 1),
            (vec!["mtr", "-n", "-r", "-c", "1", &target], 1),
        ] {
            rows.extend(measure(options, source, &what, &argv, most)?);
        }
    }
    Ok(rows)
}

fn sweeps(options: &ProbeOptions) -> Result<()> {
    let lab = Pair::new()?;
    lab.b.ip("route add local 10.78.0.0/20 dev lo\n")?;
    lab.a.ip("route add 10.78.0.0/20 via 10.77.1.2\n")?;
    for (key, value) in [
        ("icmp_msgs_per_sec", "1000000"),
        ("icmp_msgs_burst", "100000"),
        ("icmp_ratelimit", "0"),
    ] {
        // Older kernels have these for the whole machine only; echo replies are not limited by default.
        drop(lab.b.sysctl(&format!("net/ipv4/{key}"), value));
    }
    let ours = netobs();
    let ours = ours.to_string_lossy();
    for (what, net) in [
        ("ping 254 hosts", "10.78.0.0/24"),
        ("ping 4,094 hosts", "10.78.0.0/20"),
    ] {
        for argv in [
            vec![&*ours, "ping", "-q", "-c", "1", net],
            vec![&*ours, "ping", "-q", "-c", "1", "--engine", "raw", net],
            vec!["fping", "-q", "-r0", "-i0.1", "-g", net],
            vec!["fping", "-q", "-r0", "-i0", "-g", net],
        ] {
            measure(options, &lab.a, what, &argv, usize::MAX)?;
        }
    }
    Ok(())
}

fn scans(options: &ProbeOptions) -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let ours = netobs();
    let ours = ours.to_string_lossy();
    for argv in [
        vec![&*ours, "scan", "-p", "1-1000", &target],
        vec![&*ours, "scan", "-p", "1-1000", "--engine", "raw", &target],
        vec![&*ours, "scan", "--connect", "-p", "1-1000", &target],
        vec!["nmap", "-n", "-Pn", "-p", "1-1000", &target],
    ] {
        measure(options, &lab.a, "scan 1,000 ports", &argv, usize::MAX)?;
    }
    Ok(())
}

/// CPU seconds of a ten-second mtr over ten hops.
fn mtr_cpu(options: &ProbeOptions) -> Result<()> {
    if options.quick {
        return Ok(());
    }
    let path = Path::with_delay(10, Some(ONE_WAY))?;
    let target = path.target(false).to_string();
    let ours = netobs();
    let ours = ours.to_string_lossy();
    for argv in [
        vec![&*ours, "mtr", "-n", "-r", "-c", "10", &target],
        vec![
            &*ours, "mtr", "-n", "-r", "-c", "10", "--engine", "raw", &target,
        ],
        vec!["mtr", "-n", "-r", "-c", "10", &target],
    ] {
        let before = children()?;
        if time(path.source(), &argv).is_ok() {
            let spent = children()? - before;
            println!(
                "{:<34} {:<34} {:>9.1}",
                "CPU of 10 rounds of mtr, ms",
                argv.join(" ").rsplit('/').next().unwrap_or(argv[0]),
                spent
            );
        }
    }
    Ok(())
}

/// CPU time of the children that ended, ms.
fn children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ms = |time: nix::sys::time::TimeVal| {
        use nix::sys::time::TimeValLike as _;
        time.num_microseconds()
    };
    #[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 us")]
    Ok((ms(usage.user_time()) + ms(usage.system_time())) as f64 / 1e3)
}

/// What is to be reached, and whether it is.
fn reach(rows: &[Row]) {
    for row in rows.iter().filter(|row| row.tool == "netobs traceroute -n") {
        let (limit, words) = if row.what.contains("silent") {
            (3.0 * 20.0 + 20.0, "3 RTT + 20 ms")
        } else {
            (1.2 * 20.0 + 5.0, "1.2 RTT + 5 ms")
        };
        let met = if row.ms <= limit { "reached" } else { "MISSED" };
        println!("{}: {:.1} ms of {limit} ({words}): {met}", row.what, row.ms);
    }
}
