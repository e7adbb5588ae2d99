//! Bad input and hard times: namespaces that are none or vanish, no privilege, a reader that goes away.

use std::io::Read as _;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::topology::Pair;

const THINGS: [&str; 10] = [
    "link",
    "addr",
    "route",
    "neigh",
    "rules",
    "firewall",
    "conntrack",
    "limits",
    "stats",
    "resolver",
];

#[test]
fn what_is_no_namespace() -> Result<()> {
    for thing in THINGS {
        for netns in [
            "no-such",
            "4294967294",
            "",
            "../x",
            "/etc/passwd",
            "/no/such",
        ] {
            // Resolver files need no namespace to enter, but one that is named must be there.
            if thing == "resolver" && netns == "/etc/passwd" {
                continue;
            }
            let output = binary::run(&["show", thing, "--netns", netns])?;
            let said = String::from_utf8_lossy(&output.stderr);
            let status = output.status.code();
            ensure!(
                status.is_some_and(|s| s != 0),
                "{thing} {netns:?}: {status:?}"
            );
            ensure!(
                output.stdout.is_empty() && said.lines().count() == 1,
                "{thing} {netns:?}: {said}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_route_question_that_is_none() -> Result<()> {
    for (words, help) in [
        (&["10.0.0"][..], "10.0.0"),
        (&["10.0.0.1", "dev", "nope"], "nope"),
        (&["10.0.0.1", "mark"], "mark"),
        (&["10.0.0.1", "via", "10.0.0.2"], "via"),
        (&[], "ADDR"),
    ] {
        let output = binary::run(&[&["show", "route", "get"], words].concat())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2) && said.contains(help),
            "{words:?}: {}: {said}",
            output.status
        );
    }
    let output = binary::run(&["show", "stats", "--interval", "soon"])?;
    ensure!(output.status.code() == Some(2), "{}", output.status);
    Ok(())
}

/// Without privileges what everybody may see is shown; the firewall is not, in one line, with status 3.
#[test]
fn nobody() -> Result<()> {
    for thing in [
        "link", "addr", "route", "neigh", "rules", "stats", "resolver", "limits",
    ] {
        let output = binary::run_as_nobody(&["show", thing, "--json"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && (thing == "neigh" || !output.stdout.is_empty()),
            "{thing}: {}: {said}",
            output.status
        );
    }
    for thing in ["firewall", "conntrack"] {
        let output = binary::run_as_nobody(&["show", thing])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(3),
            "{thing}: {}: {said}",
            output.status
        );
        ensure!(
            said.trim_end().lines().count() == 1 && said.contains("CAP_NET_ADMIN"),
            "{thing}: {said}"
        );
    }
    Ok(())
}

/// A namespace that ends while it is read: no crash, whatever was told is whole.
#[test]
fn a_namespace_that_vanishes() -> Result<()> {
    for thing in &THINGS[..8] {
        let ns = Netns::new("passing")?;
        let mut netobs = binary::command()?;
        netobs.args(["show", thing, "--json", "--netns", &ns.path()]);
        let child = netobs
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(ns);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.code().is_some_and(|s| s <= 4),
            "{}: {}",
            thing,
            output.status
        );
        super::lines(&output.stdout)?;
    }
    Ok(())
}

/// A table under change is read whole, or it is said that it was not.
#[test]
fn routes_that_come_and_go() -> Result<()> {
    let lab = Pair::new()?;
    let batch: Vec<String> = (0..250)
        .map(|n| format!("route add 10.200.{n}.0/24 dev eth0\n"))
        .collect();
    lab.a.ip(&batch.concat())?;
    let churn = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let (lab, churn) = (&lab, &churn);
        scope.spawn(move || {
            while churn.load(std::sync::atomic::Ordering::Relaxed) {
                // Only to make the table change.
                drop(
                    lab.a
                        .ip("route add 10.201.0.0/24 dev eth0\nroute del 10.201.0.0/24\n"),
                );
            }
        });
        let outcome = (0..20).try_for_each(|_| {
            let routes = super::show(&lab.a, &["route"])?;
            let lived = routes
                .iter()
                .filter(|r| super::text(&r["dst"]).starts_with("10.200."))
                .count();
            ensure!(
                lived == 250,
                "{lived} of 250 routes that were there all the time"
            );
            Ok(())
        });
        churn.store(false, std::sync::atomic::Ordering::Relaxed);
        outcome
    })
}

/// A reader that has seen enough ends us quietly.
#[test]
fn a_closed_pipe() -> Result<()> {
    let lab = Pair::new()?;
    let batch: Vec<String> = (0..2000)
        .map(|n| format!("route add 10.{}.{}.0/24 dev eth0\n", 100 + n / 250, n % 250))
        .collect();
    lab.a.ip(&batch.concat())?;
    let mut netobs = binary::command()?;
    netobs.args(["show", "route", "--json", "--netns", &lab.a.path()]);
    let mut child = netobs
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().context("piped")?;
    out.read_exact(&mut [0; 10])?;
    drop(out);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    Ok(())
}
