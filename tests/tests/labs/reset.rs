//! `reset`: every RST sent and received, with its state and the kernel's reason.

use anyhow::{Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::truth::Meter;
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::{at, kernel_since, socket_event, with};

const COUNT: u64 = 10;
const CLOSED: u16 = 9;

/// Resets got reasons in 6.10, which the functions behind the tracepoint do not hand on.
fn has_reason(event: &Value) -> Result<()> {
    let told = event["reason"].is_string();
    let forced = std::env::var("NETOBS_RUNG").is_ok_and(|rung| rung != "tp");
    ensure!(
        told == (kernel_since(6, 10)? && !forced),
        "reason of this kernel: {event}"
    );
    Ok(())
}

#[test]
fn from_a_closed_port() -> Result<()> {
    let lab = Pair::new()?;
    let meter = Meter::start(&[&lab.b])?;
    let watch = Watch::json(&["reset"])?.within(&lab.both()).start()?;
    for target in [Pair::B4, Pair::B6] {
        lab.a.run(|| {
            (0..COUNT).try_for_each(|_| {
                ensure!(
                    tcp::Dial::to(at(target, CLOSED)).connect().is_err(),
                    "connected to a closed port"
                );
                Ok(())
            })
        })?;
    }
    let sent = meter.delta("TcpOutRsts")?;
    ensure!(sent == 2 * COUNT, "{sent} resets sent");
    let by_b = json!({"event": "reset", "direction": "sent", "netns": lab.b.inode(), "state": null, "lport": CLOSED});
    let to_a = json!({
        "event": "reset", "direction": "received", "netns": lab.a.inode(), "state": "SYN_SENT", "rport": CLOSED,
        "pid": std::process::id(),
    });
    watch.expect_count(sent, &by_b)?;
    watch.expect_count(sent, &to_a)?;
    watch.expect(&with(
        by_b.clone(),
        &json!({"laddr": Pair::B4, "raddr": A4, "family": "ipv4"}),
    ))?;
    watch.expect(&with(
        by_b.clone(),
        &json!({"laddr": Pair::B6, "raddr": A6, "family": "ipv6"}),
    ))?;
    let first = watch.expect(&by_b)?;
    has_reason(&first)?;
    ensure!(
        first["reason"].is_null() || first["reason"] == "NO_SOCKET",
        "{first}"
    );
    let record = watch.stop()?;
    record.exactly(sent, &by_b)?;
    record.exactly(sent, &to_a)?;
    record.exactly(2 * sent, &json!({"event": "reset"}))
}

/// The kernel counts one reset.
fn one_reset(meter: &Meter<'_>) -> Result<()> {
    wait::until("TcpOutRsts to grow", || {
        Ok((meter.delta("TcpOutRsts")? > 0).then_some(()))
    })?;
    let sent = meter.delta("TcpOutRsts")?;
    ensure!(sent == 1, "{sent} resets were sent");
    Ok(())
}

#[test]
fn by_abort() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["reset"])?.within(&lab.both()).start()?;
    let meter = Meter::start(&[&lab.a])?;
    let pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    tcp::abort(pair.client)?;
    one_reset(&meter)?;
    let (a, b) = ((A4, pair.client_port), (Pair::B4, pair.server_port));
    let sent = json!({"direction": "sent", "netns": lab.a.inode(), "pid": std::process::id()});
    has_reason(&watch.expect(&with(socket_event("reset", a, b), &sent))?)?;
    let received = json!({"direction": "received", "state": "ESTABLISHED", "netns": lab.b.inode(), "pid": std::process::id()});
    watch.expect(&with(socket_event("reset", b, a), &received))?;
    watch.stop()?.exactly(2, &json!({"event": "reset"}))
}

/// The process that opened a connection owns it, also when another, which was handed the socket, sends the reset.
#[test]
fn by_another_process() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["reset"])?.within(&lab.both()).start()?;
    let meter = Meter::start(&[&lab.a])?;
    let pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    let holder = Process::spawn(&lab.b, "lab-holder", |link| {
        Ok(tcp::abort(link.take()?.into())?)
    })?;
    holder.pass(&pair.client)?;
    drop(pair.client);
    holder.join()?;
    one_reset(&meter)?;
    let (a, b) = ((A4, pair.client_port), (Pair::B4, pair.server_port));
    let sent = json!({
        "direction": "sent", "state": "ESTABLISHED", "netns": lab.a.inode(), "pid": std::process::id(),
    });
    watch.expect(&with(socket_event("reset", a, b), &sent))?;
    Ok(())
}

#[test]
fn by_unread_data() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["reset"])?.within(&lab.both()).start()?;
    let meter = Meter::start(&[&lab.b])?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    tcp::send(&mut pair.client, 10)?;
    tcp::wait_unread(&pair.server)?;
    drop(pair.server);
    one_reset(&meter)?;
    let (a, b) = ((A4, pair.client_port), (Pair::B4, pair.server_port));
    watch.expect(&with(
        socket_event("reset", b, a),
        &json!({"direction": "sent", "pid": std::process::id()}),
    ))?;
    watch.expect(&with(
        socket_event("reset", a, b),
        &json!({"direction": "received", "state": "ESTABLISHED"}),
    ))?;
    watch.stop()?.exactly(2, &json!({"event": "reset"}))
}

/// A segment that belongs to no connection reaches a listener, which answers: its peer is that of the segment.
#[test]
fn by_a_listener() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["reset"])?.within(&[&lab.b]).start()?;
    let listener = lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 1)?))?;
    let port = listener.local_addr()?.port();
    let mut client = lab
        .a
        .run(|| Ok(tcp::Dial::to(at(Pair::B4, port)).connect()?))?;
    let client_port = client.local_addr()?.port();
    // The reset that ends the connection is lost, so the client goes on.
    let rule = Rule::add(&lab.b, Hook::Output, "tcp flags & rst == rst", "drop")?;
    tcp::abort(listener.accept()?.0)?;
    ensure!(rule.remove()? == 1, "no reset was lost");
    let meter = Meter::start(&[&lab.b])?;
    tcp::send(&mut client, 1)?;
    one_reset(&meter)?;
    let (a, b) = ((A4, client_port), (Pair::B4, port));
    let answer = json!({
        "direction": "sent", "state": "LISTEN", "netns": lab.b.inode(), "pid": std::process::id(),
    });
    watch.expect(&with(socket_event("reset", b, a), &answer))?;
    watch.stop()?.exactly(2, &json!({"event": "reset"}))
}
