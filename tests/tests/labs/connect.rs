//! `connect`: who connected to whom, and how long it took.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Process, tcp};
use serde_json::{Value, json};

use crate::support::{at, is_null, positive, socket_event, with};

fn mapped(ip: IpAddr) -> IpAddr {
    tcp::mapped(at(ip, 0)).ip()
}

/// One connection, and what each end of it should be called.
struct Case {
    to: IpAddr,
    client: (&'static str, IpAddr, IpAddr),
    server: (&'static str, IpAddr, IpAddr),
}

fn told(case: &Case) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect", "accept"])?
        .within(&lab.both())
        .start()?;
    let (mut server, port) = Process::server(&lab.b, "lab-server", tcp::any(), |_stream, link| {
        link.hear().map(drop)
    })?;
    let to = SocketAddr::new(case.to, port);
    let (mut client, lport) = Process::client(&lab.a, "lab-client", to, |_stream, link| {
        link.hear().map(drop)
    })?;

    let (family, laddr, raddr) = case.client;
    let connect = watch.expect(&with(socket_event("connect", (laddr, lport), (raddr, port)), &json!({
        "pid": client.pid(), "comm": "lab-client", "uid": 0, "netns": lab.a.inode(), "family": family, "proto": "tcp",
    })))?;
    positive(&connect, "latency_us")?;
    let (family, laddr, raddr) = case.server;
    let accept = watch.expect(&with(socket_event("accept", (laddr, port), (raddr, lport)), &json!({
        "pid": server.pid(), "comm": "lab-server", "uid": 0, "netns": lab.b.inode(), "family": family, "proto": "tcp",
    })))?;
    is_null(&accept, "latency_us")?;

    client.say(0)?;
    server.say(0)?;
    client.join()?;
    server.join()?;
    let record = watch.stop()?;
    record.exactly(1, &json!({"event": "connect"}))?;
    record.exactly(1, &json!({"event": "accept"}))
}

#[test]
fn ipv4_to_a_dual_stack_server() -> Result<()> {
    let b4 = Pair::B4;
    told(&Case {
        to: b4,
        client: ("ipv4", A4, b4),
        server: ("ipv6", mapped(b4), mapped(A4)),
    })
}

#[test]
fn ipv6() -> Result<()> {
    let b6 = Pair::B6;
    told(&Case {
        to: b6,
        client: ("ipv6", A6, b6),
        server: ("ipv6", b6, A6),
    })
}

#[test]
fn v4_mapped() -> Result<()> {
    let b4 = mapped(Pair::B4);
    told(&Case {
        to: b4,
        client: ("ipv6", mapped(A4), b4),
        server: ("ipv6", b4, mapped(A4)),
    })
}

/// The first SYN is lost: the answer to the second comes in a timer's softirq, on whatever process is running.
#[test]
fn non_blocking_established_in_softirq() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect"])?.within(&[&lab.a]).start()?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        "tcp flags & (syn | ack) == syn numgen inc mod 1000 0",
        "drop",
    )?;
    let (_server, port) =
        Process::server(&lab.b, "lab-server", at(Pair::B4, 0), |_stream, link| {
            link.hear().map(drop)
        })?;
    let to = at(Pair::B4, port);
    let client = Process::spawn(&lab.a, "lab-nonblock", |link| {
        let stream = tcp::Dial::to(to).start()?;
        tcp::finish(&stream)?;
        link.say(1)?;
        link.hear().map(drop)
    })?;
    let connect = watch.expect(&json!({
        "event": "connect", "pid": client.pid(), "comm": "lab-nonblock", "raddr": Pair::B4, "rport": port,
    }))?;
    let lost = rule.packets()?;
    ensure!(
        lost == 1,
        "the rule took {lost} SYNs instead of the first one"
    );
    let latency = positive(&connect, "latency_us")?;
    ensure!(
        latency > 900_000,
        "a second's wait for the SYN sent again is missing: {connect}"
    );
    Ok(())
}

#[test]
fn every_one_of_many() -> Result<()> {
    const MANY: u64 = 200;
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect", "accept"])?
        .within(&lab.both())
        .start()?;
    let listener = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 16)?))?;
    let to = listener.local_addr()?;
    lab.a.run(|| {
        for _ in 0..MANY {
            let client = tcp::Dial::to(to).connect()?;
            listener.accept()?;
            tcp::abort(client)?;
        }
        Ok(())
    })?;
    let of = |event: &str| -> Value { json!({"event": event, "pid": std::process::id()}) };
    watch.expect_count(MANY, &of("connect"))?;
    watch.expect_count(MANY, &of("accept"))?;
    let record = watch.stop()?;
    record.exactly(MANY, &of("connect"))?;
    record.exactly(MANY, &of("accept"))
}
