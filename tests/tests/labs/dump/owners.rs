//! The owner of each packet: processes whose ids the lab knows, at both ends, over loopback, between namespaces and through translation.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::Folder;
use netobs_tests::netns::Netns;
use netobs_tests::traffic::Process;

use super::capture::{Capture, Pair};
use crate::support;

pub const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// A server that answers each byte until there are no more; with its port.
pub fn echo(ns: &Netns, comm: &str, addr: SocketAddr) -> Result<(Process, u16)> {
    Process::server(ns, comm, addr, |mut stream, link| {
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            stream.write_all(&byte)?;
        }
        link.hear().map(drop).or(Ok(()))
    })
}

/// A client that sends a byte and waits for its answer, as often as it is told.
pub fn ask(ns: &Netns, comm: &str, to: SocketAddr) -> Result<(Process, u16)> {
    Process::client(ns, comm, to, |mut stream, link| {
        while link.hear()? > 0 {
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])?;
            link.say(1)?;
        }
        Ok(())
    })
}

pub fn once(client: &mut Process) -> Result<()> {
    client.say(1)?;
    client.hear().map(drop)
}

/// Of each line with this port: the sender's and the receiver's owner stand where they belong.
pub fn each_has(text: &str, port: u16, client: &str, server: &str) -> Result<usize> {
    let mut lines = 0;
    for line in text.lines() {
        let from = line.contains(&format!(".{port} > "));
        if !from && !line.contains(&format!(".{port}: ")) {
            continue;
        }
        let (sender, receiver) = if from {
            (client, server)
        } else {
            (server, client)
        };
        let wanted = [format!("from {sender}"), format!("to {receiver}")];
        ensure!(
            wanted.iter().all(|words| line.contains(words)),
            "not {wanted:?}: {line}"
        );
        lines += 1;
    }
    Ok(lines)
}

pub fn process(process: &Process, comm: &str) -> String {
    format!("pid={} comm={comm} uid=0", process.pid())
}

#[test]
fn both_ends_of_connections_old_and_new() -> Result<()> {
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        let (server, port) = echo(&pair.a, "lab-old-server", SocketAddr::new(addr, 0))?;
        let (mut client, from) = ask(&pair.a, "lab-old-client", SocketAddr::new(addr, port))?;
        let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "tcp"])?;
        once(&mut client)?;
        let (new_server, new_port) = echo(&pair.a, "lab-new-server", SocketAddr::new(addr, 0))?;
        let to = SocketAddr::new(addr, new_port);
        let (mut new_client, new_from) = ask(&pair.a, "lab-new-client", to)?;
        once(&mut new_client)?;
        let words = [
            process(&client, "lab-old-client"),
            process(&server, "lab-old-server"),
            process(&new_client, "lab-new-client"),
            process(&new_server, "lab-new-server"),
        ];
        // The new connection is over before its packets are looked at, for all we know.
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

/// A server that was there before the capture, and a client that comes and stays: nobody tells of either, so they are looked for.
#[test]
fn a_new_client_of_an_old_server() -> Result<()> {
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        let (server, port) = echo(&pair.a, "lab-old-server", SocketAddr::new(addr, 0))?;
        let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n", "tcp"])?;
        let (mut client, from) = ask(&pair.a, "lab-new-client", SocketAddr::new(addr, port))?;
        once(&mut client)?;
        capture.wait_for_lines(6)?;
        let (_, text) = capture.end_with_text()?;
        let words = [
            process(&client, "lab-new-client"),
            process(&server, "lab-old-server"),
        ];
        let told = each_has(&text, from, &words[0], &words[1])?;
        ensure!(told >= 6, "{told} packets:\n{text}");
    }
    Ok(())
}

