//! The routing policy, in the words of `ip rule`.

use super::Row;
use crate::{netlink::rules::Rule, views::table::shown};
use std::fmt::Write as _;

impl Row for Rule {
    const KIND: &'static str = "rule";
    const HEAD: &'static [&'static str] = &["FAMILY", "PRIORITY", "SELECTOR", "ACTION", "PROTO"];
    const YIELDING: &'static [&'static str] = &["PROTO"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.family.to_owned(),
            self.priority.to_string(),
            selector(self),
            action(self),
            self.proto
                .clone()
                .filter(|p| p != "kernel" && p != "unspec")
                .unwrap_or_default(),
        ]
    }
}

fn selector(rule: &Rule) -> String {
    let mut words = Vec::new();
    if rule.not {
        words.push("not".to_owned());
    }
    words.push(format!("from {}", rule.from.as_deref().unwrap_or("all")));
    let mut pair = |name: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("{name} {value}"));
        }
    };
    pair("to", rule.to.clone().unwrap_or_default());
    pair(
        "tos",
        rule.tos.map(|t| format!("{t:#x}")).unwrap_or_default(),
    );
    pair("fwmark", mark(rule));
    pair("iif", rule.iif.clone().unwrap_or_default());
    pair("oif", rule.oif.clone().unwrap_or_default());
    pair("uidrange", rule.uidrange.clone().unwrap_or_default());
    pair("ipproto", rule.ipproto.clone().unwrap_or_default());
    pair("sport", rule.sport.clone().unwrap_or_default());
    pair("dport", rule.dport.clone().unwrap_or_default());
    pair("tun_id", shown(rule.tun_id.as_ref()));
    words.join(" ")
}

fn mark(rule: &Rule) -> String {
    match (rule.fwmark, rule.fwmask) {
        (None, None) => String::new(),
        (value, None | Some(u32::MAX)) => format!("{:#x}", value.unwrap_or(0)),
        (value, Some(mask)) => format!("{:#x}/{mask:#x}", value.unwrap_or(0)),
    }
}

fn action(rule: &Rule) -> String {
    let mut text = match (rule.action.as_str(), &rule.table, rule.goto) {
        ("lookup", Some(table), _) => format!("lookup {table}"),
        ("lookup", None, _) => "lookup [l3mdev-table]".to_owned(),
        ("goto", _, Some(to)) => format!("goto {to}"),
        (other, ..) => other.to_owned(),
    };
    if let Some(len) = rule.suppress_prefixlength {
        _ = write!(text, " suppress_prefixlength {len}");
    }
    if let Some(group) = rule.suppress_ifgroup {
        _ = write!(text, " suppress_ifgroup {group}");
    }
    if rule.detached {
        text.push_str(" [detached]");
    }
    text
}
