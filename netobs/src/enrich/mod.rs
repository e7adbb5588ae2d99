//! What an event's numbers stand for outside the socket: container, pod, cgroup path; bounded caches.

pub mod cgroup;
pub mod container;
pub mod listen_drops;
pub mod namespaces;
pub mod sockets;
pub mod symbols;
pub mod users;

use crate::{
    event::{Common, Owner},
    names::Fast,
};
use std::{collections::HashMap, fs, path::PathBuf, rc::Rc};

/// What is known about the surroundings of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Path of the cgroup below its mount.
    pub cgroup: Option<Rc<str>>,
    /// Container id, twelve digits.
    pub container: Option<Rc<str>>,
    /// Kubernetes pod UID.
    pub pod: Option<Rc<str>>,
}

/// Entries a cache may hold before it starts anew.
const CACHE: usize = 8192;

/// Looks up what the kernel side only has numbers for.
#[derive(Default)]
pub struct Enricher {
    mount: Option<PathBuf>,
    /// By cgroup id and, in the root cgroup, by process: a hybrid hierarchy keeps containers in v1.
    known: HashMap<(u64, u32), Rc<About>, Fast>,
    last: Option<((u64, u32), Rc<About>)>,
    paths: HashMap<u64, Rc<str>>,
}

impl Enricher {
    pub fn new() -> Self {
        Self {
            mount: cgroup::mount(),
            ..Self::default()
        }
    }

    pub fn about(&mut self, common: &Common) -> Rc<About> {
        let pid = if let Owner::Process { pid, .. } = common.owner {
            pid
        } else {
            0
        };
        self.of(common.cgroup, pid)
    }

    /// Of a cgroup v2 id, or of a process where the id tells no container; 0: unknown.
    pub fn of(&mut self, cgroup: u64, pid: u32) -> Rc<About> {
        let key = (cgroup, pid);
        if let Some((last, about)) = &self.last
            && *last == key
        {
            return Rc::clone(about);
        }
        let about = match self.known.get(&key) {
            Some(about) => Rc::clone(about),
            None => self.learn(key),
        };
        self.last = Some((key, Rc::clone(&about)));
        about
    }

    fn learn(&mut self, key: (u64, u32)) -> Rc<About> {
        if self.known.len() >= CACHE {
            self.known.clear();
        }
        let (id, pid) = key;
        let by_id = self.path(id).map(|path| About::of_path(&path));
        let about = match by_id {
            Some(about) if about.container.is_some() => about,
            // A hybrid hierarchy keeps containers in v1; a container may not see the mount at all.
            by_id => of_process(pid).or(by_id).unwrap_or_default(),
        };
        let about = Rc::new(about);
        self.known.insert(key, Rc::clone(&about));
        about
    }

    /// The path of a cgroup: its directory's inode number is its id.
    fn path(&mut self, id: u64) -> Option<Rc<str>> {
        let mount = self.mount.as_ref()?;
        if id == 0 {
            return None;
        }
        if !self.paths.contains_key(&id) {
            if self.paths.len() >= CACHE {
                self.paths.clear();
            }
            cgroup::walk(|path, inode| {
                let below = path.strip_prefix(mount).unwrap_or(path);
                self.paths
                    .insert(inode, format!("/{}", below.display()).into());
                inode == id
            });
        }
        self.paths.get(&id).cloned()
    }
}

impl About {
    fn of_path(path: &str) -> Self {
        let (container, pod) = container::of_path(path);
        Self {
            cgroup: Some(path.into()),
            container: container.map(Rc::from),
            pod: pod.map(Rc::from),
        }
    }
}

/// By the cgroup of a process that names its container, else by its cgroup v2.
fn of_process(pid: u32) -> Option<About> {
    if pid == 0 {
        return None;
    }
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut paths = text
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .map(About::of_path);
    let unified = || {
        let path = text.lines().find_map(|line| line.strip_prefix("0::"));
        path.map(About::of_path)
    };
    paths
        .find(|about| about.container.is_some())
        .or_else(unified)
}
