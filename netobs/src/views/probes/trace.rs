//! Hops as traceroute writes them, and as JSON.

use super::{DROPPED_HERE, ms, us};
use crate::{
    probes::{
        names::Names,
        net::{Extensions, What},
        trace::{
            Hop, Plan, Reply, Tracer,
            mtu::Narrowing,
            verdict::{Manner, Verdict, asymmetry, manner, translated},
        },
    },
    views::table::escape,
};
use serde_json::{Value, json};
use std::{fmt::Write as _, net::IpAddr};

/// As traceroute begins.
pub fn head(host: &str, plan: &Plan, size: u32) -> String {
    format!(
        "traceroute to {} ({}), {} hops max, {size} byte packets",
        escape(host),
        plan.target,
        plan.max
    )
}

/// `name (addr)`, or the address.
pub fn speaker(addr: IpAddr, names: &mut Names) -> String {
    match names.get(addr) {
        Some(name) => format!("{} ({addr})", escape(name)),
        None => addr.to_string(),
    }
}

/// As traceroute: without a name the address stands in both places, unless numbers only are wanted.
fn whole(addr: IpAddr, names: &mut Names) -> String {
    if names.are_off() || names.get(addr).is_some() {
        return speaker(addr, names);
    }
    format!("{addr} ({addr})")
}

/// One hop: `" 3  name (addr)  1.23 ms  1.20 ms *"` and what is to be said of it.
pub fn line(tracer: &Tracer, place: usize, names: &mut Names, narrowings: &[Narrowing]) -> String {
    let hop = &tracer.hops()[place];
    let mut line = format!("{:>2} ", hop.ttl);
    let mut last = None;
    for one in &hop.tries {
        let Some(reply) = &one.reply else {
            line.push_str(" *");
            continue;
        };
        if last != Some(reply.from) {
            _ = write!(
                line,
                " {}{}",
                whole(reply.from, names),
                extensions(reply.extensions.as_deref())
            );
            last = Some(reply.from);
        }
        _ = write!(line, "  {} ms", ms(reply.rtt_ns));
        if let Some(mark) = reply.mark {
            _ = write!(line, " {mark}");
        }
    }
    for note in notes(tracer, place, narrowings) {
        _ = write!(line, "  [{note}]");
    }
    line
}

/// `<MPLS:L=16,E=0,S=1,T=1>`, as traceroute -e.
fn extensions(found: Option<&Extensions>) -> String {
    let Some(found) = found else {
        return String::new();
    };
    let mut text = String::new();
    let count = found.labels.len();
    for (n, label) in found.labels.iter().enumerate() {
        let bottom = u8::from(n + 1 == count);
        _ = write!(
            text,
            " <MPLS:L={},E={},S={bottom},T={}>",
            label.label, label.traffic_class, label.ttl
        );
    }
    if let Some(interface) = &found.interface {
        let name = interface
            .name
            .as_ref()
            .map(|name| escape(&String::from_utf8_lossy(name)));
        let index = interface.index.map(|index| format!("if{index}"));
        let addr = interface.addr.map(|addr| addr.to_string());
        let parts: Vec<String> = [name, index, addr].into_iter().flatten().collect();
        _ = write!(text, " <in:{}>", parts.join(","));
    }
    text
}

/// What a hop's answers mean beyond their times.
fn notes(tracer: &Tracer, place: usize, narrowings: &[Narrowing]) -> Vec<String> {
    let (hops, hop) = (tracer.hops(), &tracer.hops()[place]);
    let mut notes = Vec::new();
    match manner(hops, place) {
        Manner::Silent => notes.push("silent: hops beyond answer".to_owned()),
        Manner::RateLimited => notes.push("limits its answers: hops beyond answer".to_owned()),
        Manner::Answers | Manner::Loses | Manner::Nothing => {}
    }
    if hop.replies().any(|reply| reply.dropped) {
        notes.push(DROPPED_HERE.to_owned());
    }
    if translated(tracer, hop) {
        notes.push("behind address translation".to_owned());
    }
    if let Some(back) = asymmetry(hop) {
        let s = if back == 1 { "" } else { "s" };
        notes.push(format!("the way back has {back} hop{s}"));
    }
    let narrows = |n: &&Narrowing| n.by.is_some_and(|by| hop.replies().any(|r| r.from == by));
    for narrowing in narrowings.iter().filter(narrows) {
        notes.push(format!("MTU {} from here on", narrowing.mtu));
    }
    if let Some(error) = hop.tries.iter().find_map(|one| one.failed) {
        notes.push(format!("not sent: {error}"));
    }
    notes
}

