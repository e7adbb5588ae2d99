//! Answers of an adversary, in every protocol of the probes: forged, cut, spoilt, doubled, late; what is no answer of ours is
//! ignored and counted.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::probe::{self, Probed};
use anyhow::{Result, ensure};
use netobs_tests::traffic::forge::{
    Answer, Came, Forger, RST_ACK, SYN_ACK, error, icmp6, reply, segment, spoilt,
};
use serde_json::{Value, json};

use crate::support::{have, positive};

const TARGET: &str = "10.77.9.9";

/// Who answers at the hops before the target.
fn router(ttl: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, ttl, 2)
}

/// What a path of three hops says.
fn honest(came: &Came<'_>) -> Answer {
    match (came.ttl, came.proto) {
        (ttl @ 1..=2, _) => error(router(ttl), 11, 0, &came.whole[..28]),
        (_, 1) => reply(came),
        (_, 6) => segment(came, SYN_ACK, came.seq().wrapping_add(1)),
        _ => error(came.to, 3, 3, &came.whole[..28]),
    }
}

/// The quote of a packet of another flow: other ports or identifier, another checksum, another sequence number.
fn other_flow(came: &Came<'_>) -> Vec<u8> {
    let mut quote = came.whole[..28].to_vec();
    quote[4..6].fill(0x77);
    for byte in &mut quote[22..28] {
        *byte ^= 0x2b;
    }
    quote
}

/// Forgeries that come before the honest answer.
fn forgeries(came: &Came<'_>) -> Vec<Answer> {
    let liar = Ipv4Addr::new(10, 66, 6, 6);
    let mut all = vec![
        error(liar, 11, 0, &other_flow(came)),
        error(liar, 3, 1, &came.whole[..22]),
        spoilt(error(liar, 3, 1, &came.whole[..28])),
    ];
    if came.proto == 6 {
        all.push(segment(came, RST_ACK, came.seq().wrapping_add(77)));
        all.push(spoilt(segment(came, RST_ACK, came.seq().wrapping_add(1))));
    }
    all
}

fn attacked() -> Result<Forger> {
    Forger::new(|came| {
        let mut all = forgeries(came);
        all.push(honest(came));
        all
    })
}

/// All three kinds were met, and told.
fn counted(end: &Value) -> Result<()> {
    for key in ["checksum", "foreign", "truncated"] {
        positive(&end["ignored"], key)?;
    }
    Ok(())
}

fn last(said: &Probed) -> Value {
    said.objects.last().cloned().unwrap_or_default()
}

#[test]
fn a_trace_by_every_protocol() -> Result<()> {
    let lab = attacked()?;
    for flags in [vec![], vec!["-I"], vec!["-T"]] {
        let args = [vec!["traceroute", "-n"], flags.clone(), vec![TARGET]].concat();
        let said = probe::json(&lab.a, &args)?.ended(0)?;
        let hops: Vec<Value> = said
            .matching(&json!({"event": "hop"}))
            .map(|hop| hop["addrs"].clone())
            .collect();
        let want = [json!([router(1)]), json!([router(2)]), json!([TARGET])];
        ensure!(hops == want, "{flags:?}: {}", said.text);
        counted(&last(&said))?;
    }
    Ok(())
}

#[test]
fn pings_scans_and_mtr() -> Result<()> {
    let lab = attacked()?;
    let said = probe::json(&lab.a, &["ping", "-c", "2", "-i", "0.05", TARGET])?.ended(0)?;
    said.expect(&json!({"event": "summary", "received": 2, "errors": 0}))?;
    counted(&last(&said))?;
    let args = ["tcping", "--syn", "-c", "2", "-i", "0.05", TARGET, "80"];
    let said = probe::json(&lab.a, &args)?.ended(0)?;
    let summary = said.expect(&json!({"event": "summary", "received": 2, "refused": 0}))?;
    counted(summary)?;
    let said = probe::json(&lab.a, &["scan", "-p", "80-90", TARGET])?.ended(0)?;
    ensure!(
        said.count(&json!({"event": "port", "state": "open"})) == 11,
        "{}",
        said.text
    );
    counted(&last(&said))?;
    let said = probe::json(&lab.a, &["scan", "-u", "-p", "80-84", TARGET])?.ended(1)?;
    ensure!(
        said.count(&json!({"event": "port", "state": "closed"})) == 5,
        "{}",
        said.text
    );
    counted(&last(&said))?;
    let args = ["mtr", "-n", "-c", "2", "-i", "0.1", TARGET];
    let said = probe::json(&lab.a, &args)?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 2, "addrs": [router(2)], "loss_pct": 0.0}))?;
    counted(&last(&said))?;
    let said = probe::json(&lab.a, &["traceroute", "-n", "--paths", "2", TARGET])?.ended(0)?;
    said.expect(&json!({"event": "node", "ttl": 2, "addr": router(2), "next": [TARGET]}))?;
    counted(&last(&said))?;
    Ok(())
}

