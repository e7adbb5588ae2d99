//! The whole way: connect, ask, read, follow redirects, until an answer, a failure or the end of time.

use super::{Exchange, Failed, Head, Phases, Request, Sink, Stage, connect, exchange::exchange};
use crate::{clock, probes::stop};
use hyper::{
    Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST},
};
use std::{future::Future, io, os::unix::net::UnixStream, thread, time::Instant};
use url::Url;

/// Every request made, in order; the last one has the answer or says what failed. Err: the runtime could not be had.
pub fn fetch(request: &Request, sink: &mut dyn Sink) -> io::Result<Vec<Exchange>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = request.max_time.map(|limit| clock::instant() + limit);
    let mut all = Vec::new();
    let mut request = request.clone();
    let mut left = request.follow.unwrap_or(0);
    loop {
        let mut this = begin(&request);
        runtime.block_on(one(&request, &mut this, sink, end, left > 0));
        let next = this.next.clone();
        let status = this.head.as_ref().map(|head| head.status);
        let stop = this.failed.is_some() || request.follow.is_none();
        all.push(this);
        let (Some(next), false) = (next, stop) else {
            break;
        };
        if left == 0 {
            if let Some(last) = all.last_mut() {
                let text = format!("more than {} redirects", request.follow.unwrap_or(0));
                last.failed = Some(Failed {
                    stage: Stage::Redirect,
                    text,
                });
            }
            break;
        }
        left -= 1;
        request = redirected(request, next, status.unwrap_or(302));
    }
    Ok(all)
}

fn begin(request: &Request) -> Exchange {
    Exchange {
        url: request.url.clone(),
        method: request.method.clone(),
        resolved: None,
        tried: Vec::new(),
        tls: None,
        phases: Phases::default(),
        head: None,
        bytes: 0,
        next: None,
        failed: None,
    }
}

/// One request; what happened is in `this`.
async fn one(
    request: &Request,
    this: &mut Exchange,
    sink: &mut dyn Sink,
    end: Option<Instant>,
    follow: bool,
) {
    let start = clock::instant();
    let url = request.url.clone();
    let outcome = {
        let follows = |head: &Head| follow && location(&url, head).is_some();
        let work = async {
            let connected = connect::connect(request, &url, this, end).await?;
            exchange(request, connected, this, sink, &follows).await
        };
        limited(work, end).await
    };
    this.next = this.head.as_ref().and_then(|head| location(&url, head));
    this.phases.total = clock::instant().saturating_duration_since(start);
    this.failed = outcome.err().map(|failed| match failed.stage {
        Stage::Time | Stage::Stopped => timed_out(request, this, failed),
        Stage::Dns(_)
        | Stage::Connect
        | Stage::Tls
        | Stage::Answer
        | Stage::Redirect
        | Stage::Output => failed,
    });
}

async fn limited(
    work: impl Future<Output = Result<(), Failed>>,
    end: Option<Instant>,
) -> Result<(), Failed> {
    let over = |stage| {
        let text = String::new();
        Err(Failed { stage, text })
    };
    let time_up = async {
        match end {
            Some(end) => tokio::time::sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = stopped() => over(Stage::Stopped),
        outcome = work => outcome,
        () = time_up => over(Stage::Time),
    }
}

/// Ends when a stop is asked for, which a thread waits for: what it holds is closed then.
async fn stopped() {
    let pair = UnixStream::pair().and_then(|(ours, theirs)| {
        ours.set_nonblocking(true)?;
        let waiting = thread::Builder::new().name("stop".to_owned());
        waiting.spawn(move || {
            stop::until_asked();
            drop(theirs);
        })?;
        tokio::net::UnixStream::from_std(ours)
    });
    match pair {
        Ok(ours) => drop(ours.readable().await),
        Err(_) => std::future::pending().await,
    }
}

/// Where the time went.
fn timed_out(request: &Request, this: &Exchange, failed: Failed) -> Failed {
    if !failed.text.is_empty() {
        return failed;
    }
    let doing = match (&this.head, this.phases.connect, this.phases.tls) {
        (Some(_), ..) => format!("after {} bytes of the body", this.bytes),
        (None, Some(_), None) if this.url.scheme() == "https" => {
            "during the TLS handshake".to_owned()
        }
        (None, Some(_), _) => "waiting for the answer".to_owned(),
        (None, None, _) => "connecting".to_owned(),
    };
    let text = if failed.stage == Stage::Stopped {
        format!("stopped {doing}")
    } else {
        let limit = request.max_time.unwrap_or_default().as_secs_f64();
        format!("time is up ({limit} s) {doing}")
    };
    Failed { text, ..failed }
}

/// Where a redirect leads: only to what we can fetch.
fn location(url: &Url, head: &Head) -> Option<Url> {
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let (_, value) = head.headers.iter().find(|(name, _)| name == "location")?;
    let mut next = url.join(std::str::from_utf8(value).ok()?).ok()?;
    if next.fragment().is_none() {
        next.set_fragment(url.fragment());
    }
    ["http", "https"].contains(&next.scheme()).then_some(next)
}

/// As browsers and curl: 303 and a POST that is moved become GET, credentials stay with their host.
fn redirected(mut request: Request, next: Url, status: u16) -> Request {
    let get = status == 303 && request.method != Method::HEAD
        || matches!(status, 301 | 302) && request.method == Method::POST;
    if get {
        request.method = Method::GET;
        request.body = None;
        request
            .headers
            .retain(|(name, _)| *name != CONTENT_TYPE && *name != CONTENT_LENGTH);
    }
    let same = request.url.host() == next.host()
        && request.url.port_or_known_default() == next.port_or_known_default()
        && request.url.scheme() == next.scheme();
    if !same {
        request
            .headers
            .retain(|(name, _)| ![AUTHORIZATION, COOKIE, HOST].contains(name));
    }
    request.url = next;
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, to: &str) -> Head {
        Head {
            version: "HTTP/1.1",
            status,
            reason: String::new(),
            headers: vec![("location".to_owned(), to.as_bytes().to_vec())],
        }
    }

    #[test]
    fn where_redirects_lead() {
        let from: Url = "http://a.example/x/y?z#f".parse().unwrap();
        for (to, want) in [
            ("/b", Some("http://a.example/b#f")),
            ("c", Some("http://a.example/x/c#f")),
            ("https://b.example/", Some("https://b.example/#f")),
            ("//b.example/#g", Some("http://b.example/#g")),
            ("file:///etc/passwd", None),
            ("http://", None),
        ] {
            let next = location(&from, &head(302, to));
            assert_eq!(next.as_ref().map(Url::as_str), want, "{to}");
        }
        assert!(location(&from, &head(200, "/b")).is_none());
    }
}
