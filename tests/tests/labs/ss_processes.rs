//! `netobs ss -p`: every process that holds a socket, also after fork and after a descriptor was passed on.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::tables::same;
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::{machine, sys, wait};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[test]
fn processes_are_those_of_ss() -> Result<()> {
    let ns = Netns::new("holders")?;
    let mut processes = Vec::new();
    for place in 0..10 {
        let mut process = Process::spawn(&ns, &format!("holder {place}"), |link| {
            let listener = tcp::listen(any(), 8)?;
            let copy = listener.try_clone()?;
            let client = tcp::Dial::to(listener.local_addr()?).connect()?;
            link.say(0)?;
            link.hear()?;
            drop((copy, client));
            Ok(())
        })?;
        process.hear()?;
        processes.push(process);
    }
    for args in [&["-tanpH"][..], &["-lntpH"], &["-tanpeH"]] {
        let rows = same(&ns, args)?;
        ensure!(rows >= 10, "{args:?} shows {rows} rows");
    }
    Ok(())
}

/// pids that netobs names for the listener on `port`.
fn pids(ns: &Netns, port: u16) -> Result<Vec<u64>> {
    let filter = format!("sport = :{port}");
    let text = binary::run_within(ns, &["ss", "-lntp", "--json", &filter])?;
    let row: serde_json::Value = serde_json::from_str(text.trim()).context(text.clone())?;
    let mut pids = match row["pids"].as_array() {
        Some(pids) => pids.iter().filter_map(serde_json::Value::as_u64).collect(),
        None => vec![row["pid"].as_u64().context("no pid")?],
    };
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// Both the process that made the socket and its child hold it; then only the child.
#[test]
fn after_fork() -> Result<()> {
    let ns = Netns::new("fork")?;
    let mut parent = Process::spawn(&ns, "parent", |link| {
        let listener = tcp::listen(any(), 8)?;
        let child = sys::fork_copy(sys::pause)?;
        link.say(listener.local_addr()?.port().into())?;
        link.say(u64::from(child.unsigned_abs()))?;
        link.hear()?;
        drop(listener);
        link.say(0)?;
        let heard = link.hear();
        sys::kill(child, libc::SIGKILL)?;
        heard.map(drop)
    })?;
    let port = u16::try_from(parent.hear()?)?;
    let child = parent.hear()?;
    let mut want = vec![u64::from(parent.pid()), child];
    want.sort_unstable();
    ensure!(
        pids(&ns, port)? == want,
        "after fork: {:?}",
        pids(&ns, port)?
    );
    parent.say(0)?;
    parent.hear()?;
    ensure!(
        pids(&ns, port)? == [child],
        "the child alone: {:?}",
        pids(&ns, port)?
    );
    parent.say(0)?;
    parent.join()
}

/// Children come and go with copies of all descriptors, under lower pids, so that the walk meets them first: their parent is
/// told all the same.
#[test]
fn beside_children_that_close() -> Result<()> {
    let held_sockets = machine::times(1500);
    let ns = Netns::new("closing")?;
    sys::raise_file_limit()?;
    let mut holder = Process::spawn(&ns, "holder", |link| {
        let listener = tcp::listen(any(), 64)?;
        let mut held = Vec::new();
        for _ in 0..held_sockets {
            held.push(tcp::Dial::to(listener.local_addr()?).connect()?);
            held.push(listener.accept()?.0);
        }
        link.say(0)?;
        loop {
            // Where the kernel lets nobody choose, pids come as they come.
            fs::write("/proc/sys/kernel/ns_last_pid", "400").unwrap_or_default();
            let child = sys::fork_copy(sys::close_descriptors)?;
            wait::until("a child to end", || Ok(sys::try_wait(child)?))?;
        }
    })?;
    holder.hear()?;
    let own = format!("pid={},", holder.pid());
    for _ in 0..machine::times(20) {
        let text = binary::run_within(&ns, &["ss", "-tnpH", "--engine", "bpf"])?;
        let rows = text.lines().count();
        ensure!(rows == 2 * held_sockets, "{rows} rows");
        let others: Vec<&str> = text.lines().filter(|line| !line.contains(&own)).collect();
        ensure!(
            others.is_empty(),
            "{} rows without their process {own} such as {}",
            others.len(),
            others[0]
        );
    }
    Ok(())
}

/// A descriptor passed over a UNIX socket belongs to whom it was passed.
#[test]
fn after_passing() -> Result<()> {
    let ns = Netns::new("pass")?;
    let mut taker = Process::spawn(&ns, "taker", |link| {
        let socket = link.take()?;
        link.say(0)?;
        let heard = link.hear();
        drop(socket);
        heard.map(drop)
    })?;
    let listener = ns.run(|| Ok(tcp::listen(any(), 8)?))?;
    let port = listener.local_addr()?.port();
    taker.pass(&listener)?;
    taker.hear()?;
    drop(listener);
    wait::until("the taker alone to hold the socket", || {
        Ok((pids(&ns, port)? == [u64::from(taker.pid())]).then_some(()))
    })
}
