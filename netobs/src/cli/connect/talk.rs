//! Bytes both ways until an end is reached: neither direction waits for the other.

use super::{Connect, open::Opened};
use crate::{
    cli::Failure,
    clock,
    event::Mono,
    probes::{
        refusal::{Refused, sender},
        run::{Asked, Signals},
    },
    sinks::stream::{SinkError, Stdout},
    views::table::escape,
};
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use socket2::Socket;
use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    net::{IpAddr, Shutdown, SocketAddr},
    os::fd::AsFd as _,
    time::Duration,
};

/// Bytes read at once: of UDP the largest datagram that is sent.
const ROOM: usize = 1 << 14;
/// Datagrams have no end: without `-q` this long is waited for another one, nanoseconds.
const QUIET_NS: u64 = 2_000_000_000;

/// What was said.
pub struct Talked {
    pub sent: u64,
    pub received: u64,
    pub ms: u64,
    pub end: String,
    /// Who ended it, where that is not the peer.
    pub by: Option<IpAddr>,
    pub refused: bool,
}

/// Why it ended.
enum End {
    Word(&'static str),
    Refused(Box<Refused>),
}

type Turn = Result<Option<End>, Failure>;

#[expect(
    clippy::struct_excessive_bools,
    reason = "two directions, and a terminal on either side"
)]
pub struct Talk<'a> {
    args: &'a Connect,
    socket: Socket,
    peer: SocketAddr,
    signals: &'a Signals,
    /// Standard input has more.
    input: bool,
    /// The other end has more.
    output: bool,
    /// Read, and not yet sent.
    pending: Vec<u8>,
    last: Mono,
    input_ended: Option<Mono>,
    sent: u64,
    received: u64,
    terminal: bool,
    typed: bool,
}

impl<'a> Talk<'a> {
    pub fn new(args: &'a Connect, opened: Opened, signals: &'a Signals) -> Result<Self, Failure> {
        opened.socket.set_nonblocking(true)?;
        let mut talk = Self {
            args,
            socket: opened.socket,
            peer: opened.peer,
            signals,
            input: true,
            output: true,
            pending: Vec::new(),
            last: clock::mono(),
            input_ended: None,
            sent: 0,
            received: 0,
            terminal: io::stdout().is_terminal(),
            typed: io::stdin().is_terminal(),
        };
        talk.show(&opened.first)?;
        Ok(talk)
    }

    pub fn talk(mut self) -> Result<Talked, Failure> {
        let begun = clock::mono();
        let end = loop {
            if let Some(end) = self.turn()? {
                break end;
            }
        };
        let (words, by) = match &end {
            End::Word(word) => ((*word).to_owned(), None),
            End::Refused(refused) => (refused.why(), refused.by()),
        };
        Ok(Talked {
            sent: self.sent,
            received: self.received,
            ms: clock::mono().0.saturating_sub(begun.0) / 1_000_000,
            end: words,
            by,
            refused: matches!(end, End::Refused(_)),
        })
    }

    /// Waits and passes on; why it ended, if it did.
    fn turn(&mut self) -> Turn {
        let ready = self.wait()?;
        if ready.quit && self.signals.next() == Some(Asked::Quit) {
            return Ok(Some(End::Word("stopped")));
        }
        if ready.socket {
            let end = self.receive()?;
            if end.is_some() {
                return Ok(end);
            }
        }
        if ready.input {
            self.read_input()?;
        }
        let end = self.send()?;
        if end.is_some() {
            return Ok(end);
        }
        Ok(self.over())
    }

    /// Ends that no byte tells.
    fn over(&self) -> Option<End> {
        let now = clock::mono();
        if !self.output && !self.input && self.pending.is_empty() {
            return Some(End::Word("the other end closed"));
        }
        match self.deadline() {
            Some((at, word)) if now >= at => Some(End::Word(word)),
            _ => None,
        }
    }

