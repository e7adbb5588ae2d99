//! Owners that have the same ends one after the other: of each packet the one who had them then.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use anyhow::{Context, Result, ensure};
use netobs_tests::sys;
use netobs_tests::traffic::{Process, frame};

use super::capture::{Capture, Pair};
use super::owners::{LOOPBACK, ask, each_has, echo, once, process};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ROUNDS: usize = 4;

/// Of each round as many lines, all from or to its process.
fn in_turn(
    text: &str,
    owners: &[String],
    each: usize,
    is_sent: impl Fn(&str) -> bool,
) -> Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    ensure!(
        lines.len() == owners.len() * each,
        "{} lines:\n{text}",
        lines.len()
    );
    for (lines, owner) in lines.chunks(each).zip(owners) {
        for line in lines {
            let way = if is_sent(line) { "from" } else { "to" };
            ensure!(
                line.contains(&format!("{way} {owner}")),
                "not {way} {owner}: {line}\n{text}"
            );
        }
    }
    Ok(())
}

#[test]
fn senders_of_one_port() -> Result<()> {
    let pair = Pair::new()?;
    let taker = pair.a.run(|| Ok(UdpSocket::bind((HERE, 0))?))?;
    let to = taker.local_addr()?;
    let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "udp"])?;
    let (mut port, mut owners) = (0, Vec::new());
    for round in 1..=ROUNDS {
        let mut sender = Process::spawn(&pair.a, "lab-in-turn", move |link| {
            let socket = UdpSocket::bind((HERE, port))?;
            link.say(socket.local_addr()?.port().into())?;
            for _ in 0..2 {
                socket.send_to(b"x", to)?;
                socket.recv(&mut [0])?;
            }
            link.hear().map(drop)
        })?;
        port = u16::try_from(sender.hear()?)?;
        for _ in 0..2 {
            let (_, from) = taker.recv_from(&mut [0])?;
            taker.send_to(b"y", from)?;
        }
        capture.wait_for_lines(4 * round)?;
        owners.push(process(&sender, "lab-in-turn"));
        sender.say(0)?;
        sender.join()?;
    }
    let (_, text) = capture.end_with_text()?;
    in_turn(&text, &owners, 4, |line| {
        line.contains(&format!(".{port} > "))
    })
}

#[test]
fn servers_of_one_port() -> Result<()> {
    let pair = Pair::new()?;
    let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "tcp"])?;
    let (mut port, mut ends) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let server;
        (server, port) = echo(&pair.a, "lab-in-turn", SocketAddr::new(HERE, port))?;
        let (mut client, from) = ask(&pair.a, "lab-client", SocketAddr::new(HERE, port))?;
        once(&mut client)?;
        let words = [
            process(&client, "lab-client"),
            process(&server, "lab-in-turn"),
        ];
        ends.push((from, words));
        client.say(0)?;
        client.join()?;
        drop(server);
    }
    let (_, text) = capture.end_with_text()?;
    for (from, [client, server]) in &ends {
        let told = each_has(&text, *from, client, server)?;
        ensure!(told >= 7, "{told} packets:\n{text}");
    }
    Ok(())
}

/// One identifier, which is nobody's process id.
#[test]
fn echoes_of_one_identifier() -> Result<()> {
    const ID: u16 = 7;
    let pair = Pair::new()?;
    let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "icmp"])?;
    let mut owners = Vec::new();
    for round in 1..=ROUNDS {
        let mut asker = Process::spawn(&pair.a, "lab-in-turn", move |link| {
            let socket = sys::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
            let socket = UdpSocket::from(socket);
            let mut message = [8, 0, 0, 0, 0, 0, 0, 1];
            message[4..6].copy_from_slice(&ID.to_be_bytes());
            let sum = frame::checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            socket.send_to(&message, (HERE, 0)).context("send")?;
            link.say(0)?;
            link.hear().map(drop)
        })?;
        asker.hear()?;
        capture.wait_for_lines(2 * round)?;
        owners.push(process(&asker, "lab-in-turn"));
        asker.say(0)?;
        asker.join()?;
    }
    let (_, text) = capture.end_with_text()?;
    in_turn(&text, &owners, 2, |line| line.contains("request"))
}

/// Nobody is there: a socket that has failed to connect is not known by its port any more when it is closed.
#[test]
fn callers_that_are_refused() -> Result<()> {
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "tcp"])?;
        let mut owners = Vec::new();
        for round in 1..=ROUNDS {
            let mut caller = Process::spawn(&pair.a, "lab-refused", move |link| {
                let refused = TcpStream::connect((addr, 9)).map(drop);
                let refused = refused.err().map(|error| error.kind());
                link.say(u64::from(refused == Some(ErrorKind::ConnectionRefused)))
            })?;
            ensure!(caller.hear()? == 1, "somebody is there");
            owners.push(process(&caller, "lab-refused"));
            caller.join()?;
            capture.wait_for_lines(2 * round)?;
        }
        let (_, text) = capture.end_with_text()?;
        in_turn(&text, &owners, 2, |line| line.contains("Flags [S]"))?;
    }
    Ok(())
}
