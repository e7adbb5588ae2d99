//! TCP sockets with every way to open and to end a connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::thread;

use anyhow::{Context, Result};

use crate::netns::Netns;
use crate::{sys, wait};

/// A listener with a backlog of one's own; `[::]` takes IPv4 too.
pub fn listen(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    listen_with(addr, backlog, libc::SO_REUSEADDR)
}

/// A listener that shares its port with others (`SO_REUSEPORT`).
pub fn listen_shared(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    listen_with(addr, backlog, libc::SO_REUSEPORT)
}

fn listen_with(addr: SocketAddr, backlog: i32, option: i32) -> io::Result<TcpListener> {
    let socket = sys::socket(domain(addr), libc::SOCK_STREAM, 0)?;
    sys::setsockopt(socket.as_fd(), libc::SOL_SOCKET, option, 1i32)?;
    if addr.is_ipv6() {
        sys::setsockopt(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0i32)?;
    }
    sys::bind(socket.as_fd(), addr)?;
    sys::listen(socket.as_fd(), backlog)?;
    Ok(socket.into())
}

fn domain(addr: SocketAddr) -> i32 {
    if addr.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

/// `::ffff:a.b.c.d`: an IPv4 peer of an IPv6 socket.
pub fn mapped(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::V6(SocketAddrV6::new(ip, addr.port(), 0, 0))
}

/// Every address, both families.
pub fn any() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
}

/// A connection about to be made.
#[must_use]
#[derive(Clone, Copy)]
pub struct Dial {
    to: SocketAddr,
    syn_count: Option<i32>,
}

impl Dial {
    pub fn to(to: SocketAddr) -> Self {
        Self {
            to,
            syn_count: None,
        }
    }

    /// SYNs sent again before the kernel gives up (`TCP_SYNCNT`).
    pub fn syn_count(self, count: i32) -> Self {
        Self {
            syn_count: Some(count),
            ..self
        }
    }

    /// Connects and waits for the outcome.
    pub fn connect(self) -> io::Result<TcpStream> {
        let socket = self.open(0)?;
        sys::connect(socket.as_fd(), self.to)?;
        Ok(socket.into())
    }

    /// Sends the SYN and does not wait: the stream is non-blocking.
    pub fn start(self) -> io::Result<TcpStream> {
        let socket = self.open(libc::SOCK_NONBLOCK)?;
        match sys::connect(socket.as_fd(), self.to) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            Ok(()) | Err(_) => Ok(socket.into()),
        }
    }

    fn open(self, flags: i32) -> io::Result<OwnedFd> {
        let socket = sys::socket(domain(self.to), libc::SOCK_STREAM | flags, 0)?;
        if let Some(count) = self.syn_count {
            sys::setsockopt(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_SYNCNT, count)?;
        }
        Ok(socket)
    }
}

/// Waits for the outcome of [`Dial::start`]; the stream blocks from then on.
pub fn finish(stream: &TcpStream) -> Result<()> {
    wait::until("a connection's outcome", || {
        Ok(sys::poll_writable(stream.as_fd(), wait::patience())?.then_some(()))
    })?;
    if let Some(error) = stream.take_error()? {
        return Err(error).context("non-blocking connect");
    }
    stream.set_nonblocking(false)?;
    Ok(())
}

/// Ends by RST: closes with `SO_LINGER` 0.
pub fn abort(stream: TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    sys::setsockopt(stream.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, linger)?;
    drop(stream);
    Ok(())
}

/// Gives up unacknowledged data after `ms` milliseconds (`TCP_USER_TIMEOUT`).
pub fn user_timeout(stream: &TcpStream, ms: i32) -> io::Result<()> {
    sys::setsockopt(
        stream.as_fd(),
        libc::IPPROTO_TCP,
        libc::TCP_USER_TIMEOUT,
        ms,
    )
}

/// Sends exactly `count` bytes.
pub fn send(stream: &mut TcpStream, count: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(b'x').take(count), stream)?;
    stream.flush()
}

/// Reads exactly `count` bytes.
pub fn receive(stream: &mut TcpStream, count: u64) -> io::Result<()> {
    let got = io::copy(&mut stream.take(count), &mut io::sink())?;
    if got == count {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads to the end: how many bytes came.
pub fn drain(stream: &mut TcpStream) -> io::Result<u64> {
    io::copy(stream, &mut io::sink())
}

/// Waits until at least one byte can be read, and leaves it there.
pub fn wait_unread(stream: &TcpStream) -> io::Result<()> {
    stream.peek(&mut [0]).map(drop)
}

/// An established connection, both ends held by this process.
pub struct Established {
    pub client: TcpStream,
    pub server: TcpStream,
    pub client_port: u16,
    pub server_port: u16,
}

impl Established {
    /// Carries exactly `count` bytes from client to server, written and read at the same time.
    pub fn transfer(&mut self, count: u64) -> Result<()> {
        let mut sender = self.client.try_clone()?;
        thread::scope(|scope| {
            let sending = scope.spawn(move || send(&mut sender, count));
            receive(&mut self.server, count)?;
            let sent = sending.join();
            Ok(sent.unwrap_or_else(|panic| resume_unwind(panic))?)
        })
    }
}

/// Connects from `from` to a fresh listener on `addr` in `to`.
pub fn establish(from: &Netns, to: &Netns, addr: IpAddr) -> Result<Established> {
    let listener = to.run(|| Ok(listen(SocketAddr::new(addr, 0), 16)?))?;
    let at = listener.local_addr()?;
    let client = from.run(|| {
        Dial::to(at)
            .connect()
            .with_context(|| format!("connect to {at}"))
    })?;
    let (server, peer) = listener.accept()?;
    Ok(Established {
        client,
        server,
        client_port: peer.port(),
        server_port: at.port(),
    })
}
