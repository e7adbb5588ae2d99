//! `retransmit`: each kind caused by itself: SYN, SYN-ACK, tail loss probe, timeout, fast.

use anyhow::{Result, ensure};
use netobs_tests::netobs::{Observer, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::truth::{Meter, ss_info};
use netobs_tests::wait;
use serde_json::json;

use crate::support::{at, positive, socket_event, with};

/// A process that connects after `rule` has been set up to lose the first packet of a kind.
fn lost_handshake(
    place: fn(&Pair) -> &netobs_tests::netns::Netns,
    flags: &str,
    kind: &str,
) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit"])?.within(&lab.both()).start()?;
    let meter = Meter::start(&lab.both())?;
    let rule = Rule::add(
        place(&lab),
        Hook::Input,
        &format!("{flags} numgen inc mod 1000 0"),
        "drop",
    )?;
    let (server, port) =
        Process::server(&lab.b, "lab-server", at(Pair::B4, 0), |_stream, link| {
            link.hear().map(drop)
        })?;
    let (client, lport) =
        Process::client(&lab.a, "lab-client", at(Pair::B4, port), |_stream, link| {
            link.hear().map(drop)
        })?;
    let lost = rule.packets()?;
    ensure!(lost == 1, "{lost} packets lost instead of one");
    let expected = if kind == "syn" {
        let owner = json!({"kind": "syn", "state": "SYN_SENT", "segs": 1, "pid": client.pid(), "comm": "lab-client"});
        with(
            socket_event("retransmit", (A4, lport), (Pair::B4, port)),
            &owner,
        )
    } else {
        let owner = json!({"kind": "synack", "state": "SYN_RECV", "segs": 1, "pid": server.pid(), "comm": "lab-server"});
        with(
            socket_event("retransmit", (Pair::B4, port), (A4, lport)),
            &owner,
        )
    };
    watch.expect(&expected)?;
    sum_is_exact(watch, &meter)
}

fn sum_is_exact(watch: Observer, meter: &Meter<'_>) -> Result<()> {
    let segments = meter.delta("TcpRetransSegs")?;
    watch.expect_sum(segments, &json!({"event": "retransmit"}), "segs")?;
    let record = watch.stop()?;
    let told = record.sum(&json!({"event": "retransmit"}), "segs");
    ensure!(
        told == segments,
        "segs add up to {told}, TcpRetransSegs grew by {segments}\n{}",
        record.tail()
    );
    Ok(())
}

#[test]
fn syn() -> Result<()> {
    lost_handshake(|lab| &lab.b, "tcp flags & (syn | ack) == syn", "syn")
}

#[test]
fn syn_ack() -> Result<()> {
    lost_handshake(
        |lab| &lab.a,
        "tcp flags & (syn | ack) == (syn | ack)",
        "synack",
    )
}

/// The tail of a flight is lost: a probe goes out first, then the timer speaks.
#[test]
fn tail_loss_probe_then_timeout() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit"])?.within(&[&lab.a]).start()?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    tcp::send(&mut pair.client, 10)?;
    tcp::receive(&mut pair.server, 10)?;
    let meter = Meter::start(&[&lab.a])?;
    let hole = Rule::add(
        &lab.b,
        Hook::Input,
        &format!("tcp dport {}", pair.server_port),
        "drop",
    )?;
    // One segment: with data left over, by the window or by Nagle, the probe would be new data.
    tcp::send(&mut pair.client, 1_000)?;
    wait::until("two timeouts", || {
        Ok((meter.delta("TcpExtTCPTimeouts")? >= 2).then_some(()))
    })?;
    let probes = meter.delta("TcpExtTCPLossProbes")?;
    ensure!(probes > 0, "no tail loss probe was sent");
    hole.remove()?;
    tcp::receive(&mut pair.server, 1_000)?;

    let (local, remote) = ((A4, pair.client_port), (Pair::B4, pair.server_port));
    let of = |kind: &str| {
        with(
            socket_event("retransmit", local, remote),
            &json!({"kind": kind, "state": "ESTABLISHED"}),
        )
    };
    watch.expect(&of("tlp"))?;
    let timeout = watch.expect(&with(
        of("rto"),
        &json!({"ca_state": "Loss", "pid": std::process::id()}),
    ))?;
    for key in ["srtt_us", "rto_us", "len", "seq", "retrans"] {
        positive(&timeout, key)?;
    }
    let info = ss_info(&lab.a, pair.client_port, pair.server_port)?;
    ensure!(
        info.get("state").is_some_and(|state| state == "ESTAB"),
        "ss does not know the connection: {info:?}"
    );
    sum_is_exact(watch, &meter)
}

/// One packet in the middle of a flight is lost: duplicate ACKs bring it back without a timer.
#[test]
fn fast() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["retransmit"])?.within(&[&lab.a]).start()?;
    // Segments one by one, so that one can be lost alone.
    lab.a.ip("link set eth0 gso_max_segs 1\n")?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    let meter = Meter::start(&[&lab.a])?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        &format!("tcp dport {} numgen inc mod 20 == 10", pair.server_port),
        "drop",
    )?;
    pair.transfer(400_000)?;
    let (lost, fast) = (rule.remove()?, meter.delta("TcpExtTCPFastRetrans")?);
    ensure!(
        lost > 0 && fast > 0,
        "{lost} packets lost, {fast} fast retransmits: no test"
    );
    watch.expect(&json!({
        "event": "retransmit", "kind": "fast", "ca_state": "Recovery", "lport": pair.client_port, "rport": pair.server_port,
    }))?;
    sum_is_exact(watch, &meter)
}
