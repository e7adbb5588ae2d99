//! Raw sockets: any probe, answers with the kernel's time of arrival. Needs `CAP_NET_RAW`.

use super::{
    Engine, EngineError, Interest, Options,
    answers::{Which, destination, read_one},
    filter::{self, Start},
    route::{source_towards, unspecified},
    send_error,
    socket::{self, Reader, dress, stamp_receiving, widen},
    stamps::Stamps,
};
use crate::{
    clock,
    event::Mono,
    probes::{
        net::{Answer, Event, Identity, Odd, Probe, Proto, SendError, Stamped, What},
        packet::{
            build,
            read::{self, Received, Refusal},
        },
    },
};
use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// What a run will send.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub v4: bool,
    pub proto: Proto,
    /// Source ports of TCP; the identifier of echoes is the first.
    pub ports: RangeInclusive<u16>,
}

/// Sockets of one family and protocol.
pub struct Raw {
    wanted: Wanted,
    options: Options,
    icmp: Socket,
    /// Takes whole packets, for UDP and TCP.
    whole: Option<Socket>,
    /// Gets what is answered to our ports, but for UDP.
    ported: Option<Socket>,
    /// Holds the source port of UDP probes and gets what is answered there.
    udp: Option<Socket>,
    sources: HashMap<IpAddr, IpAddr>,
    ttl: Option<u8>,
    stamps: Option<Stamps>,
    packet: Vec<u8>,
    reader: Reader,
    odd: Odd,
}

const NAME: &str = "raw";

impl Raw {
    pub fn open(mut wanted: Wanted, options: &Options) -> Result<Self, EngineError> {
        let (v4, proto) = (wanted.v4, wanted.proto);
        let udp = (proto == Proto::Udp)
            .then(|| udp_socket(v4, options))
            .transpose()?;
        if let Some((_, port)) = &udp {
            wanted.ports = *port..=*port;
        }
        let start = if v4 { Start::Ip } else { Start::Transport };
        let icmp = listener(v4, *wanted.ports.start(), options)?;
        let stamped = options.stamp_sending;
        stamp_receiving(&icmp, v4, stamped && proto == Proto::Icmp)?;
        dress(&icmp, v4, options)?;
        // Ports stand at the same place in all protocols that have them.
        let protocol = match proto {
            Proto::Tcp => Some(Protocol::TCP),
            Proto::Other(number) if proto.has_ports() => Some(Protocol::from(i32::from(number))),
            Proto::Icmp | Proto::Udp | Proto::Other(_) => None,
        };
        let ported = if let Some(protocol) = protocol {
            let tcp = raw(v4, protocol, options)?;
            attach(&tcp, &filter::tcp(start, &wanted.ports))?;
            stamp_receiving(&tcp, v4, false)?;
            Some(tcp)
        } else {
            None
        };
        let whole = if proto == Proto::Icmp {
            None
        } else {
            let whole = raw(v4, Protocol::from(libc::IPPROTO_RAW), options)?;
            stamp_receiving(&whole, v4, stamped)?;
            // What the kernel knows of the path would else refuse what is to find it out.
            dress(&whole, v4, options)?;
            Some(whole)
        };
        Ok(Self {
            wanted,
            options: options.clone(),
            icmp,
            whole,
            ported,
            udp: udp.map(|(socket, _)| socket),
            sources: HashMap::new(),
            ttl: None,
            stamps: stamped.then(Stamps::default),
            packet: Vec::new(),
            reader: Reader::default(),
            odd: Odd::default(),
        })
    }

    /// The source port, or identifier, that probes must carry.
    pub fn port(&self) -> u16 {
        *self.wanted.ports.start()
    }

    fn source(&mut self, peer: IpAddr) -> Result<IpAddr, SendError> {
        if let Some(source) = self.sources.get(&peer) {
            return Ok(*source);
        }
        let source = source_towards(peer, &self.options).map_err(|error| match error {
            EngineError::Socket { source, .. } => {
                let errno = source.raw_os_error().unwrap_or(libc::EIO);
                send_error(nix::errno::Errno::from_raw(errno))
            }
            EngineError::Privilege(_) | EngineError::PingGroup(_) | EngineError::NotWithout(..) => {
                SendError::Prohibited
            }
        })?;
        self.sources.insert(peer, source);
        Ok(source)
    }

    fn transmit(&mut self, probe: &Probe) -> Result<(), SendError> {
        let peer = probe.identity.peer;
        let socket = match &self.whole {
            Some(whole) => whole,
            None => &self.icmp,
        };
        let to = SockaddrStorage::from(SocketAddr::new(peer, 0));
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = sendto(socket.as_raw_fd(), &self.packet, &to, flags);
        match sent {
            Ok(_) => {
                if let Some(stamps) = &mut self.stamps {
                    stamps.sent(probe.identity);
                }
                Ok(())
            }
            Err(errno) => {
                self.restart_stamps();
                Err(send_error(errno))
            }
        }
    }

    /// Whether a failed call counted is not known: setting the option anew begins at 0.
    fn restart_stamps(&mut self) {
        if self.stamps.is_none() {
            return;
        }
        let v4 = self.wanted.v4;
        let socket = self.whole.as_ref().unwrap_or(&self.icmp);
        let again =
            stamp_receiving(socket, v4, false).and_then(|()| stamp_receiving(socket, v4, true));
        self.stamps = again.is_ok().then(Stamps::default);
    }

