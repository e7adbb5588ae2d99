//! Ports and their states, as nmap calls them.

use super::{DROPPED_HERE, error_words, ms, us};
use crate::probes::{
    net::{Mark, Proto, What},
    ping::target::Target,
    port::{Port, Reason, State},
};
use serde_json::{Value, json};

/// What some handshakes with one port came to: an object, and a sentence.
pub fn handshake_verdict(target: &Target, port: u16) -> (Value, String) {
    let addr = target.addr;
    let opened = target.received - target.refused;
    let by = target
        .last_error
        .as_ref()
        .filter(|error| !error.from.is_unspecified());
    let (state, by, sentence) = if opened > 0 {
        (
            State::Open,
            Some(addr),
            format!("port {port} of {addr} is open"),
        )
    } else if target.refused > 0 {
        let text = format!("port {port} of {addr} is closed: {addr} refuses it (RST)");
        (State::Closed, Some(addr), text)
    } else if let Some(error) = &target.last_error {
        let who = by.map_or(
            "the kernel (it names no router without CAP_NET_RAW before 5.9)".to_owned(),
            |e| e.from.to_string(),
        );
        let text = format!(
            "port {port} of {addr} is unreachable: {who} says: {}",
            error_words(error)
        );
        (State::Unreachable, by.map(|error| error.from), text)
    } else if target.errors > 0 {
        (
            State::Unreachable,
            None,
            format!("port {port} of {addr} cannot be asked from here"),
        )
    } else if target.dropped > 0 {
        let text = format!("port {port} of {addr} is filtered by this host: {DROPPED_HERE}");
        (State::Filtered, None, text)
    } else {
        let text = format!(
            "port {port} of {addr} is filtered: nothing answers, neither a host nor a router"
        );
        (State::Filtered, None, text)
    };
    let rtt = (target.rtts.count() > 0).then(|| us(target.rtts.min()));
    let object = json!({
        "event": "port", "addr": addr, "port": port, "proto": "tcp", "state": state.name(), "by": by, "rtt_us": rtt, "sentence": sentence,
    });
    (object, sentence)
}

/// `{"event":"port",...}`.
pub fn object(port: &Port, proto: Proto) -> Value {
    let heard = port.heard;
    let stamped = heard.map(|heard| heard.stamped).unwrap_or_default();
    json!({
        "event": "port", "addr": port.addr, "port": port.port, "proto": proto.name(), "state": port.state.name(),
        "by": heard.map(|heard| heard.by), "rtt_us": heard.map(|heard| us(heard.rtt_ns)), "reason": reason(port),
        "before_us": stamped.before_ns.map(us), "after_us": stamped.after_ns.map(us),
    })
}

/// nmap's `--reason`: what the state was learnt from.
pub fn reason(port: &Port) -> String {
    match &port.reason {
        Reason::Silence => "no-response".to_owned(),
        Reason::NotSent(error) => error.to_string(),
        Reason::Answer(what, mark) => learnt_from(*what, *mark),
        Reason::DroppedHere(what, mark) => {
            format!("{}, but {DROPPED_HERE}", learnt_from(*what, *mark))
        }
    }
}

fn learnt_from(what: What, mark: Option<Mark>) -> String {
    match what {
        What::SynAck => "syn-ack".to_owned(),
        What::Rst => "reset".to_owned(),
        What::Datagram => "udp-response".to_owned(),
        What::EchoReply => "echo-reply".to_owned(),
        What::TimeExceeded => "time-exceeded".to_owned(),
        What::TooBig { .. } => "packet-too-big".to_owned(),
        What::Error { .. } => mark.map_or("port-unreach".to_owned(), |mark| {
            format!("unreachable {mark}")
        }),
    }
}

/// A line as nmap's table has it.
pub fn line(port: &Port, proto: Proto, service: Option<&str>) -> String {
    let name = format!("{}/{}", port.port, proto.name());
    let service = service.unwrap_or("");
    let rtt = port
        .heard
        .map(|heard| format!("{} ms", ms(heard.rtt_ns)))
        .unwrap_or_default();
    let by = match port.heard {
        Some(heard) if heard.by != port.addr => format!(" by {}", heard.by),
        _ => String::new(),
    };
    format!(
        "{name:<10} {:<13} {service:<14} {rtt:>10}  {}{by}",
        port.state.name(),
        reason(port)
    )
}

/// The head of the table.
pub const HEAD: &str = "PORT       STATE         SERVICE               RTT  REASON";

/// That a host limits its errors, and what that costs.
pub fn patience(left: usize, gap_ns: u64) -> String {
    let seconds = u64::try_from(left)
        .unwrap_or(u64::MAX)
        .saturating_mul(gap_ns)
        / 1_000_000_000;
    format!(
        "netobs: the host limits its ICMP errors: {left} silent ports are asked again, one every {} ms, about {seconds} s; \
         Ctrl-C ends with what is known, --fast does not ask again",
        gap_ns / 1_000_000
    )
}

/// How many ports are in each state that is not shown one by one.
pub fn left_out(ports: &[Port], hidden: &[State]) -> Option<String> {
    let states: Vec<String> = hidden
        .iter()
        .map(|state| (state, ports.iter().filter(|p| p.state == *state).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", state.name()))
        .collect();
    (!states.is_empty()).then(|| format!("not shown: {}", states.join(", ")))
}
