//! Scans over networks of every kind of trouble.

use super::*;
use crate::probes::simnet::{End, MS, Machine, Net, addr, run};

impl Machine for Scan {
    fn step(&mut self, now: Mono) -> Step {
        Scan::step(self, now)
    }

    fn on(&mut self, event: &Event) {
        Scan::on(self, event);
    }
}

fn plan(proto: Proto, ports: u16) -> Plan {
    Plan {
        targets: vec![addr(200)],
        ports: (1..=ports).collect(),
        proto,
        sport: 61_000,
        token: 9,
        payload: 8,
        services: false,
        ttl: None,
        retries: 1,
        rate: 100_000,
        at_once: 512,
        wait_ns: 1_000 * MS,
        patient: true,
    }
}

fn states(scan: &Scan) -> Vec<State> {
    let mut states: Vec<State> = scan.results().map(|port| port.state).collect();
    states.sort_unstable();
    states.dedup();
    states
}

#[test]
fn each_kind_of_end() {
    for (proto, end, want) in [
        (Proto::Tcp, End::Open, State::Open),
        (Proto::Tcp, End::Closed, State::Closed),
        (Proto::Tcp, End::Silent, State::Filtered),
        (Proto::Udp, End::Open, State::Open),
        (Proto::Udp, End::Silent, State::OpenFiltered),
    ] {
        let mut net = Net::line(3);
        net.end = end;
        let mut scan = Scan::new(plan(proto, 300));
        run(&mut net, &mut scan);
        assert_eq!(states(&scan), [want], "{proto:?} {end:?}");
        assert_eq!(scan.results().count(), 300);
        assert_eq!(scan.foreign, 0);
    }
}

#[test]
fn loss_is_asked_again() {
    let mut net = Net::line(3);
    (net.end, net.loss, net.jitter) = (End::Open, 50, 5 * MS);
    let mut scan = Scan::new(Plan {
        retries: 4,
        ..plan(Proto::Tcp, 1_000)
    });
    let took = run(&mut net, &mut scan);
    assert_eq!(states(&scan), [State::Open]);
    assert!(scan.sent > 1_000 && scan.sent < 1_200, "{}", scan.sent);
    assert!(took < 1_000 * MS, "{took}");
}

#[test]
fn the_rate_is_kept() {
    let mut scan = Scan::new(Plan {
        rate: 1_000,
        ..plan(Proto::Tcp, 500)
    });
    let took = run(&mut Net::line(3), &mut scan);
    assert!((500 * MS..560 * MS).contains(&took), "{took}");
}

#[test]
fn a_router_that_forbids_is_named() {
    let mut net = Net::line(5);
    net.routers[2].refuses = Some(What::Error { kind: 3, code: 13 });
    let mut scan = Scan::new(plan(Proto::Tcp, 10));
    run(&mut net, &mut scan);
    let port = scan.results().next().unwrap();
    assert_eq!(
        (port.state, port.heard.map(|h| h.by)),
        (State::Filtered, Some(addr(3)))
    );
    assert_eq!(port.heard.map(|h| h.rtt_ns), Some(20 * MS));
}
