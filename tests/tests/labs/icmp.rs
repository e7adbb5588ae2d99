//! `icmp`: errors sent and received, with the flow they quote and whose it is.

use std::net::{IpAddr, UdpSocket};

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::{Observer, Watch};
use netobs_tests::rules::{Hook, Rule};
use netobs_tests::topology::{A4, A6, Chain, Lan, Pair};
use netobs_tests::traffic::{Process, tcp, udp};
use netobs_tests::truth::Meter;
use netobs_tests::wait;
use serde_json::{Value, json};

use crate::support::{at, can_show, with};

/// Below the burst that the kernel's rate limit lets through.
const COUNT: u64 = 4;
const PORT: u16 = 7;

/// A process in `ns` that sends `COUNT` datagrams of `len` bytes after `prepare`, and its port.
fn sender(
    ns: &Netns,
    from: IpAddr,
    to: IpAddr,
    len: usize,
    prepare: fn(&UdpSocket) -> std::io::Result<()>,
) -> Result<(Process, u16)> {
    let mut process = Process::spawn(ns, "lab-sender", |link| {
        let socket = UdpSocket::bind(at(from, 0))?;
        prepare(&socket)?;
        udp::flood(&socket, at(to, PORT), COUNT, len)?;
        link.say(socket.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(process.hear()?)?;
    Ok((process, port))
}

/// One error, as its sender and as its receiver should tell it.
struct Case<'a> {
    by: (&'a Netns, IpAddr),
    to: (&'a Netns, IpAddr),
    what: Value,
    flow: Value,
    six: bool,
}

impl Case<'_> {
    fn told(&self, watch: Observer, count: u64, owner: &Process) -> Result<()> {
        ensure!(count > 0, "no error was sent: no test");
        let common = with(
            with(json!({"event": "icmp", "to": self.to.1}), &self.what),
            &self.flow,
        );
        if !self.six || can_show("icmp", &["icmp6_send", "ipv6"])? {
            let sent = with(
                common.clone(),
                &json!({"direction": "sent", "netns": self.by.0.inode(), "from": null}),
            );
            watch.expect_count(count, &sent)?;
        }
        if can_show("icmp", &["icmp_rcv", "received"])? {
            let received = with(
                common,
                &json!({
                    "direction": "received", "netns": self.to.0.inode(), "from": self.by.1, "pid": owner.pid(), "comm": "lab-sender",
                }),
            );
            watch.expect_count(count, &received)?;
            watch.stop()?.exactly(count, &received)?;
        }
        Ok(())
    }
}

fn quoted(from: (IpAddr, u16), to: (IpAddr, u16)) -> Value {
    json!({"proto": "udp", "saddr": from.0, "sport": from.1, "daddr": to.0, "dport": to.1})
}

#[test]
fn port_unreachable() -> Result<()> {
    let lab = Pair::new()?;
    let meter = Meter::start(&[&lab.b])?;
    let watch = Watch::json(&["icmp"])?.within(&lab.both()).start()?;
    let (owner, sport) = sender(&lab.a, A4, Pair::B4, 10, |_| Ok(()))?;
    let what = json!({"type": 3, "code": 3, "what": "port unreachable", "family": "ipv4"});
    let flow = quoted((A4, sport), (Pair::B4, PORT));
    let case = Case {
        by: (&lab.b, Pair::B4),
        to: (&lab.a, A4),
        what,
        flow,
        six: false,
    };
    case.told(watch, meter.delta("IcmpMsgOutType3")?, &owner)
}

#[test]
fn port_unreachable_ipv6() -> Result<()> {
    let lab = Pair::new()?;
    let meter = Meter::start(&[&lab.b])?;
    let watch = Watch::json(&["icmp"])?.within(&lab.both()).start()?;
    let (owner, sport) = sender(&lab.a, A6, Pair::B6, 10, |_| Ok(()))?;
    let what = json!({"type": 1, "code": 4, "what": "port unreachable", "family": "ipv6"});
    let flow = quoted((A6, sport), (Pair::B6, PORT));
    let case = Case {
        by: (&lab.b, Pair::B6),
        to: (&lab.a, A6),
        what,
        flow,
        six: true,
    };
    case.told(watch, meter.delta("Icmp6OutDestUnreachs")?, &owner)
}

#[test]
fn fragmentation_needed() -> Result<()> {
    let lab = Chain::new(1300)?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["icmp"])?.within(&[&lab.a, &lab.r]).start()?;
    let (owner, sport) = sender(&lab.a, A4, Chain::B4, 1400, udp::forbid_fragments)?;
    let what = json!({"type": 3, "code": 4, "what": "fragmentation needed", "mtu": 1300});
    let flow = quoted((A4, sport), (Chain::B4, PORT));
    let case = Case {
        by: (&lab.r, Chain::R4),
        to: (&lab.a, A4),
        what,
        flow,
        six: false,
    };
    case.told(watch, meter.delta("IcmpMsgOutType3")?, &owner)
}

#[test]
fn packet_too_big_ipv6() -> Result<()> {
    let lab = Chain::new(1300)?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["icmp"])?.within(&[&lab.a, &lab.r]).start()?;
    let (owner, sport) = sender(&lab.a, A6, Chain::B6, 1400, udp::forbid_fragments)?;
    let flow = quoted((A6, sport), (Chain::B6, PORT));
    let case = Case {
        by: (&lab.r, Chain::R6),
        to: (&lab.a, A6),
        what: json!({"type": 2, "code": 0, "mtu": 1300}),
        flow,
        six: true,
    };
    case.told(watch, meter.delta("Icmp6OutPktTooBigs")?, &owner)
}

#[test]
fn time_exceeded() -> Result<()> {
    let lab = Chain::new(1500)?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["icmp"])?.within(&[&lab.a, &lab.r]).start()?;
    let (owner, sport) = sender(&lab.a, A4, Chain::B4, 10, |socket| {
        udp::limit_hops(socket, 1)
    })?;
    let what = json!({"type": 11, "code": 0, "what": "time exceeded in transit"});
    let flow = quoted((A4, sport), (Chain::B4, PORT));
    let case = Case {
        by: (&lab.r, Chain::R4),
        to: (&lab.a, A4),
        what,
        flow,
        six: false,
    };
    case.told(watch, meter.delta("IcmpMsgOutType11")?, &owner)
}

