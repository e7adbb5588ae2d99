//! `netobs doctor`: what this kernel and these privileges allow, and what to do about the rest.

use super::{
    Failure, Status,
    watch::{args::rung, request},
};
use crate::{
    bpf::{
        attach::{Attached, by_reason, in_one_line},
        session::Session,
        support::{self, Fact},
    },
    collectors::{self, ALL},
    probes,
    sinks::stream::Stdout,
    sockets,
};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tabled::{
    builder::Builder,
    settings::{Style, Width, peaker::PriorityMax},
};

#[derive(Args)]
pub struct Doctor {
    /// One JSON object
    #[arg(long)]
    json: bool,

    /// Attach only by this rung: tp, fentry, kprobe, or one by name
    #[arg(long, value_name = "RUNG", value_parser = rung)]
    rung: Option<String>,

    /// Kernel BTF to use instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    btf: Option<String>,
}

pub fn run(args: &Doctor) -> Result<Status, Failure> {
    let mut facts = support::facts(args.btf.as_deref());
    facts.extend(sockets::doctor::facts());
    facts.extend(probes::doctor::facts());
    let session = support::privileges()
        .and_then(|()| request::probe(args.rung.as_deref(), args.btf.as_deref()));
    let text = if args.json {
        let mut text = to_json(&facts, &session).to_string();
        text.push('\n');
        text
    } else {
        to_text(&facts, &session)
    };
    Stdout.write(text.as_bytes()).or_else(quiet)?;
    Ok(if session.is_ok() {
        Status::Done
    } else {
        Status::Missing
    })
}

/// A reader that went away wants no error.
fn quiet(error: crate::sinks::stream::SinkError) -> Result<(), Failure> {
    match error {
        crate::sinks::stream::SinkError::Closed => Ok(()),
        other @ crate::sinks::stream::SinkError::Io(_) => Err(other.into()),
    }
}

/// What stands behind a hook's rung, in words.
fn remarks(attached: &Attached) -> String {
    let taken = attached.taken.as_ref().map(|taken| taken.rung);
    // The same rung on another function is no other rung to a reader.
    let others = attached.refused.iter().filter(|r| Some(r.rung) != taken);
    in_one_line(&by_reason(others))
}

/// What a user can do about a hook that no rung takes.
fn advice(attached: &Attached) -> Option<&'static str> {
    if attached.taken.is_some() {
        return None;
    }
    let says = |words: &str| attached.refused.iter().any(|r| r.reason.contains(words));
    Some(if says("CAP_SYS_ADMIN") {
        "mount -t tracefs tracefs /sys/kernel/tracing, or give CAP_SYS_ADMIN"
    } else if says("no BTF") {
        "a kernel with CONFIG_DEBUG_INFO_BTF, or --btf FILE"
    } else if says("without kprobes") {
        "needs a kernel with CONFIG_KPROBES or BPF trampolines, or a newer one with the tracepoint"
    } else {
        "see the reasons; a newer kernel may have the tracepoint"
    })
}

fn to_json(facts: &[Fact], session: &Result<Session, String>) -> Value {
    let facts: Vec<Value> = facts
        .iter()
        .map(|f| json!({ "name": f.name, "ok": f.ok, "value": f.value, "todo": f.todo }))
        .collect();
    let hooks: Vec<Value> = match session {
        Ok(session) => session.hooks.iter().map(hook_json).collect(),
        Err(_) => Vec::new(),
    };
    let error = session.as_ref().err();
    json!({
        "event": "doctor", "facts": facts, "hooks": hooks, "error": error,
        "symbols": session.as_ref().ok().map(|s| s.symbols.refusal().unwrap_or("ok")),
        "owners": session.as_ref().ok().map(|s| s.owners.refusal().unwrap_or("ok")),
    })
}

fn hook_json(attached: &Attached) -> Value {
    let refused: Vec<Value> = attached
        .refused
        .iter()
        .map(|r| json!({ "rung": r.rung.name(), "target": r.target, "reason": r.reason }))
        .collect();
    json!({
        "collector": collectors::of_hook(attached.hook.number),
        "hook": attached.hook.name,
        "rung": attached.taken.as_ref().map(|taken| taken.rung.name()),
        "refused": refused,
        "todo": advice(attached),
    })
}

fn to_text(facts: &[Fact], session: &Result<Session, String>) -> String {
    let width = terminal_width();
    let mut text = facts_table(facts, width);
    match session {
        Ok(session) => {
            text.push('\n');
            text.push_str(&hooks_table(session, width));
            if let Some(why) = session.owners.refusal() {
                _ = write!(
                    text,
                    "\nsockets open before the start have no owner: {why}\n"
                );
            }
            if let Some(why) = session.symbols.refusal() {
                _ = writeln!(text, "\nlocations of drops have no names: {why}");
            }
            let dead: Vec<&str> = ALL
                .iter()
                .filter(|c| !session.hooks.iter().any(|h| works_for(h, c)))
                .map(|c| c.name)
                .collect();
            if !dead.is_empty() {
                _ = write!(text, "\ncannot work here: {}\n", dead.join(", "));
            }
        }
        Err(why) => {
            let all: Vec<&str> = ALL.iter().map(|c| c.name).collect();
            _ = write!(text, "\nno hook can be attached: {why}\n");
            _ = writeln!(text, "cannot work so: {}", all.join(", "));
        }
    }
    text
}

fn works_for(attached: &Attached, collector: &collectors::Collector) -> bool {
    attached.taken.is_some() && collectors::of_hook(attached.hook.number) == collector.name
}

fn facts_table(facts: &[Fact], width: usize) -> String {
    let mut rows = Builder::default();
    rows.push_record(["CHECK", "OK", "FOUND", "TO DO"]);
    for fact in facts {
        let ok = if fact.ok { "yes" } else { "no" };
        rows.push_record([fact.name, ok, &fact.value, fact.todo.unwrap_or("")]);
    }
    finish(rows, width)
}

fn hooks_table(session: &Session, width: usize) -> String {
    let mut rows = Builder::default();
    rows.push_record(["COLLECTOR", "HOOK", "RUNG", "NOT TAKEN", "TO DO"]);
    for attached in &session.hooks {
        rows.push_record([
            collectors::of_hook(attached.hook.number),
            attached.hook.name,
            attached
                .taken
                .as_ref()
                .map_or("none", |taken| taken.rung.name()),
            &remarks(attached),
            advice(attached).unwrap_or(""),
        ]);
    }
    finish(rows, width)
}

fn finish(rows: Builder, width: usize) -> String {
    let mut table = rows.build();
    table.with(Style::blank());
    table.with(
        Width::wrap(width)
            .priority(PriorityMax::right())
            .keep_words(true),
    );
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n"))
}

/// Columns of the terminal; a pipe has room.
fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stdout())
        .map_or(160, |size| usize::from(size.ws_col).max(60))
}
