//! Owners without eBPF, by the kernel's lists of sockets and /proc: of processes whose ids the lab knows.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netobs_tests::cgroup::Cgroup;
use netobs_tests::netns::Netns;
use netobs_tests::sys;
use netobs_tests::traffic::{Process, tcp};

use super::capture::{Capture, Pair, Without};
use super::owners::{LOOPBACK, ask, each_has, echo, once, process, translated};
use crate::support;

/// Root of a container, without `CAP_SYS_ADMIN`, `CAP_PERFMON` and `CAP_BPF`: no eBPF, no other namespace may be entered.
const WITHOUT_BPF: Without = Without::Capabilities(&[21, 38, 39]);

fn capture(ns: &Netns, without: Without, args: &[&str]) -> Result<Capture> {
    let mut capture = Capture::netobs_without(ns, without, args)?;
    capture.says("owners come from /proc")?;
    Ok(capture)
}

#[test]
fn connections_old_and_new() -> Result<()> {
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        let (server, port) = echo(&pair.a, "lab-old-server", SocketAddr::new(addr, 0))?;
        let (mut client, from) = ask(&pair.a, "lab-old-client", SocketAddr::new(addr, port))?;
        let args = ["-i", "lo", "-n", "tcp"];
        let capture = capture(&pair.a, WITHOUT_BPF, &args)?;
        once(&mut client)?;
        let (new_server, new_port) = echo(&pair.a, "lab-new-server", SocketAddr::new(addr, 0))?;
        let to = SocketAddr::new(addr, new_port);
        let (mut new_client, new_from) = ask(&pair.a, "lab-new-client", to)?;
        once(&mut new_client)?;
        // What is over before anybody looks at its packets has no owner here.
        capture.wait_for_lines(8)?;
        let words = [
            process(&client, "lab-old-client"),
            process(&server, "lab-old-server"),
            process(&new_client, "lab-new-client"),
            process(&new_server, "lab-new-server"),
        ];
        for mut ended in [client, new_client] {
            ended.say(0)?;
            ended.join()?;
        }
        let (_, text) = capture.end_with_text()?;
        let old = each_has(&text, from, &words[0], &words[1])?;
        let new = each_has(&text, new_from, &words[2], &words[3])?;
        ensure!(old >= 3 && new >= 6, "{old} and {new} packets:\n{text}");
    }
    Ok(())
}

