//! TAP devices: an end of a link in our own hands.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use crate::sys::check;

/// A TAP device of this name in the calling thread's namespace: frames it is given are read here, frames written here it receives.
pub fn open(name: &CStr) -> io::Result<std::fs::File> {
    /// `TUNSETIFF` of `linux/if_tun.h`.
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI)
        .expect("flags of a TAP device fit");
    // SAFETY: `request` is an ifreq that outlives the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw const request) })?;
    Ok(file)
}

/// Waits until one of both can be read, at most `limit`.
pub fn poll_readable(fds: [BorrowedFd<'_>; 2], limit: Duration) -> io::Result<[bool; 2]> {
    let mut entries = fds.map(|fd| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let limit = libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    let none = std::ptr::null();
    // SAFETY: two entries and the limit, which outlive the call.
    check(unsafe { libc::ppoll(entries.as_mut_ptr(), 2, &raw const limit, none) })?;
    Ok(entries.map(|entry| entry.revents != 0))
}
