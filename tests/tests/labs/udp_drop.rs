//! `udp-drop`: one event for each datagram that `RcvbufErrors` counts, with the owner of the full socket.

use std::net::{IpAddr, UdpSocket};

use anyhow::{Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Process, udp};
use netobs_tests::truth::Meter;
use serde_json::{Value, json};

use crate::support::{at, can_show};

const COUNT: u64 = 2000;

/// A process floods nobody, it only does not read: `COUNT` datagrams against the smallest buffer.
fn overflows(counter: &str, local: IpAddr, target: IpAddr, family: &str) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["udp-drop"])?.within(&[&lab.b]).start()?;
    let meter = Meter::start(&[&lab.b])?;
    let mut sleeper = Process::spawn(&lab.b, "lab-sleeper", |link| {
        let socket = UdpSocket::bind(at(target, 0))?;
        let rcvbuf = udp::limit_receive_buffer(&socket, 1)?;
        link.say(socket.local_addr()?.port().into())?;
        link.say(u64::try_from(rcvbuf)?)?;
        link.hear()?;
        link.say(udp::empty(&socket)?)?;
        // Whose the socket is gets looked up when the first event arrives: it has to be there then.
        link.hear().map(drop)
    })?;
    let (port, rcvbuf) = (u16::try_from(sleeper.hear()?)?, sleeper.hear()?);
    udp::flood(
        &udp::bind(&lab.a, at(local, 0))?,
        at(target, port),
        COUNT,
        200,
    )?;
    let pid = sleeper.pid();
    sleeper.say(0)?;
    let taken = sleeper.hear()?;
    let refused = meter.delta(counter)?;
    ensure!(
        taken + refused == COUNT,
        "{taken} taken + {refused} refused of {COUNT}"
    );
    ensure!(
        refused > COUNT / 2,
        "the buffer held too much: {refused} refused"
    );

    let event = json!({
        "event": "udp-drop", "pid": pid, "comm": "lab-sleeper", "uid": 0, "netns": lab.b.inode(), "family": family, "proto": "udp",
        "laddr": target, "lport": port, "rcvbuf": rcvbuf, "errno": "ENOMEM",
    });
    watch.expect_count(refused, &event)?;
    let record = watch.stop()?;
    record.exactly(refused, &event)?;
    let most = record
        .matching(&event)
        .filter_map(|e| e["drops"].as_u64())
        .max();
    // The tracepoint may stand before or after the kernel's own addition.
    ensure!(
        most.is_some_and(|most| most.abs_diff(refused) <= 1),
        "drops so far end at {most:?}, refused {refused}"
    );
    let queued = record
        .matching(&event)
        .all(|e| e["queued"].as_u64() > Some(0));
    ensure!(queued, "a full queue holds nothing\n{}", record.tail());
    Ok(())
}

#[test]
fn of_a_sleeping_reader() -> Result<()> {
    overflows("UdpRcvbufErrors", A4, Pair::B4, "ipv4")
}

#[test]
fn of_a_sleeping_reader_ipv6() -> Result<()> {
    if can_show("udp-drop", &["ipv6", "udpv6"])? {
        overflows("Udp6RcvbufErrors", A6, Pair::B6, "ipv6")?;
    }
    Ok(())
}

#[test]
fn none_while_there_is_room() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["udp-drop"])?.within(&[&lab.b]).start()?;
    let meter = Meter::start(&[&lab.b])?;
    let reader = udp::bind(&lab.b, at(Pair::B4, 0))?;
    let source = udp::bind(&lab.a, at(A4, 0))?;
    udp::flood(&source, reader.local_addr()?, 50, 100)?;
    let taken = udp::empty(&reader)?;
    ensure!(taken == 50, "{taken} datagrams arrived");
    // What does overflow comes last, and shows that the rest has been seen.
    udp::limit_receive_buffer(&reader, 1)?;
    udp::flood(&source, reader.local_addr()?, 100, 1000)?;
    let refused = meter.delta("UdpRcvbufErrors")?;
    ensure!(refused > 0, "nothing was refused");
    let event: Value = json!({"event": "udp-drop"});
    watch.expect_count(refused, &event)?;
    watch.stop()?.exactly(refused, &event)
}
