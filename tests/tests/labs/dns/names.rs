//! Names to addresses: what the C library finds in the same namespace, we find.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use netobs_tests::host::Host;

use super::fixture::{ask, host};
use crate::support::{ended_with, have, objects, said};

/// `getaddrinfo(3)` of the C library, for names and a family: a line of addresses for each, in its order.
const RESOLVE: &str = "
import socket, sys
for name in sys.argv[2:]:
    try:
        found = socket.getaddrinfo(name, 9, int(sys.argv[1]), socket.SOCK_STREAM)
    except OSError:
        found = []
    print(*[address[4][0] for address in found])
";

fn libc(host: &Host, family: &str, names: &[&str]) -> Result<Vec<Vec<String>>> {
    let output = host.tool("python3", &[&["-c", RESOLVE, family], names].concat(), "")?;
    ended_with(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Ok(text.lines().map(words).collect())
}

/// Addresses that `netobs http` tries for a name, in its order; the port is closed, so it tries all.
fn tried(host: &Host, family: &[&str], name: &str) -> Result<Vec<String>> {
    let url = format!("http://{name}:9/");
    let output = host.netobs("http", &[family, &[&url, "--json"]].concat())?;
    let all = objects(&output)?;
    let addresses = all.iter().filter_map(|row| row["addresses"].as_array());
    let addresses = addresses.flatten().filter_map(|a| a.as_str());
    Ok(addresses.map(str::to_owned).collect())
}

fn agree(host: &Host, names: &[&str]) -> Result<()> {
    for (ours, theirs) in [(&["-4"][..], "2"), (&["-6"], "10"), (&[], "0")] {
        let truth = libc(host, theirs, names)?;
        for (name, truth) in names.iter().zip(truth) {
            let found = tried(host, ours, name)?;
            // Servers may rotate equals.
            let set = |all: &[String]| all.iter().cloned().collect::<BTreeSet<_>>();
            ensure!(
                set(&found) == set(&truth),
                "{name} {ours:?}: libc {truth:?}, netobs {found:?}"
            );
            let v6 = |all: &[String]| all.iter().map(|a| a.contains(':')).collect::<Vec<_>>();
            ensure!(
                v6(&found) == v6(&truth),
                "{name}: order of libc {truth:?}, netobs {found:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn as_the_c_library() -> Result<()> {
    if !have(&["python3"])? {
        return Ok(());
    }
    let Some(host) = host()? else { return Ok(()) };
    // The order of addresses depends on those that we have.
    for ip in ["10.255.0.1/32", "fd00:255::1/128"] {
        ended_with(&host.tool("ip", &["addr", "add", ip, "dev", "lo"], "")?, 0)?;
    }
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
            "files mdns4_minimal [NOTFOUND=return] dns",
            "dns [NOTFOUND=return] files",
            "dns [!UNAVAIL=return] files",
        ] {
            host.etc("nsswitch.conf", &format!("hosts: {order}\n"))?;
            host.etc(
                "hosts",
                "127.0.0.1 localhost\n10.1.1.1 filed two.words www # comment\nfd00::1 filed\n",
            )?;
            agree(&host, &names).with_context(|| format!("{order}: {resolv}"))?;
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
