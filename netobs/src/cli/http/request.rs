//! Arguments to a request, with curl's habits.

use super::Http;
use crate::probes::{
    http::{Pin, Request, Versions, host_text},
    resolve::{Config, Family, resolve},
    tls::Roots,
};
use data_encoding::BASE64;
use hyper::{
    Method,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use std::{
    fs,
    io::Read as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use url::Url;

/// Larger bodies are not what a question needs; they are held in memory.
const LARGEST: u64 = 64 << 20;

pub fn read(args: &Http, config: Config) -> Result<Request, String> {
    let (mut url, zone) = url(&args.url)?;
    let (mut headers, without) = headers(&args.header)?;
    let body = body(&args.data)?;
    let has = |headers: &[(HeaderName, HeaderValue)], name: &HeaderName| {
        headers.iter().any(|(own, _)| own == name)
    };
    if body.is_some() && !has(&headers, &CONTENT_TYPE) && !without.contains(&CONTENT_TYPE) {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.push((CONTENT_TYPE, form));
    }
    let user = args.user.clone().or_else(|| credentials(&url));
    // Not to be shown with the URL.
    if url
        .set_username("")
        .and_then(|()| url.set_password(None))
        .is_err()
    {
        return Err(format!("'{}' has no host", args.url));
    }
    if let Some(user) = user
        && !has(&headers, &AUTHORIZATION)
    {
        let value = format!("Basic {}", BASE64.encode(user.as_bytes()));
        let value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
        headers.push((AUTHORIZATION, value));
    }
    let roots = match (&args.ca, url.scheme(), args.location) {
        (Some(file), ..) => Roots::file(file).map_err(|error| error.to_string())?,
        // Hundreds of files are not read for nothing.
        (None, "http", false) => Roots::none(),
        (None, ..) => Roots::platform(),
    };
    let pins = args.resolve.iter().map(|pin| self::pin(pin));
    let mut pins: Vec<Pin> = pins.collect::<Result<_, _>>()?;
    if let Some(zone) = zone {
        pins.push(on_link(&url, &zone, &config)?);
    }
    Ok(Request {
        method: method(args, body.is_some())?,
        url,
        headers,
        without,
        body,
        versions: match (args.http1, args.http2) {
            (true, _) => Versions::Http1,
            (_, true) => Versions::Http2,
            _ => Versions::Any,
        },
        insecure: args.insecure,
        roots: Arc::new(roots),
        follow: args.location.then_some(args.max_redirs),
        pins,
        family: args.net.family(),
        connect_timeout: args.connect_timeout,
        max_time: args.max_time,
        leave: args.leaving.leave(),
        config,
    })
}

/// With the interface of a link-local address, which URLs know as `[fe80::1%25eth0]` (RFC 6874) and their parser does not.
fn url(text: &str) -> Result<(Url, Option<String>), String> {
    let mut whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let zone = match (whole.find('%'), whole.find(']')) {
        (Some(from), Some(to)) if from < to && whole.contains("://[") => {
            let zone: String = whole.drain(from..to).collect();
            let zone = zone.strip_prefix("%25").unwrap_or(&zone[1..]).to_owned();
            Some(zone)
        }
        _ => None,
    };
    let url = Url::parse(&whole).map_err(|error| format!("'{text}' is no URL: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("'{text}': expected http:// or https://"));
    }
    if url.port() == Some(0) {
        return Err(format!("'{text}': 0 is no port"));
    }
    Ok((url, zone))
}

/// The address of a URL by the interface that it names.
fn on_link(url: &Url, zone: &str, config: &Config) -> Result<Pin, String> {
    let host = host_text(url);
    let scoped = format!("{host}%{zone}");
    let found = resolve(&scoped, Family::Any, config).map_err(|error| error.to_string())?;
    let port = url.port_or_known_default().unwrap_or(80);
    Ok(Pin {
        host,
        port,
        addresses: found.addresses.iter().map(|a| a.at(port)).collect(),
    })
}

/// `http://user:password@host/`
fn credentials(url: &Url) -> Option<String> {
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty()).then(|| format!("{}:{password}", url.username()))
}

fn method(args: &Http, has_body: bool) -> Result<Method, String> {
    if let Some(method) = &args.request {
        return Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("'{method}' is no method"));
    }
    Ok(match (args.head, has_body) {
        (true, _) => Method::HEAD,
        (false, true) => Method::POST,
        (false, false) => Method::GET,
    })
}

type Headers = (Vec<(HeaderName, HeaderValue)>, Vec<HeaderName>);

fn headers(given: &[String]) -> Result<Headers, String> {
    let (mut set, mut without) = (Vec::new(), Vec::new());
    for text in given {
        let bad = || format!("'{text}' is no header: expected 'Name: value'");
        let name = |name: &str| HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad());
        match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((own, value)), _) if value.trim().is_empty() => without.push(name(own)?),
            (Some((own, value)), _) => {
                let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| bad())?;
                set.push((name(own)?, value));
            }
            (None, Some(own)) => set.push((name(own)?, HeaderValue::from_static(""))),
            (None, None) => return Err(bad()),
        }
    }
    Ok((set, without))
}

