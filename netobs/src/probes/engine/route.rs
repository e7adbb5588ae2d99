//! The address this machine would send from.

use super::{EngineError, Options, socket::apply};
use nix::{
    getsockopt_impl, sockopt_impl,
    sys::socket::{getsockopt, sockopt},
};
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the routing tables choose towards `peer`; connecting a datagram socket sends nothing.
pub fn source_towards(peer: IpAddr, options: &Options) -> Result<IpAddr, EngineError> {
    if let Some(source) = options.source {
        return Ok(source);
    }
    let failed = |error| EngineError::socket(format!("find a way to {peer}"), error);
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(peer, 9)),
        Type::DGRAM,
        None,
    )
    .map_err(failed)?;
    apply(&socket, options)?;
    socket
        .connect(&SocketAddr::new(peer, 9).into())
        .map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    Ok(local
        .as_socket()
        .map_or(unspecified(peer), |addr| addr.ip()))
}

/// The MTU of the way out: what this machine itself would send in one piece.
pub fn link_mtu(peer: IpAddr, options: &Options) -> Result<u16, EngineError> {
    let failed = |error| EngineError::socket(format!("find the MTU towards {peer}"), error);
    let addr = SocketAddr::new(peer, 9);
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None).map_err(failed)?;
    apply(&socket, options)?;
    socket.connect(&addr.into()).map_err(failed)?;
    let mtu = if peer.is_ipv4() {
        getsockopt(&socket, sockopt::IpMtu)
    } else {
        getsockopt(&socket, Ipv6Mtu)
    };
    let mtu = mtu.map_err(|error| failed(error.into()))?;
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

sockopt_impl!(
    /// The MTU of the path, as far as the kernel knows it.
    Ipv6Mtu,
    GetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU,
    libc::c_int
);

pub(super) fn unspecified(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
