//! The TCP sockets as far as limits need them: ends, state, queues.

use super::{
    attrs::{array, ip, u32_at},
    socket::{Error, Request, Socket},
};
use std::net::{IpAddr, SocketAddr};

const SOCK_DIAG: isize = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
pub const SYN_RECV: u8 = 3;
pub const LISTEN: u8 = 10;

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    pub state: u8,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Of a listener: connections waiting to be accepted.
    pub rqueue: u32,
    /// Of a listener: how many may wait.
    pub wqueue: u32,
}

/// All TCP sockets of the thread's network namespace, IPv4 and IPv6, handed to `take` one by one.
pub fn each(mut take: impl FnMut(TcpSocket)) -> Result<(), Error> {
    let mut socket = Socket::open(SOCK_DIAG)?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut header = [0; REQUEST];
        header[0] = u8::try_from(family).unwrap_or(0);
        header[1] = u8::try_from(libc::IPPROTO_TCP).unwrap_or(0);
        header[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let request = Request::dump("list the TCP sockets", SOCK_DIAG_BY_FAMILY, &header);
        let outcome = socket.each(&request, |_, payload| {
            if let Some(socket) = decode(payload) {
                take(socket);
            }
        });
        match outcome {
            // A kernel without IPv6.
            Err(error) if error.is_unsupported() => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// `struct inet_diag_msg`.
fn decode(payload: &[u8]) -> Option<TcpSocket> {
    let [family, state, ..] = *payload else {
        return None;
    };
    let len = if i32::from(family) == libc::AF_INET {
        4
    } else {
        16
    };
    let port = |at| array(payload, at).map(u16::from_be_bytes);
    let address = |at: usize| -> Option<IpAddr> {
        ip(payload.get(at..at + len)?).map(|ip| ip.to_canonical())
    };
    Some(TcpSocket {
        state,
        local: SocketAddr::new(address(8)?, port(4)?),
        remote: SocketAddr::new(address(24)?, port(6)?),
        rqueue: u32_at(payload, 56)?,
        wqueue: u32_at(payload, 60)?,
    })
}
