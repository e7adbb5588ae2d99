//! How many sockets there are, by the kernel's own counters: `ss -s`.

use crate::socket::{Table, Want};
use std::{fs, io};

/// /proc/net/sockstat and sockstat6, and what /proc/net/snmp adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub total: u64,
    pub tcp_total: u64,
    pub tcp_established: u64,
    pub tcp_orphaned: u64,
    pub tcp_timewait: u64,
    /// Pages.
    pub tcp_memory: u64,
    pub tcp4: u64,
    pub tcp6: u64,
    pub udp4: u64,
    pub udp6: u64,
    pub udplite4: u64,
    pub udplite6: u64,
    pub raw4: u64,
    pub raw6: u64,
    pub frag4: u64,
    pub frag6: u64,
}

impl Summary {
    /// Of the namespace of the calling thread.
    pub fn read() -> io::Result<Self> {
        let mut summary = Self::read_sockstat()?;
        summary.tcp_established = established(&open("snmp")?);
        Ok(summary)
    }

    fn read_sockstat() -> io::Result<Self> {
        let mut summary = Self::default();
        summary.sockstat(&open("sockstat")?);
        // A kernel without IPv6 has no sockstat6.
        summary.sockstat(&open("sockstat6").unwrap_or_default());
        Ok(summary)
    }

    fn sockstat(&mut self, text: &str) {
        for line in text.lines() {
            let Some((id, rest)) = line.split_once(':') else {
                continue;
            };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let value = |name: &str| -> u64 {
                let pair = words.chunks_exact(2).find(|pair| pair[0] == name);
                pair.and_then(|pair| pair[1].parse().ok()).unwrap_or(0)
            };
            let in_use = value("inuse");
            match id {
                "sockets" => self.total = value("used"),
                "TCP" => {
                    self.tcp4 = in_use;
                    self.tcp_orphaned = value("orphan");
                    self.tcp_timewait = value("tw");
                    self.tcp_total = value("alloc");
                    self.tcp_memory = value("mem");
                }
                "TCP6" => self.tcp6 = in_use,
                "UDP" => self.udp4 = in_use,
                "UDP6" => self.udp6 = in_use,
                "UDPLITE" => self.udplite4 = in_use,
                "UDPLITE6" => self.udplite6 = in_use,
                "RAW" => self.raw4 = in_use,
                "RAW6" => self.raw6 = in_use,
                "FRAG" => self.frag4 = in_use,
                "FRAG6" => self.frag6 = in_use,
                _ => {}
            }
        }
    }

    /// Sockets that are made and in no table.
    pub fn tcp_closed(&self) -> i64 {
        let signed = u64::cast_signed;
        let hashed = signed(self.tcp4) + signed(self.tcp6) - signed(self.tcp_timewait);
        signed(self.tcp_total) - hashed
    }
}

fn open(name: &str) -> io::Result<String> {
    fs::read_to_string(format!("/proc/thread-self/net/{name}"))
}

/// What is wanted without the tables that are empty: of many namespaces most are, and the kernel's tables are common to all,
/// so that a dump of an empty one costs as much as the machine's is large.
pub fn occupied(want: &Want) -> Want {
    let mut occupied = want.clone();
    let Ok(s) = Summary::read_sockstat() else {
        return occupied;
    };
    let tables: [(u64, &[Table]); 4] = [
        // A connection request has a listener, and an MPTCP socket a TCP one.
        (
            s.tcp4 + s.tcp6 + s.tcp_timewait,
            &[Table::Tcp, Table::Mptcp],
        ),
        (s.udp4 + s.udp6, &[Table::Udp]),
        (s.udplite4 + s.udplite6, &[Table::UdpLite]),
        (s.raw4 + s.raw6, &[Table::Raw]),
    ];
    for (_, empty) in tables.iter().filter(|(count, _)| *count == 0) {
        for table in *empty {
            occupied.tables = occupied.tables.without(*table);
        }
    }
    occupied
}

/// `CurrEstab` of the two lines that begin with `Tcp:`.
fn established(snmp: &str) -> u64 {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return 0;
    };
    let pairs = names.split_whitespace().zip(values.split_whitespace());
    let found = pairs.into_iter().find(|(name, _)| *name == "CurrEstab");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_both_files() {
        let mut summary = Summary::default();
        summary.sockstat(
            "sockets: used 9\nTCP: inuse 5 orphan 1 tw 2 alloc 7 mem 3\nUDP: inuse 2 mem 0\n",
        );
        summary.sockstat("TCP6: inuse 1\nbad\n");
        assert_eq!(
            (summary.total, summary.tcp_timewait, summary.udp4),
            (9, 2, 2)
        );
        assert_eq!(summary.tcp_closed(), 3);
        assert_eq!(established("Tcp: A CurrEstab\nTcp: 1 4\n"), 4);
        assert_eq!(established(""), 0);
    }
}
