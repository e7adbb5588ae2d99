//! Tracked connections, and how full their table is.

use super::Row;
use crate::{
    netlink::conntrack::{Entry, Fill},
    views::table::{bytes, shown},
};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

impl Row for Fill {
    const KIND: &'static str = "conntrack-table";
    const HEAD: &'static [&'static str] = &["ENTRIES", "MAX", "USED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.entries.to_string(),
            shown(self.max.as_ref()),
            shown(self.used_pct.as_ref()),
        ]
    }
}

/// The fill in one sentence; what went wrong only where something did.
pub fn sentence(fill: &Fill) -> String {
    let mut text = match (fill.max, fill.used_pct) {
        (Some(max), Some(pct)) => format!("{} of {max} entries ({pct} %)", fill.entries),
        _ => format!("{} entries", fill.entries),
    };
    let troubles = [
        (fill.drop, "packets dropped because the table was full"),
        (fill.early_drop, "entries given up to make room"),
        (fill.insert_failed, "entries that could not be inserted"),
        (fill.error, "packets with errors"),
    ];
    for (count, what) in troubles.iter().filter(|(count, _)| *count > 0) {
        _ = write!(text, "; {count} {what}");
    }
    text.push('\n');
    text
}

impl Row for Entry {
    const KIND: &'static str = "conntrack";
    const HEAD: &'static [&'static str] = &[
        "PROTO", "STATE", "FROM", "TO", "NAT", "PACKETS", "BYTES", "TIMEOUT", "STATUS", "MARK",
        "ZONE", "HELPER",
    ];
    const YIELDING: &'static [&'static str] = &["HELPER", "TIMEOUT", "STATUS", "PACKETS"];

    fn cells(&self) -> Vec<String> {
        let both = |a: Option<u64>, b: Option<u64>, show: fn(u64) -> String| match (a, b) {
            (Some(a), Some(b)) => format!("{}/{}", show(a), show(b)),
            _ => String::new(),
        };
        vec![
            self.proto.clone(),
            self.state.clone().unwrap_or_else(|| icmp(self)),
            end(self.saddr, self.sport),
            end(self.daddr, self.dport),
            translated(self),
            both(self.packets, self.reply_packets, |n| n.to_string()),
            both(self.bytes, self.reply_bytes, bytes),
            self.timeout_s.map(|s| format!("{s}s")).unwrap_or_default(),
            status(self),
            self.mark
                .filter(|m| *m != 0)
                .map(|m| format!("{m:#x}"))
                .unwrap_or_default(),
            shown(self.zone.as_ref()),
            self.helper.clone().unwrap_or_default(),
        ]
    }
}

fn icmp(entry: &Entry) -> String {
    match (entry.icmp_type, entry.icmp_code, entry.icmp_id) {
        (Some(kind), Some(code), Some(id)) => format!("type {kind}/{code} id {id}"),
        _ => String::new(),
    }
}

fn end(addr: Option<IpAddr>, port: Option<u16>) -> String {
    match (addr, port) {
        (Some(addr), Some(port)) => SocketAddr::new(addr, port).to_string(),
        (Some(addr), None) => addr.to_string(),
        (None, _) => String::new(),
    }
}

/// `DNAT -> 10.0.0.2:8080`: where packets really go, or whom they seem to come from.
fn translated(entry: &Entry) -> String {
    let to = end(entry.reply_saddr, entry.reply_sport);
    let from = end(entry.reply_daddr, entry.reply_dport);
    match entry.nat {
        Some("dnat") => format!("DNAT -> {to}"),
        Some("snat") => format!("SNAT as {from}"),
        Some(_) => format!("DNAT -> {to} SNAT as {from}"),
        None => String::new(),
    }
}

/// What deviates from a connection in good order.
fn status(entry: &Entry) -> String {
    let has = |word: &str| entry.status.iter().any(|s| s == word);
    let mut words = Vec::new();
    if !has("seen-reply") {
        words.push("UNREPLIED");
    }
    if has("assured") {
        words.push("ASSURED");
    }
    for (word, shown) in [
        ("expected", "EXPECTED"),
        ("dying", "DYING"),
        ("offload", "OFFLOAD"),
    ] {
        if has(word) {
            words.push(shown);
        }
    }
    words.join(",")
}
