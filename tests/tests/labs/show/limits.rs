//! What runs out first: files, ports, queues, entries, against ss, /proc and what the lab itself holds.

use std::fs::File;

use anyhow::{Context, Result, ensure};
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::process::Process;
use netobs_tests::traffic::tcp;
use netobs_tests::wait;
use serde_json::Value;

use super::{of, show};
use crate::support::at;

fn find<'a>(limits: &'a [Value], limit: &str, of: &str) -> Result<&'a Value> {
    let found = limits
        .iter()
        .find(|l| l["limit"] == limit && l["of"].as_str().is_some_and(|who| who.contains(of)));
    found.with_context(|| format!("no {limit} of {of}: {limits:#?}"))
}

#[test]
fn ports_and_queues() -> Result<()> {
    const CONNECTIONS: usize = 30;
    let lab = Pair::new()?;
    lab.a
        .sysctl("net/ipv4/ip_local_port_range", "40000 40099")?;
    lab.a
        .sysctl("net/ipv4/ip_local_reserved_ports", "40090-40099,50000")?;
    let _server = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 9090), 40)?))?;
    let clients: Vec<_> = lab.a.run(|| {
        (0..CONNECTIONS)
            .map(|_| Ok(tcp::Dial::to(at(Pair::B4, 9090)).connect()?))
            .collect::<Result<Vec<_>>>()
    })?;
    let limits = of(&show(&lab.a, &["limits"])?, "limit");
    let ports = find(
        &limits,
        "ephemeral ports",
        &format!("{A4} -> {}:9090", Pair::B4),
    )?;
    ensure!(
        ports["used"] == CONNECTIONS && ports["max"] == 90 && ports["free"] == 60,
        "{ports}"
    );
    // Nobody accepts: all wait in the listener's queue.
    let limits = wait::until("all connections to wait", || {
        let limits = of(&show(&lab.b, &["limits"])?, "limit");
        Ok((find(&limits, "listen backlog", ":9090")?["used"] == CONNECTIONS).then_some(limits))
    })?;
    let backlog = find(&limits, "listen backlog", ":9090")?;
    ensure!(backlog["max"] == 40 && backlog["free"] == 10, "{backlog}");
    drop(clients);
    Ok(())
}

#[test]
fn a_verdict_comes_first() -> Result<()> {
    let lab = Pair::new()?;
    let rows = show(&lab.a, &["limits"])?;
    let verdict = &rows[0];
    ensure!(
        verdict["show"] == "limits-verdict" && verdict["more_connections"].as_u64() > Some(0),
        "{verdict}"
    );
    let machine = find(&rows, "open files", "machine")?;
    let file_max = std::fs::read_to_string("/proc/sys/fs/file-max")?;
    ensure!(
        super::text(&machine["max"]) == file_max.trim(),
        "{machine}, file-max {file_max}"
    );
    for limit in [
        "syn backlog",
        "somaxconn",
        "tcp memory (pages)",
        "threads",
        "conntrack",
    ] {
        ensure!(rows.iter().any(|l| l["limit"] == limit), "no {limit}");
    }
    Ok(())
}

/// A process that has used most of its files is the one to be named.
#[test]
fn the_fullest_process() -> Result<()> {
    let lab = Pair::new()?;
    let mut holder = Process::spawn(&lab.a, "holder", |link| {
        let files: Vec<File> = (0..50)
            .map(|_| File::open("/dev/null"))
            .collect::<std::io::Result<_>>()?;
        link.say(1)?;
        link.hear()?;
        drop(files);
        Ok(())
    })?;
    holder.hear()?;
    let limits = of(&show(&lab.a, &["limits"])?, "limit");
    let files = find(&limits, "open files", "holder[")?;
    let open = std::fs::read_dir(format!("/proc/{}/fd", holder.pid()))?.count();
    ensure!(files["used"] == open && open > 50, "{files}, /proc: {open}");
    ensure!(files["max"].as_u64() > files["used"].as_u64(), "{files}");
    holder.kill()
}
