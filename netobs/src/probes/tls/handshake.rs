//! One handshake with one address, timed.

use super::{Cert, Fault, Roots, cert, client};
use crate::{
    clock,
    probes::{
        dial::{Leave, dial},
        refusal::Refused,
        stop,
    },
};
use nix::poll::PollFlags;
use rustls::{CipherSuite, ClientConnection, ProtocolVersion, pki_types::ServerName};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes kept of what a server says that does not speak TLS.
const FIRST: usize = 32;

/// What is asked of a server.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name that is sent, and that the certificate must have.
    pub name: ServerName<'static>,
    /// Without: the name is only compared.
    pub sni: bool,
    pub alpn: Vec<Vec<u8>>,
    pub roots: Arc<Roots>,
    /// For connection and handshake each.
    pub timeout: Duration,
    pub leave: Leave,
}

/// A handshake that came to its end.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub addr: SocketAddr,
    pub connect: Duration,
    pub handshake: Duration,
    pub about: About,
    /// As sent; the bytes for `--showcerts`.
    pub chain: Vec<Cert>,
    pub der: Vec<Vec<u8>>,
    /// Empty: the certificate is good.
    pub faults: Vec<Fault>,
}

/// What was agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `TLS 1.3`
    pub version: String,
    pub cipher: String,
    /// Key exchange: `X25519`.
    pub group: Option<String>,
    pub alpn: Option<String>,
}

/// Why there was no handshake.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// TCP came to nothing.
    #[error("{0}")]
    Connect(Refused),
    /// Our own side was not ready.
    #[error("{0}")]
    Setup(#[from] rustls::Error),
    /// TCP stood, TLS did not.
    #[error("{text}")]
    Tls {
        text: String,
        connect: Duration,
        /// What was seen of the chain before it broke.
        faults: Vec<Fault>,
    },
}

/// Connects and shakes hands.
pub fn shake(addr: SocketAddr, wanted: &Wanted) -> Result<Handshake, Broken> {
    let (mut config, recorder) = client(&wanted.roots, &wanted.alpn, false)?;
    config.enable_sni = wanted.sni;
    let client = ClientConnection::new(Arc::new(config), wanted.name.clone())?;
    let start = clock::instant();
    let tcp = dial(addr, &wanted.leave, wanted.timeout).map_err(Broken::Connect)?;
    let connected = clock::instant();
    let connect = connected.saturating_duration_since(start);
    let mut stream = Timed {
        tcp,
        end: connected + wanted.timeout,
        first: Vec::new(),
    };
    let mut client = client;
    while client.is_handshaking() {
        if let Err(error) = client.complete_io(&mut stream) {
            let faults = recorder.seen().map(|seen| seen.faults);
            return Err(Broken::Tls {
                text: broken(&error, &stream.first, wanted),
                connect,
                faults: faults.unwrap_or_default(),
            });
        }
    }
    let handshake = clock::instant().saturating_duration_since(connected);
    let seen = recorder.seen().unwrap_or_default();
    let now = clock::wall_seconds();
    Ok(Handshake {
        addr,
        connect,
        handshake,
        about: about(&client),
        chain: seen
            .chain
            .iter()
            .filter_map(|der| cert::read(der, now).ok())
            .collect(),
        der: seen.chain.iter().map(|der| der.to_vec()).collect(),
        faults: seen.faults,
    })
}

/// What was agreed on.
pub fn about(client: &ClientConnection) -> About {
    let alpn = client
        .alpn_protocol()
        .map(|p| String::from_utf8_lossy(p).into_owned());
    About {
        version: client.protocol_version().map(version).unwrap_or_default(),
        cipher: client
            .negotiated_cipher_suite()
            .map(|suite| cipher(suite.suite()))
            .unwrap_or_default(),
        group: client
            .negotiated_key_exchange_group()
            .map(|group| format!("{:?}", group.name())),
        alpn,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other is offered")]
fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The registry's name: `TLS_AES_128_GCM_SHA256`.
fn cipher(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

/// A handshake that broke, in words.
fn broken(error: &io::Error, first: &[u8], wanted: &Wanted) -> String {
    use rustls::{AlertDescription as Alert, Error};
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::AlertReceived(Alert::ProtocolVersion)) => {
            "the server takes neither TLS 1.2 nor 1.3 (alert: protocol version)".to_owned()
        }
        Some(Error::AlertReceived(Alert::HandshakeFailure)) => {
            "the server refuses all our ciphers or wants something we lack (alert: handshake failure)".to_owned()
        }
        Some(Error::AlertReceived(Alert::UnrecognisedName)) => {
            format!("the server does not know the name {} (alert: unrecognized name)", wanted.name.to_str())
        }
        Some(Error::AlertReceived(Alert::NoApplicationProtocol)) => {
            "the server speaks none of the protocols offered (alert: no application protocol); choose with --alpn"
                .to_owned()
        }
        Some(Error::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate)) => {
            format!("the server wants a certificate of ours ({})", tls.map(ToString::to_string).unwrap_or_default())
        }
        Some(Error::InvalidMessage(why)) if !speaks_tls(first) => {
            format!("the server does not speak TLS: it answered '{}' ({why:?})", shown(first))
        }
        Some(other) => other.to_string(),
        None if stop::is_stop(error) => "stopped during the handshake".to_owned(),
        None if is_late(error) => format!("no handshake within {} s", wanted.timeout.as_secs_f64()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the handshake".to_owned()
        }
        None if error.kind() == io::ErrorKind::ConnectionReset => {
            "the server reset the connection during the handshake".to_owned()
        }
        None => format!("handshake: {error}"),
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A record of TLS: a type of 20 to 23, then version 3.
fn speaks_tls(first: &[u8]) -> bool {
    matches!(first, [20..=23, 3, ..])
}

/// The first line of it.
fn shown(first: &[u8]) -> String {
    let line = first.split(|b| matches!(b, b'\r' | b'\n')).next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

/// A connection whose every read and write ends by a given time, and that keeps what came first.
struct Timed {
    tcp: TcpStream,
    end: Instant,
    first: Vec<u8>,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        stop::wait(self.tcp.as_fd(), PollFlags::POLLIN, self.end)?;
        let size = self.tcp.read(into)?;
        let room = FIRST.saturating_sub(self.first.len());
        self.first.extend(into[..size].iter().take(room));
        Ok(size)
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
