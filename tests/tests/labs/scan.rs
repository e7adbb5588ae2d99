//! `netobs scan`: open, closed and filtered as nmap says, for every way to accept and to refuse.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use netobs_tests::path::Path;
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::traffic::{tcp, udp};
use serde_json::{Value, json};

use super::probe;
use crate::support::{at, have};

const REJECTS: [(u16, &str); 6] = [
    (84, "reject with tcp reset"),
    (85, "reject with icmp type port-unreachable"),
    (86, "reject with icmp type host-unreachable"),
    (87, "reject with icmp type net-unreachable"),
    (88, "reject with icmp type admin-prohibited"),
    (89, "reject with icmp type host-prohibited"),
];

/// State by port, as nmap's greppable output has it: `80/open/tcp//http///`.
fn nmap(lab: &Path, flags: &[&str], ports: &str) -> Result<BTreeMap<u64, String>> {
    let target = lab.target(flags.contains(&"-6")).to_string();
    let args = [
        &["-n", "-Pn", "-oG", "-", "--max-retries", "1", "-p", ports],
        flags,
        &[&target],
    ]
    .concat();
    let said = lab.source().tool("nmap", &args, "")?;
    let line = said
        .lines()
        .find(|line| line.contains("Ports: "))
        .context(said.clone())?;
    let list = line.split("Ports: ").nth(1).unwrap_or_default();
    let list = list.split('\t').next().unwrap_or_default();
    let port = |entry: &str| -> Result<(u64, String)> {
        let mut fields = entry.trim().split('/');
        let number = fields.next().context("a port")?.parse()?;
        Ok((number, fields.next().context("a state")?.to_owned()))
    };
    list.split(", ").map(port).collect()
}

