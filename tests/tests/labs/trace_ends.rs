//! Where a trace ends and why: marks of refusal, loops, branches, translation, narrow links, labels.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::path::{Path, address, join, node};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{v4, v6};
use netobs_tests::traffic::frame;
use netobs_tests::{tap, wait};
use serde_json::json;

use super::probe;
use crate::support::{has_tap, have, octets4};

#[test]
fn each_mark() -> Result<()> {
    let lab = Path::new(5)?;
    for (six, kind, mark) in [
        (false, "icmp type net-unreachable", "!N"),
        (false, "icmp type host-unreachable", "!H"),
        (false, "icmp type prot-unreachable", "!P"),
        (false, "icmp type admin-prohibited", "!X"),
        (true, "icmpv6 type no-route", "!N"),
        (true, "icmpv6 type addr-unreachable", "!H"),
        (true, "icmpv6 type admin-prohibited", "!X"),
    ] {
        let family = if six {
            "meta nfproto ipv6"
        } else {
            "meta nfproto ipv4"
        };
        let _wall = Rule::add(
            lab.node(3),
            Hook::Forward,
            &format!("{family} meta l4proto udp"),
            &format!("reject with {kind}"),
        )?;
        let target = lab.target(six).to_string();
        // Few probes: before 6.12 the machine's limit of ICMP errors is that of all labs.
        let args = ["traceroute", "-n", "-m", "6", &target];
        let said = probe::json(lab.source(), &args)?.ended(1)?;
        // The router answers itself for the last hop; its refusal comes where the wall stands.
        let hop = said.expect(&json!({"event": "hop", "mark": mark, "addr": Path::hop(3, six)}))?;
        let end = said.expect(&json!({"event": "trace-end", "reached": false}))?;
        let sentence = end["sentence"].as_str().unwrap_or_default();
        ensure!(
            sentence.contains(&format!("{} says {mark}", Path::hop(3, six))),
            "{hop} {sentence}"
        );
        if have(&["traceroute"])? {
            let theirs = lab
                .source()
                .tool("traceroute", &["-n", "-q", "1", &target], "")?;
            // Another traceroute, with marks of its own, sends packets of another size.
            let another = !["60 byte", "80 byte"]
                .iter()
                .any(|size| theirs.contains(size));
            ensure!(
                another || theirs.contains(mark),
                "traceroute does not say {mark}:\n{theirs}"
            );
        }
    }
    Ok(())
}

#[test]
fn too_big_to_go_on() -> Result<()> {
    let lab = Path::new(4)?;
    lab.node(2).ip("link set dev right mtu 1300\n")?;
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", "-F", &target, "1400"])?.ended(1)?;
    said.expect(&json!({"event": "hop", "addr": Path::hop(2, false), "mark": "!F-1300"}))?;
    Ok(())
}

#[test]
fn the_mtu_of_each_link() -> Result<()> {
    let lab = Path::new(5)?;
    lab.node(2).ip("link set dev right mtu 1400\n")?;
    lab.node(4).ip("link set dev right mtu 1300\n")?;
    // Again, when the kernel has learnt the MTU of the path.
    for (six, again) in [(false, false), (true, false), (false, true), (true, true)] {
        let target = lab.target(six).to_string();
        if again {
            let large = [
                "ping", "-c", "2", "-i", "0.1", "-M", "do", "-s", "1350", &target,
            ];
            probe::text(lab.source(), &large)?;
        }
        let said = probe::json(lab.source(), &["traceroute", "-n", "--mtu", &target])?.ended(0)?;
        said.expect(&json!({"event": "hop", "ttl": 2, "mtu": 1400}))?;
        said.expect(&json!({"event": "hop", "ttl": 4, "mtu": 1300}))?;
        said.expect(&json!({"event": "hop", "ttl": 3, "mtu": null}))?;
        said.expect(&json!({"event": "trace-end", "path_mtu": 1300}))?;
    }
    Ok(())
}

#[test]
fn a_firewall_at_the_end() -> Result<()> {
    let lab = Path::new(4)?;
    let _wall = Rule::add(lab.node(3), Hook::Forward, "meta l4proto udp", "drop")?;
    let target = lab.target(false).to_string();
    let said = probe::json(lab.source(), &["traceroute", "-n", "-w", "0.5", &target])?.ended(1)?;
    said.expect(&json!({"event": "hop", "ttl": 4, "addr": null, "manner": "nothing"}))?;
    let end = said.expect(&json!({"event": "trace-end", "reached": false}))?;
    let sentence = end["sentence"].as_str().unwrap_or_default();
    ensure!(
        sentence.starts_with(&format!("stopped after hop 3 ({})", Path::hop(3, false))),
        "{sentence}"
    );
    Ok(())
}

