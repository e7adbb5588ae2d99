//! Questions over TCP and TLS: two bytes of length before each message (RFC 1035, RFC 7858).

use super::{
    Asked, Ignored, Limits, Question, Server, Trouble, Via,
    udp::{Wrong, random_id, read},
};
use crate::{
    clock,
    probes::{dial::dial, refusal::Sender, stop, tls::about},
};
use nix::poll::PollFlags;
use rustls::{ClientConnection, StreamOwned};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    sync::Arc,
    time::Instant,
};

/// Messages that are no answer before we give up on a connection.
const PATIENCE: u32 = 16;

pub fn ask(server: &Server, question: &Question, limits: &Limits) -> Result<Asked, Trouble> {
    let mut last = None;
    for try_ in 1..=limits.tries.max(1) {
        match once(server, question, limits) {
            Ok(mut asked) => {
                asked.tries = try_;
                return Ok(asked);
            }
            Err(trouble) => {
                let again = matches!(trouble, Trouble::Timeout { .. } | Trouble::Closed { .. });
                last = Some(counted(trouble, limits, try_));
                if !again {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Trouble::Other {
        server: server.addr,
        why: "not asked".to_owned(),
    }))
}

fn counted(trouble: Trouble, limits: &Limits, count: u32) -> Trouble {
    let Trouble::Timeout {
        server, ignored, ..
    } = trouble
    else {
        return trouble;
    };
    Trouble::Timeout {
        server,
        waited: limits.timeout * count,
        tries: count,
        ignored,
    }
}

fn once(server: &Server, question: &Question, limits: &Limits) -> Result<Asked, Trouble> {
    let start = clock::instant();
    let end = start + limits.timeout;
    let fail = |error: &io::Error| failed(server.addr, limits, start, error, None);
    let tcp = dial(server.addr, &limits.leave, limits.timeout)
        .map_err(|refused| failed(server.addr, limits, start, &refused.error, refused.sender))?;
    // The end of the handshake and the question are two writes: the second must not wait for an acknowledgement.
    tcp.set_nodelay(true).map_err(|e| fail(&e))?;
    match &server.via {
        Via::Tls(secure) => {
            let client = ClientConnection::new(Arc::clone(&secure.config), secure.name.clone());
            let client = client.map_err(|error| Trouble::Tls {
                server: server.addr,
                why: error.to_string(),
            })?;
            let mut stream = StreamOwned::new(client, Timed { tcp, end });
            while stream.conn.is_handshaking() {
                let step = stream.conn.complete_io(&mut stream.sock);
                step.map_err(|error| tls_failed(server.addr, &error, fail))?;
            }
            let seen = secure.recorder.seen().unwrap_or_default();
            let fault = seen.faults.into_iter().next().map(|fault| fault.text);
            let tls = Some((about(&stream.conn), fault));
            let asked = converse(stream, server.addr, question, start, "tls");
            let asked = asked.map_err(|trouble| trouble.or(fail))?;
            Ok(Asked { tls, ..asked })
        }
        Via::Udp | Via::Tcp => {
            let stream = Timed { tcp, end };
            converse(stream, server.addr, question, start, "tcp").map_err(|t| t.or(fail))
        }
    }
}

/// Either a trouble already, or what the kernel said.
enum Failed {
    Trouble(Trouble),
    Io(io::Error),
}

impl Failed {
    fn or(self, io: impl FnOnce(&io::Error) -> Trouble) -> Trouble {
        match self {
            Self::Trouble(trouble) => trouble,
            Self::Io(error) => io(&error),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn failed(
    server: SocketAddr,
    limits: &Limits,
    start: Instant,
    error: &io::Error,
    sender: Option<Sender>,
) -> Trouble {
    if stop::is_stop(error) {
        let waited = clock::instant().saturating_duration_since(start);
        return Trouble::Stopped { server, waited };
    }
    let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
    if !late.contains(&error.kind()) {
        return Trouble::io(server, "tcp", error, sender);
    }
    Trouble::Timeout {
        server,
        waited: limits.timeout,
        tries: 1,
        ignored: Ignored::default(),
    }
}

fn tls_failed(
    server: SocketAddr,
    error: &io::Error,
    io: impl FnOnce(&io::Error) -> Trouble,
) -> Trouble {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => Trouble::Tls {
            server,
            why: tls.to_string(),
        },
        None => io(error),
    }
}

/// A connection whose every read and write ends by a given time.
struct Timed {
    tcp: TcpStream,
    end: Instant,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        stop::wait(self.tcp.as_fd(), PollFlags::POLLIN, self.end)?;
        self.tcp.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stop::wait(self.tcp.as_fd(), PollFlags::POLLOUT, self.end)?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

fn converse(
    mut stream: impl Read + Write,
    server: SocketAddr,
    question: &Question,
    start: Instant,
    over: &'static str,
) -> Result<Asked, Failed> {
    let sent = clock::instant();
    let id = random_id()?;
    let bytes = question.encode(id).map_err(io::Error::other)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat())?;
    stream.flush()?;
    let mut ignored = Ignored::default();
    while ignored.total() < PATIENCE {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut bytes)?;
        match read(&bytes, id, question) {
            Ok(reply) => {
                return Ok(Asked {
                    reply,
                    server,
                    over,
                    time: clock::instant().saturating_duration_since(sent),
                    connect: Some(sent.saturating_duration_since(start)),
                    tls: None,
                    ignored,
                    was_truncated: false,
                    tries: 1,
                });
            }
            Err(Wrong::Id) => ignored.wrong_id += 1,
            Err(Wrong::Question) => ignored.wrong_question += 1,
            // A stream that carries no DNS will not carry any later.
            Err(Wrong::Malformed(why)) => {
                return Err(Failed::Trouble(Trouble::Malformed { server, why }));
            }
        }
    }
    let why = format!("{} messages, none to this question", ignored.total());
    Err(Failed::Trouble(Trouble::Malformed { server, why }))
}
