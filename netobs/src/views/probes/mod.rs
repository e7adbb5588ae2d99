//! Probes and what came of them, in the words of ping, traceroute, mtr and nmap.

pub mod mtr;
pub mod paths;
pub mod ping;
pub mod port;
pub mod trace;

use crate::probes::{
    net::{Answer, Mark, What},
    stats::Beside,
};
use serde_json::{Value, json};

/// What is known of an answer that was seen at the edge of the stack, and by no socket.
pub const DROPPED_HERE: &str = "answer reached this host and was dropped here, by local firewall, reverse path filter or a full socket \
                                buffer";

/// Milliseconds with as many digits as ping gives.
pub fn ms(ns: u64) -> String {
    let us = ns / 1000;
    let (whole, rest) = (us / 1000, us % 1000);
    match whole {
        0 => format!("0.{rest:03}"),
        1..10 => format!("{whole}.{:02}", rest / 10),
        10..100 => format!("{whole}.{}", rest / 100),
        _ => whole.to_string(),
    }
}

/// Microseconds with the nanoseconds as fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "a round trip is far below 2^52 ns"
)]
pub fn us(ns: u64) -> Value {
    json!(ns as f64 / 1000.0)
}

/// Milliseconds, three digits, from nanoseconds that were averaged.
pub fn ms3(ns: f64) -> String {
    format!("{:.3}", ns / 1e6)
}

/// The same of one time.
#[expect(
    clippy::cast_precision_loss,
    reason = "a round trip is far below 2^52 ns"
)]
pub fn ms_of(ns: u64) -> String {
    ms3(ns as f64)
}

/// What this machine added, at the median; nothing where the edge of the stack was not seen.
pub fn beside_line(times: &Beside) -> Option<String> {
    let [before, after] = times.medians()?.map(ms_of);
    Some(format!(
        "beside it in this machine: {before} ms before the wire, {after} ms after it (p50)"
    ))
}

/// The same as `before_p50_us` and `after_p50_us`.
pub fn beside(times: &Beside) -> [Option<Value>; 2] {
    let medians = times.medians();
    [0, 1].map(|place: usize| medians.map(|both| us(both[place])))
}

/// ping's words for an error.
pub fn error_words(answer: &Answer) -> String {
    if answer.is_port_unreachable() {
        return "Destination Port Unreachable".to_owned();
    }
    match (answer.what, answer.mark()) {
        (What::TimeExceeded, _) => "Time to live exceeded".to_owned(),
        (What::TooBig { mtu }, _) if answer.from.is_ipv4() => {
            format!("Frag needed and DF set (mtu = {mtu})")
        }
        (What::TooBig { mtu }, _) => format!("Packet too big: mtu={mtu}"),
        (_, Some(Mark::Network)) => "Destination Net Unreachable".to_owned(),
        (_, Some(Mark::Host)) => "Destination Host Unreachable".to_owned(),
        (_, Some(Mark::Protocol)) => "Destination Protocol Unreachable".to_owned(),
        (_, Some(Mark::Prohibited)) => "Packet filtered".to_owned(),
        (_, Some(Mark::SourceRoute)) => "Source Route Failed".to_owned(),
        _ => match answer.what {
            What::Error { kind, code } => {
                let words = crate::icmp::what(answer.family(), kind, code);
                format!("{words} (type {kind} code {code})")
            }
            What::EchoReply
            | What::SynAck
            | What::Rst
            | What::Datagram
            | What::TimeExceeded
            | What::TooBig { .. } => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_ping() {
        for (ns, want) in [
            (45_678, "0.045"),
            (1_234_567, "1.23"),
            (20_123_000, "20.1"),
            (123_456_789, "123"),
        ] {
            assert_eq!(ms(ns), want);
        }
    }
}