    fn set_ttl(&mut self, ttl: Option<u8>) {
        if self.ttl == ttl || self.wanted.proto != Proto::Icmp {
            return;
        }
        let value = ttl.map_or(-1, i32::from);
        let done = if self.wanted.v4 {
            socket::set(&self.icmp, sockopt::Ipv4Ttl, &value)
        } else {
            socket::set(&self.icmp, sockopt::Ipv6Ttl, &value)
        };
        if done.is_ok() {
            self.ttl = ttl;
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Truncated => self.odd.truncated += 1,
            Refusal::Checksum => self.odd.checksum += 1,
            Refusal::Other => {}
        }
    }

    fn collect_raw(&mut self, which: Which, now: Mono, offset: u64, events: &mut Vec<Event>) {
        let Self {
            icmp,
            ported,
            udp,
            reader,
            ..
        } = self;
        let socket = match which {
            Which::Icmp => Some(&*icmp),
            Which::Ported => ported.as_ref(),
            Which::Udp => udp.as_ref(),
        };
        let Some(socket) = socket else {
            return;
        };
        let proto = self.wanted.proto;
        let mut refused = Vec::new();
        while let Some(message) = reader.next(socket, false) {
            let at = message.at(now, offset);
            let bytes = &reader.bytes[..message.len];
            let result = match (which, message.from) {
                (Which::Udp, Some(from)) => Ok(self.wanted.datagram(from, at, &message)),
                (_, Some(from)) if !self.wanted.v4 => {
                    let received = Received {
                        at,
                        from: from.ip(),
                        ttl: message.ttl,
                        bytes,
                    };
                    let to = self.sources.get(&from.ip()).copied();
                    read_one(which, proto, received, to.unwrap_or(unspecified(from.ip())))
                }
                _ => read::strip_ipv4(bytes, at)
                    .and_then(|received| read_one(which, proto, received, destination(bytes))),
            };
            match result {
                Ok(answer) => events.push(Event::Answer(answer)),
                Err(refusal) => refused.push(refusal),
            }
        }
        for refusal in refused {
            self.refuse(refusal);
        }
    }
}

impl Wanted {
    fn datagram(&self, from: SocketAddr, at: Mono, message: &socket::Message) -> Answer {
        Answer {
            at,
            identity: Identity {
                peer: from.ip(),
                proto: Proto::Udp,
                a: *self.ports.start(),
                b: from.port(),
                token: 0,
            },
            from: from.ip(),
            what: What::Datagram,
            ttl: message.ttl,
            quote: None,
            extensions: None,
            len: u16::try_from(message.len).unwrap_or(u16::MAX),
            stamped: Stamped::default(),
        }
    }
}

impl Engine for Raw {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SendError> {
        let peer = probe.identity.peer;
        let mut packet = std::mem::take(&mut self.packet);
        let built = if self.wanted.proto == Proto::Icmp {
            self.set_ttl(probe.ttl);
            let source = self.options.source.unwrap_or(unspecified(peer));
            build::echo(probe, source, &mut packet);
            Ok(Some(()))
        } else {
            self.source(peer)
                .map(|source| build::whole(probe, source, self.options.look, &mut packet))
        };
        self.packet = packet;
        match built? {
            Some(()) => self.transmit(probe),
            None => Err(SendError::Other(libc::EAFNOSUPPORT)),
        }
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        let (now, offset) = (clock::mono(), clock::wall_offset_ns());
        if let Some(stamps) = &self.stamps {
            let socket = self.whole.as_ref().unwrap_or(&self.icmp);
            stamps.collect(socket, &mut self.reader, offset, events);
        }
        for which in [Which::Icmp, Which::Ported, Which::Udp] {
            self.collect_raw(which, now, offset, events);
        }
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        let all = [
            Some(&self.icmp),
            self.whole.as_ref(),
            self.ported.as_ref(),
            self.udp.as_ref(),
        ];
        all.into_iter()
            .flatten()
            .map(|socket| (socket.as_fd(), Interest::Read))
            .collect()
    }

    fn odd(&self) -> Odd {
        self.odd
    }
}

/// A raw ICMP socket that gets errors, and echo replies to `id`.
pub(super) fn listener(v4: bool, id: u16, options: &Options) -> Result<Socket, EngineError> {
    let (kind, start) = if v4 {
        (Protocol::ICMPV4, Start::Ip)
    } else {
        (Protocol::ICMPV6, Start::Transport)
    };
    let socket = raw(v4, kind, options)?;
    attach(&socket, &filter::icmp(start, id))?;
    stamp_receiving(&socket, v4, false)?;
    Ok(socket)
}

fn raw(v4: bool, protocol: Protocol, options: &Options) -> Result<Socket, EngineError> {
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol)).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            EngineError::Privilege(error)
        } else {
            EngineError::socket("open a raw socket", error)
        }
    })?;
    socket::apply(&socket, options)?;
    if protocol != Protocol::from(libc::IPPROTO_RAW) {
        widen(&socket);
    }
    Ok(socket)
}

fn attach(socket: &Socket, filter: &[socket2::SockFilter]) -> Result<(), EngineError> {
    socket
        .attach_filter(filter)
        .map_err(|error| EngineError::socket("attach a socket filter", error))
}

fn udp_socket(v4: bool, options: &Options) -> Result<(Socket, u16), EngineError> {
    let failed = |error| EngineError::socket("open a UDP socket", error);
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), None).map_err(failed)?;
    socket::apply(&socket, options)?;
    if options.source.is_none() {
        let any = if v4 { "0.0.0.0:0" } else { "[::]:0" };
        let any: SocketAddr = any
            .parse()
            .map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
        socket.bind(&any.into()).map_err(failed)?;
    }
    widen(&socket);
    stamp_receiving(&socket, v4, false)?;
    let local = socket.local_addr().map_err(failed)?;
    let port = local.as_socket().map_or(0, |addr| addr.port());
    Ok((socket, port))
}
