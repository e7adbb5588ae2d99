//! `netobs ss --engine bpf` beside ss: the same sockets with the same processes, while descriptors are copied, passed and
//! closed under it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use netobs_tests::machine;
use netobs_tests::netns::Netns;
use netobs_tests::netobs::binary;
use netobs_tests::sys;
use netobs_tests::tables::{lines, same_lines};
use netobs_tests::traffic::zoo::{Zoo, has_mptcp};
use netobs_tests::traffic::{Process, tcp};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What ss and the iterators say to the same arguments; how many lines that is.
fn same(ns: &Netns, args: &[&str], keep: impl Fn(&str) -> bool) -> Result<usize> {
    let ours = ["ss", "--engine", "bpf"].iter().chain(args).copied();
    let ours: Vec<&str> = ours.collect();
    same_lines(ns, args, &ours, |text| lines(text, &keep))
}

#[test]
fn listings_are_those_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    for args in [
        &["-tanH"][..],
        &["-tanpH"],
        &["-tnpH"],
        &["-4tanpH"],
        &["-6tanpH"],
        &["-lntpH"],
        &["-tuanpH"],
        &["-xapH"],
        &["-0anpH"],
        &["-wanpH"],
        &["-ManpH"],
        &["-uanpH"],
        &["-uaneH"],
        &["-4lunpH"],
        &["-xaH"],
        &["-xlpH"],
        &["-tanpH", "dport", "=", ":9011"],
    ] {
        let told = same(&zoo.ns, args, |_| true)?;
        let lacks = args[0].starts_with("-M") && !has_mptcp();
        ensure!(told > 0 || lacks, "{args:?} shows nothing");
    }
    Ok(())
}

#[test]
fn states_are_those_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    for state in [
        "established",
        "syn-sent",
        "syn-recv",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "close-wait",
        "last-ack",
        "listening",
        "closing",
        "bucket",
        "big",
        "connected",
        "synchronized",
    ] {
        let rows = same(&zoo.ns, &["-tanpH", "state", state], |_| true)?;
        ensure!(rows > 0, "{state} shows nothing");
    }
    Ok(())
}

/// User, inode, cookie, cgroup and the kind of the timer; its clock runs on between two looks.
#[test]
fn details_are_those_of_ss() -> Result<()> {
    let zoo = Zoo::new()?;
    let rows = same(&zoo.ns, &["-tanepH"], |word| !word.starts_with("timer:"))?;
    ensure!(rows > Zoo::rows(2000), "only {rows} sockets");
    let kinds = |text: &str| {
        let mut kinds = lines(text, |word| {
            word.starts_with("timer:") || word.contains(':') && !word.contains('(')
        });
        kinds.retain(|line, _| line.contains("timer:"));
        let mut short = BTreeMap::new();
        for (line, count) in kinds {
            let line = line
                .split(' ')
                .map(|word| word.split(',').next().unwrap_or_default());
            let key = line.take(3).collect::<Vec<_>>().join(" ");
            *short.entry(key).or_insert(0) += count;
        }
        short
    };
    let ours = ["ss", "--engine", "bpf", "-tanoH"];
    let rows = same_lines(&zoo.ns, &["-tanoH"], &ours, kinds)?;
    ensure!(rows > 40, "only {rows} timers");
    Ok(())
}

/// Descriptors inherited by children and by children of children, and one table of files under two processes.
#[test]
fn many_hold_one_socket() -> Result<()> {
    let ns = Netns::new("inherited")?;
    let mut parent = Process::spawn(&ns, "parent", |link| {
        let listener = tcp::listen(any(), 8)?;
        let client = tcp::Dial::to(listener.local_addr()?).connect()?;
        let (server, _) = listener.accept()?;
        let copies = [listener.try_clone()?, listener.try_clone()?];
        let mut children = Vec::new();
        for _ in 0..5 {
            children.push(sys::fork_copy(|| {
                // A grandchild; it dies with its parent.
                drop(sys::fork_copy(sys::pause));
                sys::pause();
            })?);
        }
        link.say(0)?;
        let heard = link.hear();
        for child in children {
            sys::kill(child, libc::SIGKILL)?;
        }
        drop((client, server, copies));
        heard.map(drop)
    })?;
    parent.hear()?;
    let rows = same(&ns, &["-tanpH"], |_| true)?;
    ensure!(rows == 3, "{rows} rows");
    parent.say(0)?;
    parent.join()
}

