//! `neigh`: neighbours that do not answer, and neighbours that changed their hardware address.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::Watch;
use netobs_tests::topology::{A4, A6, Pair, v4, v6};
use netobs_tests::traffic::{frame, udp};
use netobs_tests::wait;
use serde_json::json;

use crate::support::{at, octets4};

const OLD_MAC: &str = "02:00:00:00:00:01";
const NEW_MAC: &str = "02:00:00:00:00:99";

/// What `ip` knows of a neighbour: `10.77.1.2 lladdr 02:.. REACHABLE`.
fn known(ns: &Netns, addr: IpAddr) -> Result<String> {
    ns.tool(
        "ip",
        &["neigh", "show", "dev", "eth0", "to", &addr.to_string()],
        "",
    )
}

fn resolves_never(family: &str, from: IpAddr, nobody: IpAddr) -> Result<()> {
    let lab = Pair::new()?;
    lab.a
        .sysctl(&format!("net/{family}/neigh/eth0/retrans_time_ms"), "100")?;
    let watch = Watch::json(&["neigh"])?.within(&[&lab.a]).start()?;
    udp::flood(&udp::bind(&lab.a, at(from, 0))?, at(nobody, 7), 1, 10)?;
    wait::until("ip to show FAILED", || {
        Ok(known(&lab.a, nobody)?.contains("FAILED").then_some(()))
    })?;
    let event = json!({"event": "neigh", "what": "failed", "addr": nobody, "ifname": "eth0", "netns": lab.a.inode(), "family": family});
    watch.expect(&event)?;
    watch.stop()?.exactly(1, &event)
}

#[test]
fn failed() -> Result<()> {
    resolves_never("ipv4", A4, v4(1, 99))
}

#[test]
fn failed_ipv6() -> Result<()> {
    resolves_never("ipv6", A6, v6(1, 99))
}

/// Makes `a` learn where `target` is; its hardware address as `ip` shows it.
fn learn(lab: &Pair, from: IpAddr, target: IpAddr) -> Result<String> {
    udp::flood(&udp::bind(&lab.a, at(from, 0))?, at(target, 7), 1, 10)?;
    wait::until("the neighbour to be known", || {
        let shown = known(&lab.a, target)?;
        Ok(shown
            .split_once("lladdr ")
            .map(|(_, rest)| rest.chars().take(17).collect()))
    })
}

/// A neighbour known by an older address than the one that a frame now announces; nobody answers for it.
#[test]
fn changed_by_gratuitous_arp() -> Result<()> {
    const MOVED: IpAddr = v4(1, 50);
    let lab = Pair::new()?;
    lab.a.sysctl("net/ipv4/neigh/eth0/locktime", "0")?;
    lab.a.ip(&format!(
        "neigh add {MOVED} lladdr {OLD_MAC} dev eth0 nud stale\n"
    ))?;
    let watch = Watch::json(&["neigh"])?.within(&[&lab.a]).start()?;
    let announcement = frame::gratuitous_arp(frame::parse_mac(NEW_MAC)?, octets4(MOVED));
    wait::until("ip to show the new address", || {
        // Repeating it changes nothing more.
        frame::send(&lab.b, "eth0", &announcement, 1)?;
        Ok(known(&lab.a, MOVED)?.contains(NEW_MAC).then_some(()))
    })?;
    let event = json!({
        "event": "neigh", "what": "changed", "addr": MOVED, "mac": NEW_MAC, "old_mac": OLD_MAC, "ifname": "eth0",
        "netns": lab.a.inode(), "family": "ipv4",
    });
    watch.expect(&event)?;
    watch
        .stop()?
        .exactly(1, &json!({"event": "neigh", "what": "changed"}))
}

#[test]
fn changed_by_hand_ipv6() -> Result<()> {
    let lab = Pair::new()?;
    let old = learn(&lab, A6, Pair::B6)?;
    let watch = Watch::json(&["neigh"])?.within(&[&lab.a]).start()?;
    lab.a.ip(&format!(
        "neigh replace {} lladdr {NEW_MAC} dev eth0\n",
        Pair::B6
    ))?;
    ensure!(
        known(&lab.a, Pair::B6)?.contains(NEW_MAC),
        "ip did not replace the address"
    );
    let event = json!({
        "event": "neigh", "what": "changed", "addr": Pair::B6, "mac": NEW_MAC, "old_mac": old, "ifname": "eth0", "family": "ipv6",
    });
    watch.expect(&event)?;
    watch
        .stop()?
        .exactly(1, &json!({"event": "neigh", "what": "changed"}))
}

/// Learning a new neighbour is neither a failure nor a change.
#[test]
fn silent_when_all_is_well() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["neigh"])?.within(&[&lab.a]).start()?;
    learn(&lab, A4, Pair::B4)?;
    learn(&lab, A6, Pair::B6)?;
    // What does change comes last, and shows that the rest has been seen.
    lab.a.ip(&format!(
        "neigh replace {} lladdr {NEW_MAC} dev eth0\n",
        Pair::B4
    ))?;
    watch.expect(&json!({"event": "neigh", "what": "changed", "addr": Pair::B4}))?;
    watch.stop()?.exactly(1, &json!({"event": "neigh"}))
}
