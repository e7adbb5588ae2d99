//! The parts of the bench: what is held open, and which commands look at it.
use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::super::netns::Netns;
use super::super::options::SsOptions;
use super::super::stats::summary;
use super::hold::{self, Holders};
use super::once::{Run, measure};
use super::report::{Part, Row};

pub struct Spec {
    pub name: &'static str,
    pub run: fn(&str, &str, &SsOptions) -> Result<Part>,
}

pub const ALL: [Spec; 6] = [
    Spec {
        name: "50000 sockets",
        run: |name, netobs, options| sockets(name, netobs, options, 25_000),
    },
    Spec {
        name: "50000 sockets, 5000 in TIME-WAIT",
        run: waiting,
    },
    Spec {
        name: "25000 sockets, churned",
        run: super::churn::part,
    },
    Spec {
        name: "1000 sockets",
        run: |name, netobs, options| sockets(name, netobs, options, 500),
    },
    Spec {
        name: "2000 processes of 50 files",
        run: processes,
    },
    Spec {
        name: "500 namespaces",
        run: namespaces,
    },
];

/// Files that each of the processes has open, beside its standard streams.
const FILES: usize = 47;
const PROCESSES: usize = 2_000;
const NAMESPACES: usize = 500;
const WAITING: usize = 5_000;

/// A command, and the one it is measured against.
pub struct Contender {
    argv: Vec<String>,
    against: Option<usize>,
}

pub fn contender(command: &str, flags: &str, against: Option<usize>) -> Contender {
    let words = std::iter::once(command).chain(flags.split(' '));
    Contender {
        argv: words.map(str::to_owned).collect(),
        against,
    }
}

fn sockets(name: &str, netobs: &str, options: &SsOptions, connections: usize) -> Result<Part> {
    let netns = Netns::new()?;
    let holders = Holders::start(&netns.path(), connections)?;
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let mut all = vec![
        contender(&own, "bench bare-ss", None),
        contender("ss", "-tan", Some(0)),
        contender(netobs, "ss -tan", Some(1)),
        contender(&own, "bench bare-ss --info", None),
        contender("ss", "-tani", Some(3)),
        contender(netobs, "ss -tani", Some(4)),
        contender("ss", "-tanp", None),
        contender(netobs, "ss -tanp", Some(6)),
        contender(netobs, "ss -tanp --engine netlink", Some(6)),
    ];
    if connections < 1_000 {
        all.push(contender("ss", "-lnt", None));
        all.push(contender(netobs, "ss -lnt", Some(9)));
    }
    let part = compare(name, &netns, options, &all)?;
    // Connections of a closed namespace end by themselves.
    drop(holders);
    Ok(part)
}

/// Entries that wait beside connections that processes hold.
fn waiting(name: &str, netobs: &str, options: &SsOptions) -> Result<Part> {
    let netns = Netns::new()?;
    let holders = Holders::start(&netns.path(), 25_000)?;
    netns.run(|| hold::wait(WAITING))?;
    let all = [
        contender("ss", "-tan", None),
        contender(netobs, "ss -tan", Some(0)),
        contender("ss", "-tanp", None),
        contender(netobs, "ss -tanp", Some(2)),
    ];
    let part = compare(name, &netns, options, &all)?;
    let left = netns.run(hold::waiting)?;
    ensure!(
        left >= WAITING,
        "only {left} entries are left in TIME-WAIT, which lasts a minute: ask for fewer --rounds"
    );
    drop(holders);
    Ok(part)
}

/// Sleeping processes with open files; ended when dropped.
struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start(&mut self, count: usize) -> Result<()> {
        // Without close-on-exec: every child inherits them all.
        let flags = OFlag::O_RDONLY;
        let files: Vec<OwnedFd> = (0..FILES)
            .map(|_| open("/dev/null", flags, Mode::empty()).context("open /dev/null"))
            .collect::<Result<_>>()?;
        for _ in 0..count {
            self.add()?;
        }
        drop(files);
        Ok(())
    }

    fn add(&mut self) -> Result<()> {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start sleep")?;
        self.0.push(child);
        Ok(())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Ended already is what we want.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn processes(name: &str, netobs: &str, options: &SsOptions) -> Result<Part> {
    let netns = Netns::new()?;
    let holders = Holders::start(&netns.path(), 20)?;
    let mut sleepers = Sleepers(Vec::new());
    sleepers.start(PROCESSES)?;
    let first = sleepers.0.first().context("no process was started")?;
    let open = fs::read_dir(format!("/proc/{}/fd", first.id()))?.count();
    ensure!(
        open >= FILES,
        "a process has {open} files open instead of 50"
    );
    let all = [
        contender("ss", "-tanp", None),
        contender(netobs, "ss -tanp", Some(0)),
        contender(netobs, "ss -tanp --engine netlink", Some(0)),
    ];
    let part = compare(name, &netns, options, &all)?;
    drop((sleepers, holders));
    Ok(part)
}

fn namespaces(name: &str, netobs: &str, options: &SsOptions) -> Result<Part> {
    let mut spaces = Vec::new();
    let mut sleepers = Sleepers(Vec::new());
    for _ in 0..NAMESPACES {
        let netns = Netns::new()?;
        netns.run(|| sleepers.add())?;
        spaces.push(netns);
    }
    let here = Netns::new()?;
    let all = [
        contender(netobs, "ss -N -tan", None),
        contender(netobs, "ss -N -tanp", None),
        contender(netobs, "ss -N -a", None),
    ];
    let part = compare(name, &here, options, &all)?;
    drop((sleepers, spaces));
    Ok(part)
}

/// Runs all in turn, round by round.
pub fn compare(name: &str, netns: &Netns, options: &SsOptions, all: &[Contender]) -> Result<Part> {
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); all.len()];
    for _ in 0..options.rounds {
        for (contender, runs) in all.iter().zip(&mut runs) {
            runs.push(netns.run(|| measure(&contender.argv))?);
        }
    }
    let cpu = |runs: &[Run]| summary(&runs.iter().map(|run| run.cpu_ms).collect::<Vec<_>>());
    let rows = all.iter().zip(&runs).map(|(contender, own)| {
        let peer = contender.against.map(|place| &all[place].argv);
        let against = contender.against.map(|place| cpu(&runs[place]).median);
        Row {
            command: shown(&contender.argv),
            cpu_ms: cpu(own),
            wall_ms: summary(&own.iter().map(|run| run.wall_ms).collect::<Vec<_>>()),
            rss_kib: own.iter().map(|run| run.rss_kib).max().unwrap_or(0),
            rss_floor_kib: own.iter().map(|run| run.floor_kib).max().unwrap_or(0),
            bytes: own.first().map_or(0, |run| run.bytes),
            against: peer.map(|argv| shown(argv)),
            ratio: against.map(|other| cpu(own).median / other),
        }
    });
    Ok(Part {
        name: name.to_owned(),
        rows: rows.collect(),
        notes: Vec::new(),
    })
}

/// Without the path of the program.
fn shown(argv: &[String]) -> String {
    let program = argv[0].rsplit('/').next().unwrap_or_default();
    let rest = &argv[1..];
    match program {
        "xtask" => format!("(bare) {}", rest[1..].join(" ")),
        _ => format!("{program} {}", rest.join(" ")),
    }
}
