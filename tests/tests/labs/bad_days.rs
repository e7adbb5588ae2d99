//! Bad days: full disks, closed pipes, signals, vanished things, strangers on the device. Always a clean end.

use std::fs::OpenOptions;
use std::io::pipe;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::{Observer, Record, Watch};
use netobs_tests::programs::{self, Bystander};
use netobs_tests::topology::Pair;
use netobs_tests::traffic::{Process, tcp};
use netobs_tests::{sys, wait};
use serde_json::{Value, json};

use crate::support::at;

fn listener(lab: &Pair) -> Result<TcpListener> {
    lab.b.run(|| Ok(tcp::listen(at(Pair::B4, 0), 64)?))
}

fn connect(lab: &Pair, listener: &TcpListener) -> Result<()> {
    let to = listener.local_addr()?;
    lab.a.run(|| {
        let client = tcp::Dial::to(to).connect()?;
        listener.accept()?;
        Ok(tcp::abort(client)?)
    })
}

/// Events until netobs ends because it cannot write them.
fn until_ended(lab: &Pair, mut watch: Observer) -> Result<Record> {
    let listener = listener(lab)?;
    wait::until("netobs to notice that it cannot write", || {
        connect(lab, &listener)?;
        Ok(watch.ended()?.then_some(()))
    })?;
    watch.wait()
}

fn ended_with(record: &Record, status: i32) -> Result<()> {
    let (ended, said) = (record.status, &record.stderr);
    ensure!(ended.code() == Some(status), "{ended}: {said}");
    Ok(())
}

#[test]
fn closed_pipe_ends_quietly() -> Result<()> {
    let lab = Pair::new()?;
    let (reader, writer) = pipe()?;
    let watch = Watch::text(&["connect"])?
        .within(&[&lab.a])
        .start_into(writer)?;
    drop(reader);
    let record = until_ended(&lab, watch)?;
    ended_with(&record, 0)?;
    let said = record.stderr.to_lowercase();
    ensure!(
        !said.contains("panic") && !said.contains("broken pipe"),
        "not quiet: {}",
        record.stderr
    );
    Ok(())
}

#[test]
fn full_disk_is_an_error() -> Result<()> {
    let lab = Pair::new()?;
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .context("open /dev/full")?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.a])
        .start_into(full)?;
    let record = until_ended(&lab, watch)?;
    ended_with(&record, 4)?;
    ensure!(
        record.stderr.to_lowercase().contains("no space left"),
        "it does not say why: {}",
        record.stderr
    );
    ensure!(
        record.stderr.contains("events seen"),
        "no summary, since standard output takes none: {}",
        record.stderr
    );
    Ok(())
}

/// Nothing happens, so nothing is written: it ends all the same when nobody reads.
#[test]
fn closed_pipe_is_noticed_in_silence() -> Result<()> {
    let lab = Pair::new()?;
    let (reader, writer) = pipe()?;
    let watch = Watch::text(&["connect"])?
        .within(&[&lab.a])
        .start_into(writer)?;
    drop(reader);
    let record = watch.wait()?;
    ended_with(&record, 0)?;
    Ok(())
}

/// A pager at rest, a stopped reader: the pipe is full, and a signal ends netobs all the same, with the summary.
#[test]
fn a_reader_that_sleeps_holds_nobody() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (_sleeper, writer) = pipe()?;
        let full = writer.try_clone()?;
        let watch = Watch::text(&["connect", "close"])?
            .within(&[&lab.a])
            .start_into(writer)?;
        wait::until("the pipe to be full", || {
            connect(&lab, &listener)?;
            Ok((!sys::poll_writable(full.as_fd(), Duration::ZERO)?).then_some(()))
        })?;
        // The last page of a full pipe may still have room for some lines.
        (0..100).try_for_each(|_| connect(&lab, &listener))?;
        watch.signal(signal)?;
        let record = watch.wait()?;
        ended_with(&record, 4)?;
        for words in ["events seen", "its reader takes nothing"] {
            ensure!(record.stderr.contains(words), "{}", record.stderr);
        }
    }
    Ok(())
}

