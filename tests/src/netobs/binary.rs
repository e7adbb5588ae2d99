//! Finds the netobs binary under test and runs it to its end.

use std::env;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use crate::netns::Netns;
use crate::{sys, wait};

/// `NETOBS_BIN`, else the best build in the target directory that this test was built into.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = env::var_os("NETOBS_BIN") {
        return Ok(path.into());
    }
    let exe = env::current_exe().context("find the test's own path")?;
    let builds = ["release-static", "release", "debug"];
    let found = exe
        .ancestors()
        .flat_map(|dir| builds.map(|build| dir.join(build).join("netobs")))
        .find(|p| p.is_file());
    found.context(
        "no netobs binary: build it with `cargo build --release`, or name one in NETOBS_BIN",
    )
}

/// A command that runs netobs, which ends when this process does.
pub fn command() -> Result<Command> {
    let mut command = Command::new(path()?);
    sys::end_with_parent(&mut command);
    Ok(command)
}

/// Runs netobs to its end: for usage errors, doctor and the like.
pub fn run(args: &[&str]) -> Result<Output> {
    command()?
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run netobs")
}

/// Runs netobs to its end on a machine whose kernel tells nothing of its types.
pub fn run_without_btf(args: &[&str]) -> Result<Output> {
    let mut command = command()?;
    sys::hide(&mut command, c"/sys/kernel/btf");
    command
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run netobs with /sys/kernel/btf hidden")
}

/// Runs netobs to its end as root without some capabilities, by their numbers.
pub fn run_without_capabilities(numbers: &'static [i32], args: &[&str]) -> Result<Output> {
    let mut command = command()?;
    sys::take_capabilities(&mut command, numbers);
    command
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("run netobs without a capability")
}

/// Runs netobs to its end inside a network namespace; its standard output.
pub fn run_within(ns: &Netns, args: &[&str]) -> Result<String> {
    let output = ns.run(|| run(args))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "netobs {} ended with {}: {said}",
        args.join(" "),
        output.status
    );
    String::from_utf8(output.stdout).context("netobs writes UTF-8")
}

/// Runs netobs as a user without any privilege, from a copy that this user may read.
pub fn run_as_nobody(args: &[&str]) -> Result<Output> {
    let copy = Copy::new()?;
    let mut command = Command::new(&copy.0);
    command
        .args(args)
        .stdin(Stdio::null())
        .uid(65534)
        .gid(65534);
    wait::until("the copy of netobs to be free", || match command.output() {
        // A child that another lab forks at this moment still holds the copy open for writing.
        Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => Ok(None),
        outcome => outcome.map(Some).context("run netobs as nobody"),
    })
}

/// A copy of the binary in /tmp, removed on drop.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netobs-lab-{}-{number}", std::process::id());
        let copy = Self(Path::new("/tmp").join(name));
        std::fs::copy(path()?, &copy.0).context("copy netobs to /tmp")?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // A file that is already gone is what we want.
        drop(std::fs::remove_file(&self.0));
    }
}
