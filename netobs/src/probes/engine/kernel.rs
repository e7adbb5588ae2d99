//! The kernel engine: another engine sends and receives, BPF programs at the edge of the stack stamp what leaves and comes.
//!
//! An answer that the edge has seen and no socket got was dropped by this machine: it is told as just that.

use super::{Engine, EngineError, Interest};
use crate::{
    bpf::probes::{Stamp, Tap, Way},
    clock,
    event::Mono,
    probes::{
        net::{Answer, Event, Identity, Odd, Probe, SendError, Stamped},
        outstanding::Outstanding,
        packet::wire,
    },
};
use std::{collections::VecDeque, os::fd::BorrowedFd, thread::JoinHandle, time::Duration};

/// Probes whose answer may still come.
const REMEMBERED: usize = 1 << 16;
/// Answers at the edge that no socket has handed over yet; one more pushes out the oldest.
const MOST: usize = 1 << 12;
/// From the edge to a socket it is microseconds; a processor can be taken away for some milliseconds.
const GRACE_NS: u64 = 15_000_000;
/// An arrival this much before the hook saw the packet was not its arrival.
const OLDEST_NS: u64 = 1_000_000_000;
/// First look for answers that no socket told, after the last probe.
const FIRST_LOOK_NS: u64 = 25_000_000;

/// What stands at the edge.
pub trait Edge {
    /// Whether it stands already.
    fn is_there(&self) -> bool {
        true
    }

    /// Nothing is to be done for so long.
    fn rest(&mut self, _left: Duration) {}

