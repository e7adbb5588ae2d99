//! The part with connections that come and go: what a look costs then, and whether it is whole.
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use super::super::netns::Netns;
use super::super::options::SsOptions;
use super::hold::Holders;
use super::parts::{compare, contender};
use super::report::Part;

/// Both ends of each are sockets.
const HELD: usize = 12_500;
const LOOKS: usize = 10;

/// Connections made and reset, one after the other, until `end`.
fn churn(netns: &Netns, end: &AtomicBool, made: &AtomicUsize) -> Result<()> {
    netns.run(|| {
        let listener = TcpListener::bind(("127.3.0.1", 9000)).context("bind a listener")?;
        let address = listener.local_addr()?;
        // A reset leaves nothing that waits.
        let reset = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        while !end.load(Ordering::Relaxed) {
            let client = TcpStream::connect(address).context("connect")?;
            let server = listener.accept().context("accept")?;
            setsockopt(&client, sockopt::Linger, &reset)?;
            drop((client, server));
            made.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

pub fn part(name: &str, netobs: &str, options: &SsOptions) -> Result<Part> {
    let netns = Netns::new()?;
    let holders = Holders::start(&netns.path(), HELD)?;
    let (end, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let all = [
        contender("ss", "-tanp", None),
        contender(netobs, "ss -tanp", Some(0)),
        contender(netobs, "ss -tanp --engine netlink", Some(0)),
    ];
    let part = std::thread::scope(|scope| {
        let churning = scope.spawn(|| churn(&netns, &end, &made));
        let part = compare(name, &netns, options, &all).and_then(|mut part| {
            part.notes.push(looks(&netns, netobs, &made)?);
            Ok(part)
        });
        end.store(true, Ordering::Relaxed);
        let churned = churning.join();
        churned.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        part
    })?;
    drop(holders);
    Ok(part)
}

/// Looks again and again: no connection twice, and all that are held.
fn looks(netns: &Netns, netobs: &str, made: &AtomicUsize) -> Result<String> {
    let before = made.load(Ordering::Relaxed);
    for _ in 0..LOOKS {
        let mut command = Command::new(netobs);
        let output = netns.run(|| {
            command
                .args(["ss", "-tanpH"])
                .output()
                .context("run netobs")
        })?;
        let text = String::from_utf8(output.stdout).context("netobs writes UTF-8")?;
        let mut told: HashMap<(&str, &str), usize> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with("LISTEN")) {
            let mut words = line.split_whitespace().skip(3);
            let ends = words
                .next()
                .zip(words.next())
                .context("a line without ends")?;
            *told.entry(ends).or_default() += 1;
        }
        let twice = told.values().filter(|times| **times > 1).count();
        ensure!(twice == 0, "{twice} connections were told twice");
        let is_held = |end: &str| end.starts_with("127.1.0.") && end.ends_with(":9000");
        let held = told
            .keys()
            .filter(|(local, remote)| is_held(local) || is_held(remote));
        let held = held.count();
        ensure!(
            held == HELD * 2,
            "{held} of {} sockets that are held were told",
            HELD * 2
        );
    }
    let made = made.load(Ordering::Relaxed) - before;
    Ok(format!(
        "{LOOKS} looks while {made} connections came and went: none told twice, all {} held ones told",
        HELD * 2
    ))
}
