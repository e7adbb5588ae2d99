//! To a connection: the name, its addresses in turn, TLS.

use super::{Exchange, Failed, Request, Stage, Tried, Versions};
use crate::{
    clock,
    probes::{
        dial::dial,
        resolve::{Resolved, Unresolved, resolve},
        tls,
    },
};
use rustls::pki_types::ServerName;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Any stream that HTTP can run over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, and whether HTTP/2 was agreed on.
pub struct Connected {
    pub stream: Box<dyn Stream>,
    pub http2: bool,
}

fn failed(stage: Stage, text: String) -> Failed {
    Failed { stage, text }
}

/// Fills in what it learns on the way.
pub async fn connect(
    request: &Request,
    url: &Url,
    exchange: &mut Exchange,
    end: Option<Instant>,
) -> Result<Connected, Failed> {
    let addresses = addresses(request, url, exchange, end)?;
    let start = clock::instant();
    let mut tcp = None;
    for addr in addresses {
        let begun = clock::instant();
        let left = end.map(|end| end.saturating_duration_since(begun));
        let limit = left.map_or(request.connect_timeout, |l| l.min(request.connect_timeout));
        // Nothing else is to be done meanwhile: the wait may block.
        let outcome = dial(addr, &request.leave, limit);
        let time = clock::instant().saturating_duration_since(begun);
        let stopped = matches!(&outcome, Err(refused) if refused.is_stop());
        let outcome = outcome
            .map_err(|refused| refused.to_string())
            .and_then(|stream| handed(stream).map_err(|error| format!("{addr}: {error}")));
        let error = match outcome {
            Ok(stream) => {
                tcp = Some(stream);
                None
            }
            Err(why) => Some(why),
        };
        exchange.tried.push(Tried { addr, error, time });
        if tcp.is_some() {
            break;
        }
        let over = end.is_some_and(|end| clock::instant() >= end);
        if stopped || over {
            let stage = if stopped { Stage::Stopped } else { Stage::Time };
            return Err(failed(stage, String::new()));
        }
    }
    let Some(tcp) = tcp else {
        let all = exchange
            .tried
            .iter()
            .filter_map(|tried| tried.error.clone());
        let text = all.collect::<Vec<_>>().join("; ");
        return Err(failed(Stage::Connect, text));
    };
    exchange.phases.connect = Some(clock::instant().saturating_duration_since(start));
    if url.scheme() == "https" {
        return secure(request, url, tcp, exchange).await;
    }
    Ok(Connected {
        stream: Box::new(tcp),
        http2: request.versions == Versions::Http2,
    })
}

fn handed(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Given by `--resolve`, written in the URL, or asked for.
fn addresses(
    request: &Request,
    url: &Url,
    exchange: &mut Exchange,
    end: Option<Instant>,
) -> Result<Vec<SocketAddr>, Failed> {
    let host = host_text(url);
    let port = url.port_or_known_default().unwrap_or(80);
    let pin = request
        .pins
        .iter()
        .find(|pin| pin.port == port && pin.host.eq_ignore_ascii_case(&host));
    if let Some(pin) = pin {
        return Ok(pin.addresses.clone());
    }
    let resolved = within(request, &host, end)?;
    let resolved = resolved.map_err(|error| failed(Stage::Dns(error.why), error.to_string()))?;
    let addresses = resolved.addresses.iter().map(|a| a.at(port)).collect();
    // An address needs no asking.
    exchange.phases.dns = matches!(url.host(), Some(Host::Domain(_))).then_some(resolved.time);
    exchange.resolved = Some(resolved);
    Ok(addresses)
}

/// The host as it is resolved: without brackets.
pub fn host_text(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => String::new(),
    }
}

/// Resolves on a thread of its own, which is left behind when time is up.
fn within(
    request: &Request,
    host: &str,
    end: Option<Instant>,
) -> Result<Result<Resolved, Unresolved>, Failed> {
    let Some(end) = end else {
        return Ok(resolve(host, request.family, &request.config));
    };
    let (sender, receiver) = mpsc::channel();
    let (name, family, config) = (host.to_owned(), request.family, request.config.clone());
    thread::spawn(move || {
        // Nobody may be waiting any more.
        drop(sender.send(resolve(&name, family, &config)));
    });
    let left = end.saturating_duration_since(clock::instant());
    receiver
        .recv_timeout(left)
        .map_err(|_| failed(Stage::Time, format!("time is up while {host} is resolved")))
}

async fn secure(
    request: &Request,
    url: &Url,
    tcp: TcpStream,
    exchange: &mut Exchange,
) -> Result<Connected, Failed> {
    let alpn: Vec<Vec<u8>> = match request.versions {
        Versions::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Versions::Http1 => vec![b"http/1.1".to_vec()],
        Versions::Http2 => vec![b"h2".to_vec()],
    };
    let broken = |text: String| failed(Stage::Tls, text);
    let client = tls::client(&request.roots, &alpn, !request.insecure);
    let (config, recorder) = client.map_err(|error| broken(error.to_string()))?;
    let name = server_name(url).map_err(broken)?;
    let start = clock::instant();
    let connector = TlsConnector::from(Arc::new(config));
    let shaken = timeout(request.connect_timeout, connector.connect(name, tcp)).await;
    exchange.phases.tls = Some(clock::instant().saturating_duration_since(start));
    let faults = recorder.seen().map(|seen| seen.faults).unwrap_or_default();
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let shown: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
            let text = if shown.is_empty() {
                format!("no TLS handshake: {error}")
            } else {
                format!(
                    "certificate not trusted: {} (-k takes it)",
                    shown.join("; ")
                )
            };
            return Err(broken(text));
        }
        Err(_) => {
            let limit = request.connect_timeout.as_secs_f64();
            return Err(broken(format!("no TLS handshake within {limit} s")));
        }
    };
    let about = tls::about(stream.get_ref().1);
    let http2 = about.alpn.as_deref() == Some("h2");
    exchange.tls = Some((about, faults));
    if request.versions == Versions::Http2 && !http2 {
        return Err(broken(
            "the server does not agree on HTTP/2 (ALPN)".to_owned(),
        ));
    }
    Ok(Connected {
        stream: Box::new(stream),
        http2,
    })
}

fn server_name(url: &Url) -> Result<ServerName<'static>, String> {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(name)) => {
            return ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| format!("'{name}' is no name of a server"));
        }
        None => return Err("no host in the URL".to_owned()),
    };
    Ok(ServerName::from(ip))
}
