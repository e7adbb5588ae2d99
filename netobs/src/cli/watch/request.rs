//! From arguments to hooks, and whether those that attached are enough.

use super::{args::Watch, summary::process_cpu_ns};
use crate::{
    bpf::{
        attach::{Attached, Climb, Refusal, by_reason, in_one_line},
        filters::{Filter, Filters, Value},
        session::{Request, Session},
        spec::Hook,
        support,
    },
    cli::{Failure, Status},
    collectors::{self, Collector},
    event::KINDS,
    sinks::stream::tell,
};
use netobs_ebpf::config::Class;

/// An object ready to be attached, and what it is for.
pub struct Watching {
    pub session: Session,
    pub events: u32,
    pub filters: Filters,
    /// What this process had used of the CPU when it began.
    pub cpu_before_ns: u64,
}

pub fn open(args: &Watch) -> Result<Watching, Failure> {
    let cpu_before_ns = process_cpu_ns();
    let events = args.kinds()?;
    let filters = args.filters.parse()?;
    filters.0.iter().for_each(note_vanished);
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
        cpu_before_ns,
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

/// A process that is not there is waited for in vain: better to say so than to stay silent.
fn note_vanished(filter: &Filter) {
    if let Value::Number(Class::Pid, pid) = filter.value
        && !filter.negated
        && !std::path::Path::new(&format!("/proc/{pid}")).exists()
    {
        tell(&format!(
            "netobs: --pid {pid}: there is no such process now"
        ));
    }
}

/// One line for all hooks that are not attached for the same reasons: what is not seen is said before the first event.
pub fn shortcomings(session: &Session) -> Vec<String> {
    let dead = |attached: &&Attached| attached.taken.is_none();
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for attached in session.hooks.iter().filter(dead) {
        let collector = collectors::of_hook(attached.hook.number);
        let mut others = session
            .hooks
            .iter()
            .filter(|other| collectors::of_hook(other.hook.number) == collector);
        let name = if others.all(|other| other.taken.is_none()) {
            collector.to_owned()
        } else {
            format!("{} of {collector}", attached.hook.name)
        };
        let reasons = reasons(&attached.refused);
        match groups.iter_mut().find(|(known, _)| *known == reasons) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => groups.push((reasons, vec![name])),
        }
    }
    groups
        .into_iter()
        .map(|(reasons, names)| {
            let names = names.join(", ");
            format!("netobs: not attached: {names}: {reasons} (netobs doctor tells what to do)")
        })
        .collect()
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
    let reasons = reasons(of(session, collector, events).flat_map(|hook| &hook.refused));
    format!(
        "cannot watch {}: {reasons} (netobs doctor tells what to do)",
        collector.name
    )
}

/// Each reason once, with the rungs that it holds for; one that holds for all needs none named.
fn reasons<'a>(refused: impl IntoIterator<Item = &'a Refusal>) -> String {
    match &by_reason(refused)[..] {
        [(_, why)] => (*why).to_owned(),
        several => in_one_line(several),
    }
}
