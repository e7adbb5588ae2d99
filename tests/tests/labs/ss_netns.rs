//! `netobs ss` across network namespaces: all of the machine in one call, one by name, those that vanish.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, ensure};
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::tables::{lines, same_lines};
use netobs_tests::traffic::{Process, tcp};
use serde_json::Value;

fn objects(args: &[&str]) -> Result<Vec<Value>> {
    let output = binary::run(args)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{args:?} ended with {}: {said}",
        output.status
    );
    let text = String::from_utf8(output.stdout)?;
    let parse = |line: &str| serde_json::from_str(line).with_context(|| line.to_owned());
    text.lines().map(parse).collect()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A process in the namespace that listens: its port.
fn inhabited(ns: &Netns, comm: &str) -> Result<(Process, u16)> {
    let mut process = Process::spawn(ns, comm, |link| {
        let listener = tcp::listen(any(), 8)?;
        link.say(listener.local_addr()?.port().into())?;
        link.hear().map(drop)
    })?;
    let port = u16::try_from(process.hear()?)?;
    Ok((process, port))
}

#[test]
fn every_namespace_in_one_call() -> Result<()> {
    let mut spaces = Vec::new();
    for place in 0..20 {
        let ns = Netns::new("many")?;
        let (process, port) = inhabited(&ns, &format!("in-{place}"))?;
        spaces.push((ns, process, port));
    }
    let rows = objects(&["ss", "-N", "-lntp", "--json"])?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let key = (row["netns"].as_u64(), row["lport"].as_u64());
        *found.entry(key).or_insert(0) += 1;
    }
    for (ns, process, port) in &spaces {
        let key = (Some(ns.inode()), Some(u64::from(*port)));
        ensure!(
            found.get(&key) == Some(&1),
            "netns {} is told {:?} times",
            ns.inode(),
            found.get(&key)
        );
        let row = rows
            .iter()
            .find(|row| row["lport"].as_u64() == key.1 && row["netns"].as_u64() == key.0);
        let pid = row.and_then(|row| row["pid"].as_u64());
        ensure!(
            pid == Some(u64::from(process.pid())),
            "pid {pid:?} of {}",
            process.pid()
        );
    }
    Ok(())
}

#[test]
fn one_namespace_by_process() -> Result<()> {
    let ns = Netns::new("one")?;
    let (process, port) = inhabited(&ns, "resident")?;
    let pid = process.pid().to_string();
    let rows = objects(&["ss", "--netns", &pid, "-ln", "-t", "--json"])?;
    ensure!(rows.len() == 1, "{} rows", rows.len());
    ensure!(
        rows[0]["lport"].as_u64() == Some(u64::from(port)),
        "{}",
        rows[0]
    );
    ensure!(rows[0]["netns"].as_u64() == Some(ns.inode()), "{}", rows[0]);
    let by_path = objects(&["ss", "--netns", &ns.path(), "-lnt", "--json"])?;
    ensure!(by_path.len() == 1, "by path: {} rows", by_path.len());
    let proc = objects(&["ss", "--netns", &pid, "-lnt", "--json", "--engine", "proc"])?;
    ensure!(proc.len() == 1, "by /proc: {} rows", proc.len());
    Ok(())
}

/// Namespaces that come and go while they are listed are no error.
#[test]
fn vanishing_namespaces() -> Result<()> {
    let stays = Netns::new("stays")?;
    let (process, port) = inhabited(&stays, "stays")?;
    let until = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let churn = scope.spawn(|| -> Result<()> {
            while !until.load(std::sync::atomic::Ordering::Relaxed) {
                let ns = Netns::new("goes")?;
                let process = Process::spawn(&ns, "goes", |link| link.hear().map(drop))?;
                process.kill()?;
            }
            Ok(())
        });
        let looks = (0..20).try_for_each(|_| {
            let rows = objects(&["ss", "-N", "-lnt", "--json"])?;
            let own = rows.iter().filter(|row| {
                row["netns"].as_u64() == Some(stays.inode())
                    && row["lport"].as_u64() == Some(u64::from(port))
            });
            ensure!(own.count() == 1, "the one that stays is not told once");
            Ok(())
        });
        until.store(true, std::sync::atomic::Ordering::Relaxed);
        churn
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        looks
    })?;
    drop(process);
    Ok(())
}

#[test]
fn summary_of_a_namespace() -> Result<()> {
    let ns = Netns::new("summary")?;
    let _held: Vec<TcpListener> =
        ns.run(|| (0..7).map(|_| Ok(tcp::listen(any(), 1)?)).collect())?;
    // The kernel counts sockets that are not bound yet for the whole machine.
    let rows = same_lines(&ns, &["-s"], &["ss", "-s"], |text| lines(text, |_| true))?;
    ensure!(rows == 8, "{rows} lines");
    Ok(())
}