    /// Hands all stamps that wait to `take`.
    fn drain(&mut self, take: &mut dyn FnMut(Stamp<'_>));
}

impl Edge for Tap {
    fn drain(&mut self, take: &mut dyn FnMut(Stamp<'_>)) {
        Self::drain(self, take);
    }
}

/// Makes what stands at the edge; `None`: it cannot be had.
type Open = Box<dyn FnOnce() -> Option<Tap> + Send>;

/// What will stand there, or not, while probes already fly: those that left before have the stamps of their sockets.
pub struct Late {
    open: Option<Open>,
    coming: Option<JoinHandle<Option<Tap>>>,
    tap: Option<Tap>,
}

/// A pause worth using: between probes that are sent in a row there is none.
const PAUSE: Duration = Duration::from_millis(1);

impl Late {
    /// `open` runs when the probes that can be sent at once are sent.
    pub fn new(open: impl FnOnce() -> Option<Tap> + Send + 'static) -> Self {
        Self {
            open: Some(Box::new(open)),
            coming: None,
            tap: None,
        }
    }
}

impl Edge for Late {
    fn is_there(&self) -> bool {
        self.tap.is_some()
    }

    fn rest(&mut self, left: Duration) {
        if left < PAUSE {
            return;
        }
        if let Some(open) = self.open.take() {
            let named = std::thread::Builder::new().name("edge".to_owned());
            self.coming = named.spawn(open).ok();
        }
    }

    fn drain(&mut self, take: &mut dyn FnMut(Stamp<'_>)) {
        if let Some(thread) = self.coming.take_if(|thread| thread.is_finished()) {
            self.tap = thread.join().ok().flatten();
        }
        if let Some(tap) = &mut self.tap {
            tap.drain(take);
        }
    }
}

#[derive(Clone, Copy)]
struct Sent {
    identity: Identity,
    call: Mono,
    left: Option<Mono>,
    answered: bool,
}

/// An answer at the edge.
struct Came {
    /// As it would be told; `at` is its arrival.
    answer: Answer,
    /// When the hook saw it.
    seen: Mono,
    /// A socket would have had to take it.
    proven: bool,
}

impl Came {
    /// The one that a socket tells of a probe.
    fn is(&self, identity: Identity, answer: &Answer) -> bool {
        let own = &self.answer;
        (own.identity, own.from, own.what) == (identity, answer.from, answer.what)
    }
}

/// Sockets, and stamps from the edge.
pub struct Kernel {
    inner: Box<dyn Engine>,
    edge: Box<dyn Edge>,
    table: Outstanding<Sent>,
    came: VecDeque<Came>,
    /// Probes sent since the last answer, and when the last one was.
    silent: Option<Mono>,
    told: Vec<Event>,
    /// The system chooses the tokens: probes are known by their flows.
    by_flow: bool,
}

impl Kernel {
    pub fn new(inner: Box<dyn Engine>, edge: Box<dyn Edge>) -> Self {
        Self {
            inner,
            edge,
            table: Outstanding::new(REMEMBERED),
            came: VecDeque::new(),
            silent: None,
            told: Vec::new(),
            by_flow: false,
        }
    }

    /// Around handshakes that the system makes, whose sequence numbers nobody tells.
    pub fn around_connections(inner: Box<dyn Engine>, edge: Box<dyn Edge>) -> Self {
        Self {
            by_flow: true,
            ..Self::new(inner, edge)
        }
    }

    /// Takes in what the edge has seen; probes that left are told at once.
    fn look(&mut self, offset: u64, events: &mut Vec<Event>) {
        let by_flow = self.by_flow;
        let Self {
            edge, table, came, ..
        } = self;
        edge.drain(&mut |stamp| match stamp.way {
            Way::Left => {
                let at = Mono(stamp.time_ns);
                let identity = wire::probe(stamp.bytes);
                let known = identity.and_then(|identity| table.get_mut(&key(by_flow, identity)));
                if let Some(sent) = known {
                    // Of two devices on top of each other the last is next to the wire.
                    sent.left = Some(at);
                    let identity = sent.identity;
                    events.push(Event::Sent { identity, at });
                }
            }
            Way::Came => {
                let total = usize::try_from(stamp.total).unwrap_or(usize::MAX);
                let at = arrival(&stamp, offset);
                if let Ok((mut answer, proven)) = wire::answer(stamp.bytes, at, total) {
                    if came.len() == MOST {
                        came.pop_front();
                    }
                    let seen = Mono(stamp.time_ns);
                    answer.identity = key(by_flow, answer.identity);
                    came.push_back(Came {
                        answer,
                        seen,
                        proven,
                    });
                }
            }
        });
    }

    /// Gives an answer of a socket the times of the edge.
    fn stamp(&mut self, answer: &mut Answer, now: Mono) {
        let sent = self.note(answer);
        let identity = key(self.by_flow, answer.identity);
        let place = self.came.iter().position(|came| came.is(identity, answer));
        if let Some(came) = place.and_then(|place| self.came.remove(place)) {
            times(answer, &came, sent);
            answer.stamped.after_ns = Some(now.0.saturating_sub(answer.at.0));
        }
    }

    fn probe(&self, answer: &Answer) -> Option<Identity> {
        if self.by_flow {
            return Some(answer.identity.flow());
        }
        self.table.exactly(answer)
    }

    /// The probe that is answered now.
    fn note(&mut self, answer: &Answer) -> Option<Sent> {
        let probe = self.probe(answer)?;
        self.silent = None;
        let sent = self.table.get_mut(&probe)?;
        sent.answered = true;
        Some(*sent)
    }

    /// What is older than `grace` will come no more.
    fn drops(&mut self, now: Mono, grace: u64, events: &mut Vec<Event>) {
        while let Some(first) = self.came.front() {
            if now.0.saturating_sub(first.seen.0) < grace {
                return;
            }
            let Some(came) = self.came.pop_front() else {
                return;
            };
            let probe = self.probe(&came.answer);
            let sent = probe.and_then(|probe| self.table.get(&probe));
            // A copy of what was answered already is no loss; what is none of ours is not our business.
            let Some(sent) = sent.filter(|sent| came.proven && !sent.answered) else {
                continue;
            };
            let mut answer = came.answer.clone();
            self.note(&answer);
            if self.by_flow {
                answer.identity = sent.identity;
            }
            times(&mut answer, &came, Some(sent));
            events.push(Event::Dropped(answer));
        }
    }
}

/// What a probe is known by.
const fn key(by_flow: bool, identity: Identity) -> Identity {
    if by_flow { identity.flow() } else { identity }
}

/// When a packet came in: the kernel's own stamp where it has one, which nothing of this machine precedes.
fn arrival(stamp: &Stamp<'_>, offset: u64) -> Mono {
    let at = stamp.arrival_ns.wrapping_sub(offset);
    let before = stamp.time_ns.wrapping_sub(at);
    Mono(if stamp.arrival_ns != 0 && before < OLDEST_NS {
        at
    } else {
        stamp.time_ns
    })
}

fn times(answer: &mut Answer, came: &Came, sent: Option<Sent>) {
    let left = sent.and_then(|sent| sent.left);
    // A stamp of somebody else's: of a packet that this machine itself has made.
    let sane = left.is_none_or(|left| came.answer.at >= left);
    answer.at = if sane { came.answer.at } else { came.seen };
    answer.stamped = Stamped {
        at_edge: left.is_some(),
        before_ns: sent.and_then(|sent| Some(sent.left?.0.saturating_sub(sent.call.0))),
        after_ns: None,
    };
}

impl Engine for Kernel {
    fn name(&self) -> &'static str {
        if self.edge.is_there() {
            "kernel"
        } else {
            self.inner.name()
        }
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SendError> {
        let call = clock::mono();
        let sent = Sent {
            identity: probe.identity,
            call,
            left: None,
            answered: false,
        };
        self.table.insert(key(self.by_flow, probe.identity), sent);
        self.silent = Some(call);
        self.inner.send(probe)
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        let mut told = std::mem::take(&mut self.told);
        self.inner.collect(&mut told)?;
        let (now, offset) = (clock::mono(), clock::wall_offset_ns());
        // Second: what a socket has handed over, the edge has seen before.
        self.look(offset, events);
        for mut event in told.drain(..) {
            match &mut event {
                Event::Sent { identity, .. } => {
                    let known = self.table.get(&key(self.by_flow, *identity));
                    if known.is_some_and(|sent| sent.left.is_some()) {
                        continue;
                    }
                }
                Event::Answer(answer) => self.stamp(answer, now),
                Event::Dropped(_) | Event::Failed { .. } => {}
            }
            events.push(event);
        }
        self.told = told;
        self.drops(now, GRACE_NS, events);
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        self.inner.sources()
    }

    /// The ring wakes nobody: while nothing answers it is looked at now and then, ever more rarely.
    fn look_again(&self, now: Mono) -> Option<Mono> {
        if let Some(first) = self.came.front() {
            return Some(Mono(first.seen.0 + GRACE_NS));
        }
        let since = now.0.saturating_sub(self.silent?.0);
        let looks = (since / FIRST_LOOK_NS + 1).next_power_of_two();
        Some(Mono(self.silent?.0 + looks * FIRST_LOOK_NS))
    }

    fn rest(&mut self, left: Duration) {
        self.edge.rest(left);
    }

    fn odd(&self) -> Odd {
        self.inner.odd()
    }
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
