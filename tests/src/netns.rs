//! A network namespace of one lab, gone when its last holder is, however that ends.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::{sys, tool};

/// Quiet by default: no router solicitation, duplicate detection or link-local address that would be traffic of its own.
const QUIET: [(&str, &str); 3] = [
    ("accept_dad", "0"),
    ("router_solicitations", "0"),
    ("addr_gen_mode", "1"),
];

/// A namespace held by a descriptor and bound to no path: it cannot outlive the test, even one that is killed.
pub struct Netns {
    name: String,
    fd: OwnedFd,
    inode: u64,
}

impl Netns {
    /// A new namespace with loopback up. `name` only serves messages.
    pub fn new(name: &str) -> Result<Self> {
        ensure!(
            sys::is_root(),
            "labs make network namespaces: run them as root"
        );
        let made = thread::spawn(|| -> Result<File> {
            sys::unshare_net().context("unshare(CLONE_NEWNET)")?;
            File::open("/proc/thread-self/ns/net").context("open /proc/thread-self/ns/net")
        });
        let file = made.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        let inode = file.metadata()?.ino();
        let ns = Self {
            name: name.to_owned(),
            fd: file.into(),
            inode,
        };
        for (key, value) in QUIET {
            ns.sysctl(&format!("net/ipv6/conf/default/{key}"), value)?;
        }
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that `ls -i /proc/PID/ns/net` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// A path by which other programs reach the namespace while we live.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd())
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Moves the calling thread in, for good: for processes and threads of their own.
    pub fn enter(&self) -> Result<()> {
        sys::setns_net(self.fd()).with_context(|| format!("setns into {}", self.name))
    }

    /// Runs `work` inside, on a thread of its own so that the caller's namespace never changes.
    ///
    /// Sockets made by `work` stay in the namespace and may leave the thread.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| self.enter().and_then(|()| work()));
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Runs a tool inside.
    pub fn tool(&self, program: &str, args: &[&str], input: &str) -> Result<String> {
        self.run(|| tool::run(program, args, input))
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs `ip` commands inside, one a line, in a single process.
    pub fn ip(&self, lines: &str) -> Result<String> {
        self.tool("ip", &["-batch", "-"], lines)
    }

    /// Sets a sysctl of the namespace: `net/ipv4/tcp_syncookies`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{key}");
        self.run(|| fs::write(&path, value).with_context(|| format!("write {value} to {path}")))
    }
}