#[test]
fn time_exceeded_ipv6() -> Result<()> {
    let lab = Chain::new(1500)?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["icmp"])?.within(&[&lab.a, &lab.r]).start()?;
    let (owner, sport) = sender(&lab.a, A6, Chain::B6, 10, |socket| {
        udp::limit_hops(socket, 1)
    })?;
    let flow = quoted((A6, sport), (Chain::B6, PORT));
    let case = Case {
        by: (&lab.r, Chain::R6),
        to: (&lab.a, A6),
        what: json!({"type": 3, "code": 0}),
        flow,
        six: true,
    };
    case.told(watch, meter.delta("Icmp6OutTimeExcds")?, &owner)
}

#[test]
fn redirect() -> Result<()> {
    let lab = Lan::new()?;
    let meter = Meter::start(&[&lab.r])?;
    let watch = Watch::json(&["icmp"])?.within(&[&lab.a, &lab.r]).start()?;
    let (owner, sport) = sender(&lab.a, A4, Lan::FAR4, 10, |_| Ok(()))?;
    let what = json!({"type": 5, "gateway": Lan::B4});
    let flow = quoted((A4, sport), (Lan::FAR4, PORT));
    let case = Case {
        by: (&lab.r, Lan::R4),
        to: (&lab.a, A4),
        what,
        flow,
        six: false,
    };
    case.told(watch, meter.delta("IcmpMsgOutType5")?, &owner)
}

/// A firewall's answer to a SYN, matched to the process that wanted to connect.
#[test]
fn administratively_prohibited_tcp() -> Result<()> {
    let lab = Pair::new()?;
    let watch = Watch::json(&["icmp"])?.within(&lab.both()).start()?;
    let wall = Rule::add(
        &lab.b,
        Hook::Input,
        "tcp dport 7",
        "reject with icmpx type admin-prohibited",
    )?;
    let owner = Process::spawn(&lab.a, "lab-sender", |_| {
        ensure!(
            tcp::Dial::to(at(Pair::B4, PORT)).connect().is_err(),
            "the wall let a SYN through"
        );
        Ok(())
    })?;
    let common = json!({"event": "icmp", "type": 3, "code": 13, "proto": "tcp", "saddr": A4, "daddr": Pair::B4, "dport": PORT});
    let pid = owner.pid();
    owner.join()?;
    let count = wall.packets()?;
    ensure!(count > 0, "no SYN met the wall");
    watch.expect_count(
        count,
        &with(
            common.clone(),
            &json!({"direction": "sent", "netns": lab.b.inode()}),
        ),
    )?;
    if can_show("icmp", &["icmp_rcv", "received"])? {
        let received = json!({"direction": "received", "netns": lab.a.inode(), "from": Pair::B4, "pid": pid, "comm": "lab-sender"});
        watch.expect_count(count, &with(common, &received))?;
    }
    Ok(())
}

/// A process that sends one datagram each time it is told to, and its port.
fn on_request(ns: &Netns, comm: &str) -> Result<(Process, u16)> {
    let mut process = Process::spawn(ns, comm, |link| {
        let socket = UdpSocket::bind(at(A4, 0))?;
        link.say(socket.local_addr()?.port().into())?;
        loop {
            link.hear()?;
            udp::flood(&socket, at(Pair::B4, PORT), 1, 10)?;
        }
    })?;
    let port = u16::try_from(process.hear()?)?;
    Ok((process, port))
}

/// Whose socket an error quotes is looked up after the kernel's filters, at a bounded price, so not at each event: the filter by
/// name holds all the same.
#[test]
fn filters_hold_for_the_owner() -> Result<()> {
    if !can_show("icmp", &["icmp_rcv", "received"])? {
        return Ok(());
    }
    let lab = Pair::new()?;
    lab.b.sysctl("net/ipv4/icmp_ratelimit", "0")?;
    let (mut one, one_port) = on_request(&lab.a, "lab-one")?;
    let (mut two, two_port) = on_request(&lab.a, "lab-two")?;
    for (filter, shown, shown_port, hidden_port) in [
        ("lab-one", "lab-one", one_port, two_port),
        ("!lab-one", "lab-two", two_port, one_port),
    ] {
        let watch = Watch::json(&["icmp"])?
            .within(&[&lab.a])
            .arg("--comm")
            .arg(filter)
            .start()?;
        wait::until("an error whose owner is named", || {
            two.say(0)?;
            one.say(0)?;
            Ok(watch.output().contains(shown).then_some(()))
        })?;
        let record = watch.stop()?;
        let told = record.count(&json!({"event": "icmp", "comm": shown, "sport": shown_port}));
        ensure!(told > 0, "no error of {shown}\n{}", record.tail());
        let named = if shown == "lab-one" {
            "lab-two"
        } else {
            "lab-one"
        };
        let hidden = json!({"event": "icmp", "comm": named, "sport": hidden_port});
        ensure!(
            record.count(&hidden) == 0,
            "{named} is told\n{}",
            record.tail()
        );
    }
    Ok(())
}
