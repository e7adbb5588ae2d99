//! Sockets as the C library makes them: options, addresses, frames, descriptors in messages.

use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libc::{c_int, c_void};

use super::{check, own};

fn size<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a C structure is small")
}

/// Two UNIX sockets of a kind, connected; written to as if they were streams.
pub fn unix_pair(kind: c_int) -> io::Result<[UnixStream; 2]> {
    let mut fds = [-1; 2];
    // SAFETY: the kernel writes two descriptors to `fds`, which has room for them.
    check(unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            kind | libc::SOCK_CLOEXEC,
            0,
            fds.as_mut_ptr(),
        )
    })?;
    Ok(fds.map(|fd| own(fd).into()))
}

pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets a socket option that is any plain C value.
pub fn setsockopt<T: Copy>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: T,
) -> io::Result<()> {
    let value = (&raw const value).cast::<c_void>();
    // SAFETY: pointer and length describe `value`, which lives to the end of the function.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, size::<T>()) }).map(drop)
}

/// Reads an integer socket option.
pub fn getsockopt(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let (mut value, mut len) = (0, size::<c_int>());
    let at = (&raw mut value).cast::<c_void>();
    // SAFETY: pointers and length describe `value` and `len`, which live to the end of the function.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &raw mut len) })?;
    Ok(value)
}

pub fn bind(fd: BorrowedFd<'_>, addr: SocketAddr) -> io::Result<()> {
    with_sockaddr(addr, |at, len| {
        // SAFETY: `at` and `len` describe a socket address that outlives the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), at, len) }).map(drop)
    })
}

pub fn connect(fd: BorrowedFd<'_>, addr: SocketAddr) -> io::Result<()> {
    with_sockaddr(addr, |at, len| {
        // SAFETY: `at` and `len` describe a socket address that outlives the call.
        check(unsafe { libc::connect(fd.as_raw_fd(), at, len) }).map(drop)
    })
}

pub fn listen(fd: BorrowedFd<'_>, backlog: c_int) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// Waits until the socket or pipe is writable or in error; false when `limit` passed first.
pub fn poll_writable(fd: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    let limit = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: one entry, which outlives the call.
    Ok(check(unsafe { libc::poll(&raw mut entry, 1, limit) })? > 0)
}

fn with_sockaddr<T>(
    addr: SocketAddr,
    call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> T,
) -> T {
    match addr {
        SocketAddr::V4(a) => {
            let raw = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: a.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(a.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            call((&raw const raw).cast(), size::<libc::sockaddr_in>())
        }
        SocketAddr::V6(a) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: a.port().to_be(),
                sin6_flowinfo: a.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: a.ip().octets(),
                },
                sin6_scope_id: a.scope_id(),
            };
            call((&raw const raw).cast(), size::<libc::sockaddr_in6>())
        }
    }
}

fn family(domain: c_int) -> libc::sa_family_t {
    domain.try_into().expect("an address family is small")
}

/// The index of an interface of the calling thread's namespace.
pub fn ifindex(name: &CStr) -> io::Result<c_int> {
    // SAFETY: `name` ends with NUL.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(c_int::try_from(index).expect("an index is small"))
    }
}

/// Sends one whole Ethernet frame through a packet socket.
pub fn send_frame(fd: BorrowedFd<'_>, ifindex: c_int, frame: &[u8]) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sockaddr_ll.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = family(libc::AF_PACKET);
    to.sll_ifindex = ifindex;
    let (at, len) = ((&raw const to).cast(), size::<libc::sockaddr_ll>());
    // SAFETY: both pointers and lengths describe values that outlive the call.
    let sent = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            at,
            len,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Room for one descriptor in a control message, aligned as its header is.
type Control = [u64; 3];

fn with_message<T>(control: &mut Control, call: impl FnOnce(*mut libc::msghdr) -> T) -> T {
    let mut byte = 0u8;
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>();
    call(&raw mut message)
}

/// Passes a descriptor to the process at the other end of a UNIX socket.
pub fn send_fd(over: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    // struct cmsghdr { size_t len; int level; int type; } and the descriptor.
    let level = u64::from(libc::SOL_SOCKET.unsigned_abs());
    let kind = u64::from(libc::SCM_RIGHTS.unsigned_abs());
    let mut control: Control = [
        20,
        level | kind << 32,
        u64::from(fd.as_raw_fd().unsigned_abs()),
    ];
    with_message(&mut control, |message| {
        // SAFETY: the message, its byte and its control buffer outlive the call.
        let sent = unsafe { libc::sendmsg(over.as_raw_fd(), message, 0) };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    })
}

/// Takes a descriptor that [`send_fd`] passes.
pub fn receive_fd(over: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut control: Control = [0; 3];
    let got = with_message(&mut control, |message| {
        // SAFETY: the message, its byte and its control buffer outlive the call.
        unsafe { libc::recvmsg(over.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC) }
    });
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    if control[0] != 20 {
        return Err(io::Error::other("no descriptor came"));
    }
    let fd = RawFd::try_from(control[2] & 0xffff_ffff).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
