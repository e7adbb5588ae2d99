//! How much of each limit is used: what new connections need, and what runs out first.

use super::{number, numbers, proc_file, processes::Processes};
use crate::netlink::{
    conntrack::{Fill, percent},
    tcp_sockets::{LISTEN, SYN_RECV, TcpSocket},
};
use serde::Serialize;
use std::fmt::Write as _;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

/// Destinations, listeners and processes shown: the fullest.
const SHOWN: usize = 5;

/// A limit and how much of it is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limit {
    /// `open files`, `ephemeral ports`, `listen backlog`, `conntrack` ...
    pub limit: &'static str,
    /// Whose it is: `machine`, `namespace`, a process, a destination, a listener.
    pub of: String,
    /// Null: a setting, of which nothing is used up.
    pub used: Option<u64>,
    pub max: Option<u64>,
    pub free: Option<u64>,
    pub used_pct: Option<f64>,
    /// Every new connection takes one.
    pub per_connection: bool,
    /// Where the number comes from.
    pub source: &'static str,
}

impl Limit {
    fn new(
        limit: &'static str,
        of: impl Into<String>,
        used: Option<u64>,
        max: Option<u64>,
        source: &'static str,
    ) -> Self {
        let both = used.zip(max);
        Self {
            limit,
            of: of.into(),
            used,
            max,
            free: both.map(|(used, max)| max.saturating_sub(used)),
            used_pct: both.map(|(used, max)| percent(used, max.max(1))),
            per_connection: false,
            source,
        }
    }

    fn per_connection(mut self) -> Self {
        self.per_connection = true;
        self
    }
}

/// Ports in use and listeners, gathered from one walk over the sockets.
#[derive(Default)]
pub struct Sockets {
    /// Ephemeral ports taken, by local address and destination.
    to: HashMap<(IpAddr, SocketAddr), u64>,
    listeners: Vec<TcpSocket>,
    syn_recv: u64,
    range: Option<(u16, u16)>,
}

impl Sockets {
    pub fn new() -> Self {
        let range = match numbers("sys/net/ipv4/ip_local_port_range")[..] {
            [low, high] => u16::try_from(low).ok().zip(u16::try_from(high).ok()),
            _ => None,
        };
        Self {
            range,
            ..Self::default()
        }
    }

    pub fn take(&mut self, socket: TcpSocket) {
        let ephemeral = |port| {
            self.range
                .is_some_and(|(low, high)| (low..=high).contains(&port))
        };
        match socket.state {
            LISTEN => self.listeners.push(socket),
            SYN_RECV => self.syn_recv += 1,
            _ if ephemeral(socket.local.port()) => {
                *self
                    .to
                    .entry((socket.local.ip(), socket.remote))
                    .or_default() += 1;
            }
            _ => {}
        }
    }

