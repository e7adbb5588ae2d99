//! Connections that begin or fail in unusual ways: given up, beside many that wait, over MPTCP, with themselves.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::thread;

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, Pair, v4};
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::{sys, wait};
use serde_json::json;

use crate::connect_failed::{CLOSED, given_up, told};
use crate::support::{at, positive, socket_event, with};

/// The errno that `result` failed with, or 0.
fn errno<T>(result: io::Result<T>) -> i32 {
    result.err().and_then(|e| e.raw_os_error()).unwrap_or(0)
}

/// shutdown(2) in the middle of a handshake ends it without an errno.
#[test]
fn given_up_by_shutdown() -> Result<()> {
    let lab = Pair::new()?;
    let hole = Rule::add(&lab.b, Hook::Input, "tcp flags syn", "drop")?;
    let watch = Watch::json(&["connect-failed"])?
        .within(&[&lab.a])
        .start()?;
    let client = Process::spawn(&lab.a, "lab-giving-up", |_| {
        let stream = tcp::Dial::to(at(Pair::B4, CLOSED)).start()?;
        Ok(stream.shutdown(Shutdown::Both)?)
    })?;
    let pid = client.pid();
    client.join()?;
    ensure!(hole.packets()? > 0, "no SYN was sent");
    given_up(watch, pid, "lab-giving-up")
}

/// The socket of MPTCP fails with the connection below it: one failure.
#[test]
fn refused_over_mptcp_is_told_once() -> Result<()> {
    const IPPROTO_MPTCP: i32 = 262;
    if sys::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP).is_err() {
        return Ok(()); // A kernel without MPTCP.
    }
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect-failed"])?
        .within(&[&lab.a])
        .start()?;
    let client = Process::spawn(&lab.a, "lab-mptcp", |_| {
        let socket = sys::socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP)?;
        let error = errno(sys::connect(socket.as_fd(), at(Pair::B4, CLOSED)));
        ensure!(error == libc::ECONNREFUSED, "connect gave {error}");
        let error = errno(sys::connect(socket.as_fd(), at(v4(200, 1), 80)));
        ensure!(error == libc::ENETUNREACH, "connect gave {error}");
        Ok(())
    })?;
    let pid = client.pid();
    client.join()?;
    watch.expect(&json!({"event": "connect-failed", "pid": pid, "errno": "ECONNREFUSED", "raddr": Pair::B4, "rport": CLOSED}))?;
    watch.expect(&json!({"event": "connect-failed", "pid": pid, "errno": "ENETUNREACH", "raddr": v4(200, 1), "via": "syscall"}))?;
    told(watch, 2)
}

/// Whether to go there from an IPv6 socket, v4-mapped, and the port.
const NOWHERE: [(bool, u16); 2] = [(false, 80), (true, 81)];

/// An address that no route leads to.
fn nowhere(mapped: bool, port: u16) -> SocketAddr {
    let to = at(v4(200, 1), port);
    if mapped { tcp::mapped(to) } else { to }
}

/// More calls than a kernel keeps returns for wait in connect(2): what another call gets is told all the same.
#[test]
fn refused_beside_calls_that_wait() -> Result<()> {
    let lab = Pair::new()?;
    let many = 4 * thread::available_parallelism()?.get() + 10;
    let hole = Rule::add(&lab.b, Hook::Input, "tcp flags syn", "drop")?;
    let watch = Watch::json(&["connect-failed"])?
        .within(&[&lab.a])
        .start()?;
    thread::scope(|scope| {
        for _ in 0..many {
            scope.spawn(|| {
                lab.a
                    .run(|| Ok(errno(tcp::Dial::to(at(Pair::B4, CLOSED)).connect())))
            });
        }
        wait::until("all to wait", || {
            Ok((hole.packets()? >= many as u64).then_some(()))
        })?;
        let client = Process::spawn(&lab.a, "lab-client", |_| {
            for (to, port) in NOWHERE {
                for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
                    let to = nowhere(to, port);
                    let family = if to.is_ipv4() {
                        libc::AF_INET
                    } else {
                        libc::AF_INET6
                    };
                    let socket = sys::socket(family, kind, 0)?;
                    let error = errno(sys::connect(socket.as_fd(), to));
                    ensure!(error == libc::ENETUNREACH, "connect to {to} gave {error}");
                }
            }
            Ok(())
        })?;
        let pid = client.pid();
        client.join()?;
        let failed = json!({"event": "connect-failed", "pid": pid, "comm": "lab-client", "errno": "ENETUNREACH", "via": "syscall"});
        for (to, port) in NOWHERE {
            for proto in ["tcp", "udp"] {
                let one = json!({"raddr": nowhere(to, port).ip(), "rport": port, "proto": proto});
                watch.expect(&with(failed.clone(), &one))?;
            }
        }
        // The next SYN of each is answered with a reset.
        hole.remove()?;
        let record = watch.stop()?;
        record.exactly(4, &json!({"event": "connect-failed", "pid": pid}))
    })
}

/// A socket that connects to its own address: its SYN meets itself, and nobody accepts.
#[test]
fn with_itself_is_no_accept() -> Result<()> {
    const PORT: u16 = 7777;
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect", "accept"])?
        .within(&[&lab.a])
        .start()?;
    let client = Process::spawn(&lab.a, "lab-alone", |_| {
        let socket = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        sys::bind(socket.as_fd(), at(A4, PORT))?;
        sys::connect(socket.as_fd(), at(A4, PORT)).context("connect to itself")
    })?;
    let pid = client.pid();
    client.join()?;
    let event = watch.expect(&with(
        socket_event("connect", (A4, PORT), (A4, PORT)),
        &json!({"pid": pid, "comm": "lab-alone"}),
    ))?;
    positive(&event, "latency_us")?;
    let record = watch.stop()?;
    record.exactly(1, &json!({"event": "connect"}))?;
    record.exactly(0, &json!({"event": "accept"}))
}
