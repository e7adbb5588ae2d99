//! Open files of the processes, used and allowed.

use std::{fs, os::unix::fs::MetadataExt as _};

/// A process and its open files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub pid: u32,
    pub comm: String,
    pub used: u64,
    /// Soft limit; none: unlimited.
    pub allowed: Option<u64>,
}

/// What a look at all processes found.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    pub files: Vec<Files>,
    /// Processes that we may not look into.
    pub refused: usize,
}

/// Every process in the network namespace with this inode number; all of them when none is given.
pub fn open_files(netns: Option<u32>) -> Processes {
    let mut found = Processes::default();
    let Ok(entries) = fs::read_dir("/proc") else {
        return found;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if netns.is_some() && namespace(pid) != netns {
            continue;
        }
        match files(pid) {
            Ok(files) => found.files.push(files),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                found.refused += 1;
            }
            // It ended while we looked.
            Err(_) => {}
        }
    }
    found.files.sort_by(|a, b| b.share().total_cmp(&a.share()));
    found
}

fn namespace(pid: u32) -> Option<u32> {
    let meta = fs::metadata(format!("/proc/{pid}/ns/net")).ok()?;
    u32::try_from(meta.ino()).ok()
}

fn files(pid: u32) -> std::io::Result<Files> {
    let dir = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&dir)?;
    // The kernel tells the number as the directory's size (6.2).
    let size = fs::metadata(&dir)?.len();
    let used = if size > 0 {
        size
    } else {
        entries.count() as u64
    };
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let comm = fs::read(format!("/proc/{pid}/comm"))?;
    Ok(Files {
        pid,
        comm: String::from_utf8_lossy(&comm).trim_end().to_owned(),
        used,
        allowed: allowed(&limits),
    })
}

/// `Max open files            1024                 524288               files`.
fn allowed(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

impl Files {
    /// How much of its limit a process has used.
    #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
    fn share(&self) -> f64 {
        self.allowed
            .map_or(0.0, |max| self.used as f64 / max.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let text = "Limit  Soft  Hard\nMax open files            1024                 524288               files     \n";
        assert_eq!(allowed(text), Some(1024));
        assert_eq!(allowed("Max open files unlimited unlimited files"), None);
    }

    #[test]
    fn we_are_among_them() {
        let own = std::process::id();
        let found = open_files(None);
        let ours = found.files.iter().find(|f| f.pid == own).unwrap();
        assert!(ours.used > 2 && ours.allowed.is_some());
    }
}
