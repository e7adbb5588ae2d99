//! The socket to talk over: every address in turn, or whoever comes first.

use super::Connect;
use crate::{
    cli::{Failure, Status, probe},
    probes::{
        dial::dial,
        refusal::{Refused, keep_errors},
        resolve::{Address, Config, Family},
        run::{Asked, Signals},
    },
    sinks::stream::tell,
};
use nix::poll::{PollFd, PollFlags, ppoll};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsFd as _,
    time::Duration,
};

/// A socket that is connected to its peer.
pub struct Opened {
    pub socket: Socket,
    pub peer: SocketAddr,
    /// What came before there was a peer to talk to.
    pub first: Vec<u8>,
}

/// None: nobody takes the connection, or a signal ended the wait; the reason was told.
pub fn open(args: &Connect, signals: &Signals, config: &Config) -> Result<Option<Opened>, Failure> {
    match args.listen {
        Some(port) => serve(args, port, signals, config),
        None => reach(args, config),
    }
}

fn reach(args: &Connect, config: &Config) -> Result<Option<Opened>, Failure> {
    let (Some(host), Some(port)) = (&args.host, args.port) else {
        return Err(Failure::new(Status::Usage, "name a host and a port"));
    };
    let resolved = probe::look_up(host, args.common.family(), config)?;
    for address in &resolved.addresses {
        let peer = address.at(port);
        match attempt(args, *address, port) {
            Ok(socket) => {
                if !args.udp {
                    tell(&format!("netobs: connected to {peer}"));
                }
                let first = Vec::new();
                return Ok(Some(Opened {
                    socket,
                    peer,
                    first,
                }));
            }
            Err(refused) => {
                told(args, &refused);
                if refused.is_stop() {
                    break;
                }
            }
        }
    }
    Ok(None)
}

fn told(args: &Connect, refused: &Refused) {
    if !args.common.json {
        tell(&format!("netobs: connect to {refused}"));
        return;
    }
    let state = match (refused.error.raw_os_error(), refused.sender) {
        (Some(libc::ECONNREFUSED), None) => "closed",
        (_, Some(_)) => "unreachable",
        _ if refused.is_late() => "filtered",
        _ => "unreachable",
    };
    let object = json!({
        "event": "port", "addr": refused.to.ip(), "port": refused.to.port(), "proto": args.proto(), "state": state,
        "by": refused.by(), "rtt_us": null, "sentence": refused.to_string(),
    });
    tell(&object.to_string());
}

fn attempt(args: &Connect, address: Address, port: u16) -> Result<Socket, Refused> {
    let (peer, leave) = (address.at(port), args.leave());
    let limit = Duration::from_nanos(args.wait.max(1_000_000));
    if !args.udp {
        return dial(peer, &leave, limit).map(Socket::from);
    }
    let open = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, None)?;
        leave.apply(&socket, peer.is_ipv4())?;
        keep_errors(&socket, peer.is_ipv4(), true);
        socket.connect(&peer.into())?;
        Ok(socket)
    };
    open().map_err(|error| Refused {
        to: peer,
        error,
        sender: None,
        limit,
    })
}

/// Waits for one client.
fn serve(
    args: &Connect,
    port: u16,
    signals: &Signals,
    config: &Config,
) -> Result<Option<Opened>, Failure> {
    let any = Address::from(match args.common.family() {
        Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Family::V6 | Family::Any => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    });
    let address = match (&args.host, args.source) {
        (Some(host), _) => probe::look_up(host, args.common.family(), config)?.addresses[0],
        (None, Some(source)) => source.into(),
        (None, None) => any,
    };
    let at = address.at(port);
    let failed = |error: io::Error| Failure::new(Status::Other, format!("serve {at}: {error}"));
    let socket = match bound(args, at) {
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) && address == any => {
            bound(args, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        other => other,
    };
    let socket = socket.map_err(failed)?;
    let own = socket.local_addr().map_err(failed)?;
    tell(&format!(
        "netobs: listening on {}",
        own.as_socket().unwrap_or(at)
    ));
    if !arrived(&socket, signals).map_err(failed)? {
        return Ok(None);
    }
    let opened = if args.udp {
        first_datagram(socket)
    } else {
        accepted(args, &socket)
    };
    let opened = opened.map_err(failed)?;
    let peer = SocketAddr::new(opened.peer.ip().to_canonical(), opened.peer.port());
    let what = if args.udp { "datagram" } else { "connection" };
    tell(&format!("netobs: {what} from {peer}"));
    Ok(Some(Opened { peer, ..opened }))
}

fn bound(args: &Connect, at: SocketAddr) -> io::Result<Socket> {
    let kind = if args.udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if !args.udp {
        socket.set_reuse_address(true)?;
    }
    let mut leave = args.leave();
    leave.source = None;
    leave.apply(&socket, at.is_ipv4())?;
    if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !args.common.six {
        socket.set_only_v6(false)?;
    }
    socket.bind(&at.into())?;
    if !args.udp {
        socket.listen(1)?;
    }
    Ok(socket)
}

/// False: a signal came first.
fn arrived(socket: &Socket, signals: &Signals) -> io::Result<bool> {
    loop {
        let mut fds = [
            PollFd::new(signals.fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut fds, None, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if signals.next() == Some(Asked::Quit) {
            return Ok(false);
        }
        if fds[1].any() == Some(true) {
            return Ok(true);
        }
    }
}

fn accepted(args: &Connect, socket: &Socket) -> io::Result<Opened> {
    let (client, peer) = socket.accept()?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let mut leave = args.leave();
    (leave.source, leave.device) = (None, None);
    leave.apply(&client, peer.is_ipv4())?;
    Ok(Opened {
        socket: client,
        peer,
        first: Vec::new(),
    })
}

/// Whoever sends first is the one to talk to.
fn first_datagram(socket: Socket) -> io::Result<Opened> {
    let socket = UdpSocket::from(socket);
    let mut first = vec![0; 1 << 16];
    let (n, peer) = socket.recv_from(&mut first)?;
    first.truncate(n);
    keep_errors(&socket, peer.is_ipv4(), true);
    socket.connect(peer)?;
    Ok(Opened {
        socket: socket.into(),
        peer,
        first,
    })
}
