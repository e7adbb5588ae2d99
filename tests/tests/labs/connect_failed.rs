//! `connect-failed`: each way not to be connected, once, with its errno and whose it was.

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::{Observer, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{Pair, v4, v6};
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::{truth, wait};
use serde_json::{Value, json};

use crate::support::{at, is_null, positive, with};

/// A port on which nobody listens: the namespace is ours.
pub const CLOSED: u16 = 9;

/// A process in `ns` fails to connect to `to` with `errno`; exactly one event says so.
fn fails(ns: &Netns, to: (IpAddr, u16), errno: (i32, &str), more: &Value) -> Result<Value> {
    let watch = Watch::json(&["connect-failed"])?.within(&[ns]).start()?;
    let client = Process::spawn(ns, "lab-client", |_| {
        let error = tcp::Dial::to(at(to.0, to.1))
            .syn_count(1)
            .connect()
            .err()
            .and_then(|e| e.raw_os_error());
        ensure!(
            error == Some(errno.0),
            "connect gave {error:?}, wanted {}",
            errno.1
        );
        Ok(())
    })?;
    let expected = json!({
        "event": "connect-failed", "pid": client.pid(), "comm": "lab-client", "uid": 0, "netns": ns.inode(), "proto": "tcp",
        "raddr": to.0, "rport": to.1, "errno": errno.1,
    });
    client.join()?;
    let event = watch.expect(&with(expected, more))?;
    told(watch, 1)?;
    Ok(event)
}

/// A client ended its handshake with the closed port: no errno, the reason in words, and nothing else is told.
pub fn given_up(watch: Observer, pid: u32, comm: &str) -> Result<()> {
    let event = watch.expect(&json!({
        "event": "connect-failed", "pid": pid, "comm": comm, "raddr": Pair::B4, "rport": CLOSED,
        "reason": "closed before established", "via": "state",
    }))?;
    is_null(&event, "errno")?;
    told(watch, 1)
}

/// So many connections failed, and no more.
pub fn told(watch: Observer, failed: u64) -> Result<()> {
    let record = watch.stop()?;
    record.exactly(failed, &json!({"event": "connect-failed"}))
}

const REFUSED: (i32, &str) = (libc::ECONNREFUSED, "ECONNREFUSED");
const TIMED_OUT: (i32, &str) = (libc::ETIMEDOUT, "ETIMEDOUT");
const NO_NETWORK: (i32, &str) = (libc::ENETUNREACH, "ENETUNREACH");

#[test]
fn refused_by_a_closed_port() -> Result<()> {
    let lab = Pair::new()?;
    let event = fails(
        &lab.a,
        (Pair::B4, CLOSED),
        REFUSED,
        &json!({"reason": "refused", "via": "state", "family": "ipv4"}),
    )?;
    positive(&event, "lport").map(drop)
}

#[test]
fn refused_over_ipv6() -> Result<()> {
    let lab = Pair::new()?;
    fails(
        &lab.a,
        (Pair::B6, CLOSED),
        REFUSED,
        &json!({"reason": "refused", "via": "state", "family": "ipv6"}),
    )
    .map(drop)
}

#[test]
fn refused_v4_mapped() -> Result<()> {
    let lab = Pair::new()?;
    let to = tcp::mapped(at(Pair::B4, CLOSED)).ip();
    fails(
        &lab.a,
        (to, CLOSED),
        REFUSED,
        &json!({"reason": "refused", "family": "ipv6"}),
    )
    .map(drop)
}

#[test]
fn timed_out_in_a_black_hole() -> Result<()> {
    let lab = Pair::new()?;
    let hole = Rule::add(&lab.b, Hook::Input, "tcp flags syn", "drop")?;
    let event = fails(
        &lab.a,
        (Pair::B4, CLOSED),
        TIMED_OUT,
        &json!({"reason": "timed out", "via": "state"}),
    )?;
    // How many retries TCP_SYNCNT means depends on the kernel.
    let sent = hole.packets()?;
    ensure!(sent >= 2, "{sent} SYN met the black hole");
    ensure!(
        positive(&event, "latency_us")? > 1_000_000,
        "a timeout takes seconds: {event}"
    );
    Ok(())
}

#[test]
fn no_route() -> Result<()> {
    let lab = Pair::new()?;
    let event = fails(
        &lab.a,
        (v4(200, 1), 80),
        NO_NETWORK,
        &json!({"reason": "no route", "via": "syscall"}),
    )?;
    ensure!(event["family"] == "ipv4", "{event}");
    fails(
        &lab.a,
        (v6(200, 1), 80),
        NO_NETWORK,
        &json!({"reason": "no route", "via": "syscall", "family": "ipv6"}),
    )
    .map(drop)
}

#[test]
fn prohibited_route() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip("route add prohibit 10.77.201.0/24\n")?;
    fails(
        &lab.a,
        (v4(201, 1), 80),
        (libc::EACCES, "EACCES"),
        &json!({"via": "syscall"}),
    )
    .map(drop)
}

