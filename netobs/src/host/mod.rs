//! What /proc and /etc tell of a node: the kernel's counters, its limits, how names are resolved.

pub mod counters;
pub mod limits;
pub mod processes;
pub mod resolver;
pub mod sockets;
mod troubles;
pub mod verdict;

use std::fs;

/// A file of /proc in the network namespace of the calling thread: `net/snmp`, `sys/net/core/somaxconn`.
fn proc_file(path: &str) -> Option<String> {
    // /proc/net is that of the process's first thread.
    let path = match path.strip_prefix("net/") {
        Some(file) => format!("/proc/thread-self/net/{file}"),
        None => format!("/proc/{path}"),
    };
    fs::read_to_string(path).ok()
}

/// The numbers in a file, separated by blanks.
fn numbers(path: &str) -> Vec<u64> {
    let text = proc_file(path).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The one number in a file.
fn number(path: &str) -> Option<u64> {
    numbers(path).first().copied()
}
