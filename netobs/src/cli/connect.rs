//! `netobs connect`: standard input to a port and its answer to standard output, or a port served once.

use super::{
    Failure, Status,
    probe::{self, Common, From, seconds},
};
use crate::{
    clock,
    probes::{
        resolve::{Address, Config, Family},
        run::{Asked, Signals},
    },
    sinks::stream::{SinkError, Stdout, tell},
    views::table::escape,
};
use clap::Args;
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr},
    os::fd::AsFd as _,
    time::Duration,
};

#[derive(Args)]
pub struct Connect {
    /// Host by name or address; with --listen the address to serve, by default all
    #[arg(required_unless_present = "listen")]
    host: Option<String>,

    /// Port
    #[arg(value_parser = clap::value_parser!(u16).range(1..), required_unless_present = "listen")]
    port: Option<u16>,

    /// Serve this port for one connection
    #[arg(short, long, value_name = "PORT", conflicts_with = "port")]
    listen: Option<u16>,

    /// Seconds to wait for the connection
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    wait: u64,

    /// End when nothing was said for so many seconds
    #[arg(short = 'w', value_name = "SECONDS", value_parser = seconds)]
    idle: Option<u64>,

    /// End with standard input, do not wait for the rest of the answer
    #[arg(short = 'N')]
    leave: bool,

    /// Source address, or interface
    #[arg(short = 'I', value_name = "ADDR|IFACE")]
    interface: Option<String>,

    /// Source address
    #[arg(short = 'S', value_name = "ADDR")]
    source: Option<IpAddr>,

    #[command(flatten)]
    common: Common,
}

pub fn run(args: &Connect) -> Result<Status, Failure> {
    probe::inside(&args.common, |signals, config| {
        connect(args, signals, config)
    })
}

fn connect(args: &Connect, signals: &Signals, config: &Config) -> Result<Status, Failure> {
    let opened = match args.listen {
        Some(port) => serve(args, port, signals, config)?,
        None => dial(args, config)?,
    };
    let Some((socket, peer)) = opened else {
        return Ok(Status::No);
    };
    let talked = Talk::new(args, socket, signals).talk()?;
    let words = format!(
        "{} bytes sent, {} received, {} ms, {}",
        talked.sent, talked.received, talked.ms, talked.end
    );
    if args.common.json {
        let object = json!({
            "event": "connection", "addr": peer.ip(), "port": peer.port(), "sent": talked.sent, "received": talked.received,
            "time_ms": talked.ms, "end": talked.end,
        });
        tell(&object.to_string());
    } else {
        tell(&format!("netobs: {peer}: {words}"));
    }
    Ok(Status::Done)
}

type Opened = Option<(Socket, SocketAddr)>;

/// Every address in turn, until one takes the connection.
fn dial(args: &Connect, config: &Config) -> Result<Opened, Failure> {
    let (Some(host), Some(port)) = (&args.host, args.port) else {
        return Err(Failure::new(Status::Usage, "name a host and a port"));
    };
    let resolved = probe::look_up(host, args.common.family(), config)?;
    for address in &resolved.addresses {
        let peer = address.at(port);
        match attempt(args, *address, port) {
            Ok(socket) => {
                tell(&format!("netobs: connected to {peer}"));
                return Ok(Some((socket, peer)));
            }
            Err(error) => tell(&format!("netobs: connect to {peer}: {}", reason(&error))),
        }
    }
    Ok(None)
}

fn attempt(args: &Connect, address: Address, port: u16) -> io::Result<Socket> {
    let peer = address.at(port);
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, None)?;
    let from = From::new(args.interface.as_deref(), args.source);
    if let Some(device) = &from.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(mark) = args.common.mark {
        socket.set_mark(mark)?;
    }
    if let Some(source) = from.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&peer.into(), Duration::from_nanos(args.wait.max(1_000_000)))?;
    Ok(socket)
}

