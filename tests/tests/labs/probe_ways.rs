//! Where probes leave and what they look like: link-local targets, fragments, type of service, names; and who refuses what.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::host::Host;
use netobs_tests::netobs::probe;
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::tcp;
use serde_json::json;

use crate::support::{at, ended_with, have, said};

/// `fe80::2%right`: by every command.
#[test]
fn link_local_targets() -> Result<()> {
    let lab = Path::new(1)?;
    let addr = "fe80::2";
    let target = "fe80::2%right";
    let listener = lab
        .destination()
        .run(|| Ok(tcp::listen(at("::".parse()?, 80), 16)?))?;
    thread::spawn(move || -> Result<()> {
        loop {
            let (mut stream, _) = listener.accept()?;
            // Whoever asks by HTTP gets an answer; the others only connect.
            let mut bytes = [0; 1024];
            if stream.read(&mut bytes).is_ok_and(|n| n > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
            }
        }
    });
    let source = lab.source();
    for args in [
        vec!["ping", "-c", "1", target],
        vec!["tcping", "-c", "1", target, "80"],
        vec!["tcping", "--syn", "-c", "1", target, "80"],
        vec!["scan", "-p", "80", target],
        vec!["scan", "--connect", "-p", "80", target],
    ] {
        let said = probe::json(source, &args)?.ended(0)?;
        ensure!(
            said.objects.iter().any(|object| object["addr"] == addr),
            "{args:?}: {}",
            said.text
        );
    }
    for flags in [vec![], vec!["-I"], vec!["-T"]] {
        let args = [vec!["traceroute", "-n", target], flags].concat();
        let said = probe::json(source, &args)?.ended(0)?;
        said.expect(&json!({"event": "hop", "ttl": 1, "addr": addr}))?;
    }
    let said = probe::json(source, &["mtr", "-n", "-c", "1", target])?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 1, "addr": addr}))?;
    let said = probe::json(source, &["http", "http://[fe80::2%25right]/"])?.ended(0)?;
    said.expect(&json!({"event": "http", "status": 204, "addr": addr}))?;
    let said = probe::text(source, &["connect", target, "80"])?.ended(0)?;
    ensure!(
        said.stderr.contains("connected to [fe80::2%"),
        "{}",
        said.stderr
    );
    let said = probe::text(source, &["tls", "[fe80::2%right]:81"])?.ended(1)?;
    ensure!(said.text.contains("refused by the host"), "{}", said.text);
    let said = probe::text(source, &["dns", "a.example", "@fe80::2%right"])?.ended(4)?;
    ensure!(
        said.text.contains("nothing listens on UDP port 53"),
        "{}",
        said.text
    );
    let said = probe::text(source, &["ping", "-c", "1", "fe80::2%nosuch"])?.ended(2)?;
    ensure!(said.stderr.contains("nosuch"), "{}", said.stderr);
    Ok(())
}

/// `-M` sets don't-fragment where ping's does.
#[test]
fn fragments_as_ping() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    for (how, size, whole, fragmented) in [
        ("do", "100", 1, 0),
        ("want", "100", 1, 0),
        ("dont", "100", 0, 0),
        ("probe", "100", 1, 0),
        ("want", "2000", 0, 1),
        ("dont", "2000", 0, 1),
    ] {
        let echoes = "ip protocol icmp ip frag-off & 0x4000";
        let more = "ip protocol icmp ip frag-off & 0x2000 != 0";
        let counted = |args: &dyn Fn() -> Result<()>| -> Result<(u64, u64)> {
            let df = Rule::add(&lab.a, Hook::Output, &format!("{echoes} != 0"), "accept")?;
            let mf = Rule::add(&lab.b, Hook::Ingress, more, "accept")?;
            args()?;
            Ok((df.packets()?, mf.packets()?))
        };
        let args = ["-c", "1", "-M", how, "-s", size, &target];
        let ours = counted(&|| {
            let args = [&["ping"][..], &args].concat();
            probe::text(&lab.a, &args)?.ended(0).map(drop)
        })?;
        ensure!(ours == (whole, fragmented), "{how} {size}: {ours:?}");
        // Older pings do not know it.
        if have(&["ping"])? && how != "probe" {
            let theirs = counted(&|| lab.a.tool("ping", &args, "").map(drop))?;
            ensure!(
                ours == theirs,
                "{how} {size}: ours {ours:?}, ping {theirs:?}"
            );
        }
    }
    let args = [
        "ping", "-c", "1", "-W", "0.2", "-M", "do", "-s", "2000", &target,
    ];
    let said = probe::text(&lab.a, &args)?.ended(1)?;
    ensure!(
        said.text.contains("icmp_seq=1 not sent: message too long"),
        "{}",
        said.text
    );
    Ok(())
}