/// Forgeries alone are silence.
#[test]
fn nothing_but_forgeries() -> Result<()> {
    let lab = Forger::new(forgeries)?;
    let args = ["ping", "-c", "1", "-W", "0.3", TARGET];
    let said = probe::json(&lab.a, &args)?.ended(1)?;
    said.expect(&json!({"event": "summary", "received": 0, "errors": 0}))?;
    let args = ["scan", "-p", "80", "-w", "0.2", TARGET];
    let said = probe::json(&lab.a, &args)?.ended(1)?;
    said.expect(&json!({"event": "port", "state": "filtered", "by": null}))?;
    let args = ["traceroute", "-n", "-m", "2", "-w", "0.3", TARGET];
    let said = probe::json(&lab.a, &args)?.ended(1)?;
    said.expect(&json!({"event": "hop", "ttl": 1, "addr": null}))?;
    Ok(())
}

#[test]
fn replies_doubled_and_out_of_order() -> Result<()> {
    let mut kept = None;
    let lab = Forger::new(move |came| {
        if came.proto != 1 {
            return Vec::new();
        }
        // The second reply overtakes the first, the fourth comes twice.
        match came.behind()[7] {
            1 => {
                kept = Some(reply(came));
                Vec::new()
            }
            2 => [Some(reply(came)), kept.take()]
                .into_iter()
                .flatten()
                .collect(),
            4 => vec![reply(came), reply(came)],
            _ => vec![reply(came)],
        }
    })?;
    let args = ["ping", "-c", "5", "-i", "0.1", TARGET];
    let said = probe::json(&lab.a, &args)?.ended(0)?;
    said.expect(&json!({"event": "reply", "seq": 4, "dup": true}))?;
    said.expect(&json!({"event": "reply", "seq": 1, "reordered": true}))?;
    said.expect(
        &json!({"event": "summary", "received": 5, "duplicates": 1, "reordered": 1, "loss_pct": 0.0}),
    )?;
    let said = probe::text(&lab.a, &args)?.ended(0)?;
    let dup = |text: &str| text.contains("icmp_seq=4") && text.contains("(DUP!)");
    ensure!(
        dup(&said.text) && said.text.contains("+1 duplicates"),
        "{}",
        said.text
    );
    if have(&["ping"])? {
        let theirs = lab
            .a
            .tool("ping", &["-n", "-c", "5", "-i", "0.2", TARGET], "")?;
        ensure!(dup(&theirs) && theirs.contains("+1 duplicates"), "{theirs}");
    }
    Ok(())
}

