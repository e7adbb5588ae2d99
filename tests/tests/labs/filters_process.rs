//! Filters by process, name, user and cgroup.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use netobs_tests::netobs::{Watch, subset};
use netobs_tests::sys;
use netobs_tests::topology::Pair;
use netobs_tests::traffic::{Process, tcp};
use serde_json::json;

use crate::support::at;

const UID: u32 = 4242;

/// Two processes that connect each time they are told to: `one` as root, `two` as another user.
struct Lab {
    pair: Pair,
    one: Process,
    two: Process,
}

fn connector(pair: &Pair, comm: &str, uid: u32, port: u16) -> Result<Process> {
    let mut process = Process::spawn(&pair.a, comm, |link| {
        if uid != 0 {
            sys::setuid(uid)?;
        }
        link.say(0)?;
        loop {
            link.hear()?;
            tcp::abort(tcp::Dial::to(at(Pair::B4, port)).connect()?)?;
            link.say(1)?;
        }
    })?;
    process.hear()?;
    Ok(process)
}

impl Lab {
    fn new(port: u16, pair: Pair) -> Result<Self> {
        let one = connector(&pair, "lab-one", 0, port)?;
        let two = connector(&pair, "lab-two", UID, port)?;
        Ok(Self { pair, one, two })
    }

    fn round(&mut self) -> Result<()> {
        for process in [&mut self.one, &mut self.two] {
            process.say(0)?;
            process.hear()?;
        }
        Ok(())
    }

    /// With `arg`, the connects of exactly one of the two are told.
    fn passes(&mut self, arg: &[&str], first: bool) -> Result<()> {
        let watch = Watch::json(&["connect"])?.within(&[&self.pair.a]);
        let watch = arg.iter().fold(watch, Watch::arg).start()?;
        self.round()?;
        self.round()?;
        let (pid, comm, uid) = if first {
            (self.one.pid(), "lab-one", 0)
        } else {
            (self.two.pid(), "lab-two", UID)
        };
        let wanted = json!({"event": "connect", "pid": pid, "comm": comm, "uid": uid});
        watch.expect_count(2, &wanted)?;
        let record = watch.stop()?;
        record.exactly(2, &wanted)?;
        record.exactly(2, &json!({"event": "connect"}))
    }
}

/// A server that takes whatever comes, for as long as it lives.
fn lab() -> Result<(Lab, Process)> {
    let pair = Pair::new()?;
    let mut server = Process::spawn(&pair.b, "lab-server", |link| {
        let listener = tcp::listen(at(Pair::B4, 0), 64)?;
        link.say(listener.local_addr()?.port().into())?;
        loop {
            listener.accept()?;
        }
    })?;
    let port = u16::try_from(server.hear()?)?;
    Ok((Lab::new(port, pair)?, server))
}

#[test]
fn pid() -> Result<()> {
    let (mut lab, _server) = lab()?;
    let pid = lab.one.pid();
    lab.passes(&["--pid", &pid.to_string()], true)?;
    lab.passes(&["--pid", &format!("!{pid}")], false)
}

#[test]
fn comm() -> Result<()> {
    let (mut lab, _server) = lab()?;
    lab.passes(&["--comm", "lab-one"], true)?;
    lab.passes(&["--comm", "!lab-one"], false)
}

#[test]
fn uid() -> Result<()> {
    let (mut lab, _server) = lab()?;
    lab.passes(&["--uid", &UID.to_string()], false)?;
    lab.passes(&["--uid", &format!("!{UID}")], true)
}

/// A cgroup of our own, removed on drop.
struct Cgroup {
    dir: PathBuf,
    /// As events name it: below the mount.
    path: String,
}

impl Cgroup {
    fn new() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
        let mount = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|words| words.get(2) == Some(&"cgroup2"));
        let mount = mount
            .context("this lab needs a cgroup v2 mount: mount -t cgroup2 none /sys/fs/cgroup")?[1]
            .to_owned();
        let path = format!("/netobs-lab-{}", std::process::id());
        let dir = PathBuf::from(format!("{mount}{path}"));
        fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        Ok(Self { dir, path })
    }

    fn add(&self, process: &Process) -> Result<()> {
        fs::write(self.dir.join("cgroup.procs"), process.pid().to_string())
            .context("move a process into the cgroup")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It stays when a process is left in it; the lab's processes are gone by now.
        drop(fs::remove_dir(&self.dir));
    }
}

#[test]
fn cgroup() -> Result<()> {
    // Declared first, so that it goes after the processes in it.
    let group = Cgroup::new()?;
    let (mut lab, _server) = lab()?;
    group.add(&lab.one)?;
    lab.passes(&["--cgroup", &group.path], true)?;
    lab.passes(&["--cgroup", &format!("!{}", group.path)], false)?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.pair.a])
        .arg("--cgroup")
        .arg(&group.path)
        .start()?;
    lab.round()?;
    let event = watch.expect(&json!({"event": "connect"}))?;
    anyhow::ensure!(
        subset(&json!({"cgroup": group.path}), &event),
        "the cgroup is not told: {event}"
    );
    Ok(())
}
