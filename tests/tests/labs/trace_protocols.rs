//! `netobs traceroute` by any IP protocol, and to UDP ports that somebody serves: the same hops as Debian's.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::path::Path;
use netobs_tests::traffic::udp;
use serde_json::{Value, json};

use super::probe;
use crate::support::{at, have};

/// Lines of a trace: address, and `!` marks.
fn marked(text: &str) -> Vec<(String, bool)> {
    let lines = text.lines().filter(|line| line.starts_with(' '));
    lines
        .filter_map(|line| {
            let addr = line.split_whitespace().nth(1)?.to_owned();
            Some((addr, line.contains('!')))
        })
        .collect()
}

#[test]
fn any_protocol() -> Result<()> {
    let lab = Path::new(4)?;
    for (six, flags, debian) in [
        (false, vec!["-P", "253"], true),
        (true, vec!["-P", "253"], true),
        (false, vec!["-P", "gre"], true),
        (true, vec!["-P", "47"], true),
        (false, vec!["-P", "132"], true),
        (false, vec!["-D"], false),
        (true, vec!["-D"], false),
    ] {
        let target = lab.target(six).to_string();
        let args = [&["-n", "-q", "1"], &flags[..], &[&target]].concat();
        let said = probe::json(lab.source(), &[&["traceroute"], &args[..]].concat())?.ended(0)?;
        for (n, addr) in (1..).zip(lab.addresses(six)) {
            let mark = if n == 4 { json!("!P") } else { Value::Null };
            let hop = json!({"event": "hop", "ttl": n, "addr": addr, "answered": 1, "mark": mark});
            let hop = said.expect(&hop)?;
            // By the kernel engine all is stamped at the edge.
            let known = hop["before_us"][0].is_number();
            ensure!(known == (probe::ENGINE == "kernel"), "{flags:?}: {hop}");
        }
        said.expect(&json!({"event": "trace-end", "reached": true}))?;
        if debian && have(&["traceroute"])? {
            let ours = probe::text(lab.source(), &[&["traceroute"], &args[..]].concat())?;
            let theirs = lab.source().tool("traceroute", &args, "")?;
            ensure!(
                marked(&theirs) == marked(&ours.text),
                "{theirs}\n{}",
                ours.text
            );
        }
    }
    Ok(())
}

/// Kernels without UDP-Lite do not speak it; the others say that the port is closed: reached in any case.
#[test]
fn udp_lite() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", "-UL", &target])?.ended(0)?;
    for (n, addr) in (1..).zip(lab.addresses(false)) {
        said.expect(&json!({"event": "hop", "ttl": n, "addr": addr, "answered": 3}))?;
    }
    for (args, words) in [
        (vec!["-P", "gopher"], "'gopher' is no protocol"),
        (vec!["-P", "256"], "'256' is no protocol"),
        (vec!["-P", "47", "--paths", "4"], "needs ports to vary"),
        (vec!["-D", "--mtu"], "--mtu needs UDP or ICMP"),
    ] {
        let args = [vec!["traceroute", "-n", &target], args].concat();
        let said = probe::text(lab.source(), &args)?.ended(2)?;
        ensure!(said.stderr.contains(words), "{}", said.stderr);
    }
    Ok(())
}

/// Sends back what comes until nobody has asked for some seconds.
fn echo(socket: UdpSocket) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut bytes) {
            drop(socket.send_to(&bytes[..len], from));
        }
    });
    Ok(())
}

/// Datagrams that come back name no probe, and yet the destination is one hop, at its place.
#[test]
fn a_port_that_is_served() -> Result<()> {
    let lab = Path::new(4)?;
    for six in [false, true] {
        let target = lab.target(six);
        echo(udp::bind(lab.destination(), at(target, 53))?)?;
        let target = target.to_string();
        let said = probe::json(lab.source(), &["traceroute", "-n", "-U", &target])?.ended(0)?;
        for (n, addr) in (1..).zip(lab.addresses(six)) {
            said.expect(&json!({"event": "hop", "ttl": n, "addr": addr, "answered": 3}))?;
        }
        ensure!(said.count(&json!({"event": "hop"})) == 4, "{}", said.text);
        let args = [
            "mtr", "-n", "-u", "-P", "53", "-c", "3", "-i", "0.1", &target,
        ];
        let said = probe::json(lab.source(), &args)?.ended(0)?;
        said.expect(&json!({"event": "hop", "ttl": 4, "addr": target, "answered": 3}))?;
        ensure!(said.count(&json!({"event": "hop"})) == 4, "{}", said.text);
        if have(&["traceroute"])? {
            let args = ["-n", "-q", "1", "-U", &target];
            let theirs = lab.source().tool("traceroute", &args, "")?;
            let addrs = lab.addresses(six);
            let wanted: Vec<(String, bool)> =
                addrs.iter().map(|addr| (addr.to_string(), false)).collect();
            ensure!(marked(&theirs) == wanted, "{theirs}");
        }
    }
    Ok(())
}
