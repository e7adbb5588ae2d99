//! Cgroup v2 by id and by path, and the container a path stands for.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Where cgroup v2 is mounted: the whole tree, or the unified part of a hybrid one.
pub fn mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .and_then(|fields| fields.get(1).map(PathBuf::from))
}

/// The id of the cgroup at `path`, absolute or below the mount: the inode number of its directory.
pub fn id_of(path: &str) -> Result<u64, String> {
    let mount = mount().ok_or("cgroup v2 is not mounted")?;
    let inside = mount.join(path.trim_start_matches('/'));
    let full = if Path::new(path).starts_with(&mount) {
        Path::new(path)
    } else {
        &inside
    };
    fs::metadata(full)
        .map(|m| m.ino())
        .map_err(|_| format!("no cgroup {}", full.display()))
}

/// Most directories of a cgroup tree that a search looks at.
const SEARCH_LIMIT: usize = 100_000;

/// Walks the tree; `take` says whether to end.
pub fn walk(mut take: impl FnMut(&Path, u64) -> bool) {
    let Some(mount) = mount() else { return };
    let mut waiting = vec![mount];
    let mut seen = 0;
    while let Some(dir) = waiting.pop() {
        let Ok(meta) = fs::metadata(&dir) else {
            continue;
        };
        seen += 1;
        if take(&dir, meta.ino()) || seen > SEARCH_LIMIT {
            return;
        }
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        let dirs = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        waiting.extend(dirs.map(|entry| entry.path()));
    }
}

/// Ids of the cgroups of containers whose id begins with `prefix`.
pub fn of_container(prefix: &str) -> Vec<u64> {
    let mut ids = Vec::new();
    walk(|path, id| {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if super::container::id_in(&name).is_some_and(|found| found.starts_with(prefix)) {
            ids.push(id);
        }
        false
    });
    ids
}
