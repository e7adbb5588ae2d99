//! Replies and summaries as ping writes them, and as JSON.

use super::{DROPPED_HERE, beside, beside_line, error_words, ms, ms_of, ms3, us};
use crate::probes::{
    net::{Answer, Odd, Proto, What},
    ping::{
        Pinger, Told,
        target::{Answered, Target},
    },
};
use crate::views::table::escape;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How a target is called: its name where it was given one.
pub fn called(name: Option<&str>, addr: std::net::IpAddr) -> String {
    match name {
        Some(name) => format!("{} ({addr})", escape(name)),
        None => addr.to_string(),
    }
}

/// ping's sequence numbers begin with 1, and have 16 bits.
fn seq(n: u64) -> u64 {
    (n + 1) & 0xffff
}

const fn seq_word(pinger: &Pinger) -> &'static str {
    match pinger.plan().proto {
        Proto::Icmp => "icmp_seq",
        Proto::Tcp | Proto::Udp | Proto::Other(_) => "seq",
    }
}

/// One line per reply or error.
pub fn line(pinger: &Pinger, told: &Told, name: Option<&str>) -> String {
    match told {
        Told::Failed { target, error, n } => {
            let addr = pinger.targets()[*target].addr;
            format!("{addr}: {}={} not sent: {error}", seq_word(pinger), seq(*n))
        }
        Told::Answer {
            target,
            n,
            answer,
            rtt_ns,
            how,
        } => match how {
            Answered::Error => {
                let by = if answer.from.is_unspecified() {
                    "From an unknown router".to_owned()
                } else {
                    format!("From {}", answer.from)
                };
                // With several hosts it must be said which one is meant.
                let about = if pinger.targets().len() > 1 {
                    format!(" about {}", pinger.targets()[*target].addr)
                } else {
                    String::new()
                };
                let word = seq_word(pinger);
                format!("{by} {word}={}{about} {}", seq(*n), error_words(answer))
            }
            Answered::Dropped => {
                let what = match answer.what {
                    What::EchoReply => "echo reply".to_owned(),
                    What::SynAck => "SYN-ACK".to_owned(),
                    What::Rst => "RST".to_owned(),
                    What::Datagram
                    | What::TimeExceeded
                    | What::Error { .. }
                    | What::TooBig { .. } => error_words(answer),
                };
                let (from, rtt) = (answer.from, ms(*rtt_ns));
                format!(
                    "From {from} seq={} {what} time={rtt} ms: {DROPPED_HERE}",
                    seq(*n)
                )
            }
            Answered::InTime | Answered::Reordered | Answered::Duplicate => {
                let mut line = reply(pinger, answer, name, *n);
                _ = write!(line, " time={} ms", ms(*rtt_ns));
                match how {
                    Answered::Duplicate => line.push_str(" (DUP!)"),
                    Answered::Reordered => line.push_str(" (reordered)"),
                    Answered::InTime | Answered::Error | Answered::Dropped => {}
                }
                line
            }
        },
    }
}

fn reply(pinger: &Pinger, answer: &Answer, name: Option<&str>, n: u64) -> String {
    let who = called(name, answer.from);
    let ttl = answer
        .ttl
        .map(|ttl| format!(" ttl={ttl}"))
        .unwrap_or_default();
    if pinger.plan().proto == Proto::Icmp {
        return format!("{} bytes from {who}: icmp_seq={}{ttl}", answer.len, seq(n));
    }
    let state = if answer.what == What::Rst {
        "closed (RST)"
    } else {
        "open"
    };
    format!(
        "{who} port {}: {state} seq={}{ttl}",
        pinger.plan().dport,
        seq(n)
    )
}

/// `{"event":"reply",...}`.
pub fn object(pinger: &Pinger, told: &Told) -> Value {
    match told {
        Told::Failed { target, n, error } => json!({
            "event": "error", "seq": seq(*n), "addr": pinger.targets()[*target].addr, "by": null, "what": error.to_string(),
        }),
        Told::Answer {
            target,
            n,
            answer,
            rtt_ns,
            how: Answered::Error,
        } => json!({
            "event": "error", "seq": seq(*n), "addr": pinger.targets()[*target].addr,
            "by": (!answer.from.is_unspecified()).then_some(answer.from),
            "what": error_words(answer), "mark": answer.mark().map(|mark| mark.to_string()), "rtt_us": us(*rtt_ns),
        }),
        Told::Answer {
            target,
            n,
            answer,
            rtt_ns,
            how: Answered::Dropped,
        } => json!({
            "event": "dropped-here", "seq": seq(*n), "addr": pinger.targets()[*target].addr, "by": answer.from,
            "ttl": answer.ttl, "rtt_us": us(*rtt_ns), "what": DROPPED_HERE,
        }),
        Told::Answer {
            n,
            answer,
            rtt_ns,
            how,
            ..
        } => {
            let mut object = json!({
                "event": "reply", "seq": seq(*n), "addr": answer.from, "ttl": answer.ttl, "rtt_us": us(*rtt_ns),
                "bytes": answer.len, "dup": *how == Answered::Duplicate, "reordered": *how == Answered::Reordered,
                "stamps": stamps(answer), "before_us": answer.stamped.before_ns.map(us), "after_us": answer.stamped.after_ns.map(us),
            });
            if pinger.plan().proto == Proto::Tcp {
                object["event"] = json!("port");
                object["port"] = json!(pinger.plan().dport);
                object["proto"] = json!("tcp");
                object["state"] = json!(if answer.what == What::Rst {
                    "closed"
                } else {
                    "open"
                });
                object["by"] = json!(answer.from);
            }
            object
        }
    }
}

