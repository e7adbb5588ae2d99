//! From arguments to hooks, and whether those that attached are enough.

use super::args::Watch;
use crate::{
    bpf::{
        attach::{Attached, Climb},
        filters::Filters,
        session::{Request, Session},
        spec::Hook,
        support,
    },
    cli::{Failure, Status},
    collectors::{self, Collector},
    event::KINDS,
};

/// An object ready to be attached, and what it is for.
pub struct Watching {
    pub session: Session,
    pub events: u32,
    pub filters: Filters,
}

pub fn open(args: &Watch) -> Result<Watching, Failure> {
    let events = args.kinds()?;
    let filters = args.filters.parse()?;
    support::privileges().map_err(|why| Failure::new(Status::Missing, why))?;
    let hooks = hooks(events);
    let session = Session::open(&Request {
        hooks: &hooks,
        events,
        filters: &filters,
        all_drops: args.all,
        log: args.bpf_log,
        climb: Climb {
            only: args.rung.as_deref(),
            all: false,
        },
        ring_bytes: args.buffer,
        quiet_reasons: collectors::drop::quiet::REASONS,
        btf: args.btf.as_deref(),
    })
    .map_err(|e| Failure {
        status: Status::Missing,
        error: e.into(),
    })?;
    Ok(Watching {
        session,
        events,
        filters,
    })
}

/// Attaches everything once, to tell what works.
pub fn probe(rung: Option<&str>, btf: Option<&str>) -> Result<Session, String> {
    let events = KINDS.iter().fold(0, |bits, (kind, _)| bits | kind.bit());
    let mut session = Session::open(&Request {
        hooks: &hooks(events),
        events,
        filters: &Filters::default(),
        all_drops: false,
        log: false,
        climb: Climb {
            only: rung,
            all: true,
        },
        ring_bytes: 1 << 16,
        quiet_reasons: &[],
        btf,
    })
    .map_err(|e| e.to_string())?;
    while session.attach_next() {}
    Ok(session)
}

/// Hooks that these events need, each once.
fn hooks(events: u32) -> Vec<Hook> {
    let mut hooks: Vec<Hook> = Vec::new();
    for hook in collectors::ALL
        .iter()
        .flat_map(|collector| (collector.hooks)(events))
    {
        if !hooks.iter().any(|known| known.number == hook.number) {
            hooks.push(hook);
        }
    }
    hooks
}

/// A collector without a hook is status; one asked for by name, or nothing at all, is an error.
pub fn check(session: &Session, events: u32, named: bool) -> Result<(), Failure> {
    let wanted = |c: &&Collector| c.kinds.iter().any(|kind| events & kind.bit() != 0);
    let dead = collectors::ALL
        .iter()
        .filter(wanted)
        .find(|collector| of(session, collector, events).all(|hook| hook.taken.is_none()));
    let fatal = named || session.hooks.iter().all(|hook| hook.taken.is_none());
    match dead {
        Some(collector) if fatal => Err(Failure::new(
            Status::Missing,
            why(session, collector, events),
        )),
        _ => Ok(()),
    }
}

/// The hooks of a collector.
fn of<'a>(
    session: &'a Session,
    collector: &Collector,
    events: u32,
) -> impl Iterator<Item = &'a Attached> {
    let wanted = (collector.hooks)(events);
    session
        .hooks
        .iter()
        .filter(move |hook| wanted.iter().any(|want| want.number == hook.hook.number))
}

fn why(session: &Session, collector: &Collector, events: u32) -> String {
    let reasons: Vec<String> = of(session, collector, events)
        .flat_map(|hook| &hook.refused)
        .map(|r| format!("{} {}: {}", r.rung, r.target, r.reason))
        .collect();
    format!("cannot watch {}: {}", collector.name, reasons.join("; "))
}
