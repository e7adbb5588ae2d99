//! A cgroup v2 of one lab, removed on drop.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::traffic::Process;

/// A new cgroup in a directory of our own below the mount.
pub struct Cgroup {
    mount: PathBuf,
    path: String,
}

impl Cgroup {
    /// `name` may have several parts.
    pub fn new(name: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/netobs-lab-{}-{number}/{name}", std::process::id());
        let group = Self {
            mount: mount()?,
            path,
        };
        let dir = group.dir();
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        Ok(group)
    }

    /// Its path as events name it: below the mount.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Moves a process in; sockets that it opens from now on belong to the cgroup.
    pub fn add(&self, process: &Process) -> Result<()> {
        fs::write(self.dir().join("cgroup.procs"), process.pid().to_string())
            .context("move a process into the cgroup")
    }

    fn dir(&self) -> PathBuf {
        self.mount.join(self.path.trim_start_matches('/'))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let below_mount = |dir: &&Path| *dir != self.mount;
        for dir in self.dir().ancestors().take_while(below_mount) {
            // It stays when a process is left in it; the lab's processes are gone by now.
            drop(fs::remove_dir(dir));
        }
    }
}

/// Where cgroup v2 is mounted.
pub fn mount() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    let found = mounts.find_map(|mut words| {
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    found.context("this lab needs a cgroup v2 mount: mount -t cgroup2 none /sys/fs/cgroup")
}
