//! What a trace means: each hop's own remark, and one sentence at the end.

use super::{Hop, Plan, Reply, Tracer, loops};
use crate::probes::net::{Mark, Proto, SendError, What};
use std::{fmt::Write as _, net::IpAddr};

/// How a hop that answers badly is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Answers,
    /// Some probes stay without answer, yet hops beyond answer: it limits its answers, which is no loss.
    RateLimited,
    /// It never answers, yet hops beyond do.
    Silent,
    /// Some probes stay without answer, and beyond it is no better.
    Loses,
    /// Nothing from here on.
    Nothing,
}

/// How the hop at `place` of `hops` behaves.
pub fn manner(hops: &[Hop], place: usize) -> Manner {
    let hop = &hops[place];
    let beyond = &hops[place + 1..];
    // A limit of its own shows by hops beyond that answer more.
    let better = beyond.iter().any(|b| b.answered() > hop.answered());
    match (hop.answered(), better) {
        (0, true) => Manner::Silent,
        (0, false) => Manner::Nothing,
        (n, _) if n >= hop.sent() => Manner::Answers,
        (_, true) => Manner::RateLimited,
        (_, false) => Manner::Loses,
    }
}

/// Hop limits that systems start with.
const STARTS: [u8; 4] = [32, 64, 128, 255];

/// How many routers an answer passed on its way back, by the hop limit that is left.
pub fn way_back(reply: &Reply) -> Option<u8> {
    let left = reply.ttl?;
    let start = STARTS.iter().find(|start| **start >= left)?;
    Some(start - left)
}

/// The way back where it is clearly not as long as the way there.
pub fn asymmetry(hop: &Hop) -> Option<u8> {
    let back = hop.replies().find_map(way_back)?;
    let there = hop.ttl.saturating_sub(1);
    // A router that is one off counts the hop it is; two and more is another way.
    (back.abs_diff(there) >= 2 && back < 32).then_some(back)
}

/// Does a hop speak with the destination's address before the destination is reached? A translator stands in front of it.
pub fn translated(tracer: &Tracer, hop: &Hop) -> bool {
    let target = tracer.plan().target;
    hop.replies()
        .any(|reply| reply.rewritten || (reply.from == target && reply.what == What::TimeExceeded))
}

/// What a trace came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub reached: bool,
    pub sentence: String,
}

/// The end of the trace in one sentence.
pub fn verdict(tracer: &Tracer) -> Verdict {
    let hops = tracer.hops();
    let target = tracer.plan().target;
    let end = hops.last().and_then(|hop| {
        let reply = hop
            .replies()
            .find(|reply| reply.what != What::TimeExceeded)?;
        Some((hop.ttl, reply))
    });
    if let Some((ttl, reply)) = end {
        if let Some(words) = arrival(reply, tracer.plan()) {
            let mut sentence = format!("reached {target} in {}, {words}", hop_count(ttl));
            quiet_hops(hops, &mut sentence);
            dropped_here(hops, &mut sentence);
            return Verdict {
                reached: true,
                sentence,
            };
        }
        return stopped(refusal(ttl, reply, target));
    }
    if let Some(round) = loops::find(hops) {
        return stopped(looping(&round));
    }
    let farthest = hops.iter().rev().find(|hop| hop.answered() > 0);
    stopped(match farthest {
        Some(hop) if hop.ttl == tracer.plan().max => format!(
            "not reached within {} hops: {} still passes the probes on; ask farther with -m",
            hop.ttl,
            spoken(hop)
        ),
        Some(hop) => format!(
            "stopped after hop {} ({}): nothing beyond it answers; a firewall drops the probes or their answers, the next router \
             is down, or the destination does not answer {}",
            hop.ttl,
            spoken(hop),
            tracer.plan().proto.name()
        ),
        None => unsent(hops).map_or_else(
            || "no answer at all: not even the first hop answers; a firewall drops the probes or their answers".to_owned(),
            |error| format!("no probe left this machine: {error}"),
        ),
    })
}

fn stopped(sentence: String) -> Verdict {
    Verdict {
        reached: false,
        sentence,
    }
}

fn unsent(hops: &[Hop]) -> Option<SendError> {
    hops.first()?.tries.first()?.failed
}

fn hop_count(n: u8) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} hop{s}")
}

