//! `close`: who ended it and how, how much went over it, and whose it was.

use std::net::TcpStream;

use anyhow::{Result, ensure};
use netobs_tests::netobs::{Record, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Link, Process, tcp};
use netobs_tests::truth::Meter;
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::{at, positive, socket_event, with};

const SENT: u64 = 300_000;
const ANSWERED: u64 = 1_234;

type Side = fn(TcpStream, &mut Link) -> Result<()>;

/// Runs both sides to their end and compares both `close` events.
fn closes(six: bool, client: &(Side, Value), server: &(Side, Value)) -> Result<Record> {
    let (a, b) = if six { (A6, Pair::B6) } else { (A4, Pair::B4) };
    let lab = Pair::new()?;
    let watch = Watch::json(&["close"])?.within(&lab.both()).start()?;
    let start = wait::now();
    let meters = (Meter::start(&[&lab.a])?, Meter::start(&[&lab.b])?);
    let (server_process, port) = Process::server(&lab.b, "lab-server", at(b, 0), server.0)?;
    let (client_process, lport) = Process::client(&lab.a, "lab-client", at(b, port), client.0)?;
    let pids = (client_process.pid(), server_process.pid());
    client_process.join()?;
    server_process.join()?;
    let whole = start.elapsed().as_micros();
    for (comm, pid, meter, ends, own) in [
        (
            "lab-client",
            pids.0,
            &meters.0,
            ((a, lport), (b, port)),
            &client.1,
        ),
        (
            "lab-server",
            pids.1,
            &meters.1,
            ((b, port), (a, lport)),
            &server.1,
        ),
    ] {
        // Mostly 0, but a probe goes out when this machine is slow.
        let retrans = meter.delta("TcpRetransSegs")?;
        let common = json!({"pid": pid, "comm": comm, "retrans": retrans});
        let expected = with(socket_event("close", ends.0, ends.1), &common);
        let event = watch.expect(&with(expected, own))?;
        let duration = positive(&event, "duration_us")?;
        ensure!(
            u128::from(duration) <= whole,
            "longer than the lab: {event}"
        );
    }
    let record = watch.stop()?;
    // Also: a listener that goes away closes no connection.
    record.exactly(2, &json!({"event": "close"}))?;
    Ok(record)
}

/// Sends, reads the answer, closes.
fn ask_and_leave(mut stream: TcpStream, _: &mut Link) -> Result<()> {
    tcp::send(&mut stream, SENT)?;
    Ok(tcp::receive(&mut stream, ANSWERED)?)
}

/// Reads all, answers, closes after the other side.
fn answer_and_wait(mut stream: TcpStream, _: &mut Link) -> Result<()> {
    tcp::receive(&mut stream, SENT)?;
    tcp::send(&mut stream, ANSWERED)?;
    tcp::drain(&mut stream).map(drop)?;
    Ok(())
}

fn ask_and_wait(mut stream: TcpStream, link: &mut Link) -> Result<()> {
    ask_and_leave(stream.try_clone()?, link)?;
    tcp::drain(&mut stream).map(drop)?;
    Ok(())
}

fn answer_and_leave(mut stream: TcpStream, _: &mut Link) -> Result<()> {
    tcp::receive(&mut stream, SENT)?;
    Ok(tcp::send(&mut stream, ANSWERED)?)
}

/// Payload, each byte once: the kernel's own counts also hold SYN, FIN and what was sent again.
fn client_bytes(end: &str) -> Value {
    json!({"end": end, "errno": null, "tx_bytes": SENT, "rx_bytes": ANSWERED})
}

fn server_bytes(end: &str) -> Value {
    json!({"end": end, "errno": null, "tx_bytes": ANSWERED, "rx_bytes": SENT})
}

#[test]
fn fin_by_the_client() -> Result<()> {
    let client: (Side, _) = (ask_and_leave, client_bytes("local-fin"));
    let record = closes(
        false,
        &client,
        &(
            answer_and_wait,
            with(server_bytes("remote-fin"), &json!({"state": "LAST_ACK"})),
        ),
    )?;
    for event in record.matching(&json!({"event": "close"})) {
        for key in ["srtt_us", "min_rtt_us", "segs_out", "segs_in"] {
            positive(event, key)?;
        }
    }
    Ok(())
}

#[test]
fn fin_by_the_server() -> Result<()> {
    closes(
        false,
        &(ask_and_wait, client_bytes("remote-fin")),
        &(answer_and_leave, server_bytes("local-fin")),
    )
    .map(drop)
}

