//! Pings over networks of every kind of trouble.

use super::*;
use crate::probes::{
    net::What,
    simnet::{End, MS, Machine, Net, addr, run},
};

impl Machine for Pinger {
    fn step(&mut self, now: Mono) -> Step {
        Pinger::step(self, now)
    }

    fn on(&mut self, event: &Event) {
        drop(Pinger::on(self, event));
    }
}

fn plan(count: u64) -> Plan {
    Plan {
        targets: vec![addr(200)],
        proto: Proto::Icmp,
        sport: 77,
        dport: 0,
        token: 0,
        payload: 56,
        ttl: None,
        count: Some(count),
        interval_ns: 1_000 * MS,
        wait_ns: 10_000 * MS,
        deadline_ns: None,
        flood: false,
    }
}

#[test]
fn all_is_answered() {
    let mut pinger = Pinger::new(plan(5));
    let took = run(&mut Net::line(4), &mut pinger);
    let target = &pinger.targets()[0];
    assert_eq!((target.sent, target.received, target.duplicates), (5, 5, 0));
    assert!((4_000 * MS..4_030 * MS).contains(&took), "{took}");
    assert_eq!(target.rtts.min(), 20 * MS);
}

#[test]
fn nothing_is_answered() {
    let mut net = Net::line(4);
    net.end = End::Silent;
    let mut pinger = Pinger::new(plan(2));
    let took = run(&mut net, &mut pinger);
    assert!((11_000 * MS..11_010 * MS).contains(&took), "{took}");
    assert!((pinger.targets()[0].loss_pct() - 100.0).abs() < 1e-9);
}

#[test]
fn loss_duplicates_and_disorder_are_told_apart() {
    let mut net = Net::line(4);
    (net.loss, net.twice, net.jitter) = (100, 200, 30 * MS);
    let mut pinger = Pinger::new(Plan {
        interval_ns: 5 * MS,
        ..plan(2_000)
    });
    run(&mut net, &mut pinger);
    let target = &pinger.targets()[0];
    assert_eq!(target.sent, 2_000);
    assert!(
        (1_700..1_900).contains(&target.received),
        "{}",
        target.received
    );
    assert!(
        (300..440).contains(&target.duplicates),
        "{}",
        target.duplicates
    );
    assert!(target.reordered > 500);
    assert_eq!(pinger.foreign, 0);
}

#[test]
fn a_flood_follows_the_answers() {
    let mut pinger = Pinger::new(Plan {
        flood: true,
        ..plan(100)
    });
    let mut net = Net::line(1);
    net.target_delay = MS;
    let took = run(&mut net, &mut pinger);
    assert!(took < 220 * MS, "{took}");
    assert_eq!(pinger.targets()[0].received, 100);
}

#[test]
fn the_deadline_ends_it() {
    let mut pinger = Pinger::new(Plan {
        count: None,
        deadline_ns: Some(3_500 * MS),
        ..plan(0)
    });
    let took = run(&mut Net::line(3), &mut pinger);
    assert!((3_500 * MS..3_501 * MS).contains(&took), "{took}");
    assert_eq!(pinger.targets()[0].sent, 4);
}

#[test]
fn with_a_deadline_answers_are_counted() {
    let mut net = Net::line(3);
    net.loss = 400;
    let mut pinger = Pinger::new(Plan {
        deadline_ns: Some(100_000 * MS),
        ..plan(5)
    });
    let took = run(&mut net, &mut pinger);
    let target = &pinger.targets()[0];
    assert_eq!(target.received, 5);
    assert!(target.sent > 5 && took < 100_000 * MS, "{took}");
}

#[test]
fn errors_name_their_router() {
    let mut net = Net::line(4);
    net.routers[1].refuses = Some(What::Error { kind: 3, code: 1 });
    let mut pinger = Pinger::new(plan(2));
    let took = run(&mut net, &mut pinger);
    let target = &pinger.targets()[0];
    assert_eq!((target.errors, target.received), (2, 0));
    assert_eq!(target.last_error.as_ref().unwrap().from, addr(2));
    assert!(took < 1_100 * MS, "nothing more to wait for: {took}");
}

#[test]
fn syns_tell_open_from_closed() {
    for (end, refused) in [(End::Open, 0), (End::Closed, 3)] {
        let mut net = Net::line(4);
        net.end = end;
        let mut pinger = Pinger::new(Plan {
            proto: Proto::Tcp,
            sport: 61_000,
            dport: 443,
            ..plan(3)
        });
        run(&mut net, &mut pinger);
        let target = &pinger.targets()[0];
        assert_eq!((target.received, target.refused), (3, refused));
    }
}

#[test]
fn late_answers_count_beyond_a_turn_of_the_sequence() {
    let mut pinger = Pinger::new(Plan {
        interval_ns: 1_000,
        ..plan(70_000)
    });
    run(&mut Net::line(2), &mut pinger);
    let target = &pinger.targets()[0];
    assert_eq!(
        (target.received, target.duplicates, pinger.foreign),
        (70_000, 0, 0)
    );
}
