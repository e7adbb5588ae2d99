//! From arguments to attached hooks.

use super::args::Watch;
use crate::{
    bpf::{
        attach::Climb,
        filters::Filters,
        session::{Request, Session},
        spec::Hook,
        support,
    },
    cli::{Failure, Status},
    collectors::{self, Collector},
    event::KINDS,
};

/// Hooks attached, and what they were asked for.
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
        quiet_reasons: &[],
        btf: args.btf.as_deref(),
    })
    .map_err(|e| Failure {
        status: Status::Missing,
        error: e.into(),
    })?;
    let watching = Watching {
        session,
        events,
        filters,
    };
    watching.check(!args.events.is_empty())?;
    Ok(watching)
}

/// Attaches everything once, to tell what works.
pub fn probe(rung: Option<&str>, btf: Option<&str>) -> Result<Session, String> {
    let events = KINDS.iter().fold(0, |bits, (kind, _)| bits | kind.bit());
    Session::open(&Request {
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
    .map_err(|e| e.to_string())
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

impl Watching {
    /// A collector without a hook is status; one asked for by name, or nothing at all, is an error.
    fn check(&self, named: bool) -> Result<(), Failure> {
        let dead: Vec<&Collector> = collectors::ALL.iter().filter(|c| self.is_dead(c)).collect();
        let fatal = named || self.session.hooks.iter().all(|hook| hook.taken.is_none());
        match dead.first() {
            Some(collector) if fatal => Err(Failure::new(Status::Missing, self.why(collector))),
            _ => Ok(()),
        }
    }

    fn is_dead(&self, collector: &Collector) -> bool {
        let wanted = collector
            .kinds
            .iter()
            .any(|kind| self.events & kind.bit() != 0);
        let numbers: Vec<u32> = (collector.hooks)(self.events)
            .iter()
            .map(|hook| hook.number)
            .collect();
        wanted
            && self
                .session
                .hooks
                .iter()
                .filter(|hook| numbers.contains(&hook.hook.number))
                .all(|hook| hook.taken.is_none())
    }

    fn why(&self, collector: &Collector) -> String {
        let numbers: Vec<u32> = (collector.hooks)(self.events)
            .iter()
            .map(|hook| hook.number)
            .collect();
        let reasons: Vec<String> = self
            .session
            .hooks
            .iter()
            .filter(|hook| numbers.contains(&hook.hook.number))
            .flat_map(|hook| &hook.refused)
            .map(|r| format!("{} {}: {}", r.rung, r.target, r.reason))
            .collect();
        format!("cannot watch {}: {}", collector.name, reasons.join("; "))
    }
}
