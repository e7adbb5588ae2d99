//! `route`: lookups that end in failure, each once; a table that merely has no answer is none.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::Watch;
use netobs_tests::topology::{A4, A6, Chain, Pair, v4, v6};
use netobs_tests::traffic::{Process, udp};
use netobs_tests::truth::Meter;
use serde_json::json;

use crate::support::{any4, at, positive, with};

const COUNT: u64 = 5;

/// `COUNT` datagrams from a process in `ns` to `to`, each refused with `errno`: as many events, no more.
fn fails(
    ns: &Netns,
    from: IpAddr,
    to: IpAddr,
    (errno, name): (i32, &str),
    what: &str,
) -> Result<()> {
    let watch = Watch::json(&["route"])?.within(&[ns]).start()?;
    let mut sender = Process::spawn(ns, "lab-sender", |link| {
        let socket = std::net::UdpSocket::bind(at(from, 0))?;
        udp::mark(&socket, 7)?;
        for _ in 0..COUNT {
            let error = socket
                .send_to(b"lab", at(to, 7))
                .err()
                .and_then(|e| e.raw_os_error());
            ensure!(
                error == Some(errno),
                "sending gave {error:?}, wanted {name}"
            );
        }
        link.say(1)?;
        link.hear().map(drop)
    })?;
    sender.hear()?;
    let event = json!({
        "event": "route", "what": what, "errno": name, "daddr": to, "mark": 7, "pid": sender.pid(), "comm": "lab-sender",
        "uid": 0, "netns": ns.inode(), "family": if to.is_ipv4() { "ipv4" } else { "ipv6" },
    });
    watch.expect_count(COUNT, &event)?;
    let record = watch.stop()?;
    record.exactly(COUNT, &event)?;
    record.exactly(COUNT, &json!({"event": "route"}))
}

const UNREACHABLE: (i32, &str) = (libc::EHOSTUNREACH, "EHOSTUNREACH");
const PROHIBIT: (i32, &str) = (libc::EACCES, "EACCES");
const BLACKHOLE: (i32, &str) = (libc::EINVAL, "EINVAL");
const NO_ROUTE: (i32, &str) = (libc::ENETUNREACH, "ENETUNREACH");

fn each_kind(from: IpAddr, network: &str, to: IpAddr) -> Result<()> {
    let lab = Pair::new()?;
    for (kind, errno) in [
        ("unreachable", UNREACHABLE),
        ("prohibit", PROHIBIT),
        ("blackhole", BLACKHOLE),
    ] {
        lab.a.ip(&format!("route replace {kind} {network}\n"))?;
        fails(&lab.a, from, to, errno, kind)?;
    }
    lab.a.ip(&format!("route del blackhole {network}\n"))?;
    fails(&lab.a, from, to, NO_ROUTE, "no route")
}

#[test]
fn each_kind_ipv4() -> Result<()> {
    each_kind(A4, "10.77.210.0/24", v4(210, 1))
}

#[test]
fn each_kind_ipv6() -> Result<()> {
    each_kind(A6, "fd00:77:d2::/64", v6(210, 1))
}

const RULES: &str = "rule add pref 100 lookup 100\nrule add pref 200 lookup 200\nroute add 10.77.211.0/24 via 10.77.1.2 table 200\n";

/// Tables 100 and local miss, 200 and main know: nothing has failed.
#[test]
fn a_miss_in_one_table_is_no_failure() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip(RULES)?;
    let watch = Watch::json(&["route"])?.within(&[&lab.a]).start()?;
    let socket = udp::bind(&lab.a, any4())?;
    udp::flood(&socket, at(v4(211, 1), 7), COUNT, 10)?;
    udp::flood(&socket, at(Pair::B4, 7), COUNT, 10)?;
    // What does fail comes last, and shows that the rest has been seen.
    ensure!(
        socket.send_to(b"lab", at(v4(212, 1), 7)).is_err(),
        "a route to nowhere"
    );
    watch.expect(&json!({"event": "route", "what": "no route", "daddr": v4(212, 1)}))?;
    watch.stop()?.exactly(1, &json!({"event": "route"}))
}

#[test]
fn a_miss_in_every_table_is_one_failure() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip(RULES)?;
    fails(&lab.a, A4, v4(212, 1), NO_ROUTE, "no route")
}

#[test]
fn a_rule_that_forbids() -> Result<()> {
    let lab = Pair::new()?;
    lab.a.ip("rule add pref 50 to 10.77.213.0/24 prohibit\n")?;
    let meter = Meter::start(&[&lab.a])?;
    fails(&lab.a, A4, v4(213, 1), PROHIBIT, "prohibit")?;
    let counted = meter.delta("IpOutNoRoutes")?;
    ensure!(
        counted == 0,
        "{counted} datagrams had no route instead of a prohibition"
    );
    Ok(())
}

/// The failure of a router belongs to nobody, and names where the packet came in.
#[test]
fn of_a_forwarded_packet() -> Result<()> {
    let lab = Chain::new(1500)?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["route"])?.within(&[&lab.r]).start()?;
    udp::flood(&udp::bind(&lab.a, at(A4, 0))?, at(v4(214, 1), 7), COUNT, 10)?;
    let counted = meter.delta("IpExtInNoRoutes")?;
    ensure!(counted == COUNT, "{counted} packets without a route");
    let event = json!({"event": "route", "what": "no route", "daddr": v4(214, 1), "saddr": A4, "netns": lab.r.inode()});
    let event = with(event, &json!({"pid": null}));
    watch.expect_count(COUNT, &event)?;
    positive(&watch.expect(&event)?, "iif")?;
    watch.stop()?.exactly(COUNT, &event)
}