/// A socket that only a message holds, one that nobody accepted, one whose process closed it: told, by nobody held.
#[test]
fn what_no_descriptor_holds() -> Result<()> {
    let ns = Netns::new("unheld")?;
    let (_over, _line, _listener, _accepted) = ns.run(|| {
        let listener = tcp::listen(any(), 8)?;
        let to = listener.local_addr()?;
        let (over, line) = UnixStream::pair()?;
        let passed = tcp::Dial::to(to).connect()?;
        sys::send_fd(over.as_fd(), passed.as_fd())?;
        drop(passed);
        let accepted = listener.accept()?;
        // Not accepted, and its client is gone: CLOSE-WAIT here, FIN-WAIT-2 there.
        drop(tcp::Dial::to(to).connect()?);
        Ok((over, line, listener, accepted))
    })?;
    let rows = same(&ns, &["-tanpH"], |_| true)?;
    ensure!(rows == 5, "{rows} rows");
    Ok(())
}

/// Entries in TIME-WAIT beside connections that processes hold: told by a dump of their own.
#[test]
fn waiting_beside_held() -> Result<()> {
    let ns = Netns::new("waiting")?;
    let (_listener, _held) = ns.run(|| {
        let listener = tcp::listen(any(), 8)?;
        let pair = || -> Result<_> {
            let client = tcp::Dial::to(listener.local_addr()?).connect()?;
            Ok((client, listener.accept()?.0))
        };
        let held = (0..100).map(|_| pair()).collect::<Result<Vec<_>>>()?;
        for _ in 0..200 {
            // Who closes first waits.
            let (client, server) = pair()?;
            drop(client);
            drop(server);
        }
        Ok((listener, held))
    })?;
    let waits = |line: &str| line.starts_with("TIME-WAIT");
    for args in [
        &["-tanpH"][..],
        &["-tanoepH"],
        &["-tanpH", "sport", "gt", "1"],
    ] {
        let engine = ["ss", "--engine", "bpf"];
        let ours: Vec<&str> = engine.iter().chain(args).copied().collect();
        // The clock of their timers runs on between two looks.
        let rows = same_lines(&ns, args, &ours, |text| {
            lines(text, |word| !word.starts_with("timer:"))
        })?;
        ensure!(rows > 400, "{args:?}: {rows} rows");
    }
    let text = binary::run_within(&ns, &["ss", "-tanpH", "--engine", "bpf"])?;
    let waiting = text.lines().filter(|line| waits(line)).count();
    ensure!(waiting >= 200, "{waiting} in TIME-WAIT");
    Ok(())
}

/// Threads hold what their process holds, each by its own name; one with a table of its own holds what it opened.
#[test]
fn threads_are_those_of_ss() -> Result<()> {
    let ns = Netns::new("threads")?;
    let mut parent = Process::spawn(&ns, "threads", |link| {
        let listener = tcp::listen(any(), 8)?;
        let at = listener.local_addr()?;
        // All end together: three that do nothing, one with a table of its own, and this one.
        let end = Barrier::new(5);
        std::thread::scope(|scope| {
            let end = &end;
            for _ in 0..3 {
                scope.spawn(move || end.wait());
            }
            let (ready, opened) = std::sync::mpsc::channel();
            scope.spawn(move || {
                let own = sys::unshare_files().and_then(|()| tcp::Dial::to(at).connect());
                ready.send(own.is_ok()).ok();
                end.wait();
            });
            let heard = match opened.recv() {
                Ok(true) => link.say(0).and_then(|()| link.hear().map(drop)),
                _ => Err(anyhow::anyhow!("a thread has no table of its own")),
            };
            end.wait();
            heard
        })
    })?;
    parent.hear()?;
    // Without -T ss does not see what only a thread holds.
    for args in [&["-tanpTH"][..], &["-lntpTH"], &["-lntpH"]] {
        let rows = same(&ns, args, |_| true)?;
        ensure!(rows >= 1, "{args:?} shows nothing");
    }
    parent.say(0)?;
    parent.join()
}

/// More messages in a queue than the iterator looks at.
#[test]
fn long_queues_of_unix_sockets() -> Result<()> {
    let ns = Netns::new("queues")?;
    let _held = ns.run(|| {
        let pair = |kind, messages: usize| -> Result<_> {
            let mut pair = sys::unix_pair(kind)?;
            for length in 1..=messages {
                pair[0].write_all(&vec![7; length])?;
            }
            Ok(pair)
        };
        let kinds = [libc::SOCK_STREAM, libc::SOCK_SEQPACKET, libc::SOCK_DGRAM];
        let pairs = kinds.into_iter().flat_map(|kind| {
            let messages: [usize; 3] = [0, 3, if kind == libc::SOCK_DGRAM { 9 } else { 60 }];
            messages.map(|messages| pair(kind, messages))
        });
        pairs.collect::<Result<Vec<_>>>()
    })?;
    let rows = same(&ns, &["-xapH"], |_| true)?;
    ensure!(rows >= 18, "{rows} rows");
    Ok(())
}

