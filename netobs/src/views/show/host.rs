//! Counters, limits and name resolution.

use super::Row;
use crate::{
    host::{counters::Counter, limits::Limit, resolver::Fact, verdict::Verdict},
    views::table::shown,
};

impl Row for Counter {
    const KIND: &'static str = "stat";
    const HEAD: &'static [&'static str] = &["COUNTER", "VALUE", "GREW", "PER-SECOND", "TROUBLE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.value.to_string(),
            shown(self.delta.as_ref()),
            self.rate_per_s
                .map(|rate| format!("{rate:.1}"))
                .unwrap_or_default(),
            self.trouble
                .filter(|_| self.value != 0)
                .unwrap_or_default()
                .to_owned(),
        ]
    }
}

impl Row for Limit {
    const KIND: &'static str = "limit";
    const HEAD: &'static [&'static str] =
        &["LIMIT", "OF", "USED", "MAX", "FREE", "USED%", "SOURCE"];
    const YIELDING: &'static [&'static str] = &["SOURCE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.limit.to_owned(),
            self.of.clone(),
            shown(self.used.as_ref()),
            shown(self.max.as_ref()),
            shown(self.free.as_ref()),
            self.used_pct
                .map(|pct| format!("{pct:.1}"))
                .unwrap_or_default(),
            self.source.to_owned(),
        ]
    }
}

impl Row for Verdict {
    const KIND: &'static str = "limits-verdict";
    const HEAD: &'static [&'static str] = &["VERDICT"];

    fn cells(&self) -> Vec<String> {
        vec![self.text.clone()]
    }
}

impl Row for Fact {
    const KIND: &'static str = "resolver";
    const HEAD: &'static [&'static str] = &["KIND", "VALUE", "NAMES", "FILE", "LINE", "NOTE"];
    const YIELDING: &'static [&'static str] = &["LINE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.to_owned(),
            self.value.clone(),
            self.names.join(" "),
            self.file.clone(),
            if self.line == 0 {
                String::new()
            } else {
                self.line.to_string()
            },
            self.note.clone().unwrap_or_default(),
        ]
    }
}
