//! Branches on simulated networks.

use super::*;
use crate::probes::simnet::{MS, Machine, Net, addr, run};

impl Machine for Paths {
    fn step(&mut self, now: Mono) -> Step {
        Paths::step(self, now)
    }

    fn on(&mut self, event: &Event) {
        Paths::on(self, event);
    }
}

fn paths(most: usize) -> Paths {
    let plan = Plan {
        target: addr(200),
        proto: Proto::Udp,
        sport: 61_000,
        dport: 33_434,
        first: 1,
        max: 12,
        queries: 1,
        payload: 32,
        gap_ns: 0,
        wait_ns: 2_000 * MS,
        at_once: 256,
        token: 1,
    };
    Paths::new(plan, most)
}

#[test]
fn every_branch_is_found() {
    let mut net = Net::line(6);
    net.routers[2].addrs = (31..35).map(addr).collect();
    net.loss = 20;
    let mut machine = paths(8);
    run(&mut net, &mut machine);
    let graph = machine.graph();
    let branching = &graph[&(2, Some(addr(2)))];
    let successors: Vec<_> = branching
        .next
        .iter()
        .filter_map(|(_, addr)| *addr)
        .collect();
    assert_eq!(successors.len(), 4, "{branching:?}");
    assert!(machine.flows() >= ENOUGH[3] && machine.is_confident());
    assert!(machine.reached());
}

#[test]
fn one_way_takes_six_flows() {
    let mut paths = paths(8);
    let took = run(&mut Net::line(5), &mut paths);
    assert_eq!(paths.flows(), ENOUGH[0]);
    assert!(took < 30 * MS, "{took}");
}

#[test]
fn a_silent_router_joins_its_neighbours() {
    let mut net = Net::line(5);
    net.routers[1].silent = true;
    let mut paths = paths(4);
    run(&mut net, &mut paths);
    assert!(paths.graph().contains_key(&(2, None)));
}
