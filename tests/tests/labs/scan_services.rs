//! `netobs scan -u` of well-known services: each is asked what it answers, by servers that answer nothing else.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::host::Host;
use serde_json::Value;

use super::probe;
use crate::dns::fixture;
use crate::support::{have, objects};

/// Answers a well-formed question, and nothing else.
type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// RFC 5905: a client of version 3 or 4 gets its time back as the origin.
fn ntp(asked: &[u8]) -> Option<Vec<u8>> {
    let version = asked.first()? >> 3 & 7;
    let sane = asked.len() == 48 && asked[0] & 7 == 3 && (3..=4).contains(&version);
    let mut answer = vec![0; 48];
    answer[0] = version << 3 | 4;
    answer[1] = 2;
    answer[24..32].copy_from_slice(asked.get(40..48)?);
    (sane && asked[40..48] != [0; 8]).then_some(answer)
}

/// RFC 8489: a binding request of no attributes, with the cookie.
fn stun(asked: &[u8]) -> Option<Vec<u8>> {
    let sane = asked.len() == 20 && asked.starts_with(b"\0\x01\0\0\x21\x12\xa4\x42");
    let mut answer = asked.to_vec();
    answer[0] = 1;
    sane.then_some(answer)
}

/// RFC 1831: procedure 0 of the port mapper, called without credentials.
fn portmap(asked: &[u8]) -> Option<Vec<u8>> {
    let words: Vec<u32> = asked
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let sane = asked.len() == 40 && words[1..4] == [0, 2, 100_000] && words[5..] == [0; 5];
    let answer = [*words.first()?, 1, 0, 0, 0, 0];
    sane.then(|| answer.iter().flat_map(|word| word.to_be_bytes()).collect())
}

/// The frame header is given back.
fn memcached(asked: &[u8]) -> Option<Vec<u8>> {
    let (head, command) = asked.split_at_checked(8)?;
    let sane = head[2..] == [0, 0, 0, 1, 0, 0] && command == b"version\r\n";
    sane.then(|| [head, b"VERSION 1.6.18\r\n"].concat())
}

/// RFC 3261: what a response must repeat is there, and each line ends as it must.
fn sip(asked: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(asked).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lines: Vec<&str> = head.split("\r\n").collect();
    let sane =
        lines[0].starts_with("OPTIONS sip:") && lines[0].ends_with(" SIP/2.0") && body.is_empty();
    let names = [
        "Via: ",
        "From: ",
        "To: ",
        "Call-ID: ",
        "CSeq: ",
        "Max-Forwards: ",
    ];
    let all = names
        .iter()
        .all(|name| lines.iter().any(|line| line.starts_with(name)));
    (sane && all && !head.replace("\r\n", "").contains(['\r', '\n']))
        .then(|| b"SIP/2.0 200 OK\r\n\r\n".to_vec())
}

/// RFC 1350: a read request in octets; the answer comes from another port.
fn tftp(asked: &[u8]) -> Option<Vec<u8>> {
    let rest = asked.strip_prefix(b"\0\x01")?;
    let parts: Vec<&[u8]> = rest.split(|byte| *byte == 0).collect();
    let sane = matches!(*parts.as_slice(), [name, b"octet", b""] if !name.is_empty());
    sane.then(|| b"\0\x05\0\x01no such file\0".to_vec())
}

const SERVERS: [(u16, Answer); 6] = [
    (69, tftp),
    (111, portmap),
    (123, ntp),
    (3478, stun),
    (5060, sip),
    (11_211, memcached),
];

/// Serves until nobody has asked for some seconds.
fn serve(host: &Host, port: u16, answer: Answer) -> Result<()> {
    let bind = |port: u16| host.run(|| Ok(UdpSocket::bind(("127.0.0.1", port))?));
    let socket = bind(port)?;
    let other = if port == 69 {
        bind(0)?
    } else {
        socket.try_clone()?
    };
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    std::thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            if let Some(answer) = answer(&bytes[..len]) {
                drop(other.send_to(&answer, from));
            }
        }
    });
    Ok(())
}

fn scan(host: &Host, more: &[&str]) -> Result<BTreeMap<u64, String>> {
    let args = [
        "--json",
        "--engine",
        probe::ENGINE,
        "-u",
        "-p",
        PORTS,
        "127.0.0.1",
    ];
    let output = host.netobs("scan", &[&args, more].concat())?;
    let all = objects(&output)?;
    let named = all.iter().find_map(|object| object.get("engine"));
    ensure!(
        named.and_then(Value::as_str) == Some(probe::ENGINE),
        "{named:?}"
    );
    let ports = all.iter().filter(|object| object["event"] == "port");
    Ok(ports
        .map(|port| {
            let state = port["state"].as_str().unwrap_or_default().to_owned();
            (port["port"].as_u64().unwrap_or_default(), state)
        })
        .collect())
}

const PORTS: &str = "53,69,111,123,137,3478,5060,11211";

#[test]
fn services_answer_their_own_questions() -> Result<()> {
    let Some(host) = fixture::host()? else {
        return Ok(());
    };
    for (port, answer) in SERVERS {
        serve(&host, port, answer)?;
    }
    let asked = scan(&host, &[])?;
    let wanted = |port: u64| if port == 137 { "closed" } else { "open" };
    ensure!(asked.len() == 8, "{asked:?}");
    ensure!(
        asked.iter().all(|(port, state)| state == wanted(*port)),
        "{asked:?}"
    );
    // Whom nobody asks a question answers nothing.
    let bare = scan(&host, &["--bare"])?;
    let silent = bare
        .values()
        .filter(|state| *state == "open|filtered")
        .count();
    ensure!(silent == 7, "{bare:?}");
    if have(&["nmap"])? {
        let args = ["-sU", "-n", "-Pn", "-oG", "-", "-p", PORTS, "127.0.0.1"];
        let theirs = String::from_utf8(host.tool("nmap", &args, "")?.stdout)?;
        for (port, state) in asked {
            // It does not know an answer from another port, and sends nothing to SIP.
            let known = ![69, 5060].contains(&port);
            let wanted = format!(
                "{port}/{}/udp",
                if known { &state } else { "open|filtered" }
            );
            ensure!(theirs.contains(&wanted), "{wanted}: {theirs}");
        }
    }
    Ok(())
}