#[test]
fn fin_over_ipv6() -> Result<()> {
    closes(
        true,
        &(ask_and_leave, client_bytes("local-fin")),
        &(answer_and_wait, server_bytes("remote-fin")),
    )
    .map(drop)
}

/// Both sides have no data at all: zero bytes, not the SYN and the FIN.
#[test]
fn without_a_byte() -> Result<()> {
    let none = |end: &str| json!({"end": end, "tx_bytes": 0, "rx_bytes": 0});
    let leave: Side = |_stream, _| Ok(());
    let wait: Side = |mut stream, _| Ok(tcp::drain(&mut stream).map(drop)?);
    closes(
        false,
        &(leave, none("local-fin")),
        &(wait, none("remote-fin")),
    )
    .map(drop)
}

#[test]
fn rst_by_linger_zero() -> Result<()> {
    let abort: Side = |mut stream, _| {
        tcp::send(&mut stream, 10)?;
        tcp::receive(&mut stream, 1)?;
        Ok(tcp::abort(stream)?)
    };
    let suffer: Side = |mut stream, _| {
        tcp::receive(&mut stream, 10)?;
        tcp::send(&mut stream, 1)?;
        ensure!(tcp::drain(&mut stream).is_err(), "no reset came");
        Ok(())
    };
    let client = json!({"end": "rst-sent", "state": "ESTABLISHED", "tx_bytes": 10, "rx_bytes": 1});
    let server = json!({"end": "rst-received", "errno": "ECONNRESET", "state": "ESTABLISHED", "tx_bytes": 1, "rx_bytes": 10});
    closes(false, &(abort, client), &(suffer, server)).map(drop)
}

#[test]
fn rst_by_unread_data() -> Result<()> {
    let leave_unread: Side = |stream, _| Ok(tcp::wait_unread(&stream)?);
    let send: Side = |mut stream, _| {
        tcp::send(&mut stream, 10)?;
        ensure!(tcp::drain(&mut stream).is_err(), "no reset came");
        Ok(())
    };
    let client =
        json!({"end": "rst-received", "errno": "ECONNRESET", "tx_bytes": 10, "rx_bytes": 0});
    let server = json!({"end": "rst-sent", "rx_bytes": 10});
    closes(false, &(send, client), &(leave_unread, server)).map(drop)
}

#[test]
fn timeout_of_unacknowledged_data() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["close"])?.within(&[&lab.a]).start()?;
    let (_server, port) =
        Process::server(&lab.b, "lab-server", at(Pair::B4, 0), |_stream, link| {
            link.hear().map(drop)
        })?;
    let (mut client, lport) = Process::client(
        &lab.a,
        "lab-client",
        at(Pair::B4, port),
        |mut stream, link| {
            link.hear()?;
            tcp::user_timeout(&stream, 400)?;
            tcp::send(&mut stream, 100)?;
            let error = tcp::drain(&mut stream).err();
            ensure!(
                error.as_ref().and_then(std::io::Error::raw_os_error) == Some(libc::ETIMEDOUT),
                "not a timeout: {error:?}"
            );
            Ok(())
        },
    )?;
    let loss = Rule::add(&lab.b, Hook::Input, &format!("tcp dport {port}"), "drop")?;
    client.say(0)?;
    let pid = client.pid();
    client.join()?;
    ensure!(loss.packets()? > 0, "nothing was lost");
    let expected = json!({"pid": pid, "end": "timeout", "errno": "ETIMEDOUT", "state": "ESTABLISHED", "tx_bytes": 100});
    let event = watch.expect(&with(
        socket_event("close", (A4, lport), (Pair::B4, port)),
        &expected,
    ))?;
    positive(&event, "retrans")?;
    watch.stop()?.exactly(1, &json!({"event": "close"}))
}

/// The process is gone before the connection is: its name stays on the event.
#[test]
fn killed_owner() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["close"])?.within(&[&lab.a]).start()?;
    let (server, port) = Process::server(&lab.b, "lab-server", at(Pair::B4, 0), answer_and_wait)?;
    let (mut client, lport) =
        Process::client(&lab.a, "lab-doomed", at(Pair::B4, port), |stream, link| {
            ask_and_leave(stream.try_clone()?, link)?;
            link.say(1)?;
            link.hear().map(drop)
        })?;
    client.hear()?;
    let expected = with(
        client_bytes("local-fin"),
        &json!({"pid": client.pid(), "comm": "lab-doomed"}),
    );
    client.kill()?;
    server.join()?;
    watch.expect(&with(
        socket_event("close", (A4, lport), (Pair::B4, port)),
        &expected,
    ))?;
    watch.stop()?.exactly(1, &json!({"event": "close"}))
}
