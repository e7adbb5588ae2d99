//! podman, called so that a container starts on hosts with hybrid cgroups and a low file limit too.
use std::ffi::OsStr;
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::manifest::Manifest;
use super::{connector, netobs, scratch, seccomp, workspace};

pub const IMAGE: &str = "localhost/netobs-deploy-test";
pub const CONNECTOR: &str = "localhost/netobs-deploy-connector";
/// The cgroup v2 mount of a host that still has v1: podman takes such a host for a v2 one, and finds no controllers.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// Builds the image as deploy/Containerfile says, and that of the workload.
pub fn build() -> Result<()> {
    let context = scratch()?.join("image");
    fs::create_dir_all(&context)?;
    fs::copy(netobs()?, context.join("netobs"))?;
    let file = workspace().join("deploy/Containerfile");
    podman(&[
        "build".as_ref(),
        "--quiet".as_ref(),
        "--tag".as_ref(),
        IMAGE.as_ref(),
        "--file".as_ref(),
        file.as_ref(),
        context.as_ref(),
    ])?;
    let context = connector::build()?;
    podman(&[
        "build".as_ref(),
        "--quiet".as_ref(),
        "--tag".as_ref(),
        CONNECTOR.as_ref(),
        context.as_ref(),
    ])?;
    Ok(())
}

/// No shell, no libraries: the binary is the image's only file.
pub fn holds_one_file() -> Result<()> {
    let tar = scratch()?.join("image.tar");
    let name = format!("netobs-deploy-export-{}", std::process::id());
    podman(&[
        "create".as_ref(),
        "--pull=never".as_ref(),
        "--network=none".as_ref(),
        "--name".as_ref(),
        name.as_ref(),
        IMAGE.as_ref(),
    ])?;
    let exported = podman(&[
        "export".as_ref(),
        "--output".as_ref(),
        tar.as_ref(),
        name.as_ref(),
    ]);
    remove(&name);
    exported?;
    let list = Command::new("tar")
        .args(["--list", "--file"])
        .arg(&tar)
        .output()
        .context("start tar")?;
    let files = String::from_utf8_lossy(&list.stdout);
    ensure!(files.trim() == "netobs", "the image holds {files}");
    Ok(())
}

/// How netobs is run: what the manifest says, with `left_out` of the capabilities missing.
pub fn as_manifest(manifest: &Manifest, name: &str, left_out: Option<&str>) -> Result<Command> {
    let mut command = start(name, "host");
    command.args([
        "--pid=host",
        "--read-only",
        "--security-opt=no-new-privileges",
        "--user=0:0",
    ]);
    command.arg(format!(
        "--security-opt=seccomp={}",
        seccomp::profile()?.display()
    ));
    for capability in manifest
        .capabilities
        .iter()
        .filter(|name| Some(name.as_str()) != left_out)
    {
        command.arg(format!("--cap-add={capability}"));
    }
    for mount in &manifest.mounts {
        let mode = if mount.read_only { "ro" } else { "rw" };
        command.arg(format!(
            "--volume={}:{}:{mode}",
            mount.host, mount.container
        ));
    }
    command.arg(IMAGE).args(&manifest.args);
    Ok(command)
}

/// How the workload is run: no privilege, no network but its own loopback.
pub fn workload(name: &str) -> Command {
    let mut command = start(name, "none");
    command.arg(CONNECTOR);
    command
}

fn start(name: &str, network: &str) -> Command {
    let mut command = Command::new("podman");
    // cgroupfs: no systemd needed. Never pull: only what was built here is run.
    command.args(["--cgroup-manager=cgroupfs", "run", "--rm", "--pull=never"]);
    command.args(["--name", name, "--cap-drop=all"]);
    // podman raises these limits, which needs CAP_SYS_RESOURCE, unless told.
    command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"]);
    command.arg("--pids-limit=-1");
    // podman's own bridge would change the host's firewall.
    command.arg(format!("--network={network}"));
    command
}

/// The full id, or the host's PID, or what else `podman inspect` knows.
pub fn inspect(name: &str, format: &str) -> Result<String> {
    Ok(podman(&[
        "inspect".as_ref(),
        "--format".as_ref(),
        format.as_ref(),
        name.as_ref(),
    ])?
    .trim()
    .to_owned())
}

/// Ends and forgets a container, whatever its state.
pub fn remove(name: &str) {
    // Already gone is what is wanted.
    podman(&[
        "rm".as_ref(),
        "--force".as_ref(),
        "--time=1".as_ref(),
        name.as_ref(),
    ])
    .ok();
}

/// Leaves no image behind.
pub fn clean() -> Result<()> {
    podman(&[
        "rmi".as_ref(),
        "--force".as_ref(),
        IMAGE.as_ref(),
        CONNECTOR.as_ref(),
    ])?;
    Ok(())
}

fn podman(args: &[&OsStr]) -> Result<String> {
    let mut command = Command::new("podman");
    command.arg("--cgroup-manager=cgroupfs").args(args);
    let out = output(command)?;
    ensure!(
        out.status.success(),
        "podman {args:?}: {}",
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a command to its end in the view of [`hidden`].
pub fn output(mut command: Command) -> Result<Output> {
    command.stdin(Stdio::null());
    hidden(move || {
        command
            .output()
            .context("start podman: apt-get install podman")
    })
}

/// Starts a command in the view of [`hidden`].
pub fn spawn(mut command: Command) -> Result<Child> {
    command.stdin(Stdio::null());
    hidden(move || {
        command
            .spawn()
            .context("start podman: apt-get install podman")
    })
}

/// A mount namespace of its own, without the unified mount, for what `work` starts; the host's mounts stay as they are.
fn hidden<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).context("unshare a mount namespace: run as root")?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
        if mounts
            .lines()
            .any(|line| line.split(' ').nth(1) == Some(UNIFIED))
        {
            umount2(UNIFIED, MntFlags::MNT_DETACH)?;
        }
        work()
    });
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the thread of a podman command ended in a panic"),
    }
}
