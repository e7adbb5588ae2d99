//! Datagram sockets of a user without privileges: ping sockets, and the errors that the kernel keeps for UDP sockets.

use super::{
    Engine, EngineError, Interest, Options, send_error,
    socket::{self, Kept, Message, Reader, dress, stamp_receiving, widen},
};
use crate::{
    clock,
    event::Mono,
    probes::{
        net::{Answer, Event, Identity, Odd, Probe, Proto, SendError, Stamped, What},
        packet::build,
    },
};
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// UDP probes whose errors may still come: each has a socket of its own, since routers may quote too little to tell them apart.
const MOST: usize = 512;
/// `SO_EE_ORIGIN_ICMP`, `SO_EE_ORIGIN_ICMP6` of linux/errqueue.h.
const ICMP: u8 = 2;
const ICMP6: u8 = 3;

/// Ping sockets for echoes, one UDP socket per probe else.
pub struct Datagram {
    v4: bool,
    proto: Proto,
    options: Options,
    ping: Option<Socket>,
    /// What our echoes claim to be: the kernel writes an identifier of its own.
    id: u16,
    udp: VecDeque<(Identity, Socket)>,
    ttl: Option<u8>,
    packet: Vec<u8>,
    reader: Reader,
    odd: Odd,
}

impl Datagram {
    pub fn open(v4: bool, proto: Proto, id: u16, options: &Options) -> Result<Self, EngineError> {
        let ping = match proto {
            Proto::Icmp => Some(ping_socket(v4, options)?),
            Proto::Udp => None,
            Proto::Tcp => return Err(EngineError::NotWithout("half-open probes", "TCP")),
            Proto::Other(_) => return Err(EngineError::NotWithout("probes", proto.name())),
        };
        Ok(Self {
            v4,
            proto,
            options: options.clone(),
            ping,
            id,
            udp: VecDeque::new(),
            ttl: None,
            packet: Vec::new(),
            reader: Reader::default(),
            odd: Odd::default(),
        })
    }

    fn send_echo(&mut self, probe: &Probe) -> Result<(), SendError> {
        let Some(ping) = &self.ping else {
            return Err(SendError::Other(libc::EPROTONOSUPPORT));
        };
        if self.ttl != probe.ttl && set_ttl(ping, self.v4, probe.ttl).is_ok() {
            self.ttl = probe.ttl;
        }
        let source = super::route::unspecified(probe.identity.peer);
        build::echo(probe, source, &mut self.packet);
        let to = SockaddrStorage::from(SocketAddr::new(probe.identity.peer, 0));
        let flags = MsgFlags::MSG_DONTWAIT;
        sendto(ping.as_raw_fd(), &self.packet, &to, flags)
            .map(drop)
            .map_err(send_error)
    }

    fn send_datagram(&mut self, probe: &Probe) -> Result<(), SendError> {
        let to = SocketAddr::new(probe.identity.peer, probe.identity.b);
        let refused = |error: std::io::Error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            send_error(nix::errno::Errno::from_raw(errno))
        };
        let prepared = |error: EngineError| match error {
            EngineError::Socket { source, .. } => refused(source),
            EngineError::Privilege(_) | EngineError::PingGroup(_) | EngineError::NotWithout(..) => {
                SendError::Prohibited
            }
        };
        let socket = self.udp_socket(probe.ttl).map_err(prepared)?;
        socket.connect(&to.into()).map_err(refused)?;
        socket.send(&build::payload(probe).0).map_err(refused)?;
        self.udp.push_back((probe.identity, socket));
        if self.udp.len() > MOST {
            self.udp.pop_front();
        }
        Ok(())
    }

    fn udp_socket(&self, ttl: Option<u8>) -> Result<Socket, EngineError> {
        let socket = open(self.v4, Type::DGRAM, None)
            .map_err(|error| EngineError::socket("open a UDP socket", error))?;
        socket::apply(&socket, &self.options)?;
        dress(&socket, self.v4, &self.options)?;
        keep_errors(&socket, self.v4)?;
        stamp_receiving(&socket, self.v4, false)?;
        set_ttl(&socket, self.v4, ttl)?;
        Ok(socket)
    }

    fn collect_echoes(&mut self, now: Mono, offset: u64, events: &mut Vec<Event>) {
        let Self {
            ping: Some(ping),
            reader,
            odd,
            id,
            ..
        } = self
        else {
            return;
        };
        while let Some(message) = reader.next(ping, true) {
            let sequence = sequence(&reader.bytes[..message.len]);
            let (Some(kept), Some(to), Some(b)) = (message.kept, message.from, sequence) else {
                odd.truncated += 1;
                continue;
            };
            let identity = echo(to.ip(), *id, b);
            let at = message.at(now, offset);
            events.extend(error(&kept, identity, at).map(Event::Answer));
        }
        while let Some(message) = reader.next(ping, false) {
            let sequence = sequence(&reader.bytes[..message.len]);
            let (Some(from), Some(b)) = (message.from, sequence) else {
                odd.truncated += 1;
                continue;
            };
            let identity = echo(from.ip(), *id, b);
            events.push(Event::Answer(Answer {
                what: What::EchoReply,
                ..plain(identity, from.ip(), &message, message.at(now, offset))
            }));
        }
    }

    fn collect_datagrams(&mut self, now: Mono, offset: u64, events: &mut Vec<Event>) {
        for (identity, socket) in &self.udp {
            while let Some(message) = self.reader.next(socket, true) {
                let at = message.at(now, offset);
                let told = message.kept.and_then(|kept| error(&kept, *identity, at));
                events.extend(told.map(Event::Answer));
            }
            while let Some(message) = self.reader.next(socket, false) {
                let at = message.at(now, offset);
                events.push(Event::Answer(plain(*identity, identity.peer, &message, at)));
            }
        }
    }
}

