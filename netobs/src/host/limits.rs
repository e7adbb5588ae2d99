//! How much of each limit is used: what new connections need, and what runs out first.

use super::{number, numbers, proc_file, processes::Processes, sockets::Sockets};
use crate::netlink::conntrack::{Fill, percent};
use serde::Serialize;

/// Destinations, listeners and processes shown: the fullest.
pub const SHOWN: usize = 5;

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
    pub fn new(
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

    #[must_use]
    pub fn per_connection(mut self) -> Self {
        self.per_connection = true;
        self
    }
}

/// Settings of the whole machine that only the first network namespace shows: read before another one is entered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    tcp_memory: Option<u64>,
    udp_memory: Option<u64>,
    orphans: Option<u64>,
    /// IPv4, IPv6.
    neighbours: [Option<u64>; 2],
}

impl Machine {
    pub fn read() -> Self {
        let last = |path: &str| numbers(path).get(2).copied();
        Self {
            tcp_memory: last("sys/net/ipv4/tcp_mem"),
            udp_memory: last("sys/net/ipv4/udp_mem"),
            orphans: number("sys/net/ipv4/tcp_max_orphans"),
            neighbours: ["ipv4", "ipv6"]
                .map(|family| number(&format!("sys/net/{family}/neigh/default/gc_thresh3"))),
        }
    }
}

/// Everything that can run out; `fill` of connection tracking if it could be asked.
pub fn gather(
    machine: &Machine,
    sockets: &Sockets,
    processes: &Processes,
    fill: Option<&Fill>,
) -> Vec<Limit> {
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
    limits.extend(memory(machine));
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
fn memory(machine: &Machine) -> Vec<Limit> {
    let text = proc_file("net/sockstat").unwrap_or_default();
    let of = |protocol: &str, key: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "))?;
        let mut words = line.split_ascii_whitespace();
        words.find(|word| *word == key)?;
        words.next()?.parse().ok()
    };
    vec![
        Limit::new(
            "tcp memory (pages)",
            "machine",
            of("TCP", "mem"),
            machine.tcp_memory,
            "net.ipv4.tcp_mem",
        ),
        Limit::new(
            "udp memory (pages)",
            "machine",
            of("UDP", "mem"),
            machine.udp_memory,
            "net.ipv4.udp_mem",
        ),
        Limit::new(
            "orphans",
            "machine",
            of("TCP", "orphan"),
            machine.orphans,
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

/// The tables of neighbours, shared by all namespaces: a full one answers ENOBUFS. `used` are those of the namespace, IPv4 and IPv6.
pub fn neighbours(machine: &Machine, used: [u64; 2]) -> Vec<Limit> {
    const OF: [(&str, &str); 2] = [
        ("namespace, IPv4", "net.ipv4.neigh.default.gc_thresh3"),
        ("namespace, IPv6", "net.ipv6.neigh.default.gc_thresh3"),
    ];
    let counted = OF.iter().zip(used).zip(machine.neighbours);
    counted
        .map(|(((of, source), used), max)| Limit::new("neighbours", *of, Some(used), max, source))
        .collect()
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