/// Processes that live no longer than their packet, and errors about it.
#[test]
fn datagrams_and_echoes() -> Result<()> {
    let pair = Pair::new()?;
    for addr in LOOPBACK {
        let capture = Capture::netobs(&pair.a, &["-i", "lo", "-n"])?;
        let mut sender = Process::spawn(&pair.a, "lab-short", |link| {
            let socket = UdpSocket::bind((addr, 0))?;
            link.say(socket.local_addr()?.port().into())?;
            socket.send_to(b"x", (addr, 9)).context("send")?;
            Ok(())
        })?;
        let port = sender.hear()?;
        let words = process(&sender, "lab-short");
        sender.join()?;
        pair.a.tool("ping", &["-c", "1", &addr.to_string()], "")?;
        let (_, text) = capture.end_with_text()?;
        let line = |words: &str| {
            let found = text.lines().find(|line| line.contains(words));
            found.with_context(|| format!("no {words}:\n{text}"))
        };
        let datagram = line(&format!(".{port} > "))?;
        ensure!(datagram.contains(&format!("[from {words}")), "{datagram}");
        let error = line("unreachable")?;
        ensure!(error.contains(&format!("to {words}")), "{error}");
        for echo in ["echo request", "echo reply"] {
            let echo = line(echo)?;
            ensure!(echo.contains("comm=ping uid=0"), "{echo}");
        }
    }
    Ok(())
}

/// Client and server in namespaces of their own, the server behind a translated address: both are told on each side of it.
#[test]
fn through_translation() -> Result<()> {
    translated(Capture::netobs)
}

/// With a capture that is begun so.
pub fn translated(begin: impl Fn(&Netns, &[&str]) -> Result<Capture>) -> Result<()> {
    if !support::have(&["nft"])? {
        return Ok(());
    }
    let [host, front, back] = ["dump-host", "dump-front", "dump-back"].map(Netns::new);
    let (host, front, back) = (host?, front?, back?);
    for (ns, net) in [(&front, 1), (&back, 2)] {
        host.ip(&format!(
            "link add h{net} type veth peer name v0 netns {}\naddr add 10.{net}.0.1/24 dev h{net}\nlink set h{net} up",
            ns.path()
        ))?;
        ns.ip(&format!(
            "addr add 10.{net}.0.2/24 dev v0\nlink set v0 up\nroute add default via 10.{net}.0.1"
        ))?;
    }
    host.sysctl("net/ipv4/ip_forward", "1")?;
    let rules = "table ip lab {\nchain pre {\ntype nat hook prerouting priority -100\n\
                 ip daddr 10.1.0.1 tcp dport 8080 dnat to 10.2.0.2:80\n}\n}\n";
    host.tool("nft", &["-f", "-"], rules)?;
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80));
    let (server, _) = echo(&back, "lab-back", any)?;
    // What keeps a namespace, as in every pod; it has no socket.
    let _pause = Process::spawn(&front, "lab-pause", |link| link.hear().map(drop))?;
    let capture = begin(&host, &["-i", "any", "-n", "tcp"])?;
    // Where nobody has the client's own end: what it connected to is another address.
    let behind = begin(&host, &["-i", "h2", "-n", "tcp"])?;
    let to = SocketAddr::from(([10, 1, 0, 1], 8080));
    let (mut client, port) = ask(&front, "lab-front", to)?;
    once(&mut client)?;
    let words = [process(&client, "lab-front"), process(&server, "lab-back")];
    capture.wait_for_lines(10)?;
    behind.wait_for_lines(5)?;
    client.say(0)?;
    client.join()?;
    let (_, text) = behind.end_with_text()?;
    let lines = each_has(&text, port, &words[0], &words[1])?;
    ensure!(
        lines >= 5 && !text.contains("10.1.0.1.8080"),
        "{lines} packets:\n{text}"
    );
    let (_, text) = capture.end_with_text()?;
    let lines = each_has(&text, port, &words[0], &words[1])?;
    ensure!(
        lines >= 10 && text.contains("10.1.0.1.8080") && text.contains("10.2.0.2.80"),
        "{lines} packets:\n{text}"
    );
    for ns in [&front, &back] {
        ensure!(text.contains(&format!("netns={}", ns.inode())), "{text}");
    }
    Ok(())
}