#[test]
fn a_loop_is_named() -> Result<()> {
    let lab = Path::new(4)?;
    lab.node(3).ip("route add 10.77.99.0/24 via 10.77.3.1\n")?;
    let said = probe::json(
        lab.source(),
        &["traceroute", "-n", "-m", "12", "10.77.99.1"],
    )?
    .ended(1)?;
    let end = said.expect(&json!({"event": "trace-end", "reached": false}))?;
    let sentence = end["sentence"].as_str().unwrap_or_default();
    ensure!(sentence.contains("routing loop"), "{sentence}");
    Ok(())
}

/// `a` - `fork` - two routers - `b`.
struct Diamond {
    a: Netns,
    _fork: Netns,
    _routers: [Netns; 2],
    _b: Netns,
}

impl Diamond {
    fn new() -> Result<Self> {
        let (a, fork, b) = (node("a")?, node("fork")?, node("b")?);
        let routers = [node("r0")?, node("r1")?];
        join(&a, "right", &fork, "left")?;
        a.ip(&format!(
            "{}route add default via {}\nroute add ::/0 via {}\n",
            address("right", 1, 1),
            v4(1, 2),
            v6(1, 2)
        ))?;
        fork.ip(&address("left", 1, 2))?;
        fork.sysctl("net/ipv4/fib_multipath_hash_policy", "1")?;
        for (n, router) in (0_u8..).zip(&routers) {
            let name = format!("r{n}");
            join(&fork, &name, router, "left")?;
            join(router, "right", &b, &name)?;
            fork.ip(&address(&name, 10 + n, 1))?;
            router.ip(&format!(
                "{}{}route add 10.77.1.0/24 via {}\n",
                address("left", 10 + n, 2),
                address("right", 20 + n, 1),
                v4(10 + n, 1)
            ))?;
            b.ip(&address(&name, 20 + n, 2))?;
            router.ip(&format!("route add 10.77.200.0/24 via {}\n", v4(20 + n, 2)))?;
        }
        b.ip(&format!(
            "addr add 10.77.200.1/32 dev lo\nroute add 10.77.1.0/24 via {}\n",
            v4(20, 1)
        ))?;
        fork.ip(&format!(
            "route add 10.77.200.0/24 nexthop via {} nexthop via {}\n",
            v4(10, 2),
            v4(11, 2)
        ))?;
        Ok(Self {
            a,
            _fork: fork,
            _routers: routers,
            _b: b,
        })
    }
}

#[test]
fn both_branches_are_found() -> Result<()> {
    let lab = Diamond::new()?;
    let args = ["traceroute", "-n", "--paths", "4", "10.77.200.1"];
    // The rule lets one trace in 32 miss one of two branches: six flows may all go one way. Five in a row do not.
    let both = |said: &probe::Probed| {
        let fork =
            json!({"event": "node", "ttl": 1, "addr": v4(1, 2), "next": [v4(10, 2), v4(11, 2)]});
        said.expect(&fork).is_ok()
    };
    let mut found = 0;
    for _ in 0..5 {
        let said = probe::json(&lab.a, &args)?.ended(0)?;
        said.expect(&json!({"event": "trace-end", "reached": true, "confident": true}))?;
        found += u32::from(both(&said));
    }
    ensure!(found > 0, "no trace found both branches");
    // One flow sees one way, however often.
    for _ in 0..3 {
        let said = probe::json(&lab.a, &["traceroute", "-n", "10.77.200.1"])?.ended(0)?;
        let hop = said.expect(&json!({"event": "hop", "ttl": 2}))?;
        ensure!(
            hop["addrs"]
                .as_array()
                .is_some_and(|addrs| addrs.len() == 1),
            "{hop}"
        );
    }
    let drawn = |text: &str| text.contains("├─ 10.77.10.2") && text.contains("└─ 10.77.11.2");
    let texts = (0..5).map(|_| Ok(probe::text(&lab.a, &args)?.ended(0)?.text));
    let texts: Vec<String> = texts.collect::<Result<_>>()?;
    ensure!(texts.iter().any(|text| drawn(text)), "{texts:?}");
    Ok(())
}

