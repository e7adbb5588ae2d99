//! Who has a socket, as walks and closes tell it.

use super::{
    flow::{Flow, ICMP, UDP},
    table::{Found, Table, flow_of},
};
use crate::{bpf::holders::Holding, event::Mono};

const OWN: u32 = 1;

fn holding(pid: u32, rport: u16) -> Holding {
    Holding {
        laddr: [u64::from(u32::from_ne_bytes([10, 0, 0, 1])), 0],
        raddr: [u64::from(u32::from_ne_bytes([10, 0, 0, 2])), 0],
        netns: OWN,
        pid,
        lport: 4_000,
        rport,
        family: 2,
        proto: 6,
        state: 1,
        ..Holding::default()
    }
}

fn bound(pid: u32, proto: u8, lport: u16) -> Holding {
    Holding {
        raddr: [0; 2],
        rport: 0,
        lport,
        proto: proto.into(),
        state: 7,
        ..holding(pid, 0)
    }
}

fn closed(closed_ns: u64, holding: Holding) -> Holding {
    Holding {
        closed_ns,
        ..holding
    }
}

fn pid(found: Option<Found>) -> Option<u32> {
    found.map(|found| found.holder.pid)
}

fn walk(table: &mut Table, open: &[Holding]) {
    table.begin();
    for one in open {
        table.open(one);
    }
}

/// Nobody told that it was closed: it is known until its ports are taken again.
#[test]
fn what_two_walks_differ_in_was_closed() {
    let (gone, stays) = (holding(7, 80), holding(8, 81));
    let [flow, other] = [gone, stays].map(|one| flow_of(&one).0);
    let back = flow.back();
    let mut table = Table::default();
    for (now, open) in [(10, &[gone, stays][..]), (20, &[stays])] {
        walk(&mut table, open);
        table.compare(Mono(now));
    }
    let at = Mono(30);
    let both = |table: &Table| [flow, other].map(|flow| pid(table.connected(&flow, OWN, at)));
    assert_eq!(both(&table), [Some(7), Some(8)]);
    assert_eq!(pid(table.connected(&back, OWN, at)), None);
    table.forget(&flow);
    assert!(!table.is_connected(&flow));
    assert_eq!(both(&table), [None, Some(8)]);
    walk(&mut table, &[holding(9, 80)]);
    table.compare(at);
    assert_eq!(both(&table), [Some(9), Some(8)]);
}

/// Of one port, in turn: each has the packets until it was closed, and shortly after that while nobody else is known.
#[test]
fn each_has_what_came_in_its_time() {
    const LATER: u64 = 1_000_000_000;
    let mut table = Table::default();
    table.close(&closed(100, bound(7, UDP, 53)));
    table.close(&closed(200, bound(8, UDP, 53)));
    let (flow, _) = flow_of(&bound(0, UDP, 53));
    let find = |table: &Table, at| table.bound(&flow, Mono(at), &|_| true);
    assert_eq!(pid(find(&table, 50)), Some(7));
    assert_eq!(pid(find(&table, 100)), Some(7));
    let second = find(&table, 101).unwrap();
    assert_eq!(
        (second.holder.pid, second.sure, second.until),
        (8, true, Mono(200))
    );
    let late = find(&table, 201).unwrap();
    assert_eq!((late.holder.pid, late.sure), (8, false));
    assert_eq!(pid(find(&table, LATER)), None);
    walk(&mut table, &[bound(9, UDP, 53)]);
    assert_eq!(
        [150, 201, LATER].map(|at| pid(find(&table, at))),
        [Some(8), Some(9), Some(9)]
    );
    // What is closed is open no more, without a walk.
    table.close(&closed(LATER, bound(9, UDP, 53)));
    assert_eq!(
        [LATER, 2 * LATER].map(|at| pid(find(&table, at))),
        [Some(9), None]
    );
}

/// A walk may be the last to let go of a socket: that closes it, and is not its owner.
#[test]
fn the_walk_owns_nothing() {
    const WALKER: u32 = 99;
    let mut table = Table::new(WALKER);
    let both = [bound(7, UDP, 53), holding(8, 80)];
    walk(&mut table, &both);
    for one in both {
        let pid = WALKER;
        table.close(&closed(100, Holding { pid, ..one }));
    }
    let [datagrams, connection] = both.map(|one| flow_of(&one).0);
    let found = table.bound(&datagrams, Mono(50), &|_| true);
    assert_eq!(pid(found), Some(7));
    assert_eq!(pid(table.connected(&connection, OWN, Mono(50))), Some(8));
    // Of one that nobody told, nobody is known.
    table.close(&closed(100, bound(WALKER, UDP, 54)));
    let (flow, _) = flow_of(&bound(0, UDP, 54));
    assert_eq!(pid(table.bound(&flow, Mono(50), &|_| true)), None);
}

/// A connection is its owner's until its last segment; one that begins is not.
#[test]
fn a_connection_outlives_its_close() {
    let mut table = Table::default();
    table.close(&closed(100, holding(7, 80)));
    let (flow, _) = flow_of(&holding(7, 80));
    let find = |table: &Table, at| pid(table.connected(&flow, OWN, Mono(at)));
    assert_eq!(
        [50, 60_000_000_000].map(|at| find(&table, at)),
        [Some(7), Some(7)]
    );
    table.begins(&flow, Mono(100));
    assert_eq!(find(&table, 50), Some(7));
    table.begins(&flow.back(), Mono(101));
    assert_eq!(find(&table, 50), None);
}

/// Raw sockets hear all echoes: one whose process made the identifier is sure, the only one is not, of several none is told.
#[test]
fn echoes_are_guessed_at_best() {
    let mut table = Table::default();
    let raw = u16::from(ICMP);
    let echo = |id| Flow {
        sport: id,
        dport: 0,
        ..flow_of(&bound(0, ICMP, raw)).0
    };
    let find = |table: &Table, id| {
        let found = table.bound(&echo(id), Mono(5), &|_| true);
        found.map(|found| (found.holder.pid, found.sure))
    };
    table.open(&bound(7, ICMP, raw));
    assert_eq!(
        [7, 9].map(|id| find(&table, id)),
        [Some((7, true)), Some((7, false))]
    );
    table.open(&bound(8, ICMP, raw));
    assert_eq!([8, 9].map(|id| find(&table, id)), [Some((8, true)), None]);
}
