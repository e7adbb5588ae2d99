//! Request and answer over a connection that stands.

use super::{
    Exchange, Failed, Head, Request, Sink, Stage,
    connect::Connected,
    tap::{self, Shared, Tap},
};
use crate::clock;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Response, Uri, Version,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::{ACCEPT, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Instant;
use url::{Position, Url};

fn failed(stage: Stage, text: String) -> Failed {
    Failed { stage, text }
}

/// Asks and reads the answer to its end; the body of a redirect that is followed goes nowhere.
pub async fn exchange(
    request: &Request,
    connected: Connected,
    exchange: &mut Exchange,
    sink: &mut dyn Sink,
    follows: &(dyn Fn(&Head) -> bool + Sync),
) -> Result<(), Failed> {
    let wire = message(request, exchange, connected.http2)
        .map_err(|why| failed(Stage::Answer, format!("build the request: {why}")))?;
    let has_body = request.body.is_some();
    let (tap, marks) = Tap::new(connected.stream);
    let start = clock::instant();
    // The handle is kept until the body has come: without one HTTP/2 closes.
    let (answer, _handle) = if connected.http2 {
        send_http2(tap, wire).await
    } else {
        (send_http1(tap, wire).await, None)
    };
    let answer = answer.map_err(|error| failed(Stage::Answer, words(&error)))?;
    let came = clock::instant();
    let asked = written(&marks, has_body, start, came);
    exchange.phases.request = Some(asked.saturating_duration_since(start));
    exchange.phases.first_byte = Some(came.saturating_duration_since(asked));
    let head = head(&answer);
    let output = |error: std::io::Error| failed(Stage::Output, format!("write output: {error}"));
    sink.head(&head).map_err(output)?;
    let quiet = follows(&head);
    exchange.head = Some(head);
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let text = format!(
                "after {} bytes of the body: {}",
                exchange.bytes,
                words(&error)
            );
            failed(Stage::Answer, text)
        })?;
        if let Some(part) = frame.data_ref() {
            exchange.bytes += part.len() as u64;
            if !quiet {
                sink.body(part).map_err(output)?;
            }
        }
    }
    exchange.phases.body = Some(clock::instant().saturating_duration_since(came));
    Ok(())
}

type Stream = Tap<Box<dyn super::connect::Stream>>;
type Wire = hyper::Request<Full<Bytes>>;

async fn send_http1(stream: Stream, wire: Wire) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await?;
    // What goes wrong with the connection goes wrong with the request as well.
    tokio::spawn(async move { drop(connection.await) });
    sender.send_request(wire).await
}

async fn send_http2(
    stream: Stream,
    wire: Wire,
) -> (
    hyper::Result<Response<Incoming>>,
    Option<http2::SendRequest<Full<Bytes>>>,
) {
    let shaken = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = match shaken {
        Ok(both) => both,
        Err(error) => return (Err(error), None),
    };
    tokio::spawn(async move { drop(connection.await) });
    (sender.send_request(wire).await, Some(sender))
}

/// When the request was written: without a body before anything came back; HTTP/2 writes later on for its own ends.
fn written(marks: &Shared, has_body: bool, start: Instant, came: Instant) -> Instant {
    let marks = tap::marks(marks);
    let written = if has_body {
        marks.last_write
    } else {
        marks.asked
    };
    written.unwrap_or(start).min(came)
}

fn message(request: &Request, exchange: &Exchange, http2: bool) -> Result<Wire, String> {
    let url = &exchange.url;
    let authority = authority(url);
    let uri: Uri = if http2 {
        let absolute = format!("{}://{authority}{}", url.scheme(), path(url));
        absolute.parse()
    } else {
        path(url).parse()
    }
    .map_err(|error: hyper::http::uri::InvalidUri| error.to_string())?;
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&authority).map_err(|error| error.to_string())?;
    if !http2 {
        headers.insert(HOST, host);
    }
    let agent = concat!("netobs/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    for name in &request.without {
        headers.remove(name);
    }
    let ours: Vec<HeaderName> = headers.keys().cloned().collect();
    for (name, value) in &request.headers {
        if ours.contains(name) {
            headers.insert(name, value.clone());
        } else {
            headers.append(name, value.clone());
        }
    }
    let mut wire = hyper::Request::new(Full::new(request.body.clone().unwrap_or_default()));
    *wire.method_mut() = exchange.method.clone();
    *wire.uri_mut() = uri;
    *wire.headers_mut() = headers;
    if http2 {
        *wire.version_mut() = Version::HTTP_2;
    }
    Ok(wire)
}

/// `host`, `host:8080`, `[::1]:8080`.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn path(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

fn head(answer: &Response<Incoming>) -> Head {
    let version = match answer.version() {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_11 => "HTTP/1.1",
        _ => "HTTP/1.0",
    };
    let own = answer.extensions().get::<hyper::ext::ReasonPhrase>();
    let own = own.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
    let known = || {
        answer
            .status()
            .canonical_reason()
            .unwrap_or_default()
            .to_owned()
    };
    let headers = answer.headers().iter();
    Head {
        version,
        status: answer.status().as_u16(),
        reason: own.unwrap_or_else(known),
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
    }
}

/// An error of hyper with its causes.
fn words(error: &hyper::Error) -> String {
    use std::error::Error as _;
    if error.is_incomplete_message() {
        return "the server closed the connection before the answer was whole".to_owned();
    }
    if error.is_parse() {
        return format!("what the server answers is not HTTP: {error}");
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