/// One process of two is picked, the other's packets are counted; files tell the owner, to tshark and to `-r`.
#[test]
fn picked_and_kept_in_files() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let file = folder.path("owners");
    let addr = SocketAddr::new(LOOPBACK[0], 0);
    let mut clients = Vec::new();
    for comm in ["lab-one", "lab-two"] {
        let (server, port) = echo(&pair.a, "lab-server", addr)?;
        let to = SocketAddr::new(LOOPBACK[0], port);
        let (client, from) = ask(&pair.a, comm, to)?;
        clients.push((client, from, server));
    }
    let args = ["-i", "lo", "-w", &file, "--comm", "lab-one", "tcp"];
    let capture = Capture::netobs(&pair.a, &args)?;
    let pid = clients[1].0.pid().to_string();
    let second = Capture::netobs(&pair.a, &["-i", "lo", "-n", "--pid", &pid, "tcp"])?;
    for (client, ..) in &mut clients {
        once(client)?;
    }
    let (end, text) = second.end_with_text()?;
    ensure!(
        end.captured == 4 || end.captured == 3,
        "a byte and its answer, with their acknowledgements: {end:?}\n{text}"
    );
    let end = capture.end()?;
    ensure!(
        end.received >= 6 && end.captured < end.received && end.lost == 0,
        "{end:?}"
    );
    let own = process(&clients[0].0, "lab-one");
    let ours = netobs_tests::netobs::binary::run_within(&pair.a, &["dump", "-n", "-r", &file])?;
    let shown = each_has(&ours, clients[0].1, &own, "pid=")?;
    ensure!(shown as u64 == end.captured, "{shown} of {end:?}:\n{ours}");
    if support::have(&["tshark"])? {
        let args = ["-n", "-r", &file, "-T", "fields", "-e", "frame.comment"];
        let comments = netobs_tests::tool::run("tshark", &args, "")?;
        let with = comments.lines().filter(|line| line.contains(&own)).count();
        ensure!(with == shown, "tshark shows {comments}");
    }
    Ok(())
}

/// The process of each packet stands in files as macOS's tcpdump writes it, which Wireshark shows, too.
#[test]
fn processes_have_blocks() -> Result<()> {
    if !support::have(&["tshark", "capinfos"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let [file, again] = ["blocks", "again"].map(|name| folder.path(name));
    let (server, port) = echo(&pair.a, "lab-blocks-srv", SocketAddr::new(LOOPBACK[0], 0))?;
    let to = SocketAddr::new(LOOPBACK[0], port);
    let (mut client, _) = ask(&pair.a, "lab-blocks-cli", to)?;
    let capture = Capture::netobs(&pair.a, &["-i", "lo", "-w", &file, "tcp"])?;
    once(&mut client)?;
    let end = capture.end()?;
    netobs_tests::netobs::binary::run_within(&pair.a, &["dump", "-r", &file, "-w", &again])?;
    for file in [file, again] {
        netobs_tests::tool::run("capinfos", &[&file], "")?;
        let field = |name: &str| -> Result<Vec<String>> {
            let args = ["-X", "read_format:MIME Files Format", "-r", &file];
            let name = format!("pcapng.{name}");
            let args = [&args[..], &["-T", "fields", "-e", &name]].concat();
            let told = netobs_tests::tool::run("tshark", &args, "")?;
            let words = told.trim().split([',', '\n']).map(str::to_owned);
            Ok(words.collect())
        };
        let pids = field("darwin.process_id")?;
        let names = field("darwin.process_name")?;
        let mut known: Vec<_> = pids.into_iter().zip(names).collect();
        known.sort();
        let mut wanted = [(&client, "lab-blocks-cli"), (&server, "lab-blocks-srv")]
            .map(|(process, name)| (process.pid().to_string(), name.to_owned()));
        wanted.sort();
        ensure!(known == wanted, "{known:?}, not {wanted:?}");
        let numbers = field("options.option.data.packet.darwin.dpeb_id")?;
        ensure!(numbers.len() as u64 == end.captured, "{numbers:?}");
    }
    Ok(())
}
