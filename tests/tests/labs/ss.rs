//! `netobs ss` beside ss: the same sockets, states, queues, addresses and details in a namespace with all kinds.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use netobs_tests::machine;
use netobs_tests::tables::{Lines, same, same_lines, same_words};
use netobs_tests::traffic::zoo::{Zoo, has_mptcp};

/// Every TCP state is there, or the lab proves nothing.
#[test]
fn every_state_is_in_the_lab() -> Result<()> {
    let zoo = Zoo::new()?;
    let said = zoo.ns.tool("ss", &["-tanH"], "")?;
    let states: BTreeSet<&str> = said.lines().filter_map(|l| l.split(' ').next()).collect();
    let all = [
        "CLOSE-WAIT",
        "CLOSING",
        "ESTAB",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "LAST-ACK",
        "LISTEN",
        "SYN-RECV",
        "SYN-SENT",
        "TIME-WAIT",
    ];
    ensure!(states == BTreeSet::from(all), "the lab has {states:?}");
    ensure!(
        said.lines().count() > Zoo::rows(2000),
        "only {} sockets",
        said.lines().count()
    );
    Ok(())
}

/// Whether the arguments are for a table that this kernel does not have.
fn lacks(args: &[&str]) -> bool {
    args[0].starts_with("-M") && !has_mptcp()
}

/// Every table, by which kernels differ.
const TABLES: [&[&str]; 9] = [
    &["-tanH"],
    &["-uanH"],
    &["-xaH"],
    &["-wanH"],
    &["-0anH"],
    &["-ManH"],
    &["-4anH"],
    &["-6anH"],
    &["-lnH", "-A", "all,!netlink"],
];
/// Flags that pick among rows and columns, which is our own work.
const FLAGS: [&[&str]; 24] = [
    &["-tan"],
    &["-tn"],
    &["-H"],
    &["-nH"],
    &["-lnt"],
    &["-lntH"],
    &["-uan"],
    &["-unH"],
    &["-taH"],
    &["-uaH"],
    &["-xlH"],
    &["-xH"],
    &["-waH"],
    &["-0aH"],
    &["-4tnH"],
    &["-6lH"],
    &["-tuanH"],
    &["-f", "inet6", "-anH"],
    &["-f", "unix", "-aH"],
    &["-A", "tcp,udp", "-anH"],
    &["-A", "inet,!udp", "-anH"],
    &["-A", "u_str,packet", "-anH"],
    &["-rtlH"],
    &["-tanH", "-O"],
];

#[test]
fn listings_are_those_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    let flags: &[_] = if machine::is_bare() { &[] } else { &FLAGS };
    for args in TABLES.iter().chain(flags) {
        let rows = same(&zoo.ns, args)?;
        ensure!(rows > 0 || lacks(args), "{args:?} shows nothing: no test");
    }
    Ok(())
}

/// Netlink sockets come and go with the programs that ask: theirs and ours are left out.
#[test]
fn everything_is_what_ss_shows() -> Result<()> {
    let zoo = Zoo::new()?;
    let own = |word: &str| !word.starts_with("tcpdiag:") && !word.starts_with("4:");
    let rows = same_words(&zoo.ns, &["-anH", "-A", "all,!netlink"], own)?;
    ensure!(rows > Zoo::rows(3000), "only {rows} sockets");
    Ok(())
}

#[test]
fn details_are_those_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    // Timers run on between two looks; ss 6.1 takes the kernel's device numbers apart as if they were glibc's.
    let still = |word: &str| !word.starts_with("timer:") && !word.starts_with("dev:");
    for args in [
        &["-taneH"][..],
        &["-uaneH"],
        &["-xaeH"],
        &["-0aeH"],
        &["-tamnH"],
        &["-uamnH"],
        &["-xamH"],
        &["-0amnH"],
        &["-tan", "--tos", "-H"],
        &["-tan", "--cgroup", "-H"],
        &["-tan", "--inet-sockopt", "-H"],
        &["-ManiH"],
        &["-xapH"],
        &["-uanpH"],
        &["-wanpH"],
        &["-0anpH"],
    ] {
        ensure!(
            same_words(&zoo.ns, args, still)? > 0 || lacks(args),
            "{args:?} shows nothing"
        );
    }
    Ok(())
}

#[test]
fn timers_have_the_names_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    let kind = |text: &str| -> Vec<String> {
        let words = text
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("timer:("));
        let mut kinds: Vec<_> = words
            .map(|word| word.split(',').next().unwrap_or_default().to_owned())
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let theirs = zoo.ns.tool("ss", &["-tanoH"], "")?;
    let ours = netobs_tests::netobs::binary::run_within(&zoo.ns, &["ss", "-tanoH"])?;
    ensure!(
        kind(&theirs) == kind(&ours),
        "{:?} {:?}",
        kind(&theirs),
        kind(&ours)
    );
    ensure!(
        kind(&ours).iter().any(|k| k == "timewait"),
        "no timer of TIME-WAIT"
    );
    Ok(())
}

/// Newer words than Debian's ss knows, and clocks that run on.
fn comparable(word: &str) -> bool {
    const NOT: [&str; 9] = [
        "lastsnd:",
        "lastrcv:",
        "lastack:",
        "rcv_wnd:",
        "rehash:",
        "total_rto",
        "backlog:",
        "timer:",
        "busy:",
    ];
    !NOT.iter().any(|prefix| word.starts_with(prefix))
}

#[test]
fn tcp_info_is_that_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    for args in [
        &["-tniH", "sport", "=", ":9010"][..],
        &["-tiH", "dport", "=", ":9011"],
        &["-tnieoH", "sport", "=", ":9010"],
        &["-lntiH"],
        &["-tnimH", "-O", "sport", "=", ":9011"],
    ] {
        ensure!(
            same_words(&zoo.ns, args, comparable)? > 2,
            "{args:?} shows nothing"
        );
    }
    Ok(())
}

/// Without netlink and eBPF the same sockets are told.
#[test]
fn proc_tells_the_same_sockets() -> Result<()> {
    let zoo = Zoo::new()?;
    // Only netlink knows the backlog allowed, the interface, and that a socket takes IPv6 only.
    let read = |text: &str| {
        let mut rows = Lines::new();
        for line in text.lines() {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if words[0] == "LISTEN" {
                words.remove(2);
            }
            let line = words
                .join(" ")
                .replace("%d0", "")
                .replace("%lo", "")
                .replace("[::]", "*");
            *rows.entry(line).or_default() += 1;
        }
        rows
    };
    for flags in ["-tanH", "-uanH"] {
        let rows = same_lines(&zoo.ns, &[flags], &["ss", flags, "--engine", "proc"], read)?;
        ensure!(rows > Zoo::rows(1000), "{flags}: only {rows} sockets");
    }
    Ok(())
}

/// Names of hosts: an IPv4 address that IPv6 carries has the one it has there.
#[test]
fn hosts_go_by_name() -> Result<()> {
    let zoo = Zoo::new()?;
    // The one name that every hosts file has.
    let loopback = ["-tarH", "src", "127.0.0.1", "dst", "127.0.0.1"];
    let mapped = ["-tarH", "src", "[::ffff:127.0.0.1]"];
    for args in [&loopback[..], &mapped] {
        ensure!(
            same_words(&zoo.ns, args, |_| true)? > 0,
            "{args:?} shows nothing"
        );
    }
    Ok(())
}
