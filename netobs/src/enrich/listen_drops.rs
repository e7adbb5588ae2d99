//! What listeners truly lost, where they can only be asked: `sk_drops` of a listener also counts SYNs that came again,
//! so its growth is held against the namespace's own `TcpExtListenDrops`.

use crate::netns;
use std::{collections::HashMap, fs, os::unix::fs::MetadataExt as _};

/// The account of one network namespace.
#[derive(Clone, Copy, Default)]
struct Account {
    /// `TcpExtListenDrops` as last read.
    last: u64,
    /// Lost, and not told yet.
    open: u64,
}

/// Accounts by the inode number of the namespace.
#[derive(Default)]
pub struct ListenDrops {
    accounts: HashMap<u32, Account>,
}

impl ListenDrops {
    /// Opens the accounts of the namespaces that have listeners now: what was lost before is not ours to tell.
    pub fn open(&mut self, listeners: impl Iterator<Item = (u32, u32)>) {
        for (netns, pid) in listeners {
            if !self.accounts.contains_key(&netns)
                && let Some(last) = read(netns, pid)
            {
                self.accounts.insert(netns, Account { last, open: 0 });
            }
        }
    }

    /// How much of a listener's `growth` was lost. `pid` is its owner; where the process is gone or elsewhere, the
    /// namespace is asked by another way. The growth is believed where the namespace is gone too.
    pub fn settle(&mut self, netns: u32, pid: Option<u32>, growth: u32) -> u32 {
        let lost = pid.and_then(|pid| read(netns, pid));
        match lost.or_else(|| read_anyhow(netns)) {
            Some(now) => self.book(netns, now, growth),
            None => growth,
        }
    }

    fn book(&mut self, netns: u32, now: u64, growth: u32) -> u32 {
        // A namespace without account had no listener when we began.
        let account = self.accounts.entry(netns).or_default();
        account.open += now.saturating_sub(account.last);
        account.last = now;
        let lost = account.open.min(u64::from(growth));
        account.open -= lost;
        u32::try_from(lost).unwrap_or(growth)
    }
}

/// `TcpExtListenDrops` of a network namespace that one of the process's threads is in.
fn read(netns: u32, pid: u32) -> Option<u64> {
    let task = in_namespace(netns, format!("/proc/{pid}"))
        .or_else(|| threads(pid).find_map(|task| in_namespace(netns, task)))?;
    counter(&fs::read_to_string(format!("{task}/net/netstat")).ok()?)
}

/// The same without knowing a process in it: our own namespace, or any that has a name or a process. The search goes
/// over all processes, for a listener that lost something and is gone with its process.
fn read_anyhow(netns: u32) -> Option<u64> {
    const OWN: &str = "/proc/thread-self";
    if in_namespace(netns, OWN.to_owned()).is_some() {
        return counter(&fs::read_to_string(format!("{OWN}/net/netstat")).ok()?);
    }
    let machine = netns::machine().ok()?;
    let found = machine.found.iter().find(|found| found.inode() == netns)?;
    let netstat = found.run(|| fs::read_to_string(format!("{OWN}/net/netstat")));
    counter(&netstat.ok()?.ok()?)
}

/// A process seldom has threads in several namespaces, and never many.
const THREADS: usize = 256;

fn threads(pid: u32) -> impl Iterator<Item = String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .take(THREADS)
        .map(|task| task.path().to_string_lossy().into_owned())
}

fn in_namespace(netns: u32, task: String) -> Option<String> {
    let inode = fs::metadata(format!("{task}/ns/net")).ok()?.ino();
    (inode == u64::from(netns)).then_some(task)
}

/// A line of names, then one of values.
fn counter(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let at = lines
        .next()?
        .split(' ')
        .position(|name| name == "ListenDrops")?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\n\
                           TcpExt: 0 3 17 5\nIpExt: InNoRoutes\nIpExt: 1\n";

    #[test]
    fn the_counter_is_found_by_name() {
        assert_eq!(counter(NETSTAT), Some(17));
        assert_eq!(counter("TcpExt: A\nTcpExt: 1\n"), None);
        assert_eq!(counter(""), None);
    }

    #[test]
    fn growth_counts_as_far_as_the_namespace_lost() {
        let mut drops = ListenDrops::default();
        drops.accounts.insert(1, Account { last: 100, open: 0 });
        // Five lost, seven repeated SYNs.
        assert_eq!(drops.book(1, 105, 12), 5);
        assert_eq!(drops.book(1, 105, 12), 0);
        // Lost after the listener was asked, told at the next look.
        assert_eq!(drops.book(1, 109, 3), 3);
        assert_eq!(drops.book(1, 109, 1), 1);
        // A namespace that came after us.
        assert_eq!(drops.book(2, 4, 6), 4);
    }
}
