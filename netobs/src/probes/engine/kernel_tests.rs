//! Stamps of an edge that is none: which answers get them, and what is told of answers that no socket had.

use super::*;
use crate::probes::{
    net::{Proto, What},
    packet::build::{Look, whole},
};
use std::{cell::RefCell, rc::Rc};

const HERE: &str = "10.0.0.1";
const THERE: &str = "10.0.9.9";

type Records = Rc<RefCell<Vec<(Way, u64, Vec<u8>)>>>;

struct Script(Records);

impl Edge for Script {
    fn drain(&mut self, take: &mut dyn FnMut(Stamp<'_>)) {
        for (way, time_ns, bytes) in self.0.borrow_mut().drain(..) {
            take(Stamp {
                way,
                time_ns,
                arrival_ns: 0,
                ifindex: 2,
                total: u32::try_from(bytes.len()).unwrap(),
                bytes: &bytes,
            });
        }
    }
}

/// Gives what it was told to give.
struct Sockets(Rc<RefCell<Vec<Event>>>);

impl Engine for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn send(&mut self, _: &Probe) -> Result<(), SendError> {
        Ok(())
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        events.append(&mut self.0.borrow_mut());
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        Vec::new()
    }

    fn odd(&self) -> Odd {
        Odd::default()
    }
}

struct Lab {
    kernel: Kernel,
    edge: Records,
    sockets: Rc<RefCell<Vec<Event>>>,
    probe: Probe,
}

fn identity(peer: &str, a: u16, b: u16) -> Identity {
    Identity {
        peer: peer.parse().unwrap(),
        proto: Proto::Udp,
        a,
        b,
        token: 77,
    }
}

fn packet(from: &str, to: &str, a: u16, b: u16) -> Vec<u8> {
    let probe = Probe {
        identity: identity(to, a, b),
        ttl: None,
        payload: 8,
        service: None,
    };
    let mut bytes = Vec::new();
    whole(&probe, from.parse().unwrap(), Look::default(), &mut bytes).unwrap();
    bytes
}

impl Lab {
    fn new() -> Self {
        let (edge, sockets) = (Records::default(), Rc::default());
        let probe = Probe {
            identity: identity(THERE, 40_000, 7),
            ttl: None,
            payload: 8,
            service: None,
        };
        let mut kernel = Kernel::new(
            Box::new(Sockets(Rc::clone(&sockets))),
            Box::new(Script(Rc::clone(&edge))),
        );
        kernel.send(&probe).unwrap();
        Self {
            kernel,
            edge,
            sockets,
            probe,
        }
    }

    fn leaves(&self, at: u64) {
        let bytes = packet(HERE, THERE, 40_000, 7);
        self.edge.borrow_mut().push((Way::Left, at, bytes));
    }

    fn comes(&self, at: u64) {
        let bytes = packet(THERE, HERE, 7, 40_000);
        self.edge.borrow_mut().push((Way::Came, at, bytes));
    }

    /// The socket has it, `at` its own time.
    fn heard(&self, at: u64) {
        let bytes = packet(THERE, HERE, 7, 40_000);
        let (answer, proven) = wire::answer(&bytes, Mono(at), bytes.len()).unwrap();
        assert!(proven && answer.what == What::Datagram);
        self.sockets.borrow_mut().push(Event::Answer(answer));
    }

    fn collect(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.kernel.collect(&mut events).unwrap();
        events
    }
}

#[test]
fn an_answer_gets_the_times_of_the_edge() {
    let mut lab = Lab::new();
    let now = clock::mono().0;
    lab.leaves(now + 10);
    lab.comes(now + 1_000);
    lab.heard(now + 9_000);
    let events = lab.collect();
    let [Event::Sent { identity, at }, Event::Answer(answer)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*identity, at.0), (lab.probe.identity, now + 10));
    assert_eq!(answer.at.0, now + 1_000);
    assert!(answer.stamped.at_edge);
    assert!(answer.stamped.before_ns.is_some() && answer.stamped.after_ns.is_some());
}

#[test]
fn what_the_edge_did_not_see_keeps_the_time_of_its_socket() {
    let mut lab = Lab::new();
    let now = clock::mono().0;
    lab.leaves(now);
    lab.heard(now + 9_000);
    let events = lab.collect();
    let Some(Event::Answer(answer)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(answer.at.0, now + 9_000);
    assert!(!answer.stamped.at_edge);
}

#[test]
fn what_no_socket_had_was_dropped_here_and_is_told_once() {
    let mut lab = Lab::new();
    let now = clock::mono().0;
    lab.leaves(now - GRACE_NS - 2_000);
    lab.comes(now);
    assert_eq!(lab.collect().len(), 1, "it may still come");
    lab.comes(now - GRACE_NS - 1_000);
    lab.comes(now - GRACE_NS - 1_000);
    lab.kernel.came.clear();
    let events = lab.collect();
    let [Event::Dropped(answer)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(answer.at.0, now - GRACE_NS - 1_000);
    assert!(lab.collect().is_empty());
}

/// A copy of what was answered, a packet nobody asked for, and one with a wrong checksum are no losses.
#[test]
fn what_is_no_loss_is_not_called_so() {
    let mut lab = Lab::new();
    let long_ago = clock::mono().0 - 2 * GRACE_NS;
    let mut wrong = packet(THERE, HERE, 7, 40_000);
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    lab.edge.borrow_mut().push((Way::Came, long_ago, wrong));
    let other = packet("10.0.9.8", HERE, 7, 40_000);
    lab.edge.borrow_mut().push((Way::Came, long_ago, other));
    assert!(lab.collect().is_empty());
    lab.comes(long_ago);
    lab.comes(long_ago + 5);
    lab.heard(long_ago + 10);
    let events = lab.collect();
    assert!(
        matches!(&events[..], [Event::Answer(_)]),
        "the copy is none: {events:?}"
    );
}

#[test]
fn silence_is_looked_into_ever_more_rarely() {
    let mut lab = Lab::new();
    let sent = lab.kernel.silent.unwrap();
    let look = |after: u64| {
        let at = lab.kernel.look_again(Mono(sent.0 + after)).unwrap();
        at.0 - sent.0
    };
    assert_eq!(look(0), FIRST_LOOK_NS);
    assert_eq!(look(FIRST_LOOK_NS), 2 * FIRST_LOOK_NS);
    assert_eq!(look(3 * FIRST_LOOK_NS), 4 * FIRST_LOOK_NS);
    assert_eq!(look(4 * FIRST_LOOK_NS), 8 * FIRST_LOOK_NS);
    lab.heard(sent.0 + 5);
    lab.collect();
    assert_eq!(lab.kernel.look_again(sent), None);
}
