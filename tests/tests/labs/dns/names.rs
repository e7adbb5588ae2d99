//! Names to addresses: what the C library finds in the same namespace, we find.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use netobs_tests::host::Host;

use super::fixture::{ask, host};
use crate::support::{ended_with, have, objects, said};

/// Addresses by the C library.
fn getent(host: &Host, database: &str, name: &str) -> Result<BTreeSet<String>> {
    let output = host.tool("getent", &[database, name], "")?;
    let text = String::from_utf8(output.stdout)?;
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(text.lines().filter_map(first).collect())
}

/// Addresses that `netobs http` tries for a name; the port is closed, so it tries all.
fn tried(host: &Host, family: &[&str], name: &str) -> Result<BTreeSet<String>> {
    let url = format!("http://{name}:9/");
    let output = host.netobs("http", &[family, &[&url, "--json"]].concat())?;
    let all = objects(&output)?;
    let addresses = all.iter().filter_map(|row| row["addresses"].as_array());
    let addresses = addresses.flatten().filter_map(|a| a.as_str());
    Ok(addresses.map(str::to_owned).collect())
}

fn agree(host: &Host, names: &[&str]) -> Result<()> {
    for name in names {
        for (family, database) in [("-4", "ahostsv4"), ("-6", "ahostsv6")] {
            // ahostsv6 maps IPv4 addresses when there are no others.
            let truth = getent(host, database, name)?;
            let truth: BTreeSet<String> = truth
                .into_iter()
                .filter(|a| !a.starts_with("::ffff:"))
                .collect();
            let ours = tried(host, &[family], name)?;
            ensure!(
                ours == truth,
                "{name} {family}: getent {truth:?}, netobs {ours:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn as_the_c_library() -> Result<()> {
    if !have(&["getent"])? {
        return Ok(());
    }
    let Some(host) = host()? else { return Ok(()) };
    let names = [
        "www",
        "alias",
        "www.lab.example",
        "www.lab.example.",
        "www.",
        "nosuch",
        "x.wild",
        "filed",
        "FILED",
        "two.words",
    ];
    for resolv in [
        "nameserver 127.0.0.1\nsearch lab.example\noptions timeout:1 attempts:1\n",
        "nameserver 127.0.0.1\nsearch nosuch.example lab.example\noptions timeout:1 attempts:1 ndots:3\n",
        // The first server is not there: the second one is asked.
        "nameserver 127.0.0.9\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    ] {
        host.etc("resolv.conf", resolv)?;
        for order in [
            "files dns",
            "dns files",
            "files",
            "dns [NOTFOUND=return] files",
        ] {
            host.etc("nsswitch.conf", &format!("hosts: {order}\n"))?;
            host.etc(
                "hosts",
                "127.0.0.1 localhost\n10.1.1.1 filed two.words www # comment\nfd00::1 filed\n",
            )?;
            agree(&host, &names)?;
        }
    }
    Ok(())
}

#[test]
fn the_search_list_is_shown() -> Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    host.etc(
        "resolv.conf",
        "nameserver 127.0.0.1\nsearch sub2.lab.example lab.example\noptions timeout:1 attempts:1\n",
    )?;
    let (asked, _) = ask(&host, &["www", "+search"])?;
    let names: Vec<&str> = asked.iter().filter_map(|a| a["name"].as_str()).collect();
    ensure!(
        names == ["www.sub2.lab.example.", "www.lab.example."],
        "{names:?}"
    );
    let hint = host.netobs("dns", &["nosuch.lab.example"])?;
    ensure!(said(&hint).contains("+search"), "{}", said(&hint));
    let unknown = host.netobs("tls", &["nosuch.lab.example"])?;
    ended_with(&unknown, 1)?;
    let text = said(&unknown);
    ensure!(text.contains("NXDOMAIN from 127.0.0.1:53"), "{text}");
    ensure!(
        text.contains("nosuch.lab.example.sub2.lab.example."),
        "{text}"
    );
    ensure!(text.trim_end().lines().count() == 1, "{text}");
    Ok(())
}
