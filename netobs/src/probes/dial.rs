//! A TCP connection within a time: from where, with which marks, and who refused it.

use super::{
    refusal::{Refused, keep_errors, met, sender},
    stop,
};
use crate::clock;
use nix::{
    poll::PollFlags,
    sys::socket::{setsockopt, sockopt},
};
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::AsFd as _,
    time::Duration,
};

/// How packets of a connection leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    pub source: Option<IpAddr>,
    pub device: Option<String>,
    pub mark: Option<u32>,
    pub tos: Option<u8>,
}

impl Leave {
    /// Applies all to a fresh socket.
    pub fn apply(&self, socket: &Socket, v4: bool) -> io::Result<()> {
        if let Some(device) = &self.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        if let Some(tos) = self.tos.map(i32::from) {
            if v4 {
                setsockopt(socket, sockopt::Ipv4Tos, &tos)?;
            } else {
                setsockopt(socket, sockopt::Ipv6TClass, &tos)?;
            }
        }
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(())
    }
}

/// Connects, or tells why not; a signal ends the wait.
pub fn dial(to: SocketAddr, leave: &Leave, limit: Duration) -> Result<TcpStream, Refused> {
    let refused = |error: io::Error, sender| Refused {
        to,
        error,
        sender,
        limit,
    };
    let socket = begin(to, leave).map_err(|error| refused(error, None))?;
    match finish(&socket, to, limit) {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            let sender = sender(&socket);
            Err(refused(error, sender))
        }
    }
}

fn begin(to: SocketAddr, leave: &Leave) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)?;
    leave.apply(&socket, to.is_ipv4())?;
    keep_errors(&socket, to.is_ipv4(), true);
    Ok(socket)
}

fn finish(socket: &Socket, to: SocketAddr, limit: Duration) -> io::Result<()> {
    let end = clock::instant() + limit;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
            stop::wait(socket.as_fd(), PollFlags::POLLOUT, end)?;
            met(socket)?;
        }
        other => other?,
    }
    // A connection that stands must outlive an ICMP error.
    keep_errors(socket, to.is_ipv4(), false);
    socket.set_nonblocking(false)
}
