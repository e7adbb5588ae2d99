//! `drop`: as many freed packets as the rule that dropped them has counted, each with its reason, place and owner.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use netobs_tests::machine;
use netobs_tests::netobs::{Observer, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Pair};
use netobs_tests::traffic::{Process, frame, tcp, udp};
use netobs_tests::truth::Meter;
use serde_json::{Value, json};

use crate::support::{at, is_null, kernel_since, octets4, with};

const COUNT: u64 = 20;

/// `reason` where the kernel has reasons.
fn because(reason: &str, event: Value) -> Result<Value> {
    let reason = if kernel_since(5, 17)? {
        json!(reason)
    } else {
        Value::Null
    };
    Ok(with(event, &json!({"event": "drop", "reason": reason})))
}

/// Exactly `count` such drops were told; the first of them.
fn told(watch: Observer, count: u64, expected: &Value) -> Result<Value> {
    ensure!(count > 0, "nothing was dropped: no test");
    watch.expect_count(count, expected)?;
    let first = watch.expect(expected)?;
    ensure!(
        first["location"]
            .as_str()
            .is_some_and(|at| at.contains("+0x")),
        "no function+0xoffset: {first}"
    );
    watch.stop()?.exactly(count, expected)?;
    Ok(first)
}

fn by_rule_in(local: IpAddr, target: IpAddr, family: &str) -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(&lab.b, Hook::Input, "udp dport 7", "drop")?;
    let source = udp::bind(&lab.a, at(local, 0))?;
    udp::flood(&source, at(target, 7), COUNT, 100)?;
    let expected = json!({
        "netns": lab.b.inode(), "family": family, "proto": "udp", "ifname": "eth0",
        "saddr": local, "sport": source.local_addr()?.port(), "daddr": target, "dport": 7,
    });
    let event = told(
        watch,
        rule.packets()?,
        &because("NETFILTER_DROP", expected)?,
    )?;
    // The rule acts before any socket is looked up.
    is_null(&event, "pid")
}

#[test]
fn by_a_rule_on_the_way_in() -> Result<()> {
    by_rule_in(A4, Pair::B4, "ipv4")
}

#[test]
fn by_a_rule_on_the_way_in_ipv6() -> Result<()> {
    by_rule_in(A6, Pair::B6, "ipv6")
}

#[test]
fn by_a_rule_on_the_way_out_has_an_owner() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.a]).start()?;
    let rule = Rule::add(&lab.a, Hook::Output, "udp dport 7", "drop")?;
    let mut sender = Process::spawn(&lab.a, "lab-sender", |link| {
        let socket = std::net::UdpSocket::bind(at(A4, 0))?;
        for _ in 0..COUNT {
            let refused = socket
                .send_to(b"lab", at(Pair::B4, 7))
                .err()
                .and_then(|e| e.raw_os_error());
            ensure!(
                refused == Some(libc::EPERM),
                "the rule let a datagram through: {refused:?}"
            );
        }
        link.say(1)?;
        link.hear().map(drop)
    })?;
    sender.hear()?;
    let expected = json!({"pid": sender.pid(), "comm": "lab-sender", "uid": 0, "proto": "udp", "daddr": Pair::B4, "dport": 7});
    told(
        watch,
        rule.packets()?,
        &because("NETFILTER_DROP", expected)?,
    )
    .map(drop)
}

#[test]
fn of_tcp_shows_the_flags() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(&lab.b, Hook::Input, "tcp dport 7", "drop")?;
    let client = lab.a.run(|| Ok(tcp::Dial::to(at(Pair::B4, 7)).start()?))?;
    watch.expect(&because(
        "NETFILTER_DROP",
        json!({"proto": "tcp", "flags": "S", "dport": 7, "netns": lab.b.inode()}),
    )?)?;
    drop(client);
    let count = rule.packets()?;
    told(
        watch,
        count,
        &because("NETFILTER_DROP", json!({"flags": "S", "dport": 7}))?,
    )
    .map(drop)
}

