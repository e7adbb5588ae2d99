//! `accept`: the listener's owner is named, whoever runs when the handshake ends.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::Watch;
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::{Process, tcp};
use serde_json::json;

use crate::support::{at, socket_event, with};

/// A process that shares `port` and says each client's port as it accepts it; 0 starts it.
fn sharer(ns: &Netns, comm: &str, port: u16) -> Result<(Process, u16)> {
    let mut process = Process::spawn(ns, comm, |link| {
        let listener = tcp::listen_shared(at(Pair::B4, port), 64)?;
        link.say(listener.local_addr()?.port().into())?;
        loop {
            let (_stream, peer) = listener.accept()?;
            link.say(peer.port().into())?;
        }
    })?;
    let port = u16::try_from(process.hear()?)?;
    Ok((process, port))
}

#[test]
fn two_processes_on_one_port() -> Result<()> {
    const MANY: u64 = 60;
    let lab = Pair::new()?;
    let watch = Watch::json(&["accept"])?.within(&[&lab.b]).start()?;
    let (one, port) = sharer(&lab.b, "lab-one", 0)?;
    let (two, _) = sharer(&lab.b, "lab-two", port)?;
    let clients = lab.a.run(|| {
        (0..MANY)
            .map(|_| Ok(tcp::Dial::to(at(Pair::B4, port)).connect()?))
            .collect::<Result<Vec<_>>>()
    })?;
    watch.expect_count(MANY, &json!({"event": "accept", "lport": port}))?;
    let record = watch.stop()?;

    let mut told = BTreeMap::new();
    for event in record.matching(&json!({"event": "accept", "lport": port})) {
        told.insert(
            event["rport"].as_u64().unwrap_or_default(),
            event["pid"].as_u64().unwrap_or_default(),
        );
    }
    ensure!(
        told.len() as u64 == MANY,
        "{} connections told instead of {MANY}\n{}",
        told.len(),
        record.tail()
    );
    // Each process itself says which connections were its own.
    let mut owners = 0;
    for mut process in [one, two] {
        let ours: Vec<_> = told
            .iter()
            .filter(|(_, pid)| **pid == u64::from(process.pid()))
            .collect();
        owners += ours.len();
        for _ in 0..ours.len() {
            let rport = process.hear()?;
            ensure!(
                told.get(&rport) == Some(&u64::from(process.pid())),
                "{rport} was accepted by {}, told: {told:?}",
                process.pid()
            );
        }
        ensure!(
            !ours.is_empty(),
            "the kernel gave all {MANY} connections to one process"
        );
    }
    ensure!(
        owners as u64 == MANY,
        "some accepts name neither process: {told:?}"
    );
    drop(clients);
    Ok(())
}

/// The event is the entry into the accept queue: it does not wait for accept(2).
#[test]
fn before_anybody_calls_accept() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["accept"])?.within(&[&lab.b]).start()?;
    let mut server = Process::spawn(&lab.b, "lab-idle", |link| {
        let listener = tcp::listen(at(Pair::B4, 0), 16)?;
        link.say(listener.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(server.hear()?)?;
    let client = lab
        .a
        .run(|| Ok(tcp::Dial::to(at(Pair::B4, port)).connect()?))?;
    let lport = client.local_addr()?.port();
    let accept = socket_event("accept", (Pair::B4, port), (A4, lport));
    watch.expect(&with(
        accept,
        &json!({"pid": server.pid(), "comm": "lab-idle", "netns": lab.b.inode()}),
    ))?;
    watch.stop()?.exactly(1, &json!({"event": "accept"}))
}
