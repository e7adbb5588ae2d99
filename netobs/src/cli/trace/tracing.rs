//! A trace under way: hops are written as they settle.

use crate::{
    cli::probe::out::Out,
    event::Mono,
    probes::{
        names::Names,
        net::Event,
        run::Run,
        trace::{
            Step, Tracer,
            mtu::{Mtu, Narrowing},
            paths::Paths,
        },
    },
    sinks::stream::SinkError,
    views::probes::trace::{ask_names, line, object},
};

/// A tracer with its lines.
pub struct Tracing {
    pub tracer: Tracer,
    pub names: Names,
    pub narrowings: Vec<Narrowing>,
    pub json: bool,
    pub out: Out,
    /// Hops whose line is out.
    pub written: usize,
}

impl Tracing {
    fn write(&mut self, until: usize) {
        for place in self.written..until.min(self.tracer.hops().len()) {
            if self.json {
                let object = object(&self.tracer, place, &mut self.names, &self.narrowings);
                self.out.json(&object);
            } else {
                let line = line(&self.tracer, place, &mut self.names, &self.narrowings);
                self.out.line(&line);
            }
            self.written = place + 1;
        }
    }

    /// Writes what is left. The silent end of a path is one hop and a sentence, not a page of stars.
    pub fn finish(&mut self, now: Mono) {
        let hops = self.tracer.hops();
        for hop in hops {
            ask_names(hop, &mut self.names);
        }
        self.names.finish();
        let answered = hops.iter().rposition(|hop| hop.answered() > 0);
        let shown = answered.map_or(1, |last| last + 2).min(hops.len());
        let settled = self.tracer.settled(now).max(shown);
        self.write(settled.min(shown));
    }
}

impl Run for Tracing {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        self.tracer.step(now)
    }

    fn on(&mut self, event: &Event) {
        self.tracer.on(event);
    }

    fn show(&mut self, now: Mono) -> Result<(), SinkError> {
        for hop in self.tracer.hops() {
            ask_names(hop, &mut self.names);
        }
        let settled = self.tracer.settled(now);
        let answered = self
            .tracer
            .hops()
            .iter()
            .rposition(|hop| hop.answered() > 0);
        // What comes behind the last answer may be the silent end.
        let sure = settled.min(answered.map_or(0, |last| last + 1));
        if !self.names.is_waiting() {
            self.write(sure);
        }
        self.out.flush()
    }
}

/// The path MTU: nothing to write while it is sought.
pub struct Measuring(pub Mtu);

impl Run for Measuring {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        self.0.step(now)
    }

    fn on(&mut self, event: &Event) {
        self.0.on(event);
    }
}

/// All branches: the picture is drawn when all are known.
pub struct Branching(pub Paths);

impl Run for Branching {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        self.0.step(now)
    }

    fn on(&mut self, event: &Event) {
        self.0.on(event);
    }
}
