//! What an event's numbers stand for outside the socket: container, pod, cgroup path; bounded caches.

pub mod cgroup;
pub mod container;
pub mod namespaces;
pub mod sockets;

use crate::event::{Common, Owner};
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
    known: HashMap<(u64, u32), Rc<About>>,
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
        let key = (common.cgroup, pid);
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
        let cgroup = self.path(id);
        let (mut container, mut pod) = match cgroup.as_deref().map(container::of_path) {
            Some((container, pod)) => (container.map(Rc::from), pod.map(Rc::from)),
            None => (None, None),
        };
        if container.is_none() && pid != 0 {
            (container, pod) = of_process(pid);
        }
        let about = Rc::new(About {
            cgroup,
            container,
            pod,
        });
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

/// Container and pod of a process by the paths of all its cgroups.
fn of_process(pid: u32) -> (Option<Rc<str>>, Option<Rc<str>>) {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths
        .map(container::of_path)
        .find(|(container, _)| container.is_some())
        .map_or((None, None), |(c, p)| (c.map(Rc::from), p.map(Rc::from)))
}
