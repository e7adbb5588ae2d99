//! The round trip that a tool tells, less the one on the wire as tcpdump stamps it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use netobs_tests::netns::Netns;
use netobs_tests::sys;
use netobs_tests::topology::Pair;

use super::super::options::ProbeOptions;
use super::super::stats::median;
use super::super::tools::netobs;

pub fn run(options: &ProbeOptions) -> Result<()> {
    let count = if options.quick { "100" } else { "300" };
    let ours = netobs();
    let ours = ours.to_string_lossy();
    for argv in [
        vec![&*ours, "ping", "--json", "-c", count, "-i", "0.01"],
        vec!["ping", "-n", "-c", count, "-i", "0.01"],
    ] {
        let lab = Pair::new()?;
        let target = Pair::B4.to_string();
        let (told, wire) = measure(&lab.a, &argv, &target)?;
        let differences: Vec<f64> = told
            .iter()
            .filter_map(|(seq, us)| Some(us - wire.get(seq)?))
            .collect();
        let tool = argv[0].rsplit('/').next().unwrap_or(argv[0]);
        println!(
            "{:<34} {tool:<34} {:>+9.2} us over {} replies",
            "RTT told less RTT on the wire",
            median(&differences),
            differences.len()
        );
    }
    Ok(())
}

type Trips = HashMap<u64, f64>;

/// Microseconds by sequence number: as told, and as seen by tcpdump.
fn measure(ns: &Netns, argv: &[&str], target: &str) -> Result<(Trips, Trips)> {
    let mut dump = ns.run(|| {
        Command::new("tcpdump")
            .args([
                "-n",
                "-tt",
                "-l",
                "-i",
                "eth0",
                "--immediate-mode",
                "--time-stamp-precision=nano",
                "icmp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start tcpdump")
    })?;
    // "listening on eth0" is its word that it sees from now on.
    let stderr = dump.stderr.take().context("stderr is piped")?;
    for line in BufReader::new(stderr).lines() {
        if line?.contains("listening on") {
            break;
        }
    }
    let output = ns.run(|| {
        Command::new(argv[0])
            .args(&argv[1..])
            .arg(target)
            .output()
            .context("start ping")
    })?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    sys::kill(i32::try_from(dump.id())?, nix::libc::SIGINT)?;
    let seen = dump.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let told = told
        .lines()
        .filter_map(|line| json(line).or_else(|| text(line)));
    Ok((told.collect(), wire(&String::from_utf8_lossy(&seen.stdout))))
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

/// `1700000000.000000001 IP a > b: ICMP echo request, id 1, seq 1, length 64`.
fn wire(text: &str) -> Trips {
    let mut requests: HashMap<u64, f64> = HashMap::new();
    let mut trips = HashMap::new();
    for line in text.lines() {
        let Some((seq, at)) = stamp(line) else {
            continue;
        };
        if line.contains("echo request") {
            requests.insert(seq, at);
        } else if let Some(request) = requests.get(&seq) {
            trips.insert(seq, at - request);
        }
    }
    trips
}

/// Sequence number and microseconds within the hour: whole seconds would take the digits that matter.
fn stamp(line: &str) -> Option<(u64, f64)> {
    let (seconds, nanos) = line.split_whitespace().next()?.split_once('.')?;
    let seconds = u32::try_from(seconds.parse::<u64>().ok()? % 3600).ok()?;
    let nanos: u32 = nanos.parse().ok()?;
    let seq = line.split("seq ").nth(1)?.split(',').next()?.parse().ok()?;
    Some((seq, f64::from(seconds) * 1e6 + f64::from(nanos) / 1e3))
}