    /// Ports that a connection may choose from: the range without what is reserved.
    fn ports(&self) -> Option<u64> {
        let (low, high) = self.range?;
        let reserved = proc_file("sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
        let reserved: u64 = reserved
            .trim()
            .split(',')
            .filter_map(|part| {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                let from: u16 = from.parse().ok()?;
                let to: u16 = to.parse().ok()?;
                let (from, to) = (from.max(low), to.min(high));
                (from <= to).then(|| u64::from(to - from) + 1)
            })
            .sum();
        Some((u64::from(high.saturating_sub(low)) + 1).saturating_sub(reserved))
    }

    fn limits(&self) -> Vec<Limit> {
        const RANGE: &str = "net.ipv4.ip_local_port_range";
        let ports = self.ports();
        let mut limits = Vec::new();
        let mut to: Vec<(&(IpAddr, SocketAddr), &u64)> = self.to.iter().collect();
        to.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for ((from, to), used) in to.iter().take(SHOWN) {
            limits.push(Limit::new(
                "ephemeral ports",
                format!("{from} -> {to}"),
                Some(**used),
                ports,
                RANGE,
            ));
        }
        if to.is_empty() {
            limits.push(Limit::new(
                "ephemeral ports",
                "each destination",
                Some(0),
                ports,
                RANGE,
            ));
        }
        let mut listeners = self.listeners.clone();
        listeners.sort_by_key(|l| {
            (u64::from(l.rqueue) * 1000)
                .checked_div(u64::from(l.wqueue))
                .unwrap_or(0)
        });
        for listener in listeners.iter().rev().take(SHOWN) {
            let (used, max) = (u64::from(listener.rqueue), u64::from(listener.wqueue));
            let of = listener.local.to_string();
            limits.push(Limit::new(
                "listen backlog",
                of,
                Some(used),
                Some(max),
                "listen(2), capped by somaxconn",
            ));
        }
        let backlog = number("sys/net/ipv4/tcp_max_syn_backlog");
        limits.push(Limit::new(
            "syn backlog",
            "namespace",
            Some(self.syn_recv),
            backlog,
            "net.ipv4.tcp_max_syn_backlog",
        ));
        limits
    }
}

/// Everything that can run out; `fill` of connection tracking if it could be asked.
pub fn gather(sockets: &Sockets, processes: &Processes, fill: Option<&Fill>) -> Vec<Limit> {
    let mut limits = vec![machine_files().per_connection()];
    if let Some(fill) = fill {
        let tracked = Limit::new(
            "conntrack",
            "namespace",
            Some(fill.entries),
            fill.max,
            "net.netfilter.nf_conntrack_max",
        );
        // Where nothing is tracked, a connection takes no entry.
        limits.push(if fill.entries > 0 {
            tracked.per_connection()
        } else {
            tracked
        });
    }
    for files in processes.files.iter().take(SHOWN) {
        let of = format!("{}[{}]", files.comm, files.pid);
        limits.push(Limit::new(
            "open files",
            of,
            Some(files.used),
            files.allowed,
            "/proc/PID/limits",
        ));
    }
    limits.extend(sockets.limits());
    limits.push(Limit::new(
        "somaxconn",
        "namespace",
        None,
        number("sys/net/core/somaxconn"),
        "net.core.somaxconn",
    ));
    limits.extend(memory());
    limits.extend(tasks());
    limits
}

fn machine_files() -> Limit {
    let numbers = numbers("sys/fs/file-nr");
    Limit::new(
        "open files",
        "machine",
        numbers.first().copied(),
        numbers.get(2).copied(),
        "fs.file-max",
    )
}

/// What sockstat counts against its limits.
fn memory() -> Vec<Limit> {
    let text = proc_file("net/sockstat").unwrap_or_default();
    let of = |protocol: &str, key: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "))?;
        let mut words = line.split_ascii_whitespace();
        words.find(|word| *word == key)?;
        words.next()?.parse().ok()
    };
    let last = |path: &str| numbers(path).get(2).copied();
    vec![
        Limit::new(
            "tcp memory (pages)",
            "machine",
            of("TCP", "mem"),
            last("sys/net/ipv4/tcp_mem"),
            "net.ipv4.tcp_mem",
        ),
        Limit::new(
            "udp memory (pages)",
            "machine",
            of("UDP", "mem"),
            last("sys/net/ipv4/udp_mem"),
            "net.ipv4.udp_mem",
        ),
        Limit::new(
            "orphans",
            "machine",
            of("TCP", "orphan"),
            number("sys/net/ipv4/tcp_max_orphans"),
            "net.ipv4.tcp_max_orphans",
        ),
        Limit::new(
            "time-wait",
            "namespace",
            of("TCP", "tw"),
            number("sys/net/ipv4/tcp_max_tw_buckets"),
            "net.ipv4.tcp_max_tw_buckets",
        ),
    ]
}

/// Threads and process numbers: a server that starts one per connection needs them.
fn tasks() -> Vec<Limit> {
    let load = proc_file("loadavg").unwrap_or_default();
    let tasks = load
        .split_ascii_whitespace()
        .nth(3)
        .and_then(|word| word.split_once('/')?.1.parse().ok());
    vec![
        Limit::new(
            "threads",
            "machine",
            tasks,
            number("sys/kernel/threads-max"),
            "kernel.threads-max",
        ),
        Limit::new(
            "process numbers",
            "machine",
            tasks,
            number("sys/kernel/pid_max"),
            "kernel.pid_max",
        ),
    ]
}

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
        Some((free, limit)) => format!("{free} more connections fit; then {} run out", name(limit)),
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
