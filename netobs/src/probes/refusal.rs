//! Why a connection did not come about, in words, and by whom as far as the kernel knows.

use super::{
    engine::socket::{Kept, Reader},
    stop,
};
use crate::icmp::{self, Family};
use nix::sys::socket::sockopt;
use socket2::SockRef;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    time::Duration,
};

/// `SO_EE_ORIGIN_ICMP`, `SO_EE_ORIGIN_ICMP6` of linux/errqueue.h.
const ICMP: u8 = 2;
const ICMP6: u8 = 3;

/// An ICMP error that ended an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    pub addr: IpAddr,
    pub family: Family,
    pub kind: u8,
    pub code: u8,
}

impl Sender {
    pub const fn words(&self) -> &'static str {
        icmp::what(self.family, self.kind, self.code)
    }
}

/// Asks the kernel to keep ICMP errors with their sender: for UDP always, for TCP during the handshake (5.9 and later).
pub fn keep_errors(socket: &impl AsFd, v4: bool, keep: bool) {
    let socket = socket.as_fd();
    // Without it errors come all the same, only without their sender.
    let done = if v4 {
        nix::sys::socket::setsockopt(&socket, sockopt::Ipv4RecvErr, &keep)
    } else {
        nix::sys::socket::setsockopt(&socket, sockopt::Ipv6RecvErr, &keep)
    };
    done.unwrap_or(());
}

/// Who sent the error that `socket` has met.
pub fn sender(socket: &impl AsFd) -> Option<Sender> {
    let mut reader = Reader::default();
    std::iter::from_fn(|| reader.next(socket, true))
        .filter_map(|message| message.kept)
        .find_map(|kept| told(&kept))
}

fn told(kept: &Kept) -> Option<Sender> {
    let family = match kept.origin {
        ICMP => Family::V4,
        ICMP6 => Family::V6,
        _ => return None,
    };
    Some(Sender {
        addr: kept.offender?,
        family,
        kind: kept.kind,
        code: kept.code,
    })
}

/// An attempt to connect that came to nothing.
#[derive(Debug)]
pub struct Refused {
    pub to: SocketAddr,
    pub error: io::Error,
    pub sender: Option<Sender>,
    /// How long it was tried.
    pub limit: Duration,
}

impl Refused {
    pub fn is_stop(&self) -> bool {
        stop::is_stop(&self.error)
    }

    /// No answer within the limit, ours or the kernel's own.
    pub fn is_late(&self) -> bool {
        matches!(
            self.error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        )
    }

    /// Who refused: the sender of the error, or of the reset.
    pub fn by(&self) -> Option<IpAddr> {
        let reset = self.error.raw_os_error() == Some(libc::ECONNREFUSED);
        self.sender
            .map(|sender| sender.addr)
            .or_else(|| reset.then(|| self.to.ip()))
    }

    /// Without the address that was tried.
    pub fn why(&self) -> String {
        if let Some(sender) = self.sender {
            let who = if sender.addr == self.to.ip() {
                "the host itself".to_owned()
            } else {
                sender.addr.to_string()
            };
            return format!("refused by {who} (ICMP: {})", sender.words());
        }
        let words = match self.error.raw_os_error() {
            Some(libc::ECONNREFUSED) => {
                "refused by the host (RST): nothing listens there, or a firewall rejects"
            }
            // No packet said so: the neighbour was asked for in vain, or a route forbids it.
            Some(libc::EHOSTUNREACH) => {
                "no way to the host: the neighbour does not answer (ARP, neighbour discovery), or a route says unreachable"
            }
            Some(libc::ENETUNREACH) => "no route (see netobs show route)",
            Some(libc::ETIMEDOUT) => "no answer",
            Some(libc::EACCES | libc::EPERM) => "forbidden by a local firewall or route",
            Some(libc::EADDRNOTAVAIL) => "the source address is not one of this machine",
            _ if self.is_late() => {
                return format!("no answer within {} s", self.limit.as_secs_f64());
            }
            _ => return self.error.to_string(),
        };
        words.to_owned()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.to, self.why())
    }
}

impl std::error::Error for Refused {}

/// The error that a socket has met, if any.
pub fn met(socket: &impl AsFd) -> io::Result<()> {
    match SockRef::from(&socket.as_fd()).take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
