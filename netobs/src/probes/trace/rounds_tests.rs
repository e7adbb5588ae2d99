//! Rounds over networks that change under them.

use super::*;
use crate::probes::{
    net::Proto,
    simnet::{End, MS, Machine, Net, addr, run},
};

impl Machine for Rounds {
    fn step(&mut self, now: Mono) -> Step {
        Rounds::step(self, now)
    }

    fn on(&mut self, event: &Event) {
        Rounds::on(self, event);
    }
}

fn rounds(most: u64) -> Rounds {
    rounds_by(Proto::Icmp, most)
}

fn rounds_by(proto: Proto, most: u64) -> Rounds {
    let plan = Plan {
        target: addr(200),
        proto,
        sport: 61_000,
        dport: 0,
        first: 1,
        max: 30,
        queries: 1,
        payload: 32,
        gap_ns: 0,
        wait_ns: 1_000 * MS,
        at_once: 256,
        token: 1,
    };
    Rounds::new(plan, 1_000 * MS, Some(most))
}

#[test]
fn every_round_is_counted() {
    let mut rounds = rounds(10);
    let took = run(&mut Net::line(10), &mut rounds);
    assert_eq!(rounds.hops().len(), 10);
    for hop in rounds.hops() {
        assert_eq!(
            (hop.sent, hop.rtts.count(), hop.lost),
            (10, 10, 0),
            "{}",
            hop.ttl
        );
    }
    assert!((9_000 * MS..9_100 * MS).contains(&took), "{took}");
    assert!(rounds.reached);
}

/// Its datagrams name no probe.
#[test]
fn a_served_port_is_reached() {
    let mut rounds = rounds_by(Proto::Udp, 10);
    let mut net = Net::line(6);
    net.end = End::Open;
    run(&mut net, &mut rounds);
    assert_eq!((rounds.hops().len(), rounds.reached), (6, true));
    for hop in rounds.hops() {
        assert_eq!((hop.rtts.count(), hop.lost), (10, 0), "{}", hop.ttl);
    }
}

#[test]
fn silence_and_loss() {
    let mut net = Net::line(6);
    net.routers[2].silent = true;
    net.loss = 100;
    let mut rounds = rounds(200);
    run(&mut net, &mut rounds);
    let hops = rounds.hops();
    assert!((hops[2].loss_pct() - 100.0).abs() < 1e-9);
    assert!(
        (5.0..15.0).contains(&hops[1].loss_pct()),
        "{}",
        hops[1].loss_pct()
    );
    assert_eq!(hops[1].lost + hops[1].rtts.count(), hops[1].sent);
}

#[test]
fn a_route_change_is_kept() {
    let mut net = Net::line(5);
    let mut rounds = rounds(4);
    run(&mut net, &mut rounds);
    net.routers[1].addrs = vec![addr(77)];
    rounds.most = Some(6);
    run(&mut net, &mut rounds);
    let change = rounds.changes.front().unwrap();
    assert_eq!((change.ttl, change.from, change.to), (2, addr(2), addr(77)));
    assert_eq!(rounds.hops()[1].addrs, [addr(77), addr(2)]);
}

#[test]
fn a_longer_way_is_followed() {
    let mut net = Net::line(3);
    let mut rounds = rounds(3);
    run(&mut net, &mut rounds);
    assert_eq!(rounds.hops().len(), 3);
    let longer = Net::line(5);
    net.routers = longer.routers;
    rounds.most = Some(12);
    run(&mut net, &mut rounds);
    assert_eq!(rounds.hops().len(), 5);
}