#[test]
fn host_that_answers_no_arp() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.sysctl("net/ipv4/neigh/eth0/retrans_time_ms", "100")?;
    fails(
        &lab.a,
        (v4(1, 99), 80),
        (libc::EHOSTUNREACH, "EHOSTUNREACH"),
        &json!({"via": "state"}),
    )
    .map(drop)
}

/// Two local ports in all, both taken towards one target: the third connect finds none, and is told once.
#[test]
fn ephemeral_ports_used_up() -> Result<()> {
    let lab = Pair::new()?;
    lab.a
        .sysctl("net/ipv4/ip_local_port_range", "40000 40001")?;
    let listener = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 16)?))?;
    let to = listener.local_addr()?;
    let held = lab.a.run(|| {
        let both = [tcp::Dial::to(to).connect()?, tcp::Dial::to(to).connect()?];
        Ok(both)
    })?;
    fails(
        &lab.a,
        (to.ip(), to.port()),
        (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
        &json!({}),
    )?;
    drop(held);
    Ok(())
}

/// Killed in the middle of a handshake: no errno, the reason in words.
#[test]
fn killed_while_connecting() -> Result<()> {
    let lab = Pair::new()?;
    let hole = Rule::add(&lab.b, Hook::Input, "tcp flags syn", "drop")?;
    let watch = Watch::json(&["connect-failed"])?
        .within(&[&lab.a])
        .start()?;
    let client = Process::spawn(&lab.a, "lab-doomed", |_| {
        tcp::Dial::to(at(Pair::B4, CLOSED))
            .connect()
            .map(drop)
            .context("connect")
    })?;
    wait::until("a SYN in the black hole", || {
        Ok((hole.packets()? > 0).then_some(()))
    })?;
    let pid = client.pid();
    client.kill()?;
    given_up(watch, pid, "lab-doomed")
}

#[test]
fn non_blocking_refused() -> Result<()> {
    let lab = Pair::new()?;
    let meter = truth::Meter::start(&[&lab.b])?;
    let watch = Watch::json(&["connect-failed"])?
        .within(&[&lab.a])
        .start()?;
    let client = Process::spawn(&lab.a, "lab-nonblock", |_| {
        let refused = match tcp::Dial::to(at(Pair::B4, CLOSED)).start() {
            Ok(stream) => tcp::finish(&stream).is_err(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        };
        ensure!(refused, "connected to a closed port");
        Ok(())
    })?;
    let pid = client.pid();
    client.join()?;
    let resets = meter.delta("TcpOutRsts")?;
    ensure!(resets == 1, "{resets} resets instead of one");
    watch.expect(&json!({"event": "connect-failed", "pid": pid, "comm": "lab-nonblock", "errno": "ECONNREFUSED", "reason": "refused"}))?;
    told(watch, 1)
}
