//! Protocol counters against nstat, rates, and trouble first.

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::udp;
use netobs_tests::wait;
use serde_json::Value;

use super::{same, show, text};
use crate::support::at;

/// nstat's counters that are not zero, without its history.
fn nstat(ns: &Netns) -> Result<Vec<(String, String)>> {
    let said = ns.tool("nstat", &["-a", "-s", "-j"], "")?;
    let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    let counters = said["kernel"].as_object().context("nstat says nothing")?;
    Ok(counters
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect())
}

/// Levels that nstat leaves out.
const LEFT_OUT: [&str; 6] = [
    "IpForwarding",
    "IpDefaultTTL",
    "TcpRtoAlgorithm",
    "TcpRtoMin",
    "TcpRtoMax",
    "TcpMaxConn",
];

#[test]
fn as_nstat_counts() -> Result<()> {
    let lab = Pair::new()?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 20, 100)?;
    lab.a
        .tool("ping", &["-c2", "-i0.2", "-W5", &Pair::B4.to_string()], "")?;
    let told = || -> Result<Vec<(String, String)>> {
        let told = show(&lab.a, &["stats"])?;
        let told = told.iter().map(|c| (text(&c["name"]), text(&c["value"])));
        Ok(told
            .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
            .collect())
    };
    let truth = || -> Result<Vec<(String, String)>> {
        let truth = nstat(&lab.a)?.into_iter();
        Ok(truth
            .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
            .collect())
    };
    // IPv6 reports of its own may come between the two looks: they must agree once.
    wait::until("nstat and netobs to agree", || {
        Ok(same("counters", told()?, truth()?).is_ok().then_some(()))
    })
    .or_else(|_| same("counters", told()?, truth()?))
}

#[test]
fn trouble_first_and_zero_hidden() -> Result<()> {
    let lab = Pair::new()?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(Pair::B4, 7), 5, 100)?;
    let told = show(&lab.b, &["stats"])?;
    let place = |name: &str| {
        told.iter()
            .position(|c| c["name"] == name)
            .with_context(|| format!("no {name}"))
    };
    ensure!(
        place("UdpNoPorts")? < place("IpInReceives")?,
        "trouble does not come first"
    );
    ensure!(
        told[place("UdpNoPorts")?]["value"] == 5
            && told[place("UdpNoPorts")?]["trouble"].is_string(),
        "{told:?}"
    );
    ensure!(told.iter().all(|c| c["value"] != 0), "zero is shown");
    let all = show(&lab.b, &["stats", "--all"])?;
    ensure!(
        all.iter()
            .any(|c| c["name"] == "TcpExtListenDrops" && c["value"] == 0),
        "--all hides zero"
    );
    Ok(())
}

/// What happens within the interval is told as growth and rate.
#[test]
fn rates() -> Result<()> {
    let lab = Pair::new()?;
    let (path, socket) = (lab.a.path(), udp::bind(&lab.a, at(A4, 0))?);
    let mut netobs = binary::command()?;
    netobs.args([
        "show",
        "stats",
        "--interval",
        "1",
        "--json",
        "--netns",
        &path,
    ]);
    let child = netobs.stdout(std::process::Stdio::piped()).spawn()?;
    // Sent all the time: some of it falls into the interval.
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let pause = std::time::Duration::from_millis(10);
            while ended.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // An ICMP error that came back is no matter.
                drop(udp::flood(&socket, at(Pair::B4, 7), 1, 10));
            }
        });
        let output = child.wait_with_output();
        drop(end);
        output
    })?;
    let told = super::lines(&output.stdout)?;
    let datagrams = told
        .iter()
        .find(|c| c["name"] == "UdpOutDatagrams")
        .context("not told")?;
    let (grew, rate) = (
        datagrams["delta"].as_f64().unwrap_or(0.0),
        datagrams["rate_per_s"].as_f64().unwrap_or(0.0),
    );
    ensure!(
        grew > 0.0 && rate > 0.0 && rate <= grew * 1.05,
        "{datagrams}"
    );
    ensure!(
        told.iter().all(|c| c["delta"] != 0),
        "what did not grow is shown"
    );
    Ok(())
}
