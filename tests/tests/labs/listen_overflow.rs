//! `listen-overflow`: accept and SYN queues that are full, added up as the kernel adds them.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use anyhow::{Result, ensure};
use netobs_tests::netobs::{Observer, Record, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::truth::{self, Meter};
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::{at, can_show, only_polled};

const CLIENTS: usize = 12;

fn listener(lab: &Pair, addr: IpAddr, backlog: i32) -> Result<TcpListener> {
    lab.b.run(|| Ok(tcp::listen(at(addr, 0), backlog)?))
}

/// Clients that send their SYN and go on sending it.
fn clients(lab: &Pair, to: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    lab.a
        .run(|| (0..count).map(|_| Ok(tcp::Dial::to(to).start()?)).collect())
}

fn until_counted(meter: &Meter<'_>, counter: &str) -> Result<()> {
    wait::until(&format!("{counter} to grow"), || {
        Ok((meter.delta(counter)? >= 5).then_some(()))
    })
}

/// What is told of `event` adds up to what the kernel's counter grew by.
fn adds_up(watch: Observer, grown: u64, event: &Value, counter: &str) -> Result<Record> {
    watch.expect_sum(grown, event, "count")?;
    let record = watch.stop()?;
    let told = record.sum(event, "count");
    ensure!(
        told == grown,
        "count adds up to {told}, {counter} grew by {grown}\n{}",
        record.tail()
    );
    Ok(record)
}

#[test]
fn of_the_accept_queue() -> Result<()> {
    if !can_show("listen-overflow", &["listen-queue"])? {
        return Ok(());
    }
    let lab = Pair::new()?;
    let watch = Watch::json(&["listen-overflow"])?
        .within(&[&lab.b])
        .start()?;
    let meter = Meter::start(&[&lab.b])?;
    let listener = listener(&lab, Pair::B4, 1)?;
    let port = listener.local_addr()?.port();
    let waiting = clients(&lab, listener.local_addr()?, CLIENTS)?;
    until_counted(&meter, "TcpExtListenOverflows")?;
    // Without a listener nothing can overflow any more: the counters rest.
    drop(listener);
    drop(waiting);
    let (overflows, drops) = (
        meter.delta("TcpExtListenOverflows")?,
        meter.delta("TcpExtListenDrops")?,
    );
    ensure!(
        overflows > 0 && drops >= overflows,
        "{overflows} overflows, {drops} drops"
    );
    if !can_show("listen-overflow", &["accept", "syn_recv_sock"])? {
        return Ok(());
    }
    let event = json!({
        "event": "listen-overflow", "queue": "accept", "lport": port, "laddr": Pair::B4, "backlog": 1, "outcome": "dropped",
        "pid": std::process::id(), "netns": lab.b.inode(),
    });
    let record = adds_up(watch, overflows, &event, "ListenOverflows")?;
    let all = record.sum(
        &json!({"event": "listen-overflow", "outcome": "dropped"}),
        "count",
    );
    ensure!(
        all == drops,
        "all drops add up to {all}, ListenDrops grew by {drops}\n{}",
        record.tail()
    );
    Ok(())
}

/// When the listener's process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    AfterTold,
    AtOnce,
}

