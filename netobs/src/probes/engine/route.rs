//! The address this machine would send from.

use super::{EngineError, Options, socket::apply};
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the routing tables choose towards `peer`; connecting a datagram socket sends nothing.
pub fn source_towards(peer: IpAddr, options: &Options) -> Result<IpAddr, EngineError> {
    if let Some(source) = options.source {
        return Ok(source);
    }
    let failed = |error| EngineError::socket(format!("find a way to {peer}"), error);
    let socket = Socket::new(Domain::for_address(SocketAddr::new(peer, 9)), Type::DGRAM, None)
        .map_err(failed)?;
    apply(&socket, options)?;
    socket.connect(&SocketAddr::new(peer, 9).into()).map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    Ok(local.as_socket().map_or(unspecified(peer), |addr| addr.ip()))
}

pub(super) fn unspecified(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
