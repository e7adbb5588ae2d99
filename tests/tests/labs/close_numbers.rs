//! `close`: its numbers are those that `ss -ti` showed just before, also when packets had to be sent again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use netobs_tests::netobs::Watch;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, Pair};
use netobs_tests::traffic::tcp::{self, Established};
use netobs_tests::truth::ss_info;
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::{socket_event, with};

type Info = BTreeMap<String, String>;

/// A number of `ss`; it leaves out what is 0.
fn number(info: &Info, key: &str) -> Result<u64> {
    let value = info.get(key).map_or("0", String::as_str);
    value.parse().with_context(|| format!("{key} in {info:?}"))
}

/// Milliseconds with a fraction, as ss prints times, in microseconds.
fn micros(text: &str) -> Result<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let part: u64 = format!("{part:0<3}").parse()?;
    Ok(whole.parse::<u64>()? * 1000 + part)
}

/// What ss says once nothing is under way any more.
fn at_rest(lab: &Pair, pair: &Established) -> Result<Info> {
    wait::until("ss to show nothing unacknowledged", || {
        let info = ss_info(&lab.a, pair.client_port, pair.server_port)?;
        Ok((!info.is_empty() && number(&info, "unacked")? == 0).then_some(info))
    })
}

fn same_numbers(event: &Value, info: &Info) -> Result<()> {
    let is = |key: &str, shown: u64| -> Result<()> {
        ensure!(
            event[key] == shown,
            "{key} is not {shown}: {event}\nss: {info:?}"
        );
        Ok(())
    };
    let resent = number(info, "bytes_retrans")?;
    is("tx_bytes", number(info, "bytes_sent")? - resent)?;
    is("rx_bytes", number(info, "bytes_received")?)?;
    is("segs_in", number(info, "segs_in")?)?;
    // The RST of this abort leaves after the state has changed.
    is("segs_out", number(info, "segs_out")?)?;
    let (rtt, _) = info
        .get("rtt")
        .and_then(|rtt| rtt.split_once('/'))
        .context("no rtt")?;
    is("srtt_us", micros(rtt)?)?;
    is(
        "min_rtt_us",
        micros(info.get("minrtt").context("no minrtt")?)?,
    )?;
    let retrans = info.get("retrans").and_then(|r| r.split_once('/'));
    is("retrans", retrans.map_or(Ok(0), |(_, all)| all.parse())?)
}

fn agrees_with_ss(rule: Option<&str>) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["close"])?.within(&[&lab.a]).start()?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    let rule = rule.map(|when| Rule::add(&lab.b, Hook::Input, when, "drop"));
    let rule = rule.transpose()?;
    pair.transfer(500_000)?;
    tcp::send(&mut pair.server, 777)?;
    tcp::receive(&mut pair.client, 777)?;
    let lost = rule.map_or(Ok(1), Rule::remove)?;
    ensure!(lost > 0, "nothing was lost: no test");
    let info = at_rest(&lab, &pair)?;
    tcp::abort(pair.client)?;
    let ends = socket_event(
        "close",
        (A4, pair.client_port),
        (Pair::B4, pair.server_port),
    );
    let event = watch.expect(&with(ends, &json!({"tx_bytes": 500_000, "rx_bytes": 777})))?;
    same_numbers(&event, &info)
}

#[test]
fn without_loss() -> Result<()> {
    agrees_with_ss(None)
}

#[test]
fn with_loss() -> Result<()> {
    agrees_with_ss(Some("meta l4proto tcp numgen inc mod 15 == 7"))
}
