//! `netobs show stats`, `limits`, `resolver`: what /proc and /etc tell.

use super::{
    Failure, Status,
    output::{Output, refused},
};
use crate::{
    clock,
    host::{
        counters,
        limits::{self, Machine},
        processes,
        resolver::{self, Whose},
        sockets::Sockets,
        verdict::verdict,
    },
    netlink::{
        conntrack,
        links::LinkNames,
        neighbours,
        socket::{ROUTE, Socket},
    },
    sinks::stream::tell,
    socket::{Flow, States, Table, Tables, Want},
    sockets::{Kernel, Source as _},
    views::table::escape,
};
use clap::Args;
use std::time::Duration;

/// Longer than anybody waits for one answer.
const LONGEST: f64 = 86_400.0;

#[derive(Args)]
pub struct Stats {
    /// Also counters that are zero, or did not grow
    #[arg(long)]
    all: bool,

    /// What grew within so many seconds, and how fast
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<f64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let parsed = text.trim_end_matches('s').parse::<f64>().ok();
    parsed
        .filter(|s| *s > 0.0 && *s <= LONGEST)
        .ok_or_else(|| format!("'{text}' is no number of seconds between 0 and {LONGEST}"))
}

pub fn stats(args: &Stats, output: &mut Output) -> Result<Status, Failure> {
    let mut found = counters::read()?;
    if let Some(seconds) = args.interval {
        let start = clock::instant();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        let now = counters::read()?;
        found = counters::since(&found, now, start.elapsed());
    }
    output.rows(&counters::arrange(found, args.all))?;
    Ok(Status::Done)
}

/// `netns`: limits of the processes inside only, when a namespace was asked for.
pub fn limits(
    netns: Option<u32>,
    machine: &Machine,
    output: &mut Output,
) -> Result<Status, Failure> {
    let mut sockets = Sockets::new();
    let want = Want {
        tables: Tables::one(Table::Tcp),
        ipv4: true,
        ipv6: true,
        states: States(u32::MAX),
        ..Want::default()
    };
    let told = Kernel::open(None, true).and_then(|mut kernel| {
        kernel.read(&want, &mut |row| {
            sockets.take(row);
            Flow::More
        })
    });
    told.map_err(|error| Failure::new(Status::Other, format!("list the TCP sockets: {error}")))?;
    let found = processes::open_files(netns);
    let fill = match conntrack::fill() {
        Ok(fill) => Some(fill),
        Err(error) => {
            tell(&format!("netobs: conntrack not seen: {error}"));
            None
        }
    };
    let mut limits = limits::gather(machine, &sockets, &found, fill.as_ref());
    limits.extend(limits::neighbours(machine, neighbours_used()?));
    let verdict = verdict(&limits);
    if output.json {
        output.row(&verdict)?;
    } else {
        // One clause a line.
        output.say(&format!(
            "{}\n\n",
            escape(&verdict.text).replace("; ", "\n  ")
        ))?;
    }
    output.rows(&limits)?;
    if found.refused > 0 {
        tell(&format!(
            "netobs: open files of {} processes of other users not seen; need CAP_SYS_PTRACE: run as root",
            found.refused
        ));
    }
    Ok(Status::Done)
}

/// Neighbours of the namespace that count against the limit: those set by hand do not.
fn neighbours_used() -> Result<[u64; 2], Failure> {
    let mut socket = Socket::open(ROUTE).map_err(refused)?;
    let rows = neighbours::all(&mut socket, &LinkNames::new())
        .map_err(refused)?
        .rows;
    let count = |family: &str| {
        let counted = rows
            .iter()
            .filter(|n| n.family == family && n.state != "PERMANENT");
        u64::try_from(counted.count()).unwrap_or(u64::MAX)
    };
    Ok(["ipv4", "ipv6"].map(count))
}

pub fn resolver(whose: &Whose, output: &mut Output) -> Result<Status, Failure> {
    output.rows(&resolver::read(whose))?;
    Ok(Status::Done)
}
