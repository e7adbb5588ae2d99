//! A ping under way: lines as answers come, summaries at the end.

use super::{Failure, Status, broken, out::Out};
use crate::{
    clock,
    event::Mono,
    probes::{
        engine::Engine,
        net::{Event, Odd},
        ping::{Pinger, Plan, Told, target::Answered},
        run::{self, Asked, Run, Signals},
        trace::Step,
    },
    sinks::stream::{SinkError, tell},
    views::probes::ping::{ignored_line, line, object, summary, summary_object},
    wall::Wall,
};

/// How much is shown.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Shown {
    pub json: bool,
    pub quiet: bool,
    pub stamp: bool,
    /// As a flood shows: a dot for each echo, taken back by its reply.
    pub dots: bool,
}

/// A pinger with its lines.
pub struct Pinging {
    pub pinger: Pinger,
    names: Vec<Option<String>>,
    shown: Shown,
    out: Out,
    engine: &'static str,
    begun: Mono,
    wall: Wall,
}

impl Pinging {
    pub fn new(plan: Plan, names: Vec<Option<String>>, shown: Shown) -> Self {
        Self {
            pinger: Pinger::new(plan),
            names,
            shown,
            out: Out::default(),
            engine: "",
            begun: clock::mono(),
            wall: Wall::start(),
        }
    }

    /// A line for people.
    pub fn say(&mut self, text: &str) {
        if !self.shown.json {
            self.out.line(text);
        }
    }

    fn tell(&mut self, told: &Told) {
        let (Told::Answer { target, .. } | Told::Failed { target, .. }) = told;
        if self.shown.json && !self.shown.quiet {
            self.out.json(&object(&self.pinger, told));
        } else if !self.shown.quiet {
            let text = line(&self.pinger, told, self.names[*target].as_deref());
            let stamp = self.stamp(told);
            self.out.line(&format!("{stamp}{text}"));
        }
    }

    /// As `ping -D`: seconds since 1970.
    fn stamp(&mut self, told: &Told) -> String {
        if !self.shown.stamp {
            return String::new();
        }
        let at = match told {
            Told::Answer { answer, .. } => answer.at,
            Told::Failed { .. } => clock::mono(),
        };
        self.wall.look();
        let us = self.wall.wall(at) / 1000;
        format!("[{}.{:06}] ", us / 1_000_000, us % 1_000_000)
    }

    fn summaries(&mut self, odd: Odd) {
        let took = clock::mono().0.saturating_sub(self.begun.0);
        let all = self.pinger.targets().iter().zip(&self.names);
        for (target, name) in all {
            if self.shown.json {
                let object = summary_object(target, name.as_deref(), took, self.engine, odd);
                self.out.json(&object);
            } else if self.names.len() <= 16 {
                self.out.line(&summary(
                    &self.pinger,
                    target,
                    name.as_deref(),
                    took,
                    self.engine,
                ));
            }
        }
        if self.names.len() > 16 && !self.shown.json {
            let alive = self
                .pinger
                .targets()
                .iter()
                .filter(|t| t.received > 0)
                .count();
            let line = format!(
                "{alive} of {} hosts answer, {} ms, engine {}",
                self.names.len(),
                took / 1_000_000,
                self.engine
            );
            self.out.line(&line);
        }
    }
}

impl Run for Pinging {
    type Error = SinkError;

    fn step(&mut self, now: Mono) -> Step {
        let step = self.pinger.step(now);
        if self.shown.dots && matches!(step, Step::Send(_)) {
            self.out.raw(".");
        }
        step
    }

    fn on(&mut self, event: &Event) {
        let Some(told) = self.pinger.on(event) else {
            return;
        };
        if self.shown.dots {
            self.out.raw(dot(&told));
        }
        self.tell(&told);
    }

    fn show(&mut self, _: Mono) -> Result<(), SinkError> {
        self.out.flush()
    }

    fn asked(&mut self, asked: Asked) -> Result<bool, SinkError> {
        if asked == Asked::Report {
            self.summaries(Odd::default());
            self.out.flush()?;
        }
        Ok(asked != Asked::Quit)
    }
}

/// What becomes of a dot.
const fn dot(told: &Told) -> &'static str {
    match told {
        Told::Answer {
            how: Answered::Error,
            ..
        }
        | Told::Failed { .. } => "\u{8}E",
        Told::Answer {
            how: Answered::Duplicate,
            ..
        } => "",
        Told::Answer { .. } => "\u{8} \u{8}",
    }
}

/// Runs to the end: done if every host answered.
pub fn run(
    pinging: &mut Pinging,
    mut engine: Box<dyn Engine>,
    signals: &Signals,
) -> Result<Status, Failure> {
    pinging.engine = engine.name();
    pinging.begun = clock::mono();
    if let Err(why) = run::run(engine.as_mut(), signals, pinging) {
        broken(why)?;
    }
    // The programs at the edge may have come while it ran.
    pinging.engine = engine.name();
    let mut odd = engine.odd();
    odd.foreign += pinging.pinger.foreign;
    pinging.summaries(odd);
    if let Some(line) = ignored_line(odd).filter(|_| !pinging.shown.json) {
        tell(&line);
    }
    if let Err(why) = pinging.out.flush() {
        broken(run::Broken::Show(why))?;
    }
    // With a deadline the count is what has to be answered until then.
    let plan = pinging.pinger.plan();
    let wanted = plan.deadline_ns.and(plan.count).unwrap_or(1);
    let mut targets = pinging.pinger.targets().iter();
    let all = targets.all(|t| t.received - t.refused >= wanted);
    Ok(if all { Status::Done } else { Status::No })
}

/// A sentence after the summary, or as an object.
pub fn last_word(json: bool, verdict: &(serde_json::Value, String)) -> Result<(), Failure> {
    let mut out = Out::default();
    if json {
        out.json(&verdict.0);
    } else {
        out.line(&verdict.1);
    }
    out.flush().or_else(|why| broken(run::Broken::Show(why)))
}
