//! Sockets older than netobs: known from the first second, with their owner.

use std::net::UdpSocket;

use anyhow::{Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::{Process, tcp, udp};
use netobs_tests::truth::Meter;
use serde_json::json;

use crate::support::{at, is_null, socket_event, with};

#[test]
fn close_and_retransmit_name_the_owner() -> Result<()> {
    let lab = Pair::new()?;
    let (server, port) =
        Process::server(&lab.b, "old-server", at(Pair::B4, 0), |mut stream, _| {
            Ok(tcp::drain(&mut stream).map(drop)?)
        })?;
    let (mut client, lport) = Process::client(
        &lab.a,
        "old-client",
        at(Pair::B4, port),
        |mut stream, link| {
            tcp::send(&mut stream, 1000)?;
            link.hear()?;
            Ok(tcp::send(&mut stream, 1000)?)
        },
    )?;
    let watch = Watch::json(&["close", "retransmit"])?
        .within(&lab.both())
        .start()?;
    let meter = Meter::start(&[&lab.a])?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        &format!("tcp dport {port} numgen inc mod 1000 0"),
        "drop",
    )?;
    client.say(0)?;
    let pids = (client.pid(), server.pid());
    client.join()?;
    server.join()?;
    let lost = rule.packets()?;
    ensure!(lost == 1, "{lost} packets lost instead of one");
    ensure!(meter.delta("TcpRetransSegs")? > 0, "nothing was sent again");

    let client = json!({"pid": pids.0, "comm": "old-client", "netns": lab.a.inode(), "uid": 0});
    let (local, remote) = ((A4, lport), (Pair::B4, port));
    watch.expect(&with(socket_event("retransmit", local, remote), &client))?;
    let close = watch.expect(&with(
        socket_event("close", local, remote),
        &with(client, &json!({"tx_bytes": 2000})),
    ))?;
    is_null(&close, "duration_us")?;
    let server =
        json!({"pid": pids.1, "comm": "old-server", "netns": lab.b.inode(), "rx_bytes": 2000});
    let close = watch.expect(&with(socket_event("close", remote, local), &server))?;
    is_null(&close, "duration_us")
}

#[test]
fn accept_names_an_old_listener() -> Result<()> {
    let lab = Pair::new()?;
    let (server, port) =
        Process::server(&lab.b, "old-listener", at(Pair::B4, 0), |_stream, link| {
            link.hear().map(drop)
        })?;
    let watch = Watch::json(&["accept"])?.within(&[&lab.b]).start()?;
    let client = lab
        .a
        .run(|| Ok(tcp::Dial::to(at(Pair::B4, port)).connect()?))?;
    let accept = socket_event(
        "accept",
        (Pair::B4, port),
        (A4, client.local_addr()?.port()),
    );
    watch
        .expect(&with(
            accept,
            &json!({"pid": server.pid(), "comm": "old-listener"}),
        ))
        .map(drop)
}

#[test]
fn udp_drop_names_an_old_socket() -> Result<()> {
    let lab = Pair::new()?;
    let mut sleeper = Process::spawn(&lab.b, "old-udp", |link| {
        let socket = UdpSocket::bind(at(Pair::B4, 0))?;
        udp::limit_receive_buffer(&socket, 1)?;
        link.say(socket.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(sleeper.hear()?)?;
    let watch = Watch::json(&["udp-drop"])?.within(&[&lab.b]).start()?;
    let meter = Meter::start(&[&lab.b])?;
    let source = udp::bind(&lab.a, at(A4, 0))?;
    udp::flood(&source, at(Pair::B4, port), 50, 1000)?;
    let refused = meter.delta("UdpRcvbufErrors")?;
    ensure!(refused > 0, "nothing was refused");
    let expected =
        json!({"event": "udp-drop", "pid": sleeper.pid(), "comm": "old-udp", "lport": port});
    watch.expect_count(refused, &expected)?;
    watch.stop()?.exactly(refused, &expected)
}
