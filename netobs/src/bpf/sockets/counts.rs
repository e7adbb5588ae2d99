//! What the kernel counts of TCP in a namespace: whether a walk over files can have missed a socket.

use std::fs;

/// Numbers of the calling thread's network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sockets in the tables, listeners and orphans among them.
    pub in_use: u64,
    /// In TIME-WAIT.
    pub waiting: u64,
    /// Connections opened so far, both ways.
    pub opened: u64,
}

impl Counts {
    /// `None`: /proc does not tell.
    pub fn read() -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).ok();
        let (four, six, snmp) = (read("sockstat")?, read("sockstat6"), read("snmp")?);
        Self::parse(&four, six.as_deref().unwrap_or_default(), &snmp)
    }

    fn parse(four: &str, six: &str, snmp: &str) -> Option<Self> {
        Some(Self {
            in_use: named(four, "TCP:", "inuse")? + named(six, "TCP6:", "inuse").unwrap_or(0),
            waiting: named(four, "TCP:", "tw")?,
            opened: column(snmp, "ActiveOpens")? + column(snmp, "PassiveOpens")?,
        })
    }
}

/// Sockets of all kinds that the calling thread's network namespace has.
pub fn sockets() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/sockstat").ok()?;
    named(&text, "sockets:", "used")
}

/// The number after `name` in the line that begins with `line`.
fn named(text: &str, line: &str, name: &str) -> Option<u64> {
    let mut words = text
        .lines()
        .find_map(|l| l.strip_prefix(line))?
        .split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// A number of the two lines of `Tcp:`, names above values.
fn column(snmp: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let place = lines.next()?.split_whitespace().position(|n| n == name)?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: &str =
        "sockets: used 9\nTCP: inuse 5 orphan 1 tw 3 alloc 8 mem 0\nUDP: inuse 1 mem 0\n";
    const SIX: &str = "TCP6: inuse 2\nUDP6: inuse 1\n";
    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 7 4\n";

    #[test]
    fn both_families_are_added() {
        let counts = Counts::parse(FOUR, SIX, SNMP).unwrap();
        let expected = Counts {
            in_use: 7,
            waiting: 3,
            opened: 11,
        };
        assert_eq!(counts, expected);
        // A kernel without IPv6.
        assert_eq!(Counts::parse(FOUR, "", SNMP).unwrap().in_use, 5);
        assert_eq!(named(FOUR, "sockets:", "used"), Some(9));
    }

    #[test]
    fn what_is_missing_is_no_zero() {
        assert_eq!(Counts::parse("UDP: inuse 1\n", SIX, SNMP), None);
        assert_eq!(Counts::parse(FOUR, SIX, "Tcp: ActiveOpens\n"), None);
        assert_eq!(Counts::parse(FOUR, SIX, "Tcp: A\nTcp: -1\n"), None);
    }
}
