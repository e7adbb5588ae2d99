//! The protocol counters of the kernel, under the names that nstat gives them.

use super::{proc_file, troubles::meaning};
use serde::Serialize;
use std::{collections::HashMap, io, time::Duration};

/// One counter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counter {
    /// `TcpRetransSegs`, `TcpExtListenDrops`, `Ip6InReceives` ...
    pub name: String,
    pub value: i64,
    /// A level, not a count: it has no rate.
    pub gauge: bool,
    /// What it means when it grows; null: it is no sign of trouble.
    pub trouble: Option<&'static str>,
    /// Growth during the interval, where one was asked for.
    pub delta: Option<i64>,
    pub rate_per_s: Option<f64>,
}

/// Levels among the counters.
const GAUGES: [&str; 9] = [
    "IpForwarding",
    "IpDefaultTTL",
    "TcpRtoAlgorithm",
    "TcpRtoMin",
    "TcpRtoMax",
    "TcpMaxConn",
    "TcpCurrEstab",
    "MPTcpExtMPCurrEstab",
    "TcpExtTCPDSACKIgnoredDubious",
];

/// All counters of the thread's network namespace, in the kernel's order.
pub fn read() -> io::Result<Vec<Counter>> {
    let mut counters = Vec::new();
    for file in ["net/snmp", "net/netstat"] {
        let text = proc_file(file).ok_or_else(|| missing(file))?;
        pairs(&text, &mut counters);
    }
    // A kernel without IPv6 has no such file.
    for line in proc_file("net/snmp6").unwrap_or_default().lines() {
        let mut words = line.split_ascii_whitespace();
        if let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) {
            counters.push(Counter::new(name.to_owned(), value));
        }
    }
    Ok(counters)
}

fn missing(file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("read /proc/{file}: is /proc mounted?"),
    )
}

/// Two lines each: `Tcp: names` and `Tcp: values`.
fn pairs(text: &str, counters: &mut Vec<Counter>) {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((prefix, names)), Some((same, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            continue;
        };
        if prefix != same {
            continue;
        }
        let values = values
            .split_ascii_whitespace()
            .filter_map(|v| v.parse().ok());
        for (name, value) in names.split_ascii_whitespace().zip(values) {
            counters.push(Counter::new(format!("{prefix}{name}"), value));
        }
    }
}

impl Counter {
    fn new(name: String, value: i64) -> Self {
        Self {
            gauge: GAUGES.contains(&name.as_str()),
            trouble: meaning(&name),
            name,
            value,
            delta: None,
            rate_per_s: None,
        }
    }
}

/// What has grown since `before`, in `time`.
pub fn since(before: &[Counter], mut now: Vec<Counter>, time: Duration) -> Vec<Counter> {
    let known: HashMap<&str, i64> = before.iter().map(|c| (c.name.as_str(), c.value)).collect();
    for counter in now.iter_mut().filter(|c| !c.gauge) {
        let delta = counter.value - known.get(counter.name.as_str()).copied().unwrap_or(0);
        counter.delta = Some(delta);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = delta as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
        counter.rate_per_s = Some((rate * 100.0).round() / 100.0);
    }
    now
}

/// Those that mean trouble first, each group in the kernel's order; what is zero only if asked for.
pub fn arrange(counters: Vec<Counter>, all: bool) -> Vec<Counter> {
    // With an interval only what grew is news.
    let grew = counters.iter().any(|c| c.delta.is_some());
    let shown = |c: &Counter| all || c.delta.unwrap_or(if grew { 0 } else { c.value }) != 0;
    let (mut first, rest): (Vec<Counter>, Vec<Counter>) = counters
        .into_iter()
        .filter(shown)
        .partition(|c| c.trouble.is_some() && c.delta.unwrap_or(c.value) != 0);
    first.extend(rest);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_nstat_gives_them() {
        let mut counters = Vec::new();
        let text = "TcpExt: ListenDrops TCPTimeouts\nTcpExt: 3 4\nTcp: MaxConn RetransSegs\nTcp: -1 7\nodd\nlines\n";
        pairs(text, &mut counters);
        let names: Vec<(&str, i64)> = counters
            .iter()
            .map(|c| (c.name.as_str(), c.value))
            .collect();
        let want = [
            ("TcpExtListenDrops", 3),
            ("TcpExtTCPTimeouts", 4),
            ("TcpMaxConn", -1),
            ("TcpRetransSegs", 7),
        ];
        assert_eq!(names, want);
        assert!(counters[2].gauge && counters[0].trouble.is_some());
    }

    #[test]
    fn rates_and_order() {
        let before = vec![
            Counter::new("IpInReceives".to_owned(), 5),
            Counter::new("TcpRetransSegs".to_owned(), 1),
        ];
        let now = vec![
            Counter::new("IpInReceives".to_owned(), 25),
            Counter::new("TcpRetransSegs".to_owned(), 2),
        ];
        let grown = arrange(since(&before, now, Duration::from_secs(2)), false);
        assert_eq!(grown[0].name, "TcpRetransSegs");
        assert_eq!(
            (grown[1].delta, grown[1].rate_per_s),
            (Some(20), Some(10.0))
        );
    }
}
