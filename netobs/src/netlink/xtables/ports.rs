//! Ports and flags of tcp, udp, icmp and multiport.

use super::{be16, not};
use crate::netlink::attrs::u16_at;

/// `80` or `80:90`; all ports say nothing.
fn range(low: u16, high: u16) -> Option<String> {
    match (low, high) {
        (0, 0xffff) => None,
        (low, high) if low == high => Some(low.to_string()),
        (low, high) => Some(format!("{low}:{high}")),
    }
}

/// `struct xt_udp`, and the beginning of `struct xt_tcp`.
fn port_words(info: &[u8], inverted: u8) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for (at, flag, bit) in [(0, "--sport", 1), (4, "--dport", 2)] {
        let ends = range(u16_at(info, at)?, u16_at(info, at + 2)?);
        let inverted = inverted & bit != 0;
        if let Some(ends) = ends {
            words.push(format!("{}{flag} {ends}", not(inverted)));
        }
    }
    Some(words)
}

pub fn udp(info: &[u8]) -> Option<String> {
    let words = port_words(info, *info.get(8)?)?;
    Some(join("-m udp", &words))
}

pub fn tcp(info: &[u8]) -> Option<String> {
    let [option, mask, compare, inverted] = *info.get(8..12)? else {
        return None;
    };
    let mut words = port_words(info, inverted)?;
    if option != 0 {
        words.push(format!("{}--tcp-option {option}", not(inverted & 4 != 0)));
    }
    if mask != 0 || inverted & 8 != 0 {
        words.push(format!(
            "{}--tcp-flags {} {}",
            not(inverted & 8 != 0),
            flags(mask),
            flags(compare)
        ));
    }
    Some(join("-m tcp", &words))
}

fn flags(bits: u8) -> String {
    const NAMES: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let set: Vec<&str> = NAMES
        .iter()
        .enumerate()
        .filter(|(n, _)| bits >> n & 1 != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "NONE".to_owned()
    } else {
        set.join(",")
    }
}

/// `struct ipt_icmp`: type 255 is any.
pub fn icmp(info: &[u8], v6: bool) -> Option<String> {
    let [kind, low, high, inverted] = *info.get(..4)? else {
        return None;
    };
    let flag = if v6 { "--icmpv6-type" } else { "--icmp-type" };
    let name = if v6 { "-m icmp6" } else { "-m icmp" };
    let inverted = not(inverted & 1 != 0);
    Some(match (kind, low, high) {
        (255, ..) if !v6 => format!("{name} {inverted}{flag} any"),
        (kind, 0, 255) => format!("{name} {inverted}{flag} {kind}"),
        (kind, low, _) => format!("{name} {inverted}{flag} {kind}/{low}"),
    })
}

/// `struct xt_multiport_v1`.
pub fn multiport(info: &[u8]) -> Option<String> {
    let [side, count, ..] = *info else {
        return None;
    };
    let flag = match side {
        0 => "--sports",
        1 => "--dports",
        _ => "--ports",
    };
    let mut ports = String::new();
    for n in 0..usize::from(count.min(15)) {
        let port = u16_at(info, 2 + n * 2)?;
        // A port with this flag begins a range that the next one ends.
        let opens = *info.get(32 + n)? != 0;
        ports.push_str(&port.to_string());
        ports.push_str(if opens { ":" } else { "," });
    }
    let ports = ports.trim_end_matches([',', ':']);
    let inverted = not(*info.get(47)? != 0);
    Some(format!("-m multiport {inverted}{flag} {ports}"))
}

/// `80` or `80-90` of a translation, big-endian.
pub fn translated(info: &[u8], at: usize) -> Option<String> {
    let (low, high) = (be16(info, at)?, be16(info, at + 2)?);
    Some(if low == high {
        low.to_string()
    } else {
        format!("{low}-{high}")
    })
}

pub fn join(head: &str, words: &[String]) -> String {
    if words.is_empty() {
        return head.to_owned();
    }
    format!("{head} {}", words.join(" "))
}
