//! The limits weighed: how many more connections fit, and what stands in the way then.

use super::limits::Limit;
use serde::Serialize;
use std::fmt::Write as _;

/// The answer: how many more, and what runs out first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Connections that still fit, as far as every connection takes one of something; null: unknown.
    pub more_connections: Option<u64>,
    /// The limit that stands in the way then.
    pub first: Option<String>,
    /// The limit of which the largest share is used.
    pub fullest: Option<String>,
    pub fullest_pct: Option<f64>,
    pub text: String,
}

/// Weighs the limits.
pub fn verdict(limits: &[Limit]) -> Verdict {
    let name = |limit: &Limit| format!("{} of {}", limit.limit, limit.of);
    let first = limits
        .iter()
        .filter(|limit| limit.per_connection)
        .filter_map(|limit| Some((limit.free?, limit)))
        .min_by_key(|(free, _)| *free);
    let fullest = limits
        .iter()
        .filter_map(|limit| Some((limit.used_pct?, limit)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let mut text = match first {
        Some((0, limit)) => format!("no more connections: {} used up", name(limit)),
        Some((free, limit)) => format!("{free} more connections fit, then {} run out", name(limit)),
        None => "how many more connections fit is not known here".to_owned(),
    };
    for kind in ["ephemeral ports", "open files"] {
        let tight = limits
            .iter()
            .find(|l| l.limit == kind && l.of != "machine" && l.of != "each destination");
        if let Some((limit, free)) = tight.and_then(|limit| Some((limit, limit.free?))) {
            let who = if kind == "open files" {
                format!("{} itself", limit.of)
            } else {
                limit.of.clone()
            };
            _ = write!(text, "; {who}: {free} more ({kind})");
        }
    }
    if let Some((pct, limit)) = fullest {
        _ = write!(text, "; fullest: {}, {pct} %", name(limit));
    }
    Verdict {
        more_connections: first.map(|(free, _)| free),
        first: first.map(|(_, limit)| name(limit)),
        fullest: fullest.map(|(_, limit)| name(limit)),
        fullest_pct: fullest.map(|(pct, _)| pct),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rest_of_what_each_connection_takes_counts() {
        let limits = [
            Limit::new("open files", "machine", Some(900), Some(1000), "").per_connection(),
            Limit::new("conntrack", "namespace", Some(10), Some(50), "").per_connection(),
            Limit::new("open files", "server[1]", Some(1000), Some(1024), ""),
            Limit::new("somaxconn", "namespace", None, Some(4), ""),
        ];
        let verdict = verdict(&limits);
        assert_eq!(verdict.more_connections, Some(40));
        assert_eq!(verdict.first.as_deref(), Some("conntrack of namespace"));
        assert_eq!(verdict.fullest.as_deref(), Some("open files of server[1]"));
        assert!(
            verdict.text.contains("server[1] itself: 24 more"),
            "{}",
            verdict.text
        );
    }
}
