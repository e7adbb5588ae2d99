//! Network namespaces: found by name, process or path, listed for the whole machine, entered on a thread of its own.

use rustix::{
    fs::{Mode, OFlags, fstat, open},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use std::{
    collections::HashMap,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    thread,
};

/// Where `ip netns` keeps its names.
const NAMED: &str = "/run/netns";
/// Most namespaces that a list holds open: each one is a descriptor.
const MOST: usize = 16_384;

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    #[error("no network namespace '{0}': expected a name in {NAMED}, a process id or a path")]
    Unknown(String),
    #[error("open network namespace {name}: {source}; run as root, or ask for your own processes")]
    Open { name: String, source: io::Error },
    #[error("enter network namespace {name}: {source}; need CAP_SYS_ADMIN: run as root")]
    Enter { name: String, source: io::Error },
    #[error("list network namespaces in /proc: {0}")]
    List(io::Error),
    #[error("start a thread for network namespace {name}: {source}")]
    Thread { name: String, source: io::Error },
}

/// A network namespace, held open: it cannot vanish while we look at it.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
    inode: u32,
    /// Its name in /run/netns, if it has one.
    pub name: Option<String>,
    /// A process inside, if one was met.
    pub pid: Option<u32>,
}

/// What a look at the whole machine found.
#[derive(Debug, Default)]
pub struct Machine {
    /// Our own namespace first, then by inode number.
    pub found: Vec<Netns>,
    /// Gone between being listed and being opened.
    pub vanished: usize,
    /// Not readable with our privileges.
    pub refused: usize,
    /// Not held, because the list or the file limit was full.
    pub over_limit: usize,
}

impl Netns {
    /// The one this thread is in.
    pub fn own() -> Result<Self, NetnsError> {
        Self::open("/proc/thread-self/ns/net", "(own)")
    }

    /// By name in /run/netns, by process id, or by path.
    pub fn find(which: &str) -> Result<Self, NetnsError> {
        let named = Path::new(NAMED).join(which);
        if which.contains('/') {
            return Self::open(which, which);
        }
        if !which.is_empty() && !matches!(which, "." | "..") && named.exists() {
            let mut found = Self::open(&named.to_string_lossy(), which)?;
            found.name = Some(which.to_owned());
            return Ok(found);
        }
        match which.parse::<u32>() {
            Ok(pid) if Path::new(&format!("/proc/{pid}")).exists() => {
                let mut found = Self::open(&format!("/proc/{pid}/ns/net"), which)?;
                found.pid = Some(pid);
                Ok(found)
            }
            _ => Err(NetnsError::Unknown(which.to_owned())),
        }
    }

    fn open(path: &str, name: &str) -> Result<Self, NetnsError> {
        Self::try_open(path).map_err(|source| NetnsError::Open {
            name: name.to_owned(),
            source,
        })
    }

    fn try_open(path: &str) -> io::Result<Self> {
        let fd = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let inode = u32::try_from(fstat(&fd)?.st_ino).map_err(io::Error::other)?;
        Ok(Self {
            fd,
            inode,
            name: None,
            pid: None,
        })
    }

    /// The number that `ls -i /proc/PID/ns/net` shows: `netns` in every view.
    pub fn inode(&self) -> u32 {
        self.inode
    }

    /// The name, else the number.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.inode.to_string())
    }

    /// Runs `work` inside, on a thread that is thrown away after: no other thread ever changes its namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        thread::scope(|scope| {
            let inside = thread::Builder::new()
                .name("netns".to_owned())
                .spawn_scoped(scope, || {
                    self.enter()?;
                    Ok(work())
                })
                .map_err(|source| NetnsError::Thread {
                    name: self.label(),
                    source,
                })?;
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Moves the calling thread in, for good: for threads made for many namespaces in turn.
    pub fn enter(&self) -> Result<(), NetnsError> {
        move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
            |error| NetnsError::Enter {
                name: self.label(),
                source: error.into(),
            },
        )
    }
}

/// Every network namespace that has a name or a process, each once.
pub fn machine() -> Result<Machine, NetnsError> {
    let mut machine = Machine::default();
    let own = Netns::own()?;
    let own_inode = own.inode;
    let mut known = HashMap::from([(own_inode, 0)]);
    machine.found.push(own);
    machine.take_named(&mut known);
    machine.take_processes(&mut known)?;
    machine.found[1..].sort_by_key(Netns::inode);
    Ok(machine)
}

impl Machine {
    fn take_named(&mut self, known: &mut HashMap<u32, usize>) {
        let Ok(entries) = fs::read_dir(NAMED) else {
            return; // Nobody has named one.
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            // A name whose mount is gone is a plain file: its inode number is no namespace's.
            if let Some(place) = self.take(&path, known)
                && self.found[place].name.is_none()
            {
                self.found[place].name = Some(name);
            }
        }
    }

    fn take_processes(&mut self, known: &mut HashMap<u32, usize>) -> Result<(), NetnsError> {
        for entry in fs::read_dir("/proc").map_err(NetnsError::List)?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let path = entry.path().join("ns/net");
            if let Some(place) = self.take(&path, known) {
                self.found[place].pid.get_or_insert(pid);
            }
        }
        Ok(())
    }

    /// Where the namespace behind `path` stands in the list, opened if it is new.
    fn take(&mut self, path: &Path, known: &mut HashMap<u32, usize>) -> Option<usize> {
        let inode = match fs::metadata(path) {
            Ok(meta) => u32::try_from(meta.ino()).ok()?,
            Err(error) => return self.count(&error),
        };
        if let Some(place) = known.get(&inode) {
            return Some(*place);
        }
        if self.found.len() >= MOST {
            self.over_limit += 1;
            return None;
        }
        match Netns::try_open(&path.to_string_lossy()) {
            // The process may have moved on, or ended, between the two looks.
            Ok(netns) if is_namespace(&netns) => {
                let place = *known.entry(netns.inode).or_insert(self.found.len());
                if place == self.found.len() {
                    self.found.push(netns);
                }
                Some(place)
            }
            Ok(_) => None,
            Err(error) => self.count(&error),
        }
    }

    fn count(&mut self, error: &io::Error) -> Option<usize> {
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => self.refused += 1,
            Some(libc::EMFILE | libc::ENFILE) => self.over_limit += 1,
            _ => self.vanished += 1,
        }
        None
    }
}

/// Whether the descriptor is on nsfs: a leftover in /run/netns is a plain file.
fn is_namespace(netns: &Netns) -> bool {
    /// `NSFS_MAGIC` of linux/magic.h.
    const NSFS: i64 = 0x6e73_6673;
    rustix::fs::fstatfs(&netns.fd).is_ok_and(|fs| fs.f_type == NSFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_namespace_by_every_way() {
        let own = Netns::own().unwrap();
        let pid = std::process::id().to_string();
        assert_eq!(Netns::find(&pid).unwrap().inode(), own.inode());
        let path = format!("/proc/{pid}/ns/net");
        assert_eq!(Netns::find(&path).unwrap().inode(), own.inode());
        let machine = machine().unwrap();
        assert_eq!(machine.found[0].inode(), own.inode());
        let same = machine.found.iter().filter(|n| n.inode() == own.inode());
        assert_eq!(same.count(), 1);
    }

    #[test]
    fn what_is_no_namespace_is_named() {
        for which in ["no-such", "", "..", "4294967295"] {
            let error = Netns::find(which).unwrap_err().to_string();
            assert!(error.contains("expected a name"), "{error}");
        }
    }
}
