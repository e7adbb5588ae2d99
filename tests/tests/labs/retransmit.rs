//! `retransmit`: the sum of segments is the kernel's own `TcpRetransSegs`, whatever was lost and where.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::netobs::{Record, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::truth::Meter;
use netobs_tests::wait;
use serde_json::json;

use crate::support::{at, socket_event, with};

const MEGABYTES: u64 = 4;

/// A bulk transfer in which `when` decides what is lost, on its way into `b`.
fn bulk(target: IpAddr, when: &str) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit"])?.within(&lab.both()).start()?;
    let meter = Meter::start(&lab.both())?;
    let (mut server, port) =
        Process::server(&lab.b, "lab-sink", at(target, 0), |mut stream, link| {
            link.say(tcp::drain(&mut stream)?)
        })?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        &format!("tcp dport {port} {when}"),
        "drop",
    )?;
    let (client, lport) = Process::client(
        &lab.a,
        "lab-source",
        at(target, port),
        |mut stream, link| {
            tcp::send(&mut stream, MEGABYTES << 20)?;
            link.hear().map(drop)
        },
    )?;
    let mut client = client;
    client.say(0)?;
    let got = server.hear()?;
    ensure!(got == MEGABYTES << 20, "{got} bytes arrived");
    let pid = client.pid();
    client.join()?;
    server.join()?;
    let lost = rule.packets()?;
    let segments = wait_quiet(&meter)?;
    ensure!(
        lost > 0 && segments > 0,
        "{lost} packets lost, {segments} segments sent again: no test"
    );

    // Now and then this machine itself has no room for one: the kernel counts it twice, as sent again and as failed.
    let failed = meter.delta("TcpExtTCPRetransFail")?;

    let all = json!({"event": "retransmit"});
    let summed = watch.expect_sum(segments - failed, &all, "segs");
    summed.with_context(|| format!("{:?}", meter.deltas("TcpRetransSegs")))?;
    let local = if target.is_ipv4() { A4 } else { A6 };
    watch.expect(&with(
        socket_event("retransmit", (local, lport), (target, port)),
        &json!({"pid": pid, "comm": "lab-source"}),
    ))?;
    let record = watch.stop()?;
    let (told, refused) = (record.sum(&all, "segs"), record.sum(&all, "failed_segs"));
    ensure!(
        told + refused == segments && refused == failed,
        "segs {told} + failed {refused}, TcpRetransSegs grew by {segments}, TCPRetransFail by {failed} ({lost} lost)\n{}",
        record.tail()
    );
    handshakes_are_exact(&record, &meter)?;
    ensure!(
        record.lost()? == 0,
        "events lost under {segments} retransmits"
    );
    Ok(())
}

fn handshakes_are_exact(record: &Record, meter: &Meter<'_>) -> Result<()> {
    let all = json!({"event": "retransmit"});
    let syns = record.sum(&with(all.clone(), &json!({"kind": "syn"})), "segs");
    let syn_acks = record.sum(&with(all, &json!({"kind": "synack"})), "segs");
    let counted = meter.delta("TcpExtTCPSynRetrans")?;
    ensure!(
        syns + syn_acks == counted,
        "{syns} SYN + {syn_acks} SYN-ACK, TCPSynRetrans grew by {counted}: {:?}\n{}",
        meter.deltas("TcpExtTCPSynRetrans"),
        record.tail()
    );
    Ok(())
}

/// The counter, once both ends are closed and it has stopped growing.
fn wait_quiet(meter: &Meter<'_>) -> Result<u64> {
    let mut last = meter.delta("TcpRetransSegs")?;
    let mut since = wait::now();
    wait::until("TcpRetransSegs to rest", || {
        let now = meter.delta("TcpRetransSegs")?;
        if now != last {
            (last, since) = (now, wait::now());
        }
        // Longer than a retransmission timeout on a link of this speed.
        Ok((since.elapsed().as_millis() > 500).then_some(now))
    })
}

#[test]
fn random_loss_ipv4() -> Result<()> {
    bulk(Pair::B4, "numgen random mod 1000 < 20")
}

#[test]
fn random_loss_ipv6() -> Result<()> {
    bulk(Pair::B6, "numgen random mod 1000 < 20")
}

#[test]
fn heavy_loss() -> Result<()> {
    bulk(Pair::B4, "numgen random mod 100 < 8")
}

/// The local output hook refuses the segments: the kernel counts them as sent again all the same.
#[test]
fn that_fails_locally() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit"])?.within(&lab.both()).start()?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    let meter = Meter::start(&lab.both())?;
    let ours = format!("tcp dport {}", pair.server_port);
    let on_the_way = Rule::add(&lab.b, Hook::Input, &ours, "drop")?;
    tcp::send(&mut pair.client, 5000)?;
    let at_home = Rule::add(&lab.a, Hook::Output, &ours, "drop")?;
    wait::until("retransmits to fail", || {
        Ok((meter.delta("TcpExtTCPRetransFail")? >= 2).then_some(()))
    })?;
    at_home.remove()?;
    on_the_way.remove()?;
    tcp::receive(&mut pair.server, 5000)?;
    let segments = wait_quiet(&meter)?;
    let failed = meter.delta("TcpExtTCPRetransFail")?;

    let all = json!({"event": "retransmit", "pid": std::process::id()});
    watch.expect_sum(segments - failed, &all, "segs")?;
    let record = watch.stop()?;
    let (sent, refused) = (record.sum(&all, "segs"), record.sum(&all, "failed_segs"));
    ensure!(
        sent + refused == segments,
        "segs {sent} + failed {refused}, TcpRetransSegs grew by {segments}\n{}",
        record.tail()
    );
    ensure!(
        refused == failed,
        "failed_segs add up to {refused}, TCPRetransFail grew by {failed}\n{}",
        record.tail()
    );
    Ok(())
}

#[test]
fn none_without_loss() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit", "close"])?
        .within(&[&lab.a])
        .start()?;
    let meter = Meter::start(&[&lab.a])?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    tcp::send(&mut pair.client, 50_000)?;
    tcp::receive(&mut pair.server, 50_000)?;
    tcp::abort(pair.client)?;
    watch.expect(&json!({"event": "close", "lport": pair.client_port, "end": "rst-sent"}))?;
    // A probe goes out when this machine is slow.
    let segments = meter.delta("TcpRetransSegs")?;
    let told = watch.stop()?.sum(&json!({"event": "retransmit"}), "segs");
    ensure!(told == segments, "segs add up to {told}, not {segments}");
    Ok(())
}