#[test]
fn type_of_service_and_mark() -> Result<()> {
    let lab = Pair::new()?;
    let _server = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 80), 16)?))?;
    let target = Pair::B4.to_string();
    let (url, secure, server) = urls(&target);
    for (args, proto) in [
        (vec!["ping", "-c", "1", &target], "icmp"),
        (vec!["tcping", "-c", "1", &target, "80"], "tcp"),
        (vec!["tcping", "--syn", "-c", "1", &target, "80"], "tcp"),
        (vec!["scan", "-p", "80", &target], "tcp"),
        (vec!["traceroute", "-n", "-q", "1", &target], "udp"),
        (vec!["traceroute", "-n", "-q", "1", "-T", &target], "tcp"),
        (vec!["mtr", "-n", "-c", "1", &target], "icmp"),
        (vec!["connect", "-u", "-q", "0", &target, "7"], "udp"),
        (vec!["connect", "-q", "0", &target, "80"], "tcp"),
        (
            vec!["dns", "a.example", "+time=1", "+tries=1", &server],
            "udp",
        ),
        (vec!["dns", "a.example", "--tcp", &server], "tcp"),
        (vec!["tls", &secure], "tcp"),
        (vec!["http", "-m", "0.5", &url], "tcp"),
    ] {
        let when = format!("ip dscp 0x2e meta mark 0x77 ip protocol {proto}");
        let seen = Rule::add(&lab.a, Hook::Output, &when, "accept")?;
        let args = [args, vec!["--tos", "0xb8", "--mark", "0x77"]].concat();
        let mut child = probe::start(&lab.a, &args)?;
        let mut stdin = child.stdin.take().context("stdin")?;
        // The others read nothing, and may be done already.
        if args[0] == "connect" {
            stdin.write_all(b"x")?;
        }
        drop(stdin);
        child.wait_with_output()?;
        ensure!(seen.packets()? > 0, "{args:?} left without them");
    }
    Ok(())
}

/// What `http`, `tls` and `dns` call a host.
fn urls(target: &str) -> (String, String, String) {
    (
        format!("http://{target}/"),
        format!("{target}:443"),
        format!("@{target}"),
    )
}

/// As ping tells its source.
#[test]
fn source_by_interface() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip("addr add 10.77.1.77/24 dev eth0\n")?;
    let target = Pair::B4.to_string();
    for (flag, value, head, source) in [
        ("-I", "eth0", "from 10.77.1.1 eth0:", "10.77.1.1"),
        ("-I", "10.77.1.77", "from 10.77.1.77 :", "10.77.1.77"),
    ] {
        let seen = Rule::add(&lab.b, Hook::Input, &format!("ip saddr {source}"), "accept")?;
        let said = probe::text(&lab.a, &["ping", "-c", "1", flag, value, &target])?.ended(0)?;
        ensure!(said.text.contains(head), "{}", said.text);
        ensure!(seen.packets()? == 1, "{value}");
        if have(&["ping"])? {
            let theirs = lab.a.tool("ping", &["-c", "1", flag, value, &target], "")?;
            ensure!(theirs.contains(head), "{theirs}");
        }
    }
    let (url, secure, server) = urls(&target);
    for args in [
        vec!["traceroute", "-n", "-q", "1", "-s", "10.77.1.77", &target],
        vec![
            "traceroute",
            "-n",
            "-q",
            "1",
            "-T",
            "-s",
            "10.77.1.77",
            &target,
        ],
        vec!["mtr", "-n", "-c", "1", "-I", "10.77.1.77", &target],
        vec!["scan", "-p", "80", "-S", "10.77.1.77", &target],
        vec!["scan", "-u", "-p", "80", "-S", "10.77.1.77", &target],
        vec!["tcping", "-c", "1", "-S", "10.77.1.77", &target, "80"],
        vec!["connect", "-S", "10.77.1.77", &target, "80"],
        vec!["http", "--interface", "10.77.1.77", &url],
        vec!["tls", "--interface", "10.77.1.77", &secure],
        vec!["dns", "a.example", "-b", "10.77.1.77", &server],
        vec!["dns", "a.example", "--interface", "10.77.1.77", &server],
    ] {
        let when = "ip saddr 10.77.1.77";
        let seen = Rule::add(&lab.b, Hook::Input, when, "accept")?;
        probe::text(&lab.a, &args)?;
        ensure!(seen.packets()? > 0, "{args:?} left from another address");
    }
    let args = ["ping", "-c", "1", "-I", "10.9.9.9", &target];
    let said = probe::text(&lab.a, &args)?.ended(4)?;
    ensure!(
        said.stderr.matches("Cannot assign").count() == 1 && said.stderr.lines().count() == 1,
        "{}",
        said.stderr
    );
    Ok(())
}