    /// The first moment at which silence is an end.
    fn deadline(&self) -> Option<(Mono, &'static str)> {
        let idle = self
            .args
            .idle
            .map(|ns| (Mono(self.last.0 + ns), "nothing more was said"));
        let waits = self.args.listen.is_none() && self.args.udp && self.args.idle.is_none();
        let quit = match (self.input_ended, self.args.quit) {
            (Some(ended), Some(ns)) => Some((Mono(ended.0 + ns), "standard input ended")),
            (Some(ended), None) if waits => {
                let last = self.last.0.max(ended.0);
                Some((Mono(last + QUIET_NS), "nothing more was said"))
            }
            _ => None,
        };
        [idle, quit].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn wait(&self) -> Result<Ready, Failure> {
        let stdin = io::stdin();
        let mut of_socket = PollFlags::empty();
        of_socket.set(PollFlags::POLLIN, self.output);
        of_socket.set(PollFlags::POLLOUT, !self.pending.is_empty());
        let mut fds = vec![
            PollFd::new(self.signals.fd(), PollFlags::POLLIN),
            PollFd::new(self.socket.as_fd(), of_socket),
        ];
        if self.input && self.pending.is_empty() {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let limit = self.deadline().map(|(at, _)| {
            let left = at.0.saturating_sub(clock::mono().0);
            TimeSpec::from_duration(Duration::from_nanos(left))
        });
        match ppoll(&mut fds, limit, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let ready = |at: usize| fds.get(at).and_then(PollFd::any) == Some(true);
        Ok(Ready {
            quit: ready(0),
            socket: ready(1),
            input: ready(2),
        })
    }

    fn receive(&mut self) -> Turn {
        let mut bytes = vec![0; 1 << 16];
        match self.socket.read(&mut bytes) {
            Ok(0) if !self.args.udp => {
                self.output = false;
                // Whoever types, or serves, has no more to say to somebody gone.
                let leaves = self.typed || self.args.listen.is_some();
                Ok(
                    (leaves && self.pending.is_empty())
                        .then_some(End::Word("the other end closed")),
                )
            }
            Ok(n) => match self.show(&bytes[..n]) {
                Err(SinkError::Closed) => Ok(Some(End::Word("nobody reads any more"))),
                Err(error @ SinkError::Io(_)) => Err(error.into()),
                Ok(()) => Ok(None),
            },
            Err(error) => self.broken(error),
        }
    }

    fn show(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.received += bytes.len() as u64;
        self.last = clock::mono();
        if bytes.is_empty() {
            return Ok(());
        }
        Stdout.write(&self.shown(bytes))
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

    fn read_input(&mut self) -> Result<(), Failure> {
        let mut bytes = [0; ROOM];
        let n = rustix::io::read(rustix::stdio::stdin(), &mut bytes).map_err(io::Error::from)?;
        self.pending.extend_from_slice(&bytes[..n]);
        if n == 0 {
            self.input = false;
            self.input_ended = Some(clock::mono());
            if !self.args.udp && !self.args.keep_open {
                // The other end may have more to say; that it is gone already is told by reading.
                drop(self.socket.shutdown(Shutdown::Write));
            }
        }
        Ok(())
    }

    /// As much as the other end takes.
    fn send(&mut self) -> Turn {
        if self.pending.is_empty() {
            return Ok(None);
        }
        match self.socket.write(&self.pending) {
            Ok(n) => {
                self.pending.drain(..n);
                self.sent += n as u64;
                self.last = clock::mono();
                Ok(None)
            }
            Err(error) => self.broken(error),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list of the standard library grows"
    )]
    fn broken(&self, error: io::Error) -> Turn {
        let word = match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => return Ok(None),
            io::ErrorKind::BrokenPipe if !self.output => "the other end closed",
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => "reset by the other end",
            _ if self.args.udp => {
                return Ok(Some(End::Refused(Box::new(Refused {
                    to: self.peer,
                    error,
                    sender: sender(&self.socket),
                    limit: Duration::ZERO,
                }))));
            }
            _ => return Err(error.into()),
        };
        Ok(Some(End::Word(word)))
    }
}

/// What there is to do.
struct Ready {
    quit: bool,
    socket: bool,
    input: bool,
}
