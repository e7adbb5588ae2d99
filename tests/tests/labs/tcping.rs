//! `netobs tcping`: open, closed, filtered and unreachable, and by whom; whole handshakes and half-open ones.

use anyhow::Result;
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::traffic::tcp;
use serde_json::json;

use super::probe;
use crate::support::{at, kernel_since};

const COUNT: &str = "2";

fn ask(lab: &Path, six: bool, syn: bool, port: &str) -> Result<probe::Probed> {
    let target = lab.target(six).to_string();
    let mut args = vec![
        "tcping", "-c", COUNT, "-i", "0.05", "-W", "0.4", &target, port,
    ];
    if syn {
        args.push("--syn");
    }
    probe::json(lab.source(), &args)
}

#[test]
fn each_state() -> Result<()> {
    let lab = Path::new(3)?;
    // Whole handshakes by the system, stamped or not.
    let whole = if probe::ENGINE == "raw" {
        "connect"
    } else {
        probe::ENGINE
    };
    for six in [false, true] {
        let (target, two) = (lab.target(six), Path::hop(2, six));
        let _server = lab
            .destination()
            .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
        for syn in [false, true] {
            let said = ask(&lab, six, syn, "80")?.ended(0)?;
            said.expect(&json!({"event": "port", "state": "open", "port": 80, "by": target, "sentence": format!("port 80 of {target} is open")}))?;
            said.expect(&json!({"event": "summary", "received": 2, "engine": if syn { probe::ENGINE } else { whole }}))?;
            let said = ask(&lab, six, syn, "81")?.ended(1)?;
            said.expect(&json!({"event": "port", "state": "closed", "port": 81, "by": target}))?;
            {
                let _wall = Rule::add(lab.destination(), Hook::Input, "tcp dport 82", "drop")?;
                let said = ask(&lab, six, syn, "82")?.ended(1)?;
                said.expect(
                    &json!({"event": "port", "state": "filtered", "by": null, "rtt_us": null}),
                )?;
            }
            let kind = if six {
                "icmpv6 type admin-prohibited"
            } else {
                "icmp type admin-prohibited"
            };
            let family = if six {
                "meta nfproto ipv6"
            } else {
                "meta nfproto ipv4"
            };
            let when = format!("{family} tcp dport 83");
            let _wall = Rule::add(
                lab.node(2),
                Hook::Forward,
                &when,
                &format!("reject with {kind}"),
            )?;
            let said = ask(&lab, six, syn, "83")?.ended(1)?;
            said.expect(&json!({"event": "port", "state": "unreachable", "by": two}))?;
            said.expect(&json!({"event": "error", "by": two, "what": "Packet filtered"}))?;
        }
    }
    Ok(())
}

/// A half-open handshake is never seen by the server's accept queue; a whole one is.
#[test]
fn ordinary_users_connect() -> Result<()> {
    let lab = Path::new(2)?;
    let target = lab.target(false);
    let _server = lab
        .destination()
        .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
    let target = target.to_string();
    let args = ["tcping", "-c", "1", "--json", &target, "80"];
    let said = probe::as_nobody(lab.source(), &args)?.ended(0)?;
    said.expect(&json!({"event": "port", "state": "open"}))?;
    let args = ["tcping", "--syn", "-c", "1", &target, "80"];
    let said = probe::as_nobody(lab.source(), &args)?.ended(3)?;
    anyhow::ensure!(said.stderr.contains("CAP_NET_RAW"), "{}", said.stderr);
    Ok(())
}

/// Without privileges, too, a router that refuses is named: the kernel keeps its error for the handshake (5.9 and later).
#[test]
fn ordinary_users_learn_who_refuses() -> Result<()> {
    if !kernel_since(5, 9)? {
        return Ok(());
    }
    let lab = Path::new(3)?;
    let _wall = Rule::add(
        lab.node(2),
        Hook::Forward,
        "ip version 4 tcp dport 83",
        "reject with icmp type admin-prohibited",
    )?;
    let target = lab.target(false).to_string();
    let args = ["tcping", "-c", "1", "--json", &target, "83"];
    let said = probe::as_nobody(lab.source(), &args)?.ended(1)?;
    said.expect(&json!({"event": "port", "state": "unreachable", "by": Path::hop(2, false)}))?;
    Ok(())
}
