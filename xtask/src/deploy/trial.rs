//! netobs in a container with the manifest's privileges, and what it must tell of a host's and a container's connections.
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::manifest::Manifest;
use super::{Counts, connector, podman, scratch};
use crate::bench::clock::Deadline;
use crate::bench::netns::Netns;
use crate::bench::summary;

const STEP: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_secs(15);
/// Without these nothing loads; the exit status for a missing privilege is 3.
const ESSENTIAL: [&str; 2] = ["BPF", "PERFMON"];

/// A container that is watched from outside, ended when dropped.
struct Container {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

pub fn run(manifest: &Manifest, counts: &mut Counts) {
    let mut observer = None;
    counts.check("container starts with the manifest's privileges", || {
        observer = Some(observe(manifest)?);
        Ok(())
    });
    let Some(observer) = observer else { return };
    counts.check("its capabilities are the manifest's", || {
        capabilities(&observer, manifest)
    });
    counts.check("a connection of the host is told", || {
        host_connection(&observer)
    });
    counts.check("a container's connection carries its id and cgroup", || {
        container_connection(&observer)
    });
    counts.check("SIGTERM ends it with the summary", || ends_well(observer));
    for capability in ESSENTIAL {
        counts.check(
            &format!("without {capability} it says so and exits 3"),
            || refused(manifest, capability),
        );
    }
}

fn observe(manifest: &Manifest) -> Result<Container> {
    let name = unique("observer");
    let mut container = Container::start(podman::as_manifest(manifest, &name, None)?, name)?;
    container.wait("netobs: watching on stderr", |container| {
        Ok(container
            .said()?
            .lines()
            .any(|line| line.starts_with("netobs: watching"))
            .then_some(()))
    })?;
    Ok(container)
}

/// The effective set of the process on the host, bit for bit.
fn capabilities(observer: &Container, manifest: &Manifest) -> Result<()> {
    let pid = podman::inspect(&observer.name, "{{.State.Pid}}")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .context("no CapEff")?;
    let effective = u64::from_str_radix(effective.trim(), 16)?;
    let wanted = manifest
        .capabilities
        .iter()
        .map(|name| Ok(1 << number(name)?))
        .sum::<Result<u64>>()?;
    ensure!(
        effective == wanted,
        "has {effective:#x}, the manifest says {wanted:#x}"
    );
    Ok(())
}

/// include/uapi/linux/capability.h, those that a manifest of ours may name.
fn number(capability: &str) -> Result<u32> {
    Ok(match capability {
        "DAC_READ_SEARCH" => 2,
        "NET_ADMIN" => 12,
        "NET_RAW" => 13,
        "SYS_PTRACE" => 19,
        "SYS_RESOURCE" => 24,
        "SYSLOG" => 34,
        "PERFMON" => 38,
        "BPF" => 39,
        other => bail!("capability {other}: add its number here"),
    })
}

/// A connection in a network namespace of its own, by this very process.
fn host_connection(observer: &Container) -> Result<()> {
    let netns = Netns::new()?;
    let port = netns.run(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        drop(client);
        drop(server);
        Ok(listener.local_addr()?.port())
    })?;
    let event = observer.event("connect", port)?;
    ensure!(
        event["pid"] == std::process::id(),
        "the owner is told as {}",
        event["pid"]
    );
    Ok(())
}

fn container_connection(observer: &Container) -> Result<()> {
    let name = unique("workload");
    let mut workload = Container::start(podman::workload(&name), name)?;
    let id = workload.wait("its id", |container| {
        Ok(podman::inspect(&container.name, "{{.Id}}").ok())
    })?;
    let event = observer.event("connect", connector::PORT)?;
    let container = event["container"].as_str().unwrap_or_default();
    ensure!(
        container.len() == 12 && id.starts_with(container),
        "container {}, not {id}",
        event["container"]
    );
    let pid = podman::inspect(&workload.name, "{{.State.Pid}}")?;
    let truth = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    // On a host with cgroup v1 too, the hierarchy that names the container may be one of those.
    let mut paths = truth.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    ensure!(
        paths.any(|path| event["cgroup"] == path),
        "cgroup {}, but /proc/{pid}/cgroup says:\n{truth}",
        event["cgroup"]
    );
    ensure!(event["comm"] == "connector", "comm {}", event["comm"]);
    Ok(())
}

fn ends_well(mut observer: Container) -> Result<()> {
    let pid = podman::inspect(&observer.name, "{{.State.Pid}}")?.parse()?;
    // As the kubelet ends it.
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    let status = Deadline::after(WAIT)
        .until(STEP, || Ok(observer.child.try_wait()?))?
        .context("it does not end")?;
    ensure!(status.success(), "it ended with {status}");
    let text = fs::read_to_string(&observer.stdout)?;
    let last = text.lines().last().context("no output")?;
    let hooks = summary::from_json(last)?;
    ensure!(
        hooks.iter().any(|hook| hook.seen > 0),
        "no hook has seen anything: {last}"
    );
    ensure!(
        hooks.iter().all(|hook| hook.lost == 0),
        "events were lost: {last}"
    );
    Ok(())
}

fn refused(manifest: &Manifest, capability: &str) -> Result<()> {
    let command = podman::as_manifest(manifest, &unique("refused"), Some(capability))?;
    let mut container = Container::start(command, unique("refused"))?;
    let status = Deadline::after(WAIT).until(STEP, || Ok(container.child.try_wait()?))?;
    let status = status.context("it runs on as if nothing were missing")?;
    ensure!(
        status.code() == Some(3),
        "{status}: {}",
        container.said()?.trim()
    );
    let said = container.said()?;
    ensure!(
        said.lines().count() == 1 && said.contains(&format!("need CAP_{capability}: ")),
        "it does not name what is missing: {said}"
    );
    Ok(())
}

impl Container {
    fn start(mut command: std::process::Command, name: String) -> Result<Self> {
        let file = |end: &str| Ok::<_, anyhow::Error>(scratch()?.join(format!("{name}.{end}")));
        let (stdout, stderr) = (file("stdout")?, file("stderr")?);
        command
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        let child = podman::spawn(command)?;
        Ok(Self {
            name,
            child,
            stdout,
            stderr,
        })
    }

    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.stderr)?)
    }

    /// Asks until there is an answer; an end of the container is an error.
    fn wait<T>(&mut self, what: &str, ask: impl Fn(&Self) -> Result<Option<T>>) -> Result<T> {
        let answer = Deadline::after(WAIT).until(STEP, || {
            if let Some(answer) = ask(self)? {
                return Ok(Some(answer));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.said()?.trim());
            }
            Ok(None)
        })?;
        answer.with_context(|| format!("{} within {WAIT:?}: {what}", self.name))
    }

    /// The first event of this name to this port.
    fn event(&self, name: &str, port: u16) -> Result<Value> {
        let found = Deadline::after(WAIT).until(STEP, || {
            let text = fs::read_to_string(&self.stdout)?;
            let events = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(events
                .into_iter()
                .find(|event| event["event"] == name && event["rport"] == port))
        })?;
        found.with_context(|| format!("no {name} event with rport {port} within {WAIT:?}"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            podman::remove(&self.name);
            self.child.wait().ok();
        }
    }
}

fn unique(what: &str) -> String {
    format!("netobs-deploy-{what}-{}", std::process::id())
}
