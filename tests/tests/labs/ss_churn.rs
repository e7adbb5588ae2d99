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

/// How often each connection was told, by both its ends, and how often with this process.
#[derive(Default)]
struct Told {
    times: usize,
    ours: usize,
    processes: String,
}

fn look(ns: &Netns, flags: &str, engine: &str) -> Result<BTreeMap<String, Told>> {
    let text = binary::run_within(ns, &["ss", flags, "--engine", engine])?;
    let own = format!("pid={},", std::process::id());
    let mut rows: BTreeMap<String, Told> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("LISTEN")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let processes = words.get(5).copied().unwrap_or_default();
        ensure!(
            words.len() >= 5 && (flags.contains('p') || words.len() == 5),
            "{line}"
        );
        let told = rows
            .entry(format!("{} {}", words[3], words[4]))
            .or_default();
        told.times += 1;
        told.ours += usize::from(processes.contains(&own));
        processes.clone_into(&mut told.processes);
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

fn churned(flags: &str, engine: &str) -> Result<()> {
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
            let rows = look(&ns, flags, engine)?;
            let missing = names.iter().filter(|name| !rows.contains_key(*name));
            let missing = missing.count();
            ensure!(missing == 0, "{missing} sockets that were held open are not told");
            let alone: Vec<&String> = rows
                .iter()
                .filter(|(name, told)| names.contains(*name) && told.ours == 0)
                .map(|(_, told)| &told.processes)
                .collect();
            ensure!(
                !flags.contains('p') || alone.is_empty(),
                "{} sockets that were held open are told without their process, the first with {:?}",
                alone.len(),
                alone[0]
            );
            let twice = rows.iter().filter(|(_, told)| told.times > 1);
            let twice: Vec<&String> = twice.map(|(name, _)| name).collect();
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
    churned("-tanH", "netlink")
}

#[test]
fn by_itself() -> Result<()> {
    churned("-tanH", "auto")
}

#[test]
fn by_iterators() -> Result<()> {
    churned("-tanH", "bpf")
}

#[test]
fn with_processes_by_netlink() -> Result<()> {
    churned("-tanpH", "netlink")
}

/// So many sockets that iterators are taken.
#[test]
fn with_processes_by_itself() -> Result<()> {
    churned("-tanpH", "auto")
}

#[test]
fn with_processes_by_iterators() -> Result<()> {
    churned("-tanpH", "bpf")
}
