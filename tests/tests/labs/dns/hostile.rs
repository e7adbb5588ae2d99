//! Packets that are no answer are ignored and counted; a server that only sends such is no server.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::host::Host;
use serde_json::Value;

use super::fixture::ask_one;
use crate::support::{ended_with, said};

const SERVER: &str = "@127.0.0.1:5300";

/// Answers one question with these packets, made from it.
fn answering(host: &Host, packets: fn(&[u8]) -> Vec<Vec<u8>>) -> Result<()> {
    let socket = host.run(|| Ok(UdpSocket::bind("127.0.0.1:5300")?))?;
    thread::spawn(move || -> Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let (size, from): (usize, SocketAddr) = socket.recv_from(&mut buffer)?;
            for packet in packets(&buffer[..size]) {
                socket.send_to(&packet, from)?;
            }
        }
    });
    Ok(())
}

/// The question as an answer with one address.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2] |= 0x80;
    bytes[7] = 1; // ANCOUNT
    bytes[11] = 0; // ARCOUNT: without our OPT
    bytes.truncate(question_end(question));
    bytes.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03");
    bytes
}

/// Past the question: name, type, class.
fn question_end(question: &[u8]) -> usize {
    let mut at = 12;
    while question[at] != 0 {
        at += usize::from(question[at]) + 1;
    }
    at + 5
}

fn wrong_id(question: &[u8]) -> Vec<u8> {
    let mut bytes = answer(question);
    bytes[0] ^= 0x55;
    bytes
}

fn wrong_question(question: &[u8]) -> Vec<u8> {
    let mut bytes = answer(question);
    bytes[13] ^= 1; // The name's first letter.
    bytes
}

/// A name that points to itself.
fn malformed(question: &[u8]) -> Vec<u8> {
    let mut bytes = answer(question);
    let at = question_end(question);
    bytes[at + 1] = u8::try_from(at).unwrap_or(12);
    bytes
}

fn ignored(asked: &Value) -> u64 {
    asked["ignored"].as_u64().unwrap_or_default()
}

#[test]
fn forgeries_before_the_answer() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    answering(&host, |q| {
        let cut = answer(q)[..5].to_vec();
        vec![
            wrong_id(q),
            wrong_question(q),
            malformed(q),
            cut,
            q.to_vec(),
            Vec::new(),
            answer(q),
        ]
    })?;
    let (asked, records) = ask_one(&host, &["a.example", SERVER])?;
    ensure!(
        asked["status"] == "NOERROR" && ignored(&asked) == 6,
        "{asked}"
    );
    ensure!(
        records.first().context("no record")?["data"] == "10.1.2.3",
        "{records:?}"
    );
    Ok(())
}

#[test]
fn nothing_but_forgeries() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    answering(&host, |q| vec![wrong_id(q), malformed(q)])?;
    let output = host.netobs("dns", &["a.example", SERVER, "+time=1", "+tries=1"])?;
    ended_with(&output, 4)?;
    let text = said(&output);
    ensure!(text.contains("did not answer within 1 s"), "{text}");
    ensure!(text.contains("1 with another id, 1 malformed"), "{text}");
    Ok(())
}

#[test]
fn silence_is_a_time_out() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    answering(&host, |_| Vec::new())?;
    let output = host.netobs("dns", &["a.example", SERVER, "+time=1", "+tries=2"])?;
    ended_with(&output, 4)?;
    ensure!(said(&output).contains("asked 2 times"), "{}", said(&output));
    Ok(())
}

/// A stream that is not DNS is called that; one that ends, as well.
#[test]
fn tcp_that_is_not_dns() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    let listener = host.run(|| Ok(TcpListener::bind("127.0.0.1:5300")?))?;
    thread::spawn(move || -> Result<()> {
        use std::io::{Read as _, Write as _};
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream?;
            stream.read_exact(&mut [0; 14])?;
            if turn == 0 {
                stream.write_all(b"\x00\x04oops")?;
            }
        }
        Ok(())
    });
    let garbage = host.netobs("dns", &["a.example", SERVER, "+tcp", "+tries=1"])?;
    ended_with(&garbage, 4)?;
    ensure!(said(&garbage).contains("not DNS"), "{}", said(&garbage));
    let closed = host.netobs("dns", &["a.example", SERVER, "+tcp", "+tries=1"])?;
    ended_with(&closed, 4)?;
    ensure!(
        said(&closed).contains("closed the connection"),
        "{}",
        said(&closed)
    );
    Ok(())
}
