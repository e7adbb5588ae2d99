//! One question put to one server, until it answers or time is up.

use super::{Question, Reply, stream, udp};
use crate::{
    clock,
    probes::{
        dial::Leave,
        refusal::Sender,
        tls::{About, Recorder},
    },
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How a server is spoken to.
#[derive(Clone, Debug)]
pub enum Via {
    Udp,
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls(Arc<Secure>),
}

/// How TLS is done with one server.
#[derive(Debug)]
pub struct Secure {
    pub config: Arc<ClientConfig>,
    /// What its certificate must be for.
    pub name: ServerName<'static>,
    pub recorder: Arc<Recorder>,
}

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Server {
    pub addr: SocketAddr,
    pub via: Via,
}

/// How long, how often, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one try.
    pub timeout: Duration,
    pub tries: u32,
    /// From where, and with which marks.
    pub leave: Leave,
    /// A truncated answer is taken as it is, not asked for again over TCP.
    pub keep_truncated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            tries: 3,
            leave: Leave::default(),
            keep_truncated: false,
        }
    }
}

/// Datagrams that came to our socket and were no answer to the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Another message id: late, or forged.
    pub wrong_id: u32,
    /// Our id, but another question.
    pub wrong_question: u32,
    /// Not a DNS message, or cut short, or a question.
    pub malformed: u32,
    /// What was wrong with the last of the malformed.
    pub why: Option<String>,
}

impl Ignored {
    pub fn total(&self) -> u32 {
        self.wrong_id + self.wrong_question + self.malformed
    }
}

/// An answer and how it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub reply: Reply,
    pub server: SocketAddr,
    /// `udp`, `tcp`, `tls`: over what the answer came.
    pub over: &'static str,
    /// From the question that it answers, over TCP and TLS after their handshake.
    pub time: Duration,
    /// Handshakes of TCP and TLS.
    pub connect: Option<Duration>,
    pub ignored: Ignored,
    /// What TLS agreed on, and what is wrong with the certificate.
    pub tls: Option<(About, Option<String>)>,
    /// UDP had no room: the answer is from TCP.
    pub was_truncated: bool,
    /// From 1.
    pub tries: u32,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{server} did not answer within {}{}{}", seconds(*.waited), times(*.tries), noise(.ignored))]
    Timeout {
        server: SocketAddr,
        waited: Duration,
        tries: u32,
        ignored: Ignored,
    },
    #[error("{server} refused: nothing listens on {} port {}{}", .over.to_uppercase(), .server.port(), by(.server, *.sender))]
    Refused {
        server: SocketAddr,
        over: &'static str,
        /// Of the ICMP error; none: a reset, or not known.
        sender: Option<Sender>,
    },
    #[error("{server} cannot be reached: {why}")]
    Unreachable { server: SocketAddr, why: String },
    #[error("stopped after {:.1} s, before {server} had answered", .waited.as_secs_f64())]
    Stopped {
        server: SocketAddr,
        waited: Duration,
    },
    #[error("{server} closed the connection without an answer")]
    Closed { server: SocketAddr },
    #[error("{server} answered with what is not DNS: {why}")]
    Malformed { server: SocketAddr, why: String },
    #[error("TLS with {server}: {why}")]
    Tls { server: SocketAddr, why: String },
    #[error("ask {server}: {why}")]
    Other { server: SocketAddr, why: String },
}

fn seconds(waited: Duration) -> String {
    format!("{} s", waited.as_secs_f64())
}

fn times(count: u32) -> String {
    match count {
        0 | 1 => String::new(),
        many => format!(", asked {many} times"),
    }
}

/// Who else than the server itself says so.
fn by(server: &SocketAddr, sender: Option<Sender>) -> String {
    match sender.filter(|sender| sender.addr != server.ip()) {
        Some(sender) => format!(", says {} ({})", sender.addr, sender.words()),
        None => String::new(),
    }
}

/// What came instead of an answer.
fn noise(ignored: &Ignored) -> String {
    let kinds = [
        (ignored.wrong_id, "with another id"),
        (ignored.wrong_question, "to another question"),
        (ignored.malformed, "malformed"),
    ];
    let shown: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let why = ignored.why.as_deref().map(|why| format!(" ({why})"));
    format!("; ignored: {}{}", shown.join(", "), why.unwrap_or_default())
}

impl Trouble {
    /// What the kernel said, in words.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list of the standard library grows"
    )]
    pub(super) fn io(
        server: SocketAddr,
        over: &'static str,
        error: &io::Error,
        sender: Option<Sender>,
    ) -> Self {
        let unreachable = |why: &str| {
            let why = match sender {
                Some(sender) => format!("{} says {}", sender.addr, sender.words()),
                None => why.to_owned(),
            };
            Self::Unreachable { server, why }
        };
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused {
                server,
                over,
                sender,
            },
            io::ErrorKind::HostUnreachable => {
                unreachable("no way to the host: the neighbour does not answer, or a route says so")
            }
            io::ErrorKind::NetworkUnreachable => unreachable("no route"),
            io::ErrorKind::PermissionDenied => {
                unreachable("forbidden by a local firewall or route (EACCES, EPERM)")
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                Self::Closed { server }
            }
            _ => Self::Other {
                server,
                why: error.to_string(),
            },
        }
    }
}

pub(super) fn over(end: Instant) -> bool {
    clock::instant() >= end
}

/// Puts one question.
pub fn ask(server: &Server, question: &Question, limits: &Limits) -> Result<Asked, Trouble> {
    ask_all(server, std::slice::from_ref(question), limits)
        .pop()
        .unwrap_or_else(|| {
            Err(Trouble::Other {
                server: server.addr,
                why: "nothing asked".to_owned(),
            })
        })
}

/// Puts several questions at once over UDP, one after the other over TCP and TLS; answers in their order.
pub fn ask_all(
    server: &Server,
    questions: &[Question],
    limits: &Limits,
) -> Vec<Result<Asked, Trouble>> {
    if !matches!(server.via, Via::Udp) {
        return questions
            .iter()
            .map(|question| stream::ask(server, question, limits))
            .collect();
    }
    let answers = udp::ask(server.addr, questions, limits);
    let again = |(question, answer): (&Question, Result<Asked, Trouble>)| match answer {
        Ok(asked) if asked.reply.has("tc") && !limits.keep_truncated => {
            over_tcp(server.addr, question, limits, &asked)
        }
        other => other,
    };
    questions.iter().zip(answers).map(again).collect()
}

/// The same question over TCP after UDP had no room for the answer.
fn over_tcp(
    addr: SocketAddr,
    question: &Question,
    limits: &Limits,
    cut: &Asked,
) -> Result<Asked, Trouble> {
    let tcp = Server {
        addr,
        via: Via::Tcp,
    };
    let mut asked = stream::ask(&tcp, question, limits)?;
    asked.was_truncated = true;
    asked.ignored = cut.ignored.clone();
    Ok(asked)
}
