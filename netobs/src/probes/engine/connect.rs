//! Whole handshakes by connect(2), for everybody: the round trip is the kernel's own (`tcp_info`), and errors name their router by
//! the kernel's word (5.9 and later), or where a raw socket may listen beside.

use super::{
    Engine, EngineError, Interest, Options,
    raw::listener,
    send_error,
    socket::{Reader, apply, dress},
};
use crate::{
    clock,
    event::Mono,
    probes::{
        net::{Answer, Event, Identity, Odd, Probe, Proto, SendError, Stamped, What},
        packet::read,
        refusal::{keep_errors, sender},
    },
};
use nix::{errno::Errno, getsockopt_impl, sockopt_impl, sys::socket::getsockopt};
use socket2::{Domain, Socket, Type};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
};

/// Handshakes under way; one more pushes the oldest out, which by then has long counted as silent.
const MOST: usize = 900;

sockopt_impl!(
    /// The first 104 bytes of `struct tcp_info`, which every kernel has: a longer wish is cut short by older ones.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u32; 26]
);
/// Words of it: `tcpi_rtt` (microseconds) and `tcpi_total_retrans`.
const RTT: usize = 17;
const TOTAL_RETRANS: usize = 25;

struct Pending {
    identity: Identity,
    local_port: u16,
    socket: Socket,
    at: Mono,
}

/// connect(2), and a raw ICMP socket if we may have one.
pub struct Connect {
    v4: bool,
    options: Options,
    pending: VecDeque<Pending>,
    icmp: Option<Socket>,
    reader: Reader,
    odd: Odd,
    /// Failed at once: told at the next look.
    failed: Vec<Event>,
    /// Leave from the port that the probe names, so that the edge of the stack knows it.
    own_port: bool,
}

impl Connect {
    /// Connections leave from the ports that probes name, as far as these are free.
    pub fn open_from_ports(v4: bool, options: &Options) -> Self {
        Self {
            own_port: true,
            ..Self::open(v4, options)
        }
    }

    pub fn open(v4: bool, options: &Options) -> Self {
        Self {
            own_port: false,
            v4,
            options: options.clone(),
            pending: VecDeque::new(),
            // Without the privilege errors have no sender, and all else is the same.
            icmp: listener(v4, 0, options).ok(),
            reader: Reader::default(),
            odd: Odd::default(),
            failed: Vec::new(),
        }
    }

    fn begin(&mut self, probe: &Probe) -> io::Result<()> {
        let domain = if self.v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
        let prepared = self
            .place(&socket, &probe.identity)
            .and_then(|()| dress(&socket, self.v4, &self.options));
        prepared.map_err(into_io)?;
        keep_errors(&socket, self.v4, true);
        if let Some(ttl) = probe.ttl.filter(|_| self.v4) {
            socket.set_ttl_v4(u32::from(ttl))?;
        } else if let Some(ttl) = probe.ttl {
            socket.set_unicast_hops_v6(u32::from(ttl))?;
        }
        let to = SocketAddr::new(probe.identity.peer, probe.identity.b);
        let at = clock::mono();
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let told = failure(errno, probe.identity, clock::mono()).ok_or(error)?;
                self.failed.push(Event::Answer(told));
                return Ok(());
            }
        }
        let local = socket.local_addr()?.as_socket();
        self.pending.push_back(Pending {
            identity: probe.identity,
            local_port: local.map_or(0, |local| local.port()),
            socket,
            at,
        });
        if self.pending.len() > MOST {
            self.pending.pop_front();
        }
        Ok(())
    }

    /// Where it leaves from.
    fn place(&self, socket: &Socket, identity: &Identity) -> Result<(), EngineError> {
        if !self.own_port {
            return apply(socket, &self.options);
        }
        let anywhere = Options {
            source: None,
            ..self.options.clone()
        };
        apply(socket, &anywhere)?;
        match bind(socket, self.options.source, identity) {
            Ok(()) => Ok(()),
            // Taken by somebody: the system finds another.
            Err(_) => apply(socket, &self.options),
        }
    }

    /// Errors of routers, known by the quoted ports.
    fn collect_icmp(&mut self, now: Mono, offset: u64, events: &mut Vec<Event>) {
        let Some(icmp) = &self.icmp else {
            return;
        };
        while let Some(message) = self.reader.next(icmp, false) {
            let (at, bytes) = (message.at(now, offset), &self.reader.bytes[..message.len]);
            let received = match message.from {
                Some(from) if !self.v4 => Ok(read::Received {
                    at,
                    from: from.ip(),
                    ttl: message.ttl,
                    bytes,
                }),
                _ => read::strip_ipv4(bytes, at),
            };
            match received.and_then(read::icmp) {
                Ok(mut answer) if answer.identity.proto == Proto::Tcp => {
                    let quoted = answer.identity;
                    let ours = |p: &Pending| {
                        (p.local_port, p.identity.b, p.identity.peer)
                            == (quoted.a, quoted.b, quoted.peer)
                    };
                    let Some(place) = self.pending.iter().position(ours) else {
                        continue; // Another program's connection.
                    };
                    answer.identity = self.pending[place].identity;
                    // A packet too big is the kernel's business; it sends a smaller one.
                    if !matches!(answer.what, What::TooBig { .. }) {
                        self.pending.remove(place);
                    }
                    events.push(Event::Answer(answer));
                }
                Err(read::Refusal::Checksum) => self.odd.checksum += 1,
                Err(read::Refusal::Truncated) => self.odd.truncated += 1,
                Ok(_) | Err(read::Refusal::Other) => {}
            }
        }
    }

    fn collect_connections(&mut self, now: Mono, events: &mut Vec<Event>) {
        self.pending.retain(|pending| {
            let told = ended(pending, now);
            let goes_on = told.is_none();
            events.extend(told);
            goes_on
        });
    }
}

