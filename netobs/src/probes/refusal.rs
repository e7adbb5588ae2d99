//! Why a TCP connection did not come about, in words.

use std::{io, net::SocketAddr, time::Duration};

/// Why a TCP connection did not come about, as the kernel knows it.
pub fn connect_words(addr: SocketAddr, error: &io::Error, timeout: Duration) -> String {
    if is_late(error) {
        return format!("{addr}: no answer within {} s", timeout.as_secs_f64());
    }
    let why = match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => {
            "refused by the host: nothing listens there, or a firewall rejects"
        }
        Some(libc::EHOSTUNREACH) => "no way to the host (a router or the last hop says so)",
        Some(libc::ENETUNREACH) => "no route",
        Some(libc::ETIMEDOUT) => "no answer",
        Some(libc::EACCES | libc::EPERM) => "forbidden by a local firewall or route",
        _ => return format!("{addr}: {error}"),
    };
    format!("{addr}: {why}")
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ) && error.raw_os_error() != Some(libc::ETIMEDOUT)
}
