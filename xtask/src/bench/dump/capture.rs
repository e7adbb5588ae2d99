//! Packets of a veth pair captured by `netobs dump`, both ways, and tcpdump, to files and to lines: the tool's own CPU, what the
//! sender pays, and what is lost.
//!
//! Each round runs every tool once, between two runs without any; medians.
use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;

use super::running::Running;
use super::{PORT, RARE};
use crate::bench::clock::{cpu_ns, thread_cpu_ns};
use crate::bench::cost::scratch;
use crate::bench::options::DumpOptions;
use crate::bench::process::until_idle;
use crate::bench::stats::median;

/// Bytes of a datagram whose frame has 64 bytes, and 1,400.
const SIZES: [usize; 2] = [22, 1358];

struct Tool {
    name: &'static str,
    argv: Vec<String>,
    /// More than without it.
    sender: Vec<f64>,
    own: Vec<f64>,
    lost: u64,
}

pub fn run(netobs: &str, ns: &Netns, options: &DumpOptions) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let file = scratch("capture.pcap")?;
    for size in SIZES {
        let mut tools = tools_of(netobs, &file.to_string_lossy());
        tools.retain(|tool| options.row(tool.name));
        ensure!(!tools.is_empty(), "--only: there is no such row");
        let mut alone = Vec::new();
        for _ in 0..options.rounds {
            for tool in &mut tools {
                let before = send(ns, options.packets, size)?;
                one(ns, tool, options.packets, size)?;
                // What the machine's other work takes changes slowly: a tool is held against the runs around it.
                let around = f64::midpoint(before, send(ns, options.packets, size)?);
                if let Some(with) = tool.sender.last_mut() {
                    *with -= around;
                }
                alone.push(around);
            }
        }
        let alone = median(&alone);
        writeln!(
            out,
            "{} datagrams of {size} bytes, {} rounds; the sender alone {alone:.0} ns each",
            options.packets, options.rounds
        )?;
        writeln!(
            out,
            "{:<34} {:>8} {:>10} {:>8}",
            "ns a packet", "own CPU", "to sender", "lost"
        )?;
        for tool in tools {
            writeln!(
                out,
                "{:<34} {:>8.0} {:>10.0} {:>8}",
                tool.name,
                median(&tool.own),
                median(&tool.sender),
                tool.lost
            )?;
        }
    }
    fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))
}

fn tools_of(netobs: &str, file: &str) -> Vec<Tool> {
    let rare = format!("udp port {RARE}");
    let all: [(&str, &[&str]); 11] = [
        ("packet -w", &["-w", file]),
        ("packet -w --no-owner", &["--no-owner", "-w", file]),
        ("packet -w, 1 of 1,000", &["-w", file, &rare]),
        ("packet, lines", &[]),
        ("bpf -w", &["-w", file]),
        ("bpf -w --no-owner", &["--no-owner", "-w", file]),
        ("bpf -w, 1 of 1,000", &["-w", file, &rare]),
        ("bpf, lines", &[]),
        ("tcpdump -w", &["-w", file]),
        ("tcpdump -w, 1 of 1,000", &["-w", file, &rare]),
        ("tcpdump, lines", &[]),
    ];
    let argv = |name: &str, rest: &[&str]| -> Vec<String> {
        let begin: &[&str] = if name.starts_with("tcpdump") {
            &["tcpdump", "-i", "v0", "-n"]
        } else if name.starts_with("bpf") {
            &[netobs, "dump", "--engine", "bpf", "-i", "v0", "-n"]
        } else {
            &[netobs, "dump", "--engine", "packet", "-i", "v0", "-n"]
        };
        let words = begin.iter().chain(rest);
        words.map(|word| (*word).to_owned()).collect()
    };
    let tool = |(name, rest)| Tool {
        name,
        argv: argv(name, rest),
        sender: Vec::new(),
        own: Vec::new(),
        lost: 0,
    };
    all.map(tool).into()
}

/// CPU nanoseconds of the sender for each datagram; its work in softirq is the receiver's.
fn send(ns: &Netns, count: u64, size: usize) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a mean of millions")]
    ns.run(|| {
        let sockets = [PORT, RARE].map(|port| -> Result<UdpSocket> {
            let socket = UdpSocket::bind("10.9.0.1:0")?;
            socket.connect(("10.9.0.2", port))?;
            Ok(socket)
        });
        let [often, rarely] = sockets;
        let (often, rarely) = (often?, rarely?);
        let payload = vec![b'x'; size];
        let before = thread_cpu_ns()?;
        for number in 0..count {
            let socket = if number % 1000 == 0 { &rarely } else { &often };
            socket.send(&payload).context("send")?;
        }
        Ok((thread_cpu_ns()? - before) as f64 / count as f64)
    })
}

#[expect(clippy::cast_precision_loss, reason = "a mean of millions")]
fn one(ns: &Netns, tool: &mut Tool, count: u64, size: usize) -> Result<()> {
    let running = Running::start(ns, &tool.argv, Stdio::null())?;
    running.listens().with_context(|| tool.name.to_owned())?;
    until_idle(|| cpu_ns(running.pid()))?;
    let before = cpu_ns(running.pid())?;
    let sender = send(ns, count, size)?;
    // What waits in the ring is its work too.
    until_idle(|| cpu_ns(running.pid()))?;
    let own = cpu_ns(running.pid())? - before;
    let figures = running.end().with_context(|| tool.name.to_owned())?;
    tool.lost += figures.lost;
    tool.sender.push(sender);
    tool.own.push(own as f64 / count as f64);
    Ok(())
}
