//! Ids of classic tracepoints: from tracefs where it is mounted, else from a private mount nobody else sees.

use std::{fs, io};

const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The id of `category/name`.
pub fn event_id(event: &str) -> io::Result<u64> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for mount in MOUNTS {
        result = fs::read_to_string(format!("{mount}/events/{event}/id"));
        if result.is_ok() {
            break;
        }
    }
    let text = result.or_else(|_| read_unmounted(&format!("events/{event}/id")))?;
    text.trim().parse().map_err(io::Error::other)
}

/// Reads a file of tracefs through a detached mount: the mount tree stays as it is.
fn read_unmounted(path: &str) -> io::Result<String> {
    let mount = super::sys::detached_mount(c"tracefs")?;
    let path = format!("/proc/self/fd/{}/{path}", std::os::fd::AsRawFd::as_raw_fd(&mount));
    fs::read_to_string(path)
}