fn states(said: &probe::Probed) -> BTreeMap<u64, String> {
    let ports = said
        .objects
        .iter()
        .filter(|object| object["event"] == "port");
    ports
        .map(|port| {
            (
                port["port"].as_u64().unwrap_or_default(),
                port["state"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

#[test]
fn tcp_as_nmap_says() -> Result<()> {
    let lab = Path::new(3)?;
    let target = lab.target(false);
    let _server = lab
        .destination()
        .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
    let mut walls = vec![Rule::add(
        lab.destination(),
        Hook::Input,
        "tcp dport 82",
        "drop",
    )?];
    for (port, verdict) in REJECTS {
        walls.push(Rule::add(
            lab.destination(),
            Hook::Input,
            &format!("ip version 4 tcp dport {port}"),
            verdict,
        )?);
    }
    let text = target.to_string();
    for flags in [vec![], vec!["--connect"]] {
        let args = [vec!["scan", "-p", "80-89", &text], flags.clone()].concat();
        let said = probe::json(lab.source(), &args)?.ended(0)?;
        let ours = states(&said);
        let state = |port: u64| ours.get(&port).map_or("none", String::as_str);
        ensure!(
            (state(80), state(81), state(82), state(84))
                == ("open", "closed", "filtered", "closed"),
            "{ours:?}"
        );
        for port in 85..=89 {
            ensure!(state(port) == "filtered", "{port}: {ours:?}");
            said.expect(&json!({"port": port, "by": target}))?;
        }
        said.expect(&json!({"event": "summary", "ports": 10, "engine": if flags.is_empty() { probe::ENGINE } else { "connect" }}))?;
        if have(&["nmap"])? && flags.is_empty() {
            let theirs = nmap(&lab, &["-sS"], "80-89")?;
            ensure!(ours == theirs, "ours {ours:?}\nnmap {theirs:?}");
        }
    }
    Ok(())
}

#[test]
fn udp_as_nmap_says() -> Result<()> {
    let lab = Path::new(2)?;
    let target = lab.target(false);
    let _silent = udp::bind(lab.destination(), at(target, 4000))?;
    let echo = udp::bind(lab.destination(), at(target, 4001))?;
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        echo.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        let mut bytes = [0; 64];
        for _ in 0..2 {
            let (n, from) = echo.recv_from(&mut bytes)?;
            echo.send_to(&bytes[..n.max(1)], from)?;
        }
        Ok(())
    });
    let mut walls = Vec::new();
    for (port, verdict) in [
        (4003, "reject with icmp type admin-prohibited"),
        (4004, "drop"),
        (4005, "reject with icmp type port-unreachable"),
        (4006, "reject with icmp type host-unreachable"),
        (4007, "reject with icmp type net-unreachable"),
        (4008, "reject with icmp type prot-unreachable"),
        (4009, "reject with icmp type host-prohibited"),
    ] {
        let when = format!("ip version 4 udp dport {port}");
        walls.push(Rule::add(lab.destination(), Hook::Input, &when, verdict)?);
    }
    let text = target.to_string();
    let said = probe::json(lab.source(), &["scan", "-u", "-p", "4000-4009", &text])?.ended(0)?;
    let ours = states(&said);
    let wanted: BTreeMap<u64, String> = [
        (4000, "open|filtered"),
        (4001, "open"),
        (4002, "closed"),
        (4003, "filtered"),
        (4004, "open|filtered"),
        (4005, "closed"),
        (4006, "filtered"),
        (4007, "filtered"),
        (4008, "filtered"),
        (4009, "filtered"),
    ]
    .map(|(port, state)| (port, state.to_owned()))
    .into();
    ensure!(ours == wanted, "{ours:?}");
    if have(&["nmap"])? {
        let theirs = nmap(&lab, &["-sU"], "4000-4009")?;
        ensure!(ours == theirs, "ours {ours:?}\nnmap {theirs:?}");
        drop(server.join());
    }
    Ok(())
}

/// Every kind of refusal that IPv6 has.
#[test]
fn over_ipv6_as_nmap_says() -> Result<()> {
    let lab = Path::new(2)?;
    let target = lab.target(true);
    let _server = lab
        .destination()
        .run(|| Ok(tcp::listen(at(target, 80), 16)?))?;
    let mut walls = Vec::new();
    for (port, verdict) in [
        (82, "drop"),
        (84, "reject with icmpv6 type no-route"),
        (85, "reject with icmpv6 type admin-prohibited"),
        (86, "reject with icmpv6 type addr-unreachable"),
        (87, "reject with icmpv6 type port-unreachable"),
    ] {
        let when = format!("meta nfproto ipv6 meta l4proto {{ tcp, udp }} th dport {port}");
        walls.push(Rule::add(lab.destination(), Hook::Input, &when, verdict)?);
    }
    let text = target.to_string();
    let filtered = (84..=87).map(|port| (port, "filtered"));
    for (ours, theirs, wanted) in [
        (
            vec!["scan", "-p", "80-87", &text],
            vec!["-6", "-sS"],
            [
                (80, "open"),
                (81, "closed"),
                (82, "filtered"),
                (83, "closed"),
            ],
        ),
        (
            vec!["scan", "-u", "-p", "80-87", &text],
            vec!["-6", "-sU"],
            [
                (80, "closed"),
                (81, "closed"),
                (82, "open|filtered"),
                (83, "closed"),
            ],
        ),
    ] {
        let said = probe::json(lab.source(), &ours)?;
        let ours = states(&said);
        let mut wanted: BTreeMap<u64, &str> = wanted.into_iter().chain(filtered.clone()).collect();
        if theirs.contains(&"-sU") {
            wanted.insert(87, "closed");
        }
        let same = ours
            .iter()
            .all(|(port, state)| wanted.get(port) == Some(&state.as_str()));
        ensure!(same && ours.len() == 8, "{theirs:?}: {ours:?}");
        if have(&["nmap"])? {
            let theirs = nmap(&lab, &theirs, "80-87")?;
            ensure!(ours == theirs, "ours {ours:?}\nnmap {theirs:?}");
        }
    }
    Ok(())
}

#[test]
fn many_ports_of_both_families() -> Result<()> {
    let lab = Path::new(2)?;
    for six in [false, true] {
        let target = lab.target(six);
        let _server = lab
            .destination()
            .run(|| Ok(tcp::listen(at(target, 700), 16)?))?;
        let target = target.to_string();
        let said = probe::json(lab.source(), &["scan", "-p", "1-1000", &target])?.ended(0)?;
        ensure!(
            said.count(&json!({"event": "port", "state": "closed"})) == 999,
            "{}",
            said.objects.len()
        );
        said.expect(
            &json!({"event": "port", "state": "open", "port": 700, "proto": "tcp", "by": target}),
        )?;
        let summary = said.expect(&json!({"event": "summary", "ports": 1000}))?;
        ensure!(summary["states"]["open"] == 1, "{summary}");
        // What this machine added is known where the edge of the stack was seen.
        let open = said.expect(&json!({"event": "port", "state": "open"}))?;
        for known in [
            &open["before_us"],
            &open["after_us"],
            &summary["before_p50_us"],
        ] {
            ensure!(
                known.is_number() == (probe::ENGINE == "kernel"),
                "{summary}\n{open}"
            );
        }
    }
    Ok(())
}

/// No more probes a second than allowed.
#[test]
fn the_rate_is_kept() -> Result<()> {
    let lab = Path::new(1)?;
    let target = lab.target(false).to_string();
    let said = probe::json(
        lab.source(),
        &["scan", "-p", "1-100", "--rate", "200", &target],
    )?
    .ended(1)?;
    let summary: &Value = said.expect(&json!({"event": "summary", "ports": 100}))?;
    ensure!(
        summary["time_ms"].as_u64().is_some_and(|ms| ms >= 480),
        "{summary}"
    );
    for (ports, words) in [
        ("0", "0"),
        ("65536", "65536"),
        ("9-1", "9-1"),
        ("gopherx", "gopherx"),
    ] {
        let said = probe::text(lab.source(), &["scan", "-p", ports, &target])?.ended(2)?;
        ensure!(said.stderr.contains(words), "{}", said.stderr);
    }
    Ok(())
}

/// A host that limits its errors to one a second: closed ports are closed, and silence is that of the one that is open.
#[test]
fn udp_at_the_pace_of_the_host() -> Result<()> {
    let lab = Path::new(1)?;
    lab.destination()
        .sysctl("net/ipv4/icmp_ratelimit", "1000")?;
    let target = lab.target(false);
    let _silent = udp::bind(lab.destination(), at(target, 5003))?;
    let text = target.to_string();
    let args = ["scan", "-u", "-p", "5000-5011", &text];
    let said = probe::json(lab.source(), &args)?.ended(1)?;
    let ours = states(&said);
    let wrong = ours.iter().find(|(port, state)| {
        let wanted = if **port == 5003 {
            "open|filtered"
        } else {
            "closed"
        };
        *state != wanted
    });
    ensure!(wrong.is_none() && ours.len() == 12, "{ours:?}");
    ensure!(
        said.stderr.contains("limits its ICMP errors"),
        "{}",
        said.stderr
    );
    let fast = [&args[..], &["--fast"]].concat();
    let said = probe::json(lab.source(), &fast)?.ended(1)?;
    let closed = said.count(&json!({"event": "port", "state": "closed"}));
    ensure!(closed < 11, "without patience {closed} are closed");
    if have(&["nmap"])? {
        // It gives up earlier: what it calls closed we do, and what is open neither of us.
        let theirs = nmap(&lab, &["-sU", "--max-retries", "4"], "5000-5011")?;
        let same = |(port, state): (&u64, &String)| state != "closed" || ours[port] == *state;
        ensure!(theirs.iter().all(same), "ours {ours:?}\nnmap {theirs:?}");
    }
    Ok(())
}

#[test]
fn services_by_name() -> Result<()> {
    if !std::path::Path::new("/etc/services").exists() {
        return Ok(());
    }
    let lab = Path::new(1)?;
    let target = lab.target(false).to_string();
    let args = ["scan", "-p", "ssh,http,https", &target];
    let said = probe::json(lab.source(), &args)?.ended(1)?;
    let ports: Vec<u64> = states(&said).into_keys().collect();
    ensure!(ports == [22, 80, 443], "{ports:?}");
    let said = probe::text(lab.source(), &args)?.ended(1)?;
    for line in [
        "22/tcp     closed        ssh",
        "443/tcp    closed        https",
    ] {
        ensure!(said.text.contains(line), "{}", said.text);
    }
    Ok(())
}