/// By IPv6; messages with a wrong checksum are not given to anybody by the kernel there.
#[test]
fn a_trace_by_ipv6() -> Result<()> {
    let target = "fd00:77:9::9";
    let lab = Forger::six(|packet| {
        let addr = |at: usize| packet.get(at..at + 16).and_then(|a| a.first_chunk::<16>());
        let (Some(from), Some(to)) = (addr(8), addr(24)) else {
            return Vec::new();
        };
        let (here, there) = (Ipv6Addr::from(*from), Ipv6Addr::from(*to));
        let echo = packet[6] == 58 && packet.get(40) == Some(&128);
        if packet[6] != 17 && !echo {
            return Vec::new();
        }
        let message = |kind: u8, code: u8, quote: &[u8]| {
            let head = [kind, code, 0, 0, 0, 0, 0, 0];
            [&head[..], quote].concat()
        };
        let mut other = packet[..48].to_vec();
        // Ports and checksum, or identifier and sequence number.
        for byte in &mut other[42..48] {
            *byte ^= 0x2b;
        }
        let liar = Ipv6Addr::new(0xfd00, 0x66, 0, 0, 0, 0, 0, 6);
        let honest = match (packet[7], echo) {
            (hop @ 1..=2, _) => icmp6(router6(hop), here, message(3, 0, &packet[..48])),
            (_, true) => icmp6(there, here, [&[129, 0][..], &packet[42..]].concat()),
            _ => icmp6(there, here, message(1, 4, &packet[..48])),
        };
        vec![
            icmp6(liar, here, message(3, 0, &other)),
            icmp6(liar, here, message(1, 1, &packet[..44])),
            honest,
        ]
    })?;
    for flags in [vec![], vec!["-I"]] {
        let args = [vec!["traceroute", "-n"], flags.clone(), vec![target]].concat();
        let said = probe::json(&lab.a, &args)?.ended(0)?;
        let hops: Vec<Value> = said
            .matching(&json!({"event": "hop"}))
            .map(|hop| hop["addrs"].clone())
            .collect();
        let want = [json!([router6(1)]), json!([router6(2)]), json!([target])];
        ensure!(hops == want, "{flags:?}: {}", said.text);
        for key in ["foreign", "truncated"] {
            positive(&last(&said)["ignored"], key)?;
        }
    }
    Ok(())
}

fn router6(hop: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x77, u16::from(hop), 0, 0, 0, 0, 2)
}

/// Every mark that routers can cause, also those that no Linux router gives by itself, is traceroute's.
#[test]
fn every_mark_of_traceroute() -> Result<()> {
    let codes = (0..=15).filter(|code| ![3, 4].contains(code));
    for code in codes {
        let lab = Forger::new(move |came| match came.ttl {
            1 => vec![honest(came)],
            _ => vec![error(router(2), 3, code, &came.whole[..28])],
        })?;
        let said = probe::json(&lab.a, &["traceroute", "-n", TARGET])?.ended(1)?;
        let hop = said.expect(&json!({"event": "hop", "ttl": 2, "addr": router(2)}))?;
        let ours = hop["mark"].as_str().unwrap_or_default();
        if code == 5 {
            ensure!(ours == "!S", "{hop}");
            let end = last(&said)["sentence"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            ensure!(
                end.starts_with("stopped at hop 2: 10.77.2.2 says !S"),
                "{end}"
            );
        }
        if have(&["traceroute"])? {
            let args = ["-n", "-q", "1", TARGET];
            let theirs = lab.a.tool("traceroute", &args, "")?;
            let ours = format!("ms {ours}");
            let same = theirs.lines().any(|line| line.trim_end().ends_with(&ours));
            // Another traceroute, with marks of its own, sends packets of another size.
            let another = !theirs.contains("60 byte packets");
            ensure!(
                same || another,
                "code {code}: ours {ours}, traceroute:\n{theirs}"
            );
        }
    }
    Ok(())
}

/// What answers betray of the way: a longer way back, and a translator that changed the probe and did not change it back.
#[test]
fn hints_in_answers() -> Result<()> {
    let lab = Forger::new(|came| {
        let mut answer = honest(came);
        match came.ttl {
            // Seven routers on the way back, of a system that starts at 255.
            1 => answer.ttl = 255 - 7,
            2 => {
                let mut quote = came.whole[..28].to_vec();
                quote[26] ^= 0x11;
                answer = error(router(2), 11, 0, &quote);
            }
            _ => {}
        }
        vec![answer]
    })?;
    let said = probe::json(&lab.a, &["traceroute", "-n", TARGET])?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 1, "back_hops": 7, "translated": false}))?;
    said.expect(&json!({"event": "hop", "ttl": 2, "addr": router(2), "translated": true}))?;
    let said = probe::text(&lab.a, &["traceroute", "-n", TARGET])?.ended(0)?;
    for words in ["[the way back has 7 hops]", "[behind address translation]"] {
        ensure!(said.text.contains(words), "{}", said.text);
    }
    Ok(())
}