/// A socket that takes datagrams and tells its port, until it is told to end.
fn datagrams(ns: &Netns, comm: &str, addr: IpAddr) -> Result<(Process, SocketAddr)> {
    let mut taker = Process::spawn(ns, comm, move |link| {
        let socket = UdpSocket::bind((addr, 0))?;
        link.say(socket.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(taker.hear()?)?;
    Ok((taker, SocketAddr::new(addr, port)))
}

/// One datagram from a new process, which lives on; with its port.
fn datagram(ns: &Netns, comm: &str, to: SocketAddr, connected: bool) -> Result<(Process, u16)> {
    let mut sender = Process::spawn(ns, comm, move |link| {
        let any: IpAddr = if to.is_ipv4() {
            [0; 4].into()
        } else {
            [0_u16; 8].into()
        };
        let socket = UdpSocket::bind((any, 0))?;
        if connected {
            socket.connect(to)?;
            socket.send(b"x")?;
        } else {
            socket.send_to(b"x", to)?;
        }
        link.say(socket.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(sender.hear()?)?;
    Ok((sender, port))
}

#[test]
fn datagrams_and_echoes() -> Result<()> {
    if !support::have(&["ping"])? {
        return Ok(());
    }
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        for (comm, connected) in [("lab-unbound", false), ("lab-connected", true)] {
            let (taker, to) = datagrams(&pair.a, "lab-taker", addr)?;
            let capture = capture(&pair.a, WITHOUT_BPF, &["-i", "lo", "-n", "udp"])?;
            let (sender, port) = datagram(&pair.a, comm, to, connected)?;
            capture.wait_for_lines(1)?;
            let (_, text) = capture.end_with_text()?;
            let ends = [process(&sender, comm), process(&taker, "lab-taker")];
            let told = each_has(&text, port, &ends[0], &ends[1])?;
            ensure!(told == 1, "{told} datagrams:\n{text}");
        }
        // Ping's own socket, of ICMP or, where groups may have none, raw.
        for groups in ["1 0", "0 2147483647"] {
            pair.a.sysctl("net/ipv4/ping_group_range", groups)?;
            let capture = capture(&pair.a, WITHOUT_BPF, &["-i", "lo", "-n", "icmp or icmp6"])?;
            let mut ping = pair.a.run(|| {
                let mut ping = Command::new("ping");
                ping.args(["-c", "2", "-q", &addr.to_string()]);
                ping.stdout(std::process::Stdio::null());
                ping.spawn().context("start ping")
            })?;
            let words = format!("pid={} comm=ping uid=0", ping.id());
            ensure!(ping.wait()?.success(), "ping {addr} has no answer");
            let (_, text) = capture.end_with_text()?;
            let echoes = text.lines().filter(|line| line.contains("echo re"));
            let (own, others): (Vec<_>, Vec<_>) = echoes.partition(|line| line.contains(&words));
            ensure!(
                own.len() == 4 && others.is_empty(),
                "groups {groups}, not of {words}:\n{text}"
            );
        }
    }
    Ok(())
}

/// Processes of other namespaces: with the right to enter them as in one's own; without it connections.
#[test]
fn of_other_namespaces() -> Result<()> {
    let pair = Pair::new()?;
    for (without, all) in [(Without::Types, true), (WITHOUT_BPF, false)] {
        for addr in ["10.9.0.2", "fd09::2"] {
            let at = SocketAddr::new(addr.parse()?, 0);
            let (server, port) = echo(&pair.b, "lab-there", at)?;
            let (mut client, from) = ask(&pair.a, "lab-here", SocketAddr::new(at.ip(), port))?;
            // Of a new connection the look may come before it is accepted.
            once(&mut client)?;
            let capture = capture(&pair.a, without, &["-i", "v0", "-n", "tcp or udp"])?;
            once(&mut client)?;
            once(&mut client)?;
            let (taker, to) = datagrams(&pair.b, "lab-taker", at.ip())?;
            let (sender, udp) = datagram(&pair.a, "lab-sender", to, true)?;
            capture.wait_for_lines(5)?;
            let (_, text) = capture.end_with_text()?;
            let data: Vec<&str> = text.lines().filter(|l| l.contains("Flags [P.]")).collect();
            let words = [process(&client, "lab-here"), process(&server, "lab-there")];
            let told = each_has(&data.join("\n"), from, &words[0], &words[1])?;
            ensure!(told == 4, "{told} segments with data:\n{text}");
            ensure!(
                text.contains(&format!("netns={}", pair.b.inode())),
                "{text}"
            );
            let line = text
                .lines()
                .find(|line| line.contains(&format!(".{udp} > ")));
            let line = line.with_context(|| format!("no datagram:\n{text}"))?;
            let from = format!("from {}", process(&sender, "lab-sender"));
            ensure!(line.contains(&from), "not {from}: {line}");
            let to = format!("to {}", process(&taker, "lab-taker"));
            ensure!(line.contains(&to) == all, "{to}: {line}");
        }
    }
    Ok(())
}

#[test]
fn through_translation() -> Result<()> {
    translated(|ns, args| capture(ns, Without::Types, args))
}

/// User and container, which pick it, too; another process sends beside it.
#[test]
fn with_user_and_container() -> Result<()> {
    const ID: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const NOBODY: u32 = 65_534;
    let pair = Pair::new()?;
    let group = Cgroup::new(&format!("docker-{ID}.scope"))?;
    let (_taker, to) = datagrams(&pair.a, "lab-taker", LOOPBACK[0])?;
    let mut inside = Process::spawn(&pair.a, "lab-inside", move |link| {
        link.hear()?;
        sys::setuid(NOBODY)?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"x", to)?;
        link.say(1)?;
        link.hear().map(drop)
    })?;
    group.add(&inside)?;
    let uid = NOBODY.to_string();
    let args = [
        "-i",
        "lo",
        "-n",
        "--container",
        &ID[..6],
        "--uid",
        &uid,
        "udp",
    ];
    let capture = capture(&pair.a, WITHOUT_BPF, &args)?;
    let (_other, _) = datagram(&pair.a, "lab-other", to, false)?;
    inside.say(1)?;
    inside.hear()?;
    capture.wait_for_lines(1)?;
    let (end, text) = capture.end_with_text()?;
    let words = format!(
        "[from pid={} comm=lab-inside uid={NOBODY} container={}",
        inside.pid(),
        &ID[..12]
    );
    ensure!(
        text.lines().count() == 1 && text.contains(&words) && end.received == 2,
        "not {words}, {end:?}:\n{text}"
    );
    Ok(())
}

/// One port, one process after the other: each is told as itself, or nobody is.
#[test]
fn ports_that_change_hands() -> Result<()> {
    const ROUNDS: usize = 12;
    let pair = Pair::new()?;
    let listener = pair.a.run(|| Ok(TcpListener::bind("127.0.0.1:0")?))?;
    let to = listener.local_addr()?;
    let capture = capture(&pair.a, WITHOUT_BPF, &["-i", "lo", "-n", "tcp"])?;
    let (mut port, mut owners, mut sum) = (0, Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut client = Process::spawn(&pair.a, "lab-in-turn", move |link| {
            let socket = sys::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            sys::setsockopt(socket.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1i32)?;
            sys::bind(socket.as_fd(), SocketAddr::from(([127, 0, 0, 1], port)))?;
            sys::connect(socket.as_fd(), to)?;
            let mut stream = TcpStream::from(socket);
            stream.write_all(b"x")?;
            link.say(stream.local_addr()?.port().into())?;
            link.hear()?;
            Ok(tcp::abort(stream)?)
        })?;
        let (mut accepted, _) = listener.accept()?;
        accepted.read_exact(&mut [0])?;
        port = u16::try_from(client.hear()?)?;
        // Its SYN and its byte are told before the next one comes.
        sum += 5;
        capture.wait_for_lines(sum)?;
        owners.push(process(&client, "lab-in-turn"));
        client.say(0)?;
        client.join()?;
        sum += 1;
    }
    let (_, text) = capture.end_with_text()?;
    let (mut round, mut told) = (0, [0; ROUNDS]);
    for line in text.lines() {
        let sent = line.contains(&format!(".{port} > "));
        round += usize::from(sent && line.contains("Flags [S]"));
        let mark = if sent { "from" } else { "to" };
        let owner = &owners[round.checked_sub(1).context("no SYN first")?];
        if line.contains(&format!("{mark} pid=")) {
            ensure!(
                line.contains(&format!("{mark} {owner}")),
                "in round {round} not of {owner}: {line}\n{text}"
            );
            told[round - 1] += 1;
        }
    }
    ensure!(
        round == ROUNDS && told[..2].iter().all(|n| *n >= 4),
        "{told:?}:\n{text}"
    );
    Ok(())
}

#[test]
fn picked_by_process() -> Result<()> {
    let pair = Pair::new()?;
    let mut clients = Vec::new();
    for comm in ["lab-one", "lab-two"] {
        let (server, port) = echo(&pair.a, "lab-server", SocketAddr::new(LOOPBACK[0], 0))?;
        let (client, from) = ask(&pair.a, comm, SocketAddr::new(LOOPBACK[0], port))?;
        clients.push((client, from, server));
    }
    let pid = clients[1].0.pid().to_string();
    for args in [["--pid", &pid], ["--comm", "lab-two"]] {
        let args = [&["-i", "lo", "-n"][..], &args, &["tcp"]].concat();
        let capture = capture(&pair.a, WITHOUT_BPF, &args)?;
        for (client, ..) in &mut clients {
            once(client)?;
        }
        let (end, text) = capture.end_with_text()?;
        let (client, from, server) = &clients[1];
        let words = [process(client, "lab-two"), process(server, "lab-server")];
        let told = each_has(&text, *from, &words[0], &words[1])?;
        ensure!(
            told as u64 == end.captured && told >= 3 && end.received >= 6,
            "{told} of {end:?}:\n{text}"
        );
    }
    Ok(())
}
