//! UDP sockets and floods of an exact number of datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use crate::netns::Netns;
use crate::sys;

/// A socket bound to `addr` in `ns`.
pub fn bind(ns: &Netns, addr: SocketAddr) -> Result<UdpSocket> {
    ns.run(|| UdpSocket::bind(addr).with_context(|| format!("bind {addr}")))
}

/// Asks for a receive buffer of `bytes`; what the kernel made of it.
pub fn limit_receive_buffer(socket: &UdpSocket, bytes: i32) -> io::Result<i32> {
    sys::setsockopt(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)?;
    sys::getsockopt(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)
}

/// Sends exactly `count` datagrams of `len` bytes, each to `to`; errors reported by earlier ones do not stop it.
pub fn flood(socket: &UdpSocket, to: SocketAddr, count: u64, len: usize) -> Result<()> {
    let payload = vec![b'x'; len];
    for _ in 0..count {
        send(socket, &payload, to)?;
    }
    Ok(())
}

fn send(socket: &UdpSocket, payload: &[u8], to: SocketAddr) -> Result<()> {
    loop {
        match socket.send_to(payload, to) {
            Ok(_) => return Ok(()),
            // An ICMP error for an earlier datagram: this one has not been sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error).with_context(|| format!("send to {to}")),
        }
    }
}

/// Takes everything out of a socket's queue: how many datagrams.
pub fn empty(socket: &UdpSocket) -> Result<u64> {
    socket.set_nonblocking(true)?;
    let mut count = 0;
    loop {
        match socket.recv_from(&mut [0]) {
            Ok(_) => count += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error).context("empty a UDP socket"),
        }
    }
}

/// Sets the TTL or hop limit of what is sent.
pub fn limit_hops(socket: &UdpSocket, hops: i32) -> io::Result<()> {
    sys::setsockopt(socket.as_fd(), libc::IPPROTO_IP, libc::IP_TTL, hops)?;
    if socket.local_addr()?.is_ipv6() {
        sys::setsockopt(
            socket.as_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_UNICAST_HOPS,
            hops,
        )?;
    }
    Ok(())
}

/// Forbids fragments on the way, whatever the path is known to carry (`IP_PMTUDISC_PROBE`).
pub fn forbid_fragments(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv6() {
        return sys::setsockopt(
            socket.as_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        );
    }
    sys::setsockopt(
        socket.as_fd(),
        libc::IPPROTO_IP,
        libc::IP_MTU_DISCOVER,
        libc::IP_PMTUDISC_PROBE,
    )
}

/// Marks what is sent (`SO_MARK`).
pub fn mark(socket: &UdpSocket, mark: i32) -> io::Result<()> {
    sys::setsockopt(socket.as_fd(), libc::SOL_SOCKET, libc::SO_MARK, mark)
}
