//! The kernel engine beside others: nobody's program is replaced, several runs do not meet, nothing is left behind.

use anyhow::{Result, ensure};
use netobs_tests::mirror::Mirror;
use netobs_tests::netobs::probe;
use netobs_tests::programs::{self, Bystander, Place};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::Pair;
use netobs_tests::{sys, wait};
use serde_json::json;

use crate::edge::{ping, places, tc};
use crate::support::kernel_since;

/// Other programs of TC go on, in front of ours and behind; nobody's is replaced.
#[test]
fn others_keep_working() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let mirror = Mirror::add(&lab.a)?;
    let before = tc(&lab.a)?;
    for place in places()? {
        let (came, left) = (mirror.came()?, mirror.left()?);
        let said = ping(&lab.a, place, "3", &target)?.ended(0)?;
        ensure!(
            said.count(&json!({"event": "reply", "stamps": "kernel"})) == 3,
            "{place}: {}",
            said.text
        );
        ensure!(mirror.came()? >= came + 3, "{place}");
        ensure!(mirror.left()? >= left + 3, "{place}");
    }
    let now = tc(&lab.a)?;
    ensure!(now == before, "{before}\nbecame\n{now}");
    if kernel_since(6, 6)? {
        let ifindex = lab.a.run(|| Ok(sys::ifindex(c"eth0")?))?;
        let both = lab.a.run(|| {
            let one = Bystander::attach_at(Place::TcxEgress, ifindex)?;
            let other = Bystander::attach_at(Place::TcxIngress, ifindex)?;
            Ok((one, other))
        })?;
        let said = ping(&lab.a, "tcx", "3", &target)?.ended(0)?;
        ensure!(
            said.count(&json!({"event": "reply", "stamps": "kernel"})) == 3,
            "{}",
            said.text
        );
        let loaded = programs::loaded()?;
        ensure!(loaded.contains(&both.0.id()?) && loaded.contains(&both.1.id()?));
    }
    Ok(())
}

/// What holds a program of a running ping.
fn held(pid: u32) -> Result<Vec<u32>> {
    let ids = wait::until("the programs", || {
        let ids = programs::held_by(pid)?;
        Ok((ids.len() > 1).then_some(ids))
    })?;
    Ok(ids.into_iter().collect())
}

/// Ended or killed, nothing of it stays but what TC before links cannot help, and that the next run takes away.
#[test]
fn nothing_is_left_behind() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    for place in places()? {
        for signal in [2, 9] {
            let seen = Rule::add(&lab.b, Hook::Input, "icmp type echo-request", "accept")?;
            let args = ["ping", "-i", "0.05", "--engine", place, &target];
            let mut ping_ = probe::start(&lab.a, &args)?;
            let ids = held(ping_.id())?;
            wait::until("an echo", || Ok((seen.packets()? > 0).then_some(())))?;
            sys::kill(i32::try_from(ping_.id())?, signal)?;
            ping_.wait()?;
            if (place, signal) == ("clsact", 9) {
                ensure!(tc(&lab.a)?.contains("netobs-probes"), "{}", tc(&lab.a)?);
                ping(&lab.a, "clsact", "1", &target)?.ended(0)?;
            }
            wait::until("the programs to go", || {
                let loaded = programs::loaded()?;
                Ok(ids.iter().all(|id| !loaded.contains(id)).then_some(()))
            })?;
            ensure!(tc(&lab.a)?.is_empty(), "{place}: {}", tc(&lab.a)?);
        }
    }
    Ok(())
}

/// Two runs at once, and one that looks into another namespace.
#[test]
fn several_at_once() -> Result<()> {
    let lab = Pair::new()?;
    let target = Pair::B4.to_string();
    let path = lab.a.path();
    for place in places()? {
        let args = [
            "ping", "-c", "20", "-i", "0.02", "--json", "--engine", place, &target,
        ];
        let first = probe::start(&lab.a, &args)?;
        held(first.id())?;
        let inside = [
            "ping", "-c", "3", "-i", "0.02", "--netns", &path, "--engine", place,
        ];
        let said = probe::json(&lab.b, &[&inside[..], &[&target]].concat())?.ended(0)?;
        let reply = json!({"event": "reply", "stamps": "kernel"});
        ensure!(said.count(&reply) == 3, "{place}: {}", said.text);
        let output = first.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            text.matches("\"stamps\":\"kernel\"").count() == 20,
            "{text}"
        );
        ensure!(tc(&lab.a)?.is_empty(), "{place}: {}", tc(&lab.a)?);
    }
    Ok(())
}