/// The reason in words that help.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => {
            "refused: nothing listens there, or a firewall rejects it".to_owned()
        }
        Some(libc::EHOSTUNREACH) => {
            "host unreachable, says a router or the neighbour's silence".to_owned()
        }
        Some(libc::ENETUNREACH) => "no route to it (see netobs show route)".to_owned(),
        _ if error.kind() == io::ErrorKind::TimedOut => {
            "no answer: the port is filtered or the host is down".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Waits for one client.
fn serve(args: &Connect, port: u16, signals: &Signals, config: &Config) -> Result<Opened, Failure> {
    let ip = match &args.host {
        Some(host) => probe::look_up(host, args.common.family(), config)?.addresses[0].ip,
        None if args.common.family() == Family::V4 => IpAddr::from([0, 0, 0, 0]),
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let at = SocketAddr::new(ip, port);
    let failed = |error: io::Error| Failure::new(Status::Other, format!("serve {at}: {error}"));
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None).map_err(failed)?;
    socket.set_reuse_address(true).map_err(failed)?;
    if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !args.common.six {
        socket.set_only_v6(false).map_err(failed)?;
    }
    socket.bind(&at.into()).map_err(failed)?;
    socket.listen(1).map_err(failed)?;
    let own = socket
        .local_addr()
        .map_err(failed)?
        .as_socket()
        .unwrap_or(at);
    tell(&format!("netobs: listening on {own}"));
    loop {
        let mut fds = [
            PollFd::new(signals.fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut fds, None, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        if signals.next() == Some(Asked::Quit) {
            return Ok(None);
        }
        if fds[1].any() == Some(true) {
            let (client, peer) = socket.accept().map_err(failed)?;
            let peer = peer.as_socket().unwrap_or(at);
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            tell(&format!("netobs: connection from {peer}"));
            return Ok(Some((client, peer)));
        }
    }
}

/// What was said.
struct Talked {
    sent: u64,
    received: u64,
    ms: u64,
    end: &'static str,
}

struct Talk<'a> {
    socket: Socket,
    signals: &'a Signals,
    idle: Option<u64>,
    leave: bool,
    /// Standard input has more.
    input: bool,
    sent: u64,
    received: u64,
    terminal: bool,
}

impl<'a> Talk<'a> {
    fn new(args: &Connect, socket: Socket, signals: &'a Signals) -> Self {
        Self {
            socket,
            signals,
            idle: args.idle,
            leave: args.leave,
            input: true,
            sent: 0,
            received: 0,
            terminal: io::stdout().is_terminal(),
        }
    }

    fn talk(mut self) -> Result<Talked, Failure> {
        let begun = clock::mono();
        let end = loop {
            if let Some(end) = self.turn()? {
                break end;
            }
        };
        Ok(Talked {
            sent: self.sent,
            received: self.received,
            ms: clock::mono().0.saturating_sub(begun.0) / 1_000_000,
            end,
        })
    }

    /// Waits and passes on; why it ended, if it did.
    fn turn(&mut self) -> Result<Option<&'static str>, Failure> {
        let stdin = io::stdin();
        let (quit, answer, input) = {
            let mut fds = vec![
                PollFd::new(self.signals.fd(), PollFlags::POLLIN),
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            ];
            if self.input {
                fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            let limit = self
                .idle
                .map(|ns| TimeSpec::from_duration(Duration::from_nanos(ns)));
            match ppoll(&mut fds, limit, None) {
                Ok(0) => return Ok(Some("nothing more was said")),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let ready = |at: usize| fds.get(at).and_then(PollFd::any) == Some(true);
            (ready(0), ready(1), ready(2))
        };
        if quit && self.signals.next() == Some(Asked::Quit) {
            return Ok(Some("stopped"));
        }
        if answer && let Some(end) = self.receive()? {
            return Ok(Some(end));
        }
        if input {
            return self.send();
        }
        Ok(None)
    }

    fn receive(&mut self) -> Result<Option<&'static str>, Failure> {
        let mut bytes = [0; 1 << 14];
        match self.socket.read(&mut bytes) {
            Ok(0) => Ok(Some("the other end closed")),
            Ok(n) => {
                self.received += n as u64;
                match Stdout.write(&self.shown(&bytes[..n])) {
                    Ok(()) => Ok(None),
                    Err(SinkError::Closed) => Ok(Some("nobody reads any more")),
                    Err(error @ SinkError::Io(_)) => Err(error.into()),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Ok(Some("reset by the other end"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A terminal gets no control characters of strangers.
    fn shown(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.terminal {
            return bytes.to_vec();
        }
        let text = String::from_utf8_lossy(bytes);
        let parts: Vec<String> = text
            .split('\n')
            .map(|line| escape(line.strip_suffix('\r').unwrap_or(line)))
            .collect();
        parts.join("\n").into_bytes()
    }

    fn send(&mut self) -> Result<Option<&'static str>, Failure> {
        let mut bytes = [0; 1 << 14];
        let n = rustix::io::read(rustix::stdio::stdin(), &mut bytes).map_err(io::Error::from)?;
        if n == 0 {
            self.input = false;
            if self.leave {
                return Ok(Some("standard input ended"));
            }
            // The other end may have more to say; that it is gone already is told by reading.
            drop(self.socket.shutdown(Shutdown::Write));
            return Ok(None);
        }
        match self.socket.write_all(&bytes[..n]) {
            Ok(()) => {
                self.sent += n as u64;
                Ok(None)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(Some("reset by the other end"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
