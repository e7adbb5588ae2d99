//! `netobs ss` while the table changes under it: no socket twice, and all that live through the look are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::sys;
use netobs_tests::traffic::tcp;

const HELD: usize = 1500;
const LOOKS: usize = 30;

fn churn(ns: &Netns, at: SocketAddr, until: &AtomicBool) -> Result<()> {
    ns.run(|| {
        let listener = tcp::listen(at, 128)?;
        let to = listener.local_addr()?;
        while !until.load(Ordering::Relaxed) {
            let client = tcp::Dial::to(to).connect()?;
            let (server, _) = listener.accept()?;
            tcp::abort(client)?;
            drop(server);
        }
        Ok(())
    })
}

/// Local ports with remote ports: what makes a connection.
fn look(ns: &Netns, engine: &str) -> Result<BTreeMap<String, usize>> {
    let text = binary::run_within(ns, &["ss", "-tanH", "--engine", engine])?;
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("LISTEN")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(words.len() == 5, "{line}");
        *rows
            .entry(format!("{} {}", words[3], words[4]))
            .or_insert(0) += 1;
    }
    Ok(rows)
}

fn held(ns: &Netns) -> Result<(Vec<TcpStream>, BTreeSet<String>)> {
    sys::raise_file_limit()?;
    ns.run(|| {
        let listener = tcp::listen(SocketAddr::from(([127, 0, 0, 1], 9000)), 64)?;
        let (mut sockets, mut names) = (Vec::new(), BTreeSet::new());
        for _ in 0..HELD {
            let client = tcp::Dial::to(listener.local_addr()?).connect()?;
            let (server, peer) = listener.accept()?;
            let at = listener.local_addr()?;
            names.insert(format!("{at} {peer}"));
            names.insert(format!("{peer} {at}"));
            sockets.extend([client, server]);
        }
        Ok((sockets, names))
    })
}

fn churned(engine: &str) -> Result<()> {
    let ns = Netns::new("churn")?;
    let (sockets, names) = held(&ns)?;
    let until = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let churning = [1, 2].map(|host| {
            let at = SocketAddr::from(([127, 0, 1, host], 9001));
            let (ns, until) = (&ns, &until);
            scope.spawn(move || churn(ns, at, until))
        });
        let looks = (0..LOOKS).try_for_each(|_| {
            let rows = look(&ns, engine)?;
            let missing = names
                .iter()
                .filter(|name| !rows.contains_key(*name))
                .count();
            ensure!(
                missing == 0,
                "{missing} sockets that were held open are not told"
            );
            let twice: Vec<_> = rows.iter().filter(|(_, count)| **count > 1).collect();
            ensure!(twice.is_empty(), "told twice: {twice:?}");
            Ok(())
        });
        until.store(true, Ordering::Relaxed);
        for thread in churning {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        looks
    })?;
    drop(sockets);
    Ok(())
}

#[test]
fn by_netlink() -> Result<()> {
    churned("netlink")
}

#[test]
fn by_itself() -> Result<()> {
    churned("auto")
}

#[test]
fn by_iterators() -> Result<()> {
    churned("bpf")
}