/// To the source port of the probe, which connections of earlier runs may still hold.
fn bind(socket: &Socket, source: Option<IpAddr>, identity: &Identity) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    let source = source.unwrap_or(super::route::unspecified(identity.peer));
    socket.bind(&SocketAddr::new(source, identity.a).into())
}

/// How a handshake ended, if it has.
fn ended(pending: &Pending, now: Mono) -> Option<Event> {
    let (socket, identity) = (&pending.socket, pending.identity);
    match socket.take_error() {
        Err(error) | Ok(Some(error)) => {
            if let Some(sender) = sender(socket) {
                let (kind, code) = (sender.kind, sender.code);
                let mut told = answer(What::Error { kind, code }, identity, now, false);
                told.from = sender.addr;
                return Some(Event::Answer(told));
            }
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let told = failure(errno, identity, now).map(Event::Answer);
            Some(told.unwrap_or(Event::Failed {
                identity,
                error: send_error(Errno::from_raw(errno)),
            }))
        }
        Ok(None) => {
            socket.peer_addr().ok()?;
            let took = kernel_rtt(socket).unwrap_or(now.0.saturating_sub(pending.at.0));
            let at = Mono(pending.at.0 + took);
            Some(Event::Answer(answer(What::SynAck, identity, at, true)))
        }
    }
}

/// TCP's own measure of the handshake, nanoseconds; none if a SYN was sent again.
fn kernel_rtt(socket: &Socket) -> Option<u64> {
    let info = getsockopt(socket, TcpInfo).ok()?;
    (info[TOTAL_RETRANS] == 0 && info[RTT] > 0).then(|| u64::from(info[RTT]) * 1000)
}

fn answer(what: What, identity: Identity, at: Mono, by_peer: bool) -> Answer {
    let nobody = super::route::unspecified(identity.peer);
    Answer {
        at,
        identity,
        from: if by_peer { identity.peer } else { nobody },
        what,
        ttl: None,
        quote: None,
        extensions: None,
        len: 0,
        stamped: Stamped::default(),
    }
}

/// What an error of connect(2) says of the way; none: it is this machine's.
fn failure(errno: i32, identity: Identity, at: Mono) -> Option<Answer> {
    let v4 = identity.peer.is_ipv4();
    let error = |four: (u8, u8), six: (u8, u8)| {
        let (kind, code) = if v4 { four } else { six };
        Some(answer(What::Error { kind, code }, identity, at, false))
    };
    match errno {
        libc::ECONNREFUSED => Some(answer(What::Rst, identity, at, true)),
        libc::EHOSTUNREACH => error((3, 1), (1, 3)),
        libc::ENOPROTOOPT => error((3, 2), (4, 1)),
        libc::EACCES if !v4 => error((3, 13), (1, 1)),
        _ => None,
    }
}

fn into_io(error: EngineError) -> io::Error {
    match error {
        EngineError::Socket { source, .. }
        | EngineError::Privilege(source)
        | EngineError::PingGroup(source) => source,
        EngineError::NotWithout(..) => io::ErrorKind::PermissionDenied.into(),
    }
}

impl Engine for Connect {
    fn name(&self) -> &'static str {
        "connect"
    }

    fn send(&mut self, probe: &Probe) -> Result<(), SendError> {
        self.begin(probe).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            send_error(Errno::from_raw(errno))
        })
    }

    fn collect(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        let (now, offset) = (clock::mono(), clock::wall_offset_ns());
        events.append(&mut self.failed);
        self.collect_icmp(now, offset, events);
        self.collect_connections(now, events);
        Ok(())
    }

    fn sources(&self) -> Vec<(BorrowedFd<'_>, Interest)> {
        let icmp = self.icmp.iter().map(|icmp| (icmp.as_fd(), Interest::Read));
        let pending = self.pending.iter();
        icmp.chain(pending.map(|p| (p.socket.as_fd(), Interest::Write)))
            .collect()
    }

    fn odd(&self) -> Odd {
        self.odd
    }
}