fn body(data: &[String]) -> Result<Option<Bytes>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    let mut body: Vec<u8> = Vec::new();
    for (at, part) in data.iter().enumerate() {
        if at > 0 {
            body.push(b'&');
        }
        match part.strip_prefix('@') {
            Some(file) => {
                let bytes = file_bytes(file).map_err(|error| format!("read {file}: {error}"))?;
                // As curl: a form has no line ends.
                body.extend(
                    bytes
                        .into_iter()
                        .filter(|b| !matches!(b, b'\r' | b'\n' | 0)),
                );
            }
            None => body.extend(part.as_bytes()),
        }
    }
    Ok(Some(body.into()))
}

fn file_bytes(file: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin().take(LARGEST).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(file)?
            .take(LARGEST)
            .read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 == LARGEST {
        return Err(std::io::Error::other("more than 64 MiB"));
    }
    Ok(bytes)
}

/// `HOST:PORT:ADDR[,ADDR]`
fn pin(text: &str) -> Result<Pin, String> {
    let bad = || format!("--resolve {text}: expected HOST:PORT:ADDR[,ADDR]");
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(bad)?,
        None => text.split_once(':').ok_or_else(bad)?,
    };
    let (port, addresses) = rest.split_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    let one = |address: &str| {
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse::<IpAddr>().map_err(|_| bad())?;
        Ok(SocketAddr::new(ip, port))
    };
    Ok(Pin {
        host: host.to_owned(),
        port,
        addresses: addresses
            .split(',')
            .map(one)
            .collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_takes() {
        assert_eq!(url("a.example/x").unwrap().0.as_str(), "http://a.example/x");
        let (on_link, zone) = url("http://[fe80::1%25eth0]:8080/%5d").unwrap();
        assert_eq!(on_link.as_str(), "http://[fe80::1]:8080/%5d");
        assert_eq!(zone.as_deref(), Some("eth0"));
        assert_eq!(url("[fe80::1%e]/").unwrap().1.as_deref(), Some("e"));
        assert_eq!(url("http://a.example/%5d]").unwrap().1, None);
        for bad in [
            "",
            "http://",
            "ftp://a/",
            "http://a:0/",
            "http://a:99999/",
            "a b",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        let two = pin("a.example:443:10.0.0.1,[::1]").unwrap();
        let want: Vec<SocketAddr> = vec![
            "10.0.0.1:443".parse().unwrap(),
            "[::1]:443".parse().unwrap(),
        ];
        assert_eq!(two.addresses, want);
        for bad in ["a", "a:1", "a:1:x", "a:x:1.2.3.4", "a:1:"] {
            assert!(pin(bad).is_err(), "{bad}");
        }
        let given = ["A: b".to_owned(), "Accept:".to_owned(), "E;".to_owned()];
        let (set, without) = headers(&given).unwrap();
        assert_eq!((set.len(), without.len()), (2, 1));
        for bad in ["nothing", "b ad: x", "a: \u{7}"] {
            assert!(headers(&[bad.to_owned()]).is_err(), "{bad}");
        }
        let body = body(&["a=1".to_owned(), "b=2".to_owned()])
            .unwrap()
            .unwrap();
        assert_eq!(&body[..], b"a=1&b=2");
    }
}
