//! The loop between a state machine and an engine: sends what is due, waits for what comes, obeys signals.

use super::{
    engine::{Engine, EngineError, Interest},
    net::{Event, Probe, SendError},
    trace::Step,
};
use crate::{
    clock,
    event::Mono,
    signals::{Inbox, Signal},
};
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use std::{io, os::fd::BorrowedFd, sync::OnceLock, time::Duration};

/// What a user wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An end: Ctrl-C.
    Quit,
    /// The figures so far: Ctrl-\.
    Report,
    /// The terminal has another size.
    Resized,
}

/// Signals, and a moment that ends a run as Ctrl-C does. They must be taken before any thread is made, which inherits that.
pub struct Signals {
    inbox: Inbox<Asked>,
    end: OnceLock<Mono>,
}

impl Signals {
    pub fn take() -> io::Result<Self> {
        let inbox = Inbox::of([
            (Signal::SIGINT, Asked::Quit),
            (Signal::SIGTERM, Asked::Quit),
            (Signal::SIGQUIT, Asked::Report),
            (Signal::SIGWINCH, Asked::Resized),
        ])?;
        let end = OnceLock::new();
        Ok(Self { inbox, end })
    }

    /// The run ends so many nanoseconds from now; said once.
    pub fn end_after(&self, ns: Option<u64>) {
        if let Some(ns) = ns {
            self.end.get_or_init(|| Mono(clock::mono().0 + ns));
        }
    }

    /// Whether the run has lasted as long as it may.
    pub fn is_time_up(&self) -> bool {
        self.end.get().is_some_and(|end| clock::mono() >= *end)
    }

    pub fn next(&self) -> Option<Asked> {
        if self.is_time_up() {
            return Some(Asked::Quit);
        }
        self.inbox.next()
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inbox.fd()
    }
}

/// A state machine with its view.
pub trait Run {
    /// Why writing what it tells failed.
    type Error;

    fn step(&mut self, now: Mono) -> Step;

    fn on(&mut self, event: &Event);

    /// Before each wait: what has become known is shown.
    fn show(&mut self, _now: Mono) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A signal; false ends the run.
    fn asked(&mut self, asked: Asked) -> Result<bool, Self::Error> {
        Ok(asked != Asked::Quit)
    }

    /// That something more can be read; false ends the run.
    fn key(&mut self) -> Result<bool, Self::Error> {
        Ok(true)
    }

    /// Something more to wait for: a keyboard.
    fn also(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Why a run ended before its time.
#[derive(Debug)]
pub enum Broken<E> {
    Engine(EngineError),
    Show(E),
}

/// Probes sent between two looks at what has come in.
const BATCH: usize = 32;
/// A full queue of this machine tells nobody when it has room: it is tried again as answers come in, and this often at least;
const AGAIN_NS: u64 = 200_000;
/// after this the probe counts as not sent.
const DRAIN_NS: u64 = 20_000_000;

/// Runs to the end; true if a signal made it end.
pub fn run<R: Run>(
    engine: &mut dyn Engine,
    signals: &Signals,
    machine: &mut R,
) -> Result<bool, Broken<R::Error>> {
    let mut events = Vec::new();
    let mut sent = 0;
    loop {
        match machine.step(clock::mono()) {
            Step::Send(probe) => {
                let told = send(engine, signals, machine, &probe, &mut events)?;
                if let Some(event) = &told {
                    machine.on(event);
                }
                sent += 1;
                if sent % BATCH == 0 {
                    collect(engine, machine, &mut events)?;
                    // A flood that is always answered never waits.
                    if !obey(signals, machine)? {
                        return Ok(true);
                    }
                }
            }
            Step::Wait(until) => {
                // What is there already needs no wait.
                if collect(engine, machine, &mut events)? {
                    continue;
                }
                machine.show(clock::mono()).map_err(Broken::Show)?;
                engine.rest(left(until));
                wait(engine, signals, machine, until).map_err(Broken::Engine)?;
                collect(engine, machine, &mut events)?;
                if !machine.key().map_err(Broken::Show)? {
                    return Ok(true);
                }
                if !obey(signals, machine)? {
                    return Ok(true);
                }
            }
            Step::Done => {
                // A late answer may already wait.
                collect(engine, machine, &mut events)?;
                machine.show(clock::mono()).map_err(Broken::Show)?;
                return Ok(false);
            }
        }
    }
}

/// False: a signal ends the run.
fn obey<R: Run>(signals: &Signals, machine: &mut R) -> Result<bool, Broken<R::Error>> {
    while let Some(asked) = signals.next() {
        if !machine.asked(asked).map_err(Broken::Show)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What there is to tell of it: that it failed, or left later than it was due.
fn send<R: Run>(
    engine: &mut dyn Engine,
    signals: &Signals,
    machine: &mut R,
    probe: &Probe,
    events: &mut Vec<Event>,
) -> Result<Option<Event>, Broken<R::Error>> {
    let identity = probe.identity;
    let end = clock::mono().0 + DRAIN_NS;
    let mut waited = false;
    loop {
        match engine.send(probe) {
            Ok(()) => {
                let at = clock::mono();
                return Ok(waited.then_some(Event::Sent { identity, at }));
            }
            Err(SendError::Full) if clock::mono().0 < end => {
                waited = true;
                if !collect(engine, machine, events)? {
                    let until = Mono(clock::mono().0 + AGAIN_NS);
                    wait(engine, signals, machine, until).map_err(Broken::Engine)?;
                }
            }
            Err(error) => return Ok(Some(Event::Failed { identity, error })),
        }
    }
}

/// Whether anything came.
fn collect<R: Run>(
    engine: &mut dyn Engine,
    machine: &mut R,
    events: &mut Vec<Event>,
) -> Result<bool, Broken<R::Error>> {
    engine.collect(events).map_err(Broken::Engine)?;
    let any = !events.is_empty();
    for event in events.drain(..) {
        machine.on(&event);
    }
    Ok(any)
}

fn left(until: Mono) -> Duration {
    Duration::from_nanos(until.0.saturating_sub(clock::mono().0))
}

fn wait<R: Run>(
    engine: &dyn Engine,
    signals: &Signals,
    machine: &R,
    until: Mono,
) -> Result<(), EngineError> {
    let look = engine.look_again(clock::mono());
    let moments = [Some(until), look, signals.end.get().copied()];
    let left = left(moments.into_iter().flatten().min().unwrap_or(until));
    let mut fds = vec![PollFd::new(signals.fd(), PollFlags::POLLIN)];
    fds.extend(machine.also().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    fds.extend(engine.sources().into_iter().map(|(fd, interest)| {
        let flags = match interest {
            Interest::Read => PollFlags::POLLIN,
            Interest::Write => PollFlags::POLLOUT,
        };
        PollFd::new(fd, flags)
    }));
    match ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(EngineError::Socket {
            what: "wait for answers".to_owned(),
            source: error.into(),
        }),
    }
}
