//! Lines beside tcpdump's, for every flag that changes them.

use anyhow::{Context, Result, ensure};
use netobs_tests::captures::{
    COOKED, ETHERNET, Folder, Form, LOOP, NULL, RAW, odd, pcap, relink, zoo,
};
use netobs_tests::netns::Netns;

use super::{netobs, tcpdump};
use crate::support;

/// Lines that differ, shown together.
fn same_lines(file: &str, flags: &[&str]) -> Result<()> {
    let args = [&["-n", "-r", file], flags].concat();
    let theirs = tcpdump(&args)?.context("tcpdump reads it")?;
    let ours = netobs(&args)?.context("netobs reads it")?;
    if ours == theirs {
        return Ok(());
    }
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.lines().collect(), ours.lines().collect());
    let differ = theirs.iter().zip(&ours).filter(|(a, b)| a != b);
    let shown: Vec<String> = differ
        .take(5)
        .map(|(a, b)| format!("tcpdump: {a}\nnetobs:  {b}"))
        .collect();
    anyhow::bail!(
        "{file} {flags:?}: {} and {} lines\n{}",
        theirs.len(),
        ours.len(),
        shown.join("\n")
    )
}

const FLAGS: [&[&str]; 18] = [
    &[],
    &["-e"],
    &["-v"],
    &["-e", "-v"],
    &["-vv"],
    &["-q"],
    &["-q", "-e"],
    &["-S"],
    &["-t"],
    &["-tt"],
    &["-ttt"],
    &["-tttt"],
    &["-ttttt"],
    &["-A"],
    &["-X"],
    &["-x"],
    &["-XX"],
    &["-xx", "-e", "-#"],
];

#[test]
fn every_packet_with_every_flag() -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let file = folder.write("zoo", &pcap(Form::of(ETHERNET), &zoo()))?;
    for flags in FLAGS {
        same_lines(&file, flags)?;
    }
    Ok(())
}

/// As people write them: the filter first, flags when they come to mind.
#[test]
fn flags_anywhere() -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let file = folder.write("zoo", &pcap(Form::of(ETHERNET), &zoo()))?;
    for flags in [
        &["icmp", "-c", "2"][..],
        &["udp", "-v", "port", "53", "-tttt"],
        &["-e", "tcp", "-S", "and", "tcp[13]", "&", "2", "!=", "0"],
        &["ip", "and", "len", "-", "4", ">", "60"],
        &["--absolute-tcp-sequence-numbers", "tcp", "--number"],
        &["-q", "--", "-1", "=", "4294967295"],
    ] {
        same_lines(&file, flags)?;
    }
    Ok(())
}

#[test]
fn every_link() -> Result<()> {
    if !support::have(&["tcpdump"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    for link in [RAW, NULL, LOOP, COOKED] {
        let packets = relink(link, &zoo());
        let file = folder.write(&link.to_string(), &pcap(Form::of(link), &packets))?;
        for flags in FLAGS {
            same_lines(&file, flags)?;
        }
    }
    Ok(())
}

/// Traffic of a kernel: a handshake, data and an end, echoes and discovery of both versions.
#[test]
fn real_traffic() -> Result<()> {
    if !support::have(&["tcpdump", "ping"])? {
        return Ok(());
    }
    let folder = Folder::new()?;
    let (a, b) = (Netns::new("dump-a")?, Netns::new("dump-b")?);
    a.ip(&format!(
        "link add v0 type veth peer name v1 netns {}\naddr add 10.9.0.1/24 dev v0\naddr add fd09::1/64 dev v0\nlink set v0 up",
        b.path()
    ))?;
    b.ip("addr add 10.9.0.2/24 dev v1\naddr add fd09::2/64 dev v1\nlink set v1 up")?;
    let file = folder.path("real");
    let capture = a.run(|| {
        let mut command = std::process::Command::new("tcpdump");
        command.args([
            "-i",
            "v0",
            "-w",
            &file,
            "-U",
            "--immediate-mode",
            "-c",
            "30",
        ]);
        command.stderr(std::process::Stdio::piped());
        command.spawn().context("start tcpdump")
    });
    let mut capture = capture?;
    netobs_tests::wait::until("tcpdump to write its file", || {
        Ok(std::fs::metadata(&file)
            .ok()
            .filter(|meta| meta.len() >= 24))
    })?;
    for (tool, to) in [("-4", "10.9.0.2"), ("-6", "fd09::2")] {
        a.tool("ping", &[tool, "-c", "2", "-i", "0.2", to], "")?;
    }
    let listener = b.run(|| std::net::TcpListener::bind("10.9.0.2:80").context("listen"))?;
    for _ in 0..4 {
        let mut client =
            a.run(|| std::net::TcpStream::connect("10.9.0.2:80").context("connect"))?;
        let (mut served, _) = listener.accept()?;
        std::io::Write::write_all(&mut client, b"GET / HTTP/1.0\r\n\r\n")?;
        std::io::Write::write_all(&mut served, b"HTTP/1.0 200 OK\r\n\r\nhello")?;
        drop(client);
    }
    let _status = capture.wait()?;
    for flags in [&[][..], &["-v"], &["-e", "-vv"], &["-S", "-tttt"], &["-XX"]] {
        same_lines(&file, flags)?;
    }
    Ok(())
}

/// What tcpdump reads deeper than we do still has its line, on every link and cut off anywhere.
#[test]
fn every_odd_packet_has_a_line() -> Result<()> {
    let folder = Folder::new()?;
    let frames = [zoo(), odd()].concat();
    for snaplen in [14, 24, 40, 60, 262_144] {
        let form = Form {
            snaplen,
            ..Form::of(ETHERNET)
        };
        let file = folder.write(&format!("{snaplen}"), &pcap(form, &frames))?;
        let text = netobs(&["-n", "-e", "-vvv", "-tt", "-r", &file])?.context("netobs reads it")?;
        let lines = super::numbers(&text)?.len();
        ensure!(
            lines == frames.len(),
            "{lines} lines of {} packets",
            frames.len()
        );
    }
    Ok(())
}
