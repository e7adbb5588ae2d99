//! `--drops`: as many dropped packets as the rule has counted, each behind the packet that it was, with reason, place and owner.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::captures::Folder;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::traffic::{Process, udp};
use netobs_tests::truth::Meter;
use netobs_tests::{tool, wait};

use super::capture::{Capture, End, Pair};
use crate::support::{self, kernel_since};

const COUNT: u64 = 20;

/// `reason` where the kernel has reasons.
fn because(reason: &str) -> Result<String> {
    Ok(if kernel_since(5, 17)? {
        format!("[dropped {reason} at ")
    } else {
        "[dropped at ".to_owned()
    })
}

/// Datagrams that differ in their length.
fn send(pair: &Pair, port: u16) -> Result<()> {
    (1..=COUNT).try_for_each(|n| pair.send(port, 1, usize::try_from(n)?))
}

fn by_a_rule(device: &str) -> Result<()> {
    let pair = Pair::new()?;
    let rule = Rule::add(&pair.b, Hook::Input, "udp dport {7, 8}", "drop")?;
    let args = ["-i", device, "-n", "-tt", "--nano", "--drops", "udp port 7"];
    let capture = Capture::netobs(&pair.b, &args)?;
    send(&pair, 7)?;
    send(&pair, 8)?;
    ensure!(rule.packets()? == COUNT * 2, "the rule has not dropped all");
    let both = usize::try_from(COUNT)? * 2;
    capture.wait_for_lines(both)?;
    let (end, text) = capture.end_with_text()?;
    ensure!(end.captured == COUNT && end.received == COUNT, "{end:?}");
    ensure!(text.lines().count() == both, "{text}");
    let because = because("NETFILTER_DROP")?;
    let mut passed = 0;
    for line in text.lines() {
        let length = |n: u64| {
            line.contains(&format!("length {n} ")) || line.ends_with(&format!("length {n}"))
        };
        if line.contains("[dropped") {
            ensure!(line.contains(&because) && line.contains("+0x"), "{line}");
            ensure!(
                length(passed),
                "another packet is before it: {line}\n{text}"
            );
        } else {
            passed += 1;
            ensure!(length(passed), "out of order: {line}\n{text}");
        }
    }
    let time = |line: &str| line.split(' ').next().map(str::to_owned);
    let times: Vec<_> = text.lines().map(time).collect();
    ensure!(times.is_sorted(), "out of order: {text}");
    Ok(())
}

#[test]
fn each_drop_follows_its_packet() -> Result<()> {
    by_a_rule("v1")
}

#[test]
fn each_drop_follows_its_packet_on_any_interface() -> Result<()> {
    by_a_rule("any")
}

/// What the receiver had no room for, with the receiver; in a file, as `-r` and other tools read it.
#[test]
fn in_files_with_the_owner() -> Result<()> {
    let folder = Folder::new()?;
    let pair = Pair::new()?;
    let file = folder.path("drops.pcapng");
    let reader = SocketAddr::from(([10, 9, 0, 2], 0));
    let mut reader = Process::spawn(&pair.b, "lab-sleeper", move |link| {
        let socket = std::net::UdpSocket::bind(reader)?;
        udp::limit_receive_buffer(&socket, 1)?;
        link.say(u64::from(socket.local_addr()?.port()))?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(reader.hear()?)?;
    let filter = format!("udp port {port}");
    let capture = Capture::netobs(&pair.b, &["-i", "v1", "-w", &file, "--drops", &filter])?;
    let meter = Meter::start(&[&pair.b])?;
    pair.send(port, 100, 1000)?;
    let refused = meter.delta("UdpRcvbufErrors")?;
    ensure!(refused > 0, "nothing was refused");
    let end = capture.end()?;
    ensure!(end.captured == 100, "{end:?}");
    let text = super::netobs(&["-n", "-r", &file])?.unwrap_or_default();
    let dropped: Vec<&str> = text.lines().filter(|l| l.contains("[dropped")).collect();
    ensure!(dropped.len() as u64 == refused, "{refused} refused: {text}");
    let (because, pid) = (because("SOCKET_RCVBUFF")?, reader.pid());
    let owner = format!("to pid={pid} comm=lab-sleeper");
    for line in &dropped {
        ensure!(line.contains(&because) && line.contains(&owner), "{line}");
        ensure!(line.contains("length 1000"), "{line}");
    }
    reader.say(0)?;
    reader.join()?;
    if support::have(&["tshark"])? {
        let args = ["-r", &file, "-T", "fields", "-e", "frame.comment"];
        let comments = tool::run("tshark", &args, "")?;
        let told = comments.lines().filter(|line| line.starts_with("dropped "));
        ensure!(told.count() as u64 == refused, "{comments}");
    }
    Ok(())
}

/// So long packets are kept for an event.
const KEPT: Duration = Duration::from_millis(500);

/// Three datagrams that are too old when the reset comes, three that are kept, and three behind it; none: this machine was too
/// slow for those that are to be kept.
fn around_a_reset(pair: &Pair) -> Result<Option<(End, String)>> {
    let kept = KEPT.as_secs_f64().to_string();
    let on = [
        "--on",
        "reset:tcp port 9",
        "--before",
        &kept,
        "--after",
        "5",
    ];
    let args = [&["-i", "v1", "-n"], &on[..], &["udp or tcp"]].concat();
    let mut capture = Capture::netobs(&pair.b, &args)?;
    pair.send(7, 3, 11)?;
    let sent = wait::now();
    wait::until("packets to be older than what is kept", || {
        Ok((sent.elapsed() > KEPT).then_some(()))
    })?;
    let young = wait::now();
    pair.send(7, 3, 22)?;
    for to in ["10.9.0.2:10", "10.9.0.2:9"] {
        let refused = pair.a.run(|| Ok(TcpStream::connect(to).is_err()))?;
        ensure!(refused, "somebody listens at {to}");
    }
    if young.elapsed() >= KEPT {
        return Ok(None);
    }
    capture.says("10.9.0.2:9 -> 10.9.0.1:")?;
    pair.send(7, 3, 33)?;
    capture.wait_for_lines(10)?;
    capture.end_with_text().map(Some)
}

/// Around a reset: what came shortly before it and right behind it, and nothing of the time before that.
#[test]
fn around_an_event() -> Result<()> {
    let pair = Pair::new()?;
    let (end, text) = wait::until("a reset soon after what it follows", || {
        around_a_reset(&pair)
    })?;
    let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    ensure!(lines("length 11") == 0, "what is too old is told: {text}");
    ensure!(lines("length 22") == 3 && lines("length 33") == 3, "{text}");
    ensure!(
        lines("Flags [R.]") == 2 && lines("Flags [S]") == 2,
        "{text}"
    );
    ensure!(end.captured == 13 && end.received == 13, "{end:?}");
    Ok(())
}

/// Where nothing is dropped nothing is told, and files have nowhere to look.
#[test]
fn without_drops() -> Result<()> {
    let pair = Pair::new()?;
    let capture = Capture::netobs(&pair.b, &["-i", "v1", "-n", "--drops", "icmp"])?;
    pair.a.tool("ping", &["-c", "1", "10.9.0.2"], "")?;
    let (end, text) = capture.end_with_text()?;
    ensure!(
        end.captured == 2 && !text.contains("[dropped"),
        "{end:?}\n{text}"
    );
    Ok(())
}
