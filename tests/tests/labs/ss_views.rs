//! What `netobs ss` shows beyond ss: JSON, columns, order, groups, changes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::traffic::zoo::Zoo;
use netobs_tests::traffic::{Process, tcp};
use serde_json::Value;

fn objects(ns: &Netns, args: &[&str]) -> Result<Vec<Value>> {
    let text = binary::run_within(ns, args)?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| line.to_owned());
    text.lines().map(parse).collect()
}

/// Of every connection, as docs/ss.md names them.
const KEYS: &str = "ts event pid comm uid netns cgroup container pod ifname proto family state laddr lport raddr rport recvq sendq \
    inode cookie rtt_us min_rtt_us rto_us cwnd ssthresh retrans_total delivery_rate pacing_rate tx_bytes rx_bytes \
    unacked lost reordering cong busy_us rwnd_limited_us sndbuf_limited_us app_limited";

/// As many objects as ss has lines, and every documented key of a connection.
#[test]
fn json_tells_every_socket() -> Result<()> {
    let zoo = Zoo::new()?;
    let theirs = zoo.ns.tool("ss", &["-tanH"], "")?.lines().count();
    let ours = objects(&zoo.ns, &["ss", "-tani", "--json"])?;
    ensure!(theirs == ours.len(), "ss {theirs}, netobs {}", ours.len());
    let established = ours
        .iter()
        .find(|row| row["state"] == "ESTAB")
        .context("no connection")?;
    for key in KEYS.split_whitespace() {
        ensure!(
            established.get(key).is_some(),
            "no key {key}: {established}"
        );
    }
    let listener = ours
        .iter()
        .find(|row| row["lport"] == 9004 && row["state"] == "LISTEN");
    let listener = listener.context("no listener on 9004")?;
    ensure!(
        listener["backlog"] == 2 && listener["backlog_max"] == 8,
        "{listener}"
    );
    Ok(())
}

#[test]
fn chosen_columns() -> Result<()> {
    let zoo = Zoo::new()?;
    let text = binary::run_within(
        &zoo.ns,
        &[
            "ss",
            "-ltn",
            "--columns",
            "local,backlog,comm,state",
            "sport = :9004",
        ],
    )?;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    ensure!(rows[0] == ["LOCAL", "BACKLOG", "COMM", "STATE"], "{text}");
    ensure!(rows[1][..2] == ["127.0.0.1:9004", "2/8"], "{text}");
    ensure!(rows.len() == 2, "{text}");
    Ok(())
}

#[test]
fn the_largest_first() -> Result<()> {
    let zoo = Zoo::new()?;
    let rows = objects(
        &zoo.ns,
        &["ss", "-tn", "--json", "--sort", "recvq", "--top", "5"],
    )?;
    let queues: Vec<u64> = rows
        .iter()
        .filter_map(|row| row["recvq"].as_u64())
        .collect();
    let mut truth: Vec<u64> = zoo
        .ns
        .tool("ss", &["-tnH"], "")?
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .collect();
    truth.sort_unstable_by(|a, b| b.cmp(a));
    ensure!(queues == truth[..5], "{queues:?}, ss {:?}", &truth[..5]);
    let text = binary::run_within(&zoo.ns, &["ss", "-tnH", "--sort", "recvq", "--top", "3"])?;
    ensure!(text.lines().count() == 3, "{text}");
    Ok(())
}

#[test]
fn groups_count_all() -> Result<()> {
    let zoo = Zoo::new()?;
    let mut truth: BTreeMap<String, u64> = BTreeMap::new();
    let said = zoo.ns.tool("ss", &["-tanH"], "")?;
    for state in said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        *truth.entry(state.to_owned()).or_default() += 1;
    }
    let groups = objects(&zoo.ns, &["ss", "-tan", "--group-by", "state", "--json"])?;
    let ours: BTreeMap<String, u64> = groups
        .iter()
        .filter_map(|g| Some((g["key"].as_str()?.to_owned(), g["sockets"].as_u64()?)))
        .collect();
    ensure!(truth == ours, "ss {truth:?}, netobs {ours:?}");
    let text = binary::run_within(&zoo.ns, &["ss", "-tan", "--group-by", "remote"])?;
    ensure!(
        text.starts_with("REMOTE") && text.contains("127.0.0.1"),
        "{text}"
    );
    Ok(())
}

#[test]
fn changes_between_looks() -> Result<()> {
    let ns = Netns::new("watch")?;
    let at: SocketAddr = "127.0.0.1:9000".parse()?;
    let (mut sender, _) = Process::server(&ns, "sender", at, |mut stream, link| {
        // The next is sent when the peer stayed silent for a while; it never says anything until it is gone.
        stream.set_read_timeout(Some(std::time::Duration::from_millis(50)))?;
        for _ in 0..40 {
            stream.write_all(&[0; 1000])?;
            if stream.read(&mut [0]).is_ok() {
                break;
            }
        }
        link.hear().map(drop)
    })?;
    let (idle, client) = ns.run(|| {
        let idle = tcp::listen(SocketAddr::from(([127, 0, 0, 1], 9001)), 1)?;
        Ok((idle, tcp::Dial::to(at).connect()?))
    })?;
    let rows = objects(
        &ns,
        &["ss", "-tan", "--json", "--watch", "0.3", "--count", "3"],
    )?;
    let sent: Vec<f64> = rows
        .iter()
        .filter(|row| row["lport"] == 9000 && row["state"] == "ESTAB")
        .filter_map(|row| row["tx_bytes_per_s"].as_f64())
        .collect();
    ensure!(sent.len() == 2, "rates of {} looks: {rows:?}", sent.len());
    ensure!(
        sent.iter().all(|rate| (2_000.0..100_000.0).contains(rate)),
        "rates {sent:?}"
    );
    let unchanged = rows.iter().filter(|row| row["lport"] == 9001).count();
    ensure!(unchanged == 1, "an idle listener is told {unchanged} times");
    sender.say(0)?;
    drop((idle, client));
    Ok(())
}

#[test]
fn evil_names_reach_no_terminal() -> Result<()> {
    let ns = Netns::new("evil")?;
    let mut process = Process::spawn(&ns, "\x1b[31mred\x07\n", |link| {
        let listener = tcp::listen(SocketAddr::from(([127, 0, 0, 1], 9000)), 1)?;
        link.say(0)?;
        let heard = link.hear();
        drop(listener);
        heard.map(drop)
    })?;
    process.hear()?;
    for args in [
        &["ss", "-lntp"][..],
        &["ss", "-lntp", "--json"],
        &["ss", "-lnt", "--columns", "comm"],
    ] {
        let text = binary::run_within(&ns, args)?;
        ensure!(
            text.contains("red"),
            "the harmless part is missing: {text:?}"
        );
        ensure!(
            !text.contains(['\x1b', '\x07']),
            "raw control characters: {text:?}"
        );
    }
    Ok(())
}
