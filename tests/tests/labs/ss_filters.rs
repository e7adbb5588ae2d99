//! Filters of `netobs ss`: each state and each of a long list of expressions picks the sockets that ss picks.

use anyhow::{Result, ensure};
use netobs_tests::cgroup;
use netobs_tests::tables::same;
use netobs_tests::traffic::zoo::Zoo;

#[test]
fn every_state() -> Result<()> {
    let zoo = Zoo::new()?;
    for state in [
        "established",
        "syn-sent",
        "syn-recv",
        "syn-rcv",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "closed",
        "close-wait",
        "last-ack",
        "listening",
        "closing",
        "all",
        "connected",
        "synchronized",
        "bucket",
        "big",
        "ESTABLISHED",
        "close",
        "unconnected",
    ] {
        for flag in ["-tnH", "-unH", "-xH"] {
            same(&zoo.ns, &[flag, "state", state])?;
            if state != "all" {
                same(&zoo.ns, &[flag, "exclude", state])?;
            }
        }
    }
    for words in [
        &["state", "established", "state", "listening"][..],
        &["exclude", "established", "exclude", "time-wait"],
        &["state", "connected", "exclude", "syn-sent"],
        &["excl", "listening", "sport", "=", ":9010"],
    ] {
        let args: Vec<&str> = std::iter::once("-tnH")
            .chain(words.iter().copied())
            .collect();
        ensure!(same(&zoo.ns, &args)? > 0, "{args:?} shows nothing");
    }
    Ok(())
}

/// Expressions that some socket of the lab matches.
const MATCHING: [&str; 62] = [
    "sport = :22",
    "sport = :ssh",
    "sport = ssh",
    "sport :22",
    "sport eq 22",
    "sport == :22",
    "dport = :9010",
    "dport != :9010",
    "dport ne 9010",
    "dport neq :9010",
    "not dport = :9010",
    "! dport = :9010",
    "sport gt 1024",
    "sport > :1024",
    "sport ge :9010",
    "sport >= :9010",
    "sport geq 9010",
    "sport lt :1024",
    "sport < 1024",
    "sport le :443",
    "sport <= :443",
    "sport leq :443",
    "sport = 0x16",
    "dst 127.0.0.1",
    "dst = 127.0.0.1",
    "dst 127.0.0.0/8",
    "dst 127/8",
    "dst 127.0.0.1:9010",
    "dst 127.0.0.1:*",
    "dst *:9010",
    "dst :9010",
    "src :22",
    "src 127.0.0.1:22",
    "src 127.0.0.1:ssh",
    "src [::1]:9010",
    "src [::1]",
    "src ::1/128",
    "src ::/0",
    "dst 0.0.0.0/0",
    "dst ::ffff:0.0.0.0/96",
    "dst [::ffff:127.0.0.1]",
    "src fe80::/10",
    "src [fe80::1]:9020",
    "src inet:127.0.0.1",
    "src inet6:::1/128",
    "dst any",
    "src localhost",
    "( dport = :9010 or sport = :9010 ) and not src [::1]",
    "( sport = :22 or sport = :80 or sport = :443 )",
    "sport = :22 | sport = :80",
    "sport = :22 || sport = :80",
    "sport >= :9000 & sport <= :9012",
    "sport >= :9000 && sport <= :9012",
    "sport >= :9000 sport <= :9012",
    "sport = :22 or sport = :80 and sport = :80",
    "not ( sport = :22 or dport = :9010 )",
    "! ( sport = :22 ) and ! ( dport = :9010 )",
    "dev lo",
    "dev = lo and sport = :9012",
    "dev != lo and sport >= :9000",
    "fwmark = 0x3",
    "fwmark 0x1/0x1",
];

/// Expressions without a match, and those of sockets that are not inet.
const OTHERS: [&str; 12] = [
    "sport = :1",
    "dst 192.0.2.1",
    "dst 2001:db8::/32",
    "dev d0",
    "dev != d0",
    "fwmark != 0",
    "fwmark 0x100/0xff00",
    "autobound",
    "not autobound",
    "autobound and dport = :9010",
    "not autobound or dport = :9011",
    "sport = :22 or sport = :1",
];

/// Names of services need a list of them, which a bare machine lacks.
fn readable(expression: &str) -> bool {
    !expression.contains("ssh") || std::path::Path::new("/etc/services").exists()
}

fn compare(zoo: &Zoo, flags: &[&str], expression: &str) -> Result<usize> {
    let args: Vec<&str> = flags.iter().copied().chain(expression.split(' ')).collect();
    same(&zoo.ns, &args)
}

#[test]
fn every_expression() -> Result<()> {
    let zoo = Zoo::new()?;
    for expression in MATCHING.into_iter().filter(|e| readable(e)) {
        let rows = compare(&zoo, &["-tanH"], expression)?;
        ensure!(rows > 0, "`{expression}` shows nothing: no test");
    }
    for expression in OTHERS {
        compare(&zoo, &["-tanH"], expression)?;
    }
    let root = cgroup::mount()?.to_string_lossy().into_owned();
    for expression in [
        "cgroup ROOT",
        "not cgroup ROOT",
        "cgroup = ROOT or sport = :22",
    ] {
        compare(&zoo, &["-tanH"], &expression.replace("ROOT", &root))?;
    }
    Ok(())
}

#[test]
fn expressions_of_other_tables() -> Result<()> {
    let zoo = Zoo::new()?;
    // A name of a TCP service is no port of UDP.
    let both = MATCHING
        .into_iter()
        .filter(|expression| !expression.contains("ssh"));
    for expression in both.chain(OTHERS) {
        compare(&zoo, &["-uanH"], expression)?;
    }
    for expression in [
        "src *zoo*",
        "src @zoo*",
        "src @ZOO*",
        "src unix:@zoo*",
        "not src @zoo*",
        "autobound",
        "src @zoo/*/?",
        "src @zoo*/[0-4] or src @zoo*/d*",
        "dst *",
    ] {
        ensure!(
            compare(&zoo, &["-xaH"], expression)? > 0,
            "`{expression}` shows nothing"
        );
    }
    for expression in [
        "src link:*:*",
        "src link:ip:*",
        "src link:2048",
        "autobound",
    ] {
        compare(&zoo, &["-0anH"], expression)?;
    }
    Ok(())
}

/// As an administrator types them: one argument, quoted.
#[test]
fn one_argument_or_many() -> Result<()> {
    let zoo = Zoo::new()?;
    let quoted = "( dport = :9010 or sport = :9010 ) and not src [::1]";
    ensure!(
        same(&zoo.ns, &["-tnH", quoted])? > 0,
        "the quoted filter shows nothing"
    );
    ensure!(
        same(&zoo.ns, &["-tnH", "state", "established", quoted])? > 0,
        "the quoted filter after a state shows nothing"
    );
    same(&zoo.ns, &["-tnH", "state", "listening", "( sport = :22 )"]).map(drop)
}