#[test]
fn for_want_of_a_socket() -> Result<()> {
    let lab = Pair::new()?;
    let meter = Meter::start(&[&lab.b])?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    for (local, target) in [(A4, Pair::B4), (A6, Pair::B6)] {
        udp::flood(&udp::bind(&lab.a, at(local, 0))?, at(target, 7), COUNT, 10)?;
    }
    let (four, six) = (meter.delta("UdpNoPorts")?, meter.delta("Udp6NoPorts")?);
    let of = |family: &str| {
        because(
            "NO_SOCKET",
            json!({"proto": "udp", "dport": 7, "family": family, "netns": lab.b.inode()}),
        )
    };
    watch.expect_count(six, &of("ipv6")?)?;
    ensure!(
        (four, six) == (COUNT, COUNT),
        "the kernel found no port {four} and {six} times"
    );
    told(watch, four, &of("ipv4")?).map(drop)
}

#[test]
fn of_icmp() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(
        &lab.b,
        Hook::Input,
        "icmp type destination-unreachable",
        "drop",
    )?;
    // b asks a closed port of a: the error that comes back is what the rule drops.
    udp::flood(&udp::bind(&lab.b, at(Pair::B4, 0))?, at(A4, 7), 5, 10)?;
    let expected =
        json!({"proto": "icmp", "icmp_type": 3, "icmp_code": 3, "saddr": A4, "daddr": Pair::B4});
    told(
        watch,
        rule.packets()?,
        &because("NETFILTER_DROP", expected)?,
    )
    .map(drop)
}

#[test]
fn of_arp() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(&lab.b, Hook::ArpInput, "", "drop")?;
    let request = frame::arp_request(frame::mac(&lab.a, "eth0")?, octets4(A4), octets4(Pair::B4));
    frame::send(&lab.a, "eth0", &request, COUNT)?;
    let expected =
        json!({"proto": "arp", "ethertype": "0x0806", "ifname": "eth0", "netns": lab.b.inode()});
    told(
        watch,
        rule.packets()?,
        &because("NETFILTER_DROP", expected)?,
    )
    .map(drop)
}

#[test]
fn of_a_tagged_frame() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(&lab.b, Hook::Ingress, "vlan id 5", "drop")?;
    let (from, to) = (frame::mac(&lab.a, "eth0")?, frame::mac(&lab.b, "eth0")?);
    let tagged = frame::vlan_udp(5, from, to, (octets4(A4), 1000), (octets4(Pair::B4), 7));
    frame::send(&lab.a, "eth0", &tagged, COUNT)?;
    let expected = json!({"vlan": 5, "proto": "udp", "saddr": A4, "sport": 1000, "daddr": Pair::B4, "dport": 7, "ifname": "eth0"});
    told(
        watch,
        rule.packets()?,
        &because("NETFILTER_DROP", expected)?,
    )
    .map(drop)
}

/// However many: what was told and what was lost make up the rule's count.
#[test]
fn of_a_flood_adds_up() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop"])?.within(&[&lab.b]).start()?;
    let rule = Rule::add(&lab.b, Hook::Input, "udp dport 7", "drop")?;
    let source = udp::bind(&lab.a, at(A4, 0))?;
    let sent = machine::times(20_000) as u64;
    udp::flood(&source, at(Pair::B4, 7), sent, 18)?;
    let count = rule.packets()?;
    ensure!(count == sent, "the rule met {count} datagrams");
    let event = because("NETFILTER_DROP", json!({"proto": "udp", "dport": 7}))?;
    watch.stop()?.seen_plus_lost(&event, count).map(drop)
}

/// A healthy transfer frees thousands of packets; none of them is a drop.
#[test]
fn none_in_healthy_traffic() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["drop", "close"])?
        .within(&lab.both())
        .start()?;
    let mut pair = tcp::establish(&lab.a, &lab.b, Pair::B4)?;
    pair.transfer(5_000_000)?;
    drop(pair.client);
    tcp::drain(&mut pair.server)?;
    drop(pair.server);
    watch.expect_count(2, &json!({"event": "close"}))?;
    let record = watch.stop()?;
    let drops = record.count(&json!({"event": "drop"}));
    ensure!(drops == 0, "{drops} drops are told\n{}", record.tail());
    Ok(())
}
