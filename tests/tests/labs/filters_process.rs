//! Filters by process, name, user and cgroup.

use anyhow::{Result, ensure};
use netobs_tests::cgroup::Cgroup;
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

#[test]
fn cgroup() -> Result<()> {
    // Declared first, so that it goes after the processes in it.
    let group = Cgroup::new("plain")?;
    let (mut lab, _server) = lab()?;
    group.add(&lab.one)?;
    lab.passes(&["--cgroup", group.path()], true)?;
    lab.passes(&["--cgroup", &format!("!{}", group.path())], false)?;
    let watch = Watch::json(&["connect"])?
        .within(&[&lab.pair.a])
        .arg("--cgroup")
        .arg(group.path())
        .start()?;
    lab.round()?;
    let event = watch.expect(&json!({"event": "connect"}))?;
    ensure!(
        subset(&json!({"cgroup": group.path()}), &event),
        "the cgroup is not told: {event}"
    );
    Ok(())
}

/// A cgroup named as container runtimes name theirs is a container's, and its parent tells the pod.
#[test]
fn container_and_pod() -> Result<()> {
    let id = format!("{:012x}{:052x}", std::process::id(), 7);
    let pod = "11111111-2222-3333-4444-555555555555";
    let slice = pod.replace('-', "_");
    let group = Cgroup::new(&format!(
        "kubepods-pod{slice}.slice/cri-containerd-{id}.scope"
    ))?;
    let (mut lab, _server) = lab()?;
    group.add(&lab.one)?;
    lab.passes(&["--container", &id[..12]], true)?;
    lab.passes(&["--container", &format!("!{}", &id[..12])], false)?;
    let watch = Watch::json(&["connect"])?.within(&[&lab.pair.a]).start()?;
    lab.round()?;
    watch.expect(
        &json!({"event": "connect", "comm": "lab-one", "container": id[..12], "pod": pod}),
    )?;
    watch
        .expect(&json!({"event": "connect", "comm": "lab-two", "container": null, "pod": null}))?;
    Ok(())
}