/// Rows of `-tanp`: addresses and processes.
fn look(ns: &Netns) -> Result<Vec<(String, String)>> {
    let text = binary::run_within(ns, &["ss", "-tanpH", "--engine", "bpf"])?;
    let rows = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, local, remote, ..] = words[..] else {
            anyhow::bail!("a short line: {line}");
        };
        let users = words[5..].join(" ");
        Ok((format!("{local} {remote}"), users))
    });
    rows.collect()
}

/// Connections that end in TIME-WAIT while they are read: the entry takes the place of the socket, and is told for it or not
/// at all. Held ones are all there, each with its process.
#[test]
fn endings_are_not_told_twice() -> Result<()> {
    const HELD: usize = 300;
    let ns = Netns::new("endings")?;
    let sockets = ns.run(|| {
        let listener = tcp::listen(SocketAddr::from(([127, 0, 0, 1], 9000)), 64)?;
        let pair = || -> Result<_> {
            let client = tcp::Dial::to(listener.local_addr()?).connect()?;
            let (server, peer) = listener.accept()?;
            Ok((client, server, peer))
        };
        (0..HELD).map(|_| pair()).collect::<Result<Vec<_>>>()
    })?;
    let until = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let (ns, until) = (&ns, &until);
        let churn = scope.spawn(move || {
            ns.run(|| {
                let listener = tcp::listen(SocketAddr::from(([127, 0, 1, 1], 9001)), 64)?;
                while !until.load(Ordering::Relaxed) {
                    let mut open = Vec::new();
                    for _ in 0..50 {
                        let client = tcp::Dial::to(listener.local_addr()?).connect()?;
                        open.push((client, listener.accept()?));
                    }
                }
                Ok(())
            })
        });
        let looks = (0..machine::times(30)).try_for_each(|_| {
            let mut rows = BTreeMap::new();
            for (ends, users) in look(ns)? {
                let old = rows.insert(ends.clone(), users);
                ensure!(old.is_none(), "told twice: {ends}");
            }
            for (client, server, peer) in &sockets {
                let at = server.local_addr()?;
                for (ends, fd) in [
                    (format!("{at} {peer}"), server.as_raw_fd()),
                    (format!("{peer} {at}"), client.as_raw_fd()),
                ] {
                    let users = rows
                        .get(&ends)
                        .with_context(|| format!("{ends} is missing"))?;
                    let holder = format!("pid={},fd={fd})", std::process::id());
                    ensure!(users.contains(&holder), "{ends} is held by {users}");
                }
            }
            Ok(())
        });
        until.store(true, Ordering::Relaxed);
        churn
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        looks
    })
}

/// Processes that fork and end while files are walked: what they inherited is told once, with the one that stays.
#[test]
fn forks_under_the_walk() -> Result<()> {
    const SOCKETS: usize = 200;
    let ns = Netns::new("forks")?;
    let mut parent = Process::spawn(&ns, "stays", |link| {
        let held = (0..SOCKETS).map(|_| tcp::listen(any(), 1));
        let held = held.collect::<Result<Vec<_>, _>>()?;
        link.say(0)?;
        // Bounded: the lab ends this process long before.
        for _ in 0..100_000 {
            let child = sys::fork_copy(std::thread::yield_now)?;
            while sys::try_wait(child)?.is_none() {}
        }
        drop(held);
        Ok(())
    })?;
    parent.hear()?;
    let pid = format!("pid={},", parent.pid());
    for _ in 0..machine::times(30) {
        let rows = look(&ns)?;
        ensure!(rows.len() == SOCKETS, "{} of {SOCKETS} rows", rows.len());
        let mut ends: Vec<&String> = rows.iter().map(|(ends, _)| ends).collect();
        ends.sort();
        ends.dedup();
        ensure!(ends.len() == SOCKETS, "a socket is told twice");
        for (ends, users) in &rows {
            ensure!(users.contains(&pid), "{ends} is held by {users}");
        }
    }
    parent.kill()
}
