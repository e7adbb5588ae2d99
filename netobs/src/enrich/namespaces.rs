//! Names of network namespaces.

use std::{fs, os::unix::fs::MetadataExt as _};

/// Inode number of the network namespace we stand in; 0: not readable.
pub fn own() -> u32 {
    inode("/proc/self/ns/net")
}

/// Names in /run/netns by inode number.
pub fn named() -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (inode(&entry.path().to_string_lossy()), name)
        })
        .filter(|(inode, _)| *inode != 0)
        .collect()
}

fn inode(path: &str) -> u32 {
    fs::metadata(path)
        .ok()
        .and_then(|m| u32::try_from(m.ino()).ok())
        .unwrap_or(0)
}
