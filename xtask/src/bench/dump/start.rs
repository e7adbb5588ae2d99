//! Time from exec to the first packet shown, with a datagram sent every millisecond.
use std::io::Write;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use netobs_tests::netns::Netns;

use super::running::Running;
use super::{PORT, Pair};
use crate::bench::clock::{Deadline, mono_ns};
use crate::bench::lines::Lines;
use crate::bench::startup::millis;
use crate::bench::stats::median;

pub fn run(netobs: &str, pair: &Pair, rounds: usize) -> Result<()> {
    let tools: [(&str, &[&str]); 4] = [
        ("bpf", &[netobs, "dump", "--engine", "bpf", "-n"]),
        ("packet", &[netobs, "dump", "--engine", "packet", "-n"]),
        (
            "tcpdump --immediate-mode -l",
            &["tcpdump", "--immediate-mode", "-l", "-n"],
        ),
        ("tcpdump -l", &["tcpdump", "-l", "-n"]),
    ];
    let stop = AtomicBool::new(false);
    let times = thread::scope(|scope| {
        let sender = scope.spawn(|| pair.a.run(|| tick(&stop)));
        let mut times = tools.map(|_| Vec::new());
        let mut all = || -> Result<()> {
            for _ in 0..rounds {
                for ((_, argv), times) in tools.iter().zip(&mut times) {
                    times.push(once(&pair.a, argv)?);
                }
            }
            Ok(())
        };
        let outcome = all();
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join();
        sent.map_err(|_| anyhow!("the sender ended in a panic"))??;
        outcome.map(|()| times)
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<34} {:>8}", "exec to the first line", "ms")?;
    for ((name, _), times) in tools.iter().zip(times) {
        writeln!(out, "{name:<34} {:>8.1}", median(&times))?;
    }
    Ok(())
}

fn once(ns: &Netns, argv: &[&str]) -> Result<f64> {
    let argv = [argv, &["-i", "v0", "udp"]].concat();
    let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
    let (mut lines, stdout) = Lines::pipe()?;
    let start = mono_ns();
    let running = Running::start(ns, &argv, stdout)?;
    let wanted = |line: &str| line.contains("10.9.0.2.9");
    let found = lines.find(Deadline::after(Duration::from_secs(10)), wanted)?;
    drop(running);
    let (at, _) = found.with_context(|| format!("{argv:?}: no packet within ten seconds"))?;
    Ok(millis(at - start))
}

fn tick(stop: &AtomicBool) -> Result<()> {
    let socket = UdpSocket::bind("10.9.0.1:0")?;
    while !stop.load(Ordering::Relaxed) {
        socket.send_to(b"x", ("10.9.0.2", PORT))?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