/// Clients in the SYN queue whose ACKs come late, all at once: the accept queue has room for the first of them only.
fn late_acks(addr: IpAddr, leaves: Leaves) -> Result<()> {
    const BACKLOG: usize = 8;
    if !can_show("listen-overflow", &["listen-queue"])? {
        return Ok(());
    }
    let lab = Pair::new()?;
    let watch = Watch::json(&["listen-overflow"])?
        .within(&[&lab.b])
        .start()?;
    let meter = Meter::start(&[&lab.b])?;
    // By the counters of its namespace a listener that can only be asked knows what it lost: it counts such an ACK twice.
    let neighbour = Process::spawn(&lab.b, "lab-neighbour", |link| link.hear().map(drop))?;
    let mut server = Process::spawn(&lab.b, "lab-server", |link| {
        let listener = tcp::listen(at(addr, 0), BACKLOG.try_into()?)?;
        link.say(listener.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(server.hear()?)?;
    let accepted = clients(&lab, at(addr, port), BACKLOG)?;
    wait::until("the first clients to be in the accept queue", || {
        Ok((truth::accept_queue(&lab.b, port)? == BACKLOG).then_some(()))
    })?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        "tcp flags & (syn | ack) == ack",
        "drop",
    )?;
    let waiting = clients(&lab, at(addr, port), BACKLOG)?;
    wait::until("the ACKs to be lost", || {
        Ok((rule.packets()? >= waiting.len() as u64).then_some(()))
    })?;
    ensure!(
        meter.delta("TcpExtListenOverflows")? == 0,
        "a SYN has overflowed already"
    );
    rule.remove()?;
    until_counted(&meter, "TcpExtListenOverflows")?;
    let pid = server.pid();
    if leaves == Leaves::AfterTold && can_show("listen-overflow", &["accept", "syn_recv_sock"])? {
        watch.expect(&json!({"event": "listen-overflow", "pid": pid}))?;
    }
    server.say(0)?;
    server.join()?;
    drop((accepted, waiting));
    let overflows = meter.delta("TcpExtListenOverflows")?;
    if !can_show("listen-overflow", &["accept", "syn_recv_sock"])? {
        return Ok(());
    }
    let event = json!({
        "event": "listen-overflow", "queue": "accept", "lport": port, "laddr": addr, "backlog": BACKLOG, "outcome": "dropped",
        "pid": pid, "comm": "lab-server", "netns": lab.b.inode(),
    });
    adds_up(watch, overflows, &event, "ListenOverflows")?;
    neighbour.kill()
}

#[test]
fn of_the_accept_queue_by_late_acks() -> Result<()> {
    late_acks(Pair::B4, Leaves::AfterTold)
}

#[test]
fn of_the_accept_queue_by_late_acks_ipv6() -> Result<()> {
    late_acks(Pair::B6, Leaves::AfterTold)
}

/// Its process is gone before anybody can look.
#[test]
fn of_a_listener_that_is_gone() -> Result<()> {
    late_acks(Pair::B4, Leaves::AtOnce)
}

/// Handshakes that never end, because their SYN-ACKs are lost, fill the SYN queue.
fn syn_queue(cookies: &str, counter: &str, outcome: &str) -> Result<()> {
    if !can_show("listen-overflow", &["listen-queue"])? {
        return Ok(());
    }
    let lab = Pair::new()?;
    lab.b.sysctl("net/ipv4/tcp_syncookies", cookies)?;
    let watch = Watch::json(&["listen-overflow"])?
        .within(&[&lab.b])
        .start()?;
    let meter = Meter::start(&[&lab.b])?;
    let rule = Rule::add(
        &lab.a,
        Hook::Input,
        "tcp flags & (syn | ack) == (syn | ack)",
        "drop",
    )?;
    let listener = listener(&lab, Pair::B4, 3)?;
    let port = listener.local_addr()?.port();
    let waiting = clients(&lab, listener.local_addr()?, CLIENTS)?;
    until_counted(&meter, counter)?;
    drop(listener);
    drop(waiting);
    ensure!(rule.packets()? > 0, "no SYN-ACK was lost");
    let grown = meter.delta(counter)?;
    if !can_show("listen-overflow", &["syn", "conn_request"])? {
        return Ok(());
    }
    if outcome == "syncookie" && only_polled("listen-overflow", "SYN cookies")? {
        return Ok(());
    }
    let event: Value = json!({
        "event": "listen-overflow", "queue": "syn", "lport": port, "outcome": outcome, "pid": std::process::id(), "backlog": 3,
    });
    adds_up(watch, grown, &event, counter).map(drop)
}

#[test]
fn of_the_syn_queue() -> Result<()> {
    syn_queue("0", "TcpExtTCPReqQFullDrop", "dropped")
}

#[test]
fn of_the_syn_queue_with_cookies() -> Result<()> {
    syn_queue("1", "TcpExtTCPReqQFullDoCookies", "syncookie")
}