/// The words of a destination that was reached.
fn arrival(reply: &Reply, plan: &Plan) -> Option<String> {
    let target = plan.target;
    let unspoken = reply.mark == Some(Mark::Protocol) && matches!(plan.proto, Proto::Other(_));
    let how = match reply.what {
        What::EchoReply => "which replies",
        What::SynAck => "where the port is open",
        What::Rst => "where the port is closed",
        What::Datagram => "where somebody serves the port",
        What::Error { .. } if reply.mark.is_none() && reply.from == target => "",
        // What is asked for is the way, not whether somebody speaks the protocol.
        What::Error { .. } if unspoken && reply.from == target => {
            "which does not speak the protocol (!P)"
        }
        What::Error { .. } | What::TimeExceeded | What::TooBig { .. } => return None,
    };
    let mut words = if how.is_empty() {
        String::new()
    } else {
        format!("{how}, ")
    };
    _ = write!(words, "round trip {}", milliseconds(reply.rtt_ns));
    Some(words)
}

/// `20.1 ms`.
pub fn milliseconds(ns: u64) -> String {
    let us = ns / 1000;
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

fn quiet_hops(hops: &[Hop], sentence: &mut String) {
    let of = |wanted: Manner| -> Vec<String> {
        let places = (0..hops.len()).filter(|place| manner(hops, *place) == wanted);
        places.map(|place| hops[place].ttl.to_string()).collect()
    };
    for (manner, one, many) in [
        (Manner::Silent, "stays silent", "stay silent"),
        (
            Manner::RateLimited,
            "limits its answers",
            "limit their answers",
        ),
    ] {
        let hops = of(manner);
        match hops.as_slice() {
            [] => {}
            [hop] => {
                _ = write!(
                    sentence,
                    "; hop {hop} {one}, which is no loss: hops beyond answer"
                );
            }
            many_hops => {
                let list = many_hops.join(", ");
                _ = write!(
                    sentence,
                    "; hops {list} {many}, which is no loss: hops beyond answer"
                );
            }
        }
    }
}

/// What the edge of the stack has seen, and no socket.
fn dropped_here(hops: &[Hop], sentence: &mut String) {
    let replies = hops.iter().flat_map(Hop::replies);
    let count = replies.filter(|reply| reply.dropped).count();
    if count > 0 {
        _ = write!(
            sentence,
            "; {count} answers reached this host and were dropped here"
        );
    }
}

fn refusal(ttl: u8, reply: &Reply, target: IpAddr) -> String {
    let who = if reply.from == target {
        "the destination itself".to_owned()
    } else if reply.own {
        format!("this machine ({})", reply.from)
    } else {
        reply.from.to_string()
    };
    let Some(mark) = reply.mark else {
        return format!(
            "stopped at hop {ttl}: {who} answers for {target} that the port is closed: a firewall or a translator in front of it"
        );
    };
    let meaning = match mark {
        Mark::Network => "it has no route to the destination's network",
        Mark::Host => {
            "the destination, or the router behind it, does not answer its neighbour discovery: down, or not there"
        }
        Mark::Protocol => "the destination does not speak this protocol",
        Mark::Prohibited => "a firewall forbids it",
        Mark::SourceRoute => "it does not take this source address or route",
        Mark::TooBig(_) => "the probe is larger than the next link and may not be fragmented",
        Mark::Precedence | Mark::Cutoff => "it does not take the type of service of the probe",
        Mark::Other(_) => "it refuses to pass it on",
    };
    format!("stopped at hop {ttl}: {who} says {mark}, {meaning}")
}

fn looping(round: &loops::Loop) -> String {
    let routers: Vec<String> = round.routers.iter().map(ToString::to_string).collect();
    format!(
        "not reached: the probes go round in a routing loop from hop {} on, between {}; one of them has a wrong route",
        round.ttl,
        routers.join(" and ")
    )
}

/// The addresses of a hop.
pub fn speakers(hop: &Hop) -> Vec<IpAddr> {
    let mut speakers: Vec<IpAddr> = Vec::new();
    for reply in hop.replies() {
        if !speakers.contains(&reply.from) {
            speakers.push(reply.from);
        }
    }
    speakers
}

fn spoken(hop: &Hop) -> String {
    let speakers: Vec<String> = speakers(hop).iter().map(ToString::to_string).collect();
    speakers.join(", ")
}