/// Where the times were taken.
const fn stamps(answer: &Answer) -> &'static str {
    if answer.stamped.at_edge {
        "kernel"
    } else {
        "socket"
    }
}

/// ping's statistics, and the figures it does not have.
pub fn summary(
    pinger: &Pinger,
    target: &Target,
    name: Option<&str>,
    took_ns: u64,
    engine: &str,
) -> String {
    let (what, sent) = match pinger.plan().proto {
        Proto::Icmp => ("ping", "packets"),
        Proto::Udp | Proto::Tcp | Proto::Other(_) => ("tcping", "handshakes"),
    };
    let mut text = format!(
        "\n--- {} {what} statistics ---\n",
        called(name, target.addr)
    );
    _ = write!(
        text,
        "{} {sent} transmitted, {} received",
        target.sent, target.received
    );
    for (count, what) in [
        (target.duplicates, "duplicates"),
        (target.reordered, "reordered"),
        (target.refused, "refused"),
        (target.errors, "errors"),
        (target.dropped, "dropped here"),
    ] {
        if count > 0 {
            _ = write!(text, ", +{count} {what}");
        }
    }
    _ = write!(
        text,
        ", {}% packet loss, time {}ms",
        percent(target.loss_pct()),
        took_ns / 1_000_000
    );
    let rtts = &target.rtts;
    if rtts.count() > 0 {
        let [p50, p95, p99] = rtts.percentiles([50, 95, 99]).map(ms_of);
        _ = write!(
            text,
            "\nrtt min/avg/max/mdev = {}/{}/{}/{} ms\nrtt p50/p95/p99 = {p50}/{p95}/{p99} ms, jitter {} ms, engine {engine}",
            ms_of(rtts.min()),
            ms3(rtts.mean()),
            ms_of(rtts.max()),
            ms3(rtts.deviation()),
            ms3(rtts.jitter()),
        );
        if let Some(line) = beside_line(&target.beside) {
            _ = write!(text, "\n{line}");
        }
    } else {
        _ = write!(text, "\nengine {engine}");
    }
    text
}

/// `33.3333`, `0`, `100`.
fn percent(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `{"event":"summary",...}`, one per host.
pub fn summary_object(
    target: &Target,
    name: Option<&str>,
    took_ns: u64,
    engine: &str,
    odd: Odd,
) -> Value {
    let rtts = &target.rtts;
    let some = |value: f64| (rtts.count() > 0).then(|| json!(value / 1000.0));
    let [p50, p95, p99] = rtts.percentiles([50, 95, 99]);
    let known = |ns: u64| (rtts.count() > 0).then(|| us(ns));
    let [before, after] = beside(&target.beside);
    json!({
        "event": "summary", "host": name, "addr": target.addr, "sent": target.sent, "received": target.received,
        "loss_pct": target.loss_pct(), "duplicates": target.duplicates, "reordered": target.reordered,
        "errors": target.errors, "refused": target.refused, "time_ms": took_ns / 1_000_000,
        "min_us": known(rtts.min()), "avg_us": some(rtts.mean()), "max_us": known(rtts.max()),
        "mdev_us": some(rtts.deviation()), "p50_us": known(p50), "p95_us": known(p95), "p99_us": known(p99),
        "jitter_us": some(rtts.jitter()), "before_p50_us": before, "after_p50_us": after,
        "dropped_here": target.dropped, "engine": engine, "ignored": ignored(odd),
    })
}

/// Answers that were not believed, by reason.
pub fn ignored(odd: Odd) -> Value {
    json!({ "truncated": odd.truncated, "checksum": odd.checksum, "foreign": odd.foreign })
}

/// The same for people; nothing where there were none.
pub fn ignored_line(odd: Odd) -> Option<String> {
    odd.any().then(|| {
        format!(
            "netobs: ignored: {} truncated, {} with a wrong checksum, {} that belong to no probe of ours",
            odd.truncated, odd.checksum, odd.foreign
        )
    })
}