/// A ring: there by one router, back by three.
#[test]
fn a_longer_way_back() -> Result<()> {
    let ring: Vec<Netns> = ["a", "r", "d", "s1", "s2", "s3"]
        .into_iter()
        .map(node)
        .collect::<Result<_>>()?;
    for ns in &ring {
        // Answers come in where nothing is sent out.
        ns.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
        ns.sysctl("net/ipv4/conf/default/rp_filter", "0")?;
    }
    for (net, at) in (1..).zip(0..ring.len()) {
        let (left, right) = (&ring[at], &ring[(at + 1) % ring.len()]);
        join(left, "right", right, "left")?;
        left.ip(&address("right", net, 1))?;
        right.ip(&address("left", net, 2))?;
    }
    ring[0].ip(&format!("route add 10.77.2.0/24 via {}\n", v4(1, 2)))?;
    for (net, ns) in (3..).zip(&ring[2..]) {
        ns.ip(&format!("route add 10.77.1.0/24 via {}\n", v4(net, 2)))?;
    }
    let said = probe::json(&ring[0], &["traceroute", "-n", "10.77.2.2"])?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 1, "addr": v4(1, 2), "back_hops": null}))?;
    said.expect(&json!({"event": "hop", "ttl": 2, "addr": v4(2, 2), "back_hops": 3}))?;
    Ok(())
}

/// Behind a translated destination every router speaks with the address that was asked for.
#[test]
fn translation_is_seen() -> Result<()> {
    let lab = Path::new(5)?;
    let rules = "table ip nat {\n chain pre {\n  type nat hook prerouting priority -100;\n  ip daddr 10.77.98.1 dnat to 10.77.5.2\n }\n}\n";
    lab.node(2).tool("nft", &["-f", "-"], rules)?;
    let said = probe::json(lab.source(), &["traceroute", "-n", "10.77.98.1"])?.ended(0)?;
    said.expect(&json!({"event": "hop", "ttl": 1, "translated": false}))?;
    said.expect(&json!({"event": "hop", "ttl": 3, "addr": "10.77.98.1", "translated": true}))?;
    said.expect(&json!({"event": "trace-end", "reached": true}))?;
    Ok(())
}

/// A router that says more than it must: MPLS labels and the interface. We are that router, behind a TAP device.
#[test]
fn labels_and_interfaces() -> Result<()> {
    if !has_tap() {
        return Ok(());
    }
    let a = node("a")?;
    let mut device = a.run(|| Ok(tap::open(c"right")?))?;
    a.ip(&format!(
        "{}link set dev right up\nneigh add {} lladdr 02:00:00:00:00:02 dev right\nroute add default via {}\n",
        address("right", 1, 1),
        v4(1, 2),
        v4(1, 2)
    ))?;
    let own = frame::mac(&a, "right")?;
    let trace = probe::start(
        &a,
        &[
            "traceroute",
            "-n",
            "-q",
            "1",
            "-w",
            "8",
            "-m",
            "1",
            "--json",
            "10.77.3.2",
        ],
    )?;
    let mut frame = [0; 2000];
    let probe = wait::until("a probe", || {
        let fds = [device.as_fd(), device.as_fd()];
        if !tap::poll_readable(fds, Duration::from_millis(5))?[0] {
            return Ok(None);
        }
        let n = device.read(&mut frame)?;
        let is_probe = n >= 42 && frame[12..14] == [8, 0] && frame[22] == 1 && frame[23] == 17;
        Ok(is_probe.then(|| frame[14..n].to_vec()))
    })?;
    let message = time_exceeded(probe);
    let router = ([2, 0, 0, 0, 0, 2], own);
    let answer = frame::icmp(
        router,
        octets4(v4(1, 2)),
        octets4(v4(1, 1)),
        &message,
        false,
    );
    device.write_all(&answer)?;
    let output = trace.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let hop: serde_json::Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    ensure!(hop["addr"] == json!(v4(1, 2)), "{text}");
    ensure!(
        hop["labels"] == json!([{"label": 1600, "tc": 0, "ttl": 1}]),
        "{text}"
    );
    ensure!(hop["interface"]["name"] == "ge-0\u{1b}", "{text}");
    Ok(())
}

/// The error about a probe, with a label stack and an interface whose name a terminal should not see raw.
fn time_exceeded(mut quote: Vec<u8>) -> Vec<u8> {
    quote.resize(128, 0);
    let mut block = vec![0x20, 0, 0, 0];
    block.extend([0, 8, 1, 1, 0x00, 0x64, 0x01, 0x01]);
    block.extend([0, 12, 2, 0x02, 8, b'g', b'e', b'-', b'0', 0x1b, 0, 0]);
    let sum = frame::checksum(&block).to_be_bytes();
    block[2..4].copy_from_slice(&sum);
    [vec![11, 0, 0, 0, 0, 32, 0, 0], quote, block].concat()
}