const fn echo(peer: IpAddr, id: u16, sequence: u16) -> Identity {
    Identity {
        peer,
        proto: Proto::Icmp,
        a: id,
        b: sequence,
        token: 0,
    }
}

fn sequence(bytes: &[u8]) -> Option<u16> {
    bytes.get(6..8).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

fn plain(identity: Identity, from: IpAddr, message: &Message, at: Mono) -> Answer {
    Answer {
        at,
        identity,
        from,
        what: What::Datagram,
        ttl: message.ttl,
        quote: None,
        extensions: None,
        len: u16::try_from(message.len).unwrap_or(u16::MAX),
        stamped: Stamped::default(),
    }
}

/// An ICMP error as the kernel keeps it: its type, code and sender, without the message itself.
fn error(kept: &Kept, identity: Identity, at: Mono) -> Option<Answer> {
    let v4 = match kept.origin {
        ICMP => true,
        ICMP6 => false,
        _ => return None,
    };
    let what = match (v4, kept.kind, kept.code) {
        (true, 11, 0) | (false, 3, 0) => What::TimeExceeded,
        (true, 3, 4) | (false, 2, _) => What::TooBig { mtu: kept.info },
        (_, kind, code) => What::Error { kind, code },
    };
    Some(Answer {
        at,
        identity,
        from: kept.offender?,
        what,
        ttl: None,
        quote: None,
        extensions: None,
        len: 0,
        stamped: Stamped::default(),
    })
}

impl Engine for Datagram {
    fn name(&self) -> &'static str {
        "datagram"
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SendError> {
        match self.proto {
            Proto::Icmp => self.send_echo(probe),
            Proto::Udp | Proto::Tcp | Proto::Other(_) => self.send_datagram(probe),
        }
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        let (now, offset) = (clock::mono(), clock::wall_offset_ns());
        self.collect_echoes(now, offset, events);
        self.collect_datagrams(now, offset, events);
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        let udp = self.udp.iter().map(|(_, socket)| socket);
        let all = self.ping.iter().chain(udp);
        all.map(|socket| (socket.as_fd(), Interest::Read)).collect()
    }

    fn odd(&self) -> Odd {
        self.odd
    }
}

fn open(v4: bool, kind: Type, protocol: Option<Protocol>) -> std::io::Result<Socket> {
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    Socket::new(domain, kind.nonblocking(), protocol)
}

fn ping_socket(v4: bool, options: &Options) -> Result<Socket, EngineError> {
    let protocol = if v4 {
        Protocol::ICMPV4
    } else {
        Protocol::ICMPV6
    };
    let socket = open(v4, Type::DGRAM, Some(protocol)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            EngineError::PingGroup(error)
        } else {
            EngineError::socket("open a ping socket", error)
        }
    })?;
    socket::apply(&socket, options)?;
    dress(&socket, v4, options)?;
    keep_errors(&socket, v4)?;
    stamp_receiving(&socket, v4, false)?;
    widen(&socket);
    Ok(socket)
}

fn keep_errors(socket: &Socket, v4: bool) -> Result<(), EngineError> {
    if v4 {
        socket::set(socket, sockopt::Ipv4RecvErr, &true)
    } else {
        socket::set(socket, sockopt::Ipv6RecvErr, &true)
    }
}

fn set_ttl(socket: &Socket, v4: bool, ttl: Option<u8>) -> Result<(), EngineError> {
    let value = ttl.map_or(-1, i32::from);
    if v4 {
        socket::set(socket, sockopt::Ipv4Ttl, &value)
    } else {
        socket::set(socket, sockopt::Ipv6Ttl, &value)
    }
}