fn leaves_nothing(signal: i32) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["connect", "close", "drop"])?
        .within(&[&lab.a])
        .start()?;
    let held = programs::held_by(watch.pid())?;
    ensure!(!held.is_empty(), "netobs holds no program: no test");
    ensure!(
        held.is_subset(&programs::loaded()?),
        "held programs are not in the kernel's list"
    );
    watch.signal(signal)?;
    let record = watch.wait()?;
    if signal != libc::SIGKILL {
        ended_with(&record, 0)?;
        record.summary()?;
    }
    // The kernel frees programs after a grace period.
    wait::until("netobs's programs to leave the kernel", || {
        Ok(held.is_disjoint(&programs::loaded()?).then_some(()))
    })
}

#[test]
fn sigint_leaves_nothing() -> Result<()> {
    leaves_nothing(libc::SIGINT)
}

#[test]
fn sigterm_leaves_nothing() -> Result<()> {
    leaves_nothing(libc::SIGTERM)
}

/// The terminal is gone.
#[test]
fn sighup_leaves_nothing() -> Result<()> {
    leaves_nothing(libc::SIGHUP)
}

#[test]
fn sigkill_leaves_nothing() -> Result<()> {
    leaves_nothing(libc::SIGKILL)
}

/// A process may call itself what it likes; the terminal does not obey it.
#[test]
fn escape_sequences_in_a_name() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let to = listener.local_addr()?;
    for json_lines in [false, true] {
        let watch = if json_lines {
            Watch::json(&["connect"])?
        } else {
            Watch::text(&["connect"])?
        };
        let watch = watch.within(&[&lab.a]).start()?;
        let evil = Process::spawn(&lab.a, "\x1b[31mred\x07\n", |link| {
            let _stream = tcp::Dial::to(to).connect()?;
            link.hear().map(drop)
        })?;
        wait::until("the connection in the output", || {
            Ok(watch
                .output()
                .contains(&to.port().to_string())
                .then_some(()))
        })?;
        let text = watch.stop()?.text;
        ensure!(
            text.contains("red"),
            "the harmless part of the name is missing: {text:?}"
        );
        ensure!(
            !text.contains(['\x1b', '\x07']),
            "raw control characters in the output: {text:?}"
        );
        drop(evil);
    }
    Ok(())
}

/// What was watched vanishes: namespace, interface and process.
#[test]
fn vanished_namespace() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let watch = Watch::json(&["connect", "close", "drop", "neigh"])?
        .within(&lab.both())
        .start()?;
    connect(&lab, &listener)?;
    watch.expect(&json!({"event": "connect"}))?;
    drop(listener);
    drop(lab);
    watch.stop()?.summary().map(drop)
}

fn xdp_id(lab: &Pair) -> Result<Option<u64>> {
    let said = lab
        .a
        .tool("ip", &["-d", "-j", "link", "show", "eth0"], "")?;
    let links: Value = serde_json::from_str(&said).context("read ip's JSON")?;
    Ok(links[0]["xdp"]["prog"]["id"].as_u64())
}

/// Somebody else's XDP program is there before, while and after netobs runs.
#[test]
fn another_xdp_program_keeps_working() -> Result<()> {
    let lab = Pair::new()?;
    let listener = listener(&lab)?;
    let stranger = lab.a.run(|| Bystander::attach(sys::ifindex(c"eth0")?))?;
    let before = xdp_id(&lab)?;
    ensure!(before.is_some(), "ip shows no XDP program");
    let watch = Watch::json(&["connect", "drop", "retransmit", "icmp"])?
        .within(&[&lab.a])
        .start()?;
    connect(&lab, &listener)?;
    watch.expect(&json!({"event": "connect"}))?;
    ensure!(
        xdp_id(&lab)? == before,
        "the program changed while netobs ran"
    );
    watch.stop()?;
    ensure!(
        xdp_id(&lab)? == before,
        "the program changed when netobs ended"
    );
    connect(&lab, &listener)?;
    drop(stranger);
    Ok(())
}