/// A router that forbids is named by every command that connects.
#[test]
fn who_refuses() -> Result<()> {
    let lab = Path::new(3)?;
    let who = Path::hop(2, false).to_string();
    let target = lab.target(false).to_string();
    let _wall = Rule::add(
        lab.node(2),
        Hook::Forward,
        "meta nfproto ipv4 meta l4proto { tcp, udp }",
        "reject with icmp type admin-prohibited",
    )?;
    let (url, secure, server) = urls(&target);
    for (args, status) in [
        (vec!["connect", &target, "80"], 1),
        (vec!["http", &url], 1),
        (vec!["tls", &secure], 1),
        (vec!["dns", "a.example", &server], 4),
        (vec!["dns", "a.example", &server, "--tcp"], 4),
        (vec!["tcping", "-c", "1", &target, "80"], 1),
    ] {
        let output = probe::text(lab.source(), &args)?.ended(status)?;
        let all = format!("{}{}", output.text, output.stderr);
        ensure!(all.contains(&who), "{args:?}: {all}");
    }
    let said = probe::json(lab.source(), &["tls", &secure])?.ended(1)?;
    said.expect(&json!({"event": "tls", "refused_by": who}))?;
    Ok(())
}

/// `name (addr)`: from the hosts file, or asked for by PTR.
#[test]
fn names_of_hops() -> Result<()> {
    let host = Host::new("nameserver 127.0.0.1\n")?;
    host.etc(
        "hosts",
        "127.0.0.1 localhost\n127.0.0.8 eight.lab.example\n",
    )?;
    let server = host.run(|| Ok(UdpSocket::bind("127.0.0.1:53")?))?;
    thread::spawn(move || -> Result<()> {
        let mut bytes = [0; 512];
        loop {
            let (n, from) = server.recv_from(&mut bytes)?;
            server.send_to(&pointer(&bytes[..n]), from)?;
        }
    });
    for (target, name) in [
        ("127.0.0.8", "eight.lab.example"),
        ("127.0.0.9", "nine.lab.example"),
    ] {
        let output = host.netobs("traceroute", &[target])?;
        ended_with(&output, 0)?;
        let line = format!(" 1  {name} ({target})  ");
        ensure!(said(&output).contains(&line), "{}", said(&output));
        let output = host.netobs("mtr", &["--report", "-c", "1", target])?;
        ensure!(said(&output).contains(name), "{}", said(&output));
        let output = host.netobs("traceroute", &["-n", target])?;
        ensure!(!said(&output).contains(name), "{}", said(&output));
    }
    if have(&["traceroute"])? {
        let theirs = host.tool("traceroute", &["-q", "1", "127.0.0.9"], "")?;
        ensure!(
            said(&theirs).contains(" 1  nine.lab.example (127.0.0.9)  "),
            "{}",
            said(&theirs)
        );
    }
    Ok(())
}

/// The question as an answer: a PTR to `nine.lab.example`.
fn pointer(question: &[u8]) -> Vec<u8> {
    let mut end = 12;
    while question[end] != 0 {
        end += usize::from(question[end]) + 1;
    }
    let mut bytes = question[..end + 5].to_vec();
    (bytes[2], bytes[3], bytes[7], bytes[11]) = (0x85, 0x80, 1, 0);
    bytes.extend(b"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x3c\x00\x12\x04nine\x03lab\x07example\x00");
    bytes
}
