//! One HTTP request and what became of it: addresses tried, phases timed, redirects followed.

mod connect;
mod exchange;
mod fetch;
mod tap;

pub use connect::host_text;
pub use fetch::fetch;

use crate::probes::{
    dial::Leave,
    resolve::{Config, Family, Resolved, Why},
    tls::{About, Fault, Roots},
};
use hyper::{
    Method,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use url::Url;

/// Which versions are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 where TLS can agree on it, else HTTP/1.1.
    #[default]
    Any,
    Http1,
    /// Without TLS: by prior knowledge.
    Http2,
}

/// Addresses given for a host and port, instead of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub host: String,
    pub port: u16,
    pub addresses: Vec<SocketAddr>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub url: Url,
    pub method: Method,
    /// Beside those that every request has; the same name replaces ours.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Of ours, not to be sent.
    pub without: Vec<HeaderName>,
    pub body: Option<Bytes>,
    pub versions: Versions,
    /// A bad certificate is told, but taken.
    pub insecure: bool,
    pub roots: Arc<Roots>,
    /// Redirects followed at most; None: none is.
    pub follow: Option<u32>,
    pub pins: Vec<Pin>,
    pub family: Family,
    /// For each address.
    pub connect_timeout: Duration,
    /// For everything.
    pub max_time: Option<Duration>,
    pub leave: Leave,
    pub config: Config,
}

/// An address and what became of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub addr: SocketAddr,
    /// None: connected.
    pub error: Option<String>,
    pub time: Duration,
}

/// How long each part took; None: it did not happen, or did not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub dns: Option<Duration>,
    /// All addresses tried.
    pub connect: Option<Duration>,
    pub tls: Option<Duration>,
    /// Until the request was written.
    pub request: Option<Duration>,
    /// From there to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From there to its end.
    pub body: Option<Duration>,
    pub total: Duration,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// `HTTP/1.1`
    pub version: &'static str,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Where it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Dns(Why),
    Connect,
    Tls,
    /// Sent, but no HTTP came back, or not all of it.
    Answer,
    /// `--max-time` passed.
    Time,
    /// Ctrl-C.
    Stopped,
    Redirect,
    /// Our own output could not be written.
    Output,
}

/// And why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub stage: Stage,
    pub text: String,
}

/// One request to one URL.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub url: Url,
    pub method: Method,
    pub resolved: Option<Resolved>,
    pub tried: Vec<Tried>,
    pub tls: Option<(About, Vec<Fault>)>,
    pub phases: Phases,
    pub head: Option<Head>,
    /// Bytes of the body that came.
    pub bytes: u64,
    /// Where a redirect leads.
    pub next: Option<Url>,
    pub failed: Option<Failed>,
}

/// Where answers go as they come.
pub trait Sink {
    fn head(&mut self, head: &Head) -> io::Result<()>;
    /// A part of the body of the last answer; of a redirect that is followed there is none.
    fn body(&mut self, part: &[u8]) -> io::Result<()>;
}