/// `{"event":"hop",...}`.
pub fn object(tracer: &Tracer, place: usize, names: &mut Names, narrowings: &[Narrowing]) -> Value {
    let hop = &tracer.hops()[place];
    let replies: Vec<&Reply> = hop.replies().collect();
    let first = replies.first();
    let mut addrs: Vec<IpAddr> = replies.iter().map(|reply| reply.from).collect();
    addrs.dedup();
    let extensions = replies.iter().find_map(|reply| reply.extensions.as_deref());
    let narrowing = narrowings
        .iter()
        .find(|n| n.by.is_some_and(|by| addrs.contains(&by)));
    let times = |of: fn(&Reply) -> Option<u64>| -> Vec<Option<Value>> {
        replies.iter().map(|reply| of(reply).map(us)).collect()
    };
    json!({
        "event": "hop", "ttl": hop.ttl, "addr": first.map(|reply| reply.from),
        "name": first.and_then(|reply| names.get(reply.from).map(str::to_owned)),
        "addrs": addrs, "rtt_us": times(|reply| Some(reply.rtt_ns)),
        "before_us": times(|reply| reply.stamped.before_ns), "after_us": times(|reply| reply.stamped.after_ns),
        "mark": replies.iter().find_map(|reply| reply.mark).map(|mark| mark.to_string()),
        "sent": hop.sent(), "answered": hop.answered(),
        "dropped_here": hop.replies().filter(|reply| reply.dropped).count(), "manner": manner_name(manner(tracer.hops(), place)),
        "translated": translated(tracer, hop), "back_hops": asymmetry(hop), "mtu": narrowing.map(|n| n.mtu),
        "labels": extensions.map(labels), "interface": extensions.and_then(interface),
    })
}

fn labels(found: &Extensions) -> Value {
    let labels = found.labels.iter();
    labels
        .map(|l| json!({ "label": l.label, "tc": l.traffic_class, "ttl": l.ttl }))
        .collect()
}

fn interface(found: &Extensions) -> Option<Value> {
    let interface = found.interface.as_ref()?;
    let name = interface
        .name
        .as_ref()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    Some(
        json!({ "name": name, "index": interface.index, "addr": interface.addr, "mtu": interface.mtu }),
    )
}

const fn manner_name(manner: Manner) -> &'static str {
    match manner {
        Manner::Answers => "answers",
        Manner::RateLimited => "rate-limited",
        Manner::Silent => "silent",
        Manner::Loses => "loses",
        Manner::Nothing => "nothing",
    }
}

/// `{"event":"trace-end",...}`.
pub fn end(
    verdict: &Verdict,
    engine: &str,
    path_mtu: Option<u16>,
    odd: crate::probes::net::Odd,
) -> Value {
    json!({
        "event": "trace-end", "reached": verdict.reached, "sentence": verdict.sentence, "engine": engine,
        "path_mtu": path_mtu, "ignored": super::ping::ignored(odd),
    })
}

/// Whether a hop's line can be written: all who answered have a name, or none is to be had.
pub fn ask_names(hop: &Hop, names: &mut Names) {
    for reply in hop.replies() {
        if !matches!(reply.what, What::Datagram) || !reply.from.is_unspecified() {
            names.ask(reply.from);
        }
    }
}
