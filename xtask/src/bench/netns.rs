//! A network namespace of the bench's own: loopback only, gone when the bench ends.
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns, unshare};

use super::clock::Deadline;

/// Held open by this process; children name it by [`Netns::path`].
pub struct Netns {
    file: File,
}

impl Netns {
    /// A fresh namespace with `lo` up and a wide port range, so that `TIME_WAIT` does not exhaust the ports.
    pub fn new() -> Result<Self> {
        // A thread of its own: unshare moves the calling thread, and the bench itself stays where it is.
        let made = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("unshare a network namespace: run as root")?;
            command("ip", &["link", "set", "lo", "up"])?;
            fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let file = made
            .join()
            .map_err(|_| anyhow::anyhow!("the namespace's thread ended in a panic"))??;
        Ok(Self { file })
    }

    /// A path that any process of ours can open.
    pub fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// As `ls -i /proc/PID/ns/net` shows it.
    pub fn inode(&self) -> Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    /// Waits until its last TCP socket is closed: a FIN sent again outlives the process that closed the socket by an RTO.
    pub fn wait_closed(&self) -> Result<()> {
        self.run(|| {
            let closed =
                Deadline::after(Duration::from_secs(10)).poll(Duration::from_millis(20), || {
                    Ok(fs::read_to_string("/proc/thread-self/net/sockstat")?
                        .contains("TCP: inuse 0 "))
                })?;
            ensure!(closed, "TCP sockets of the load are still open after 10 s");
            Ok(())
        })
    }

    /// Runs `work` on a thread inside the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                work()
            });
            inside
                .join()
                .map_err(|_| anyhow::anyhow!("a thread in the namespace ended in a panic"))?
        })
    }
}

/// Moves the calling thread into the namespace at `path`.
pub fn enter(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("open namespace {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("enter namespace {}", path.display()))
}

/// Runs a command to its end; its stderr is the error.
pub fn command(program: &str, args: &[&str]) -> Result<String> {
    let out = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("run {program}: is it installed?"))?;
    ensure!(
        out.status.success(),
        "{program} {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
