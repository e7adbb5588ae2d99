//! A handshake and its certificates: for people, and as JSON.

use super::{Page, object, time, us};
use crate::probes::{
    resolve::Resolved,
    tls::{Broken, Cert, Fault, Handshake, Kind, Wanted, pem},
};
use serde::Serialize;
use std::net::SocketAddr;

/// Names of a certificate that a line takes.
const NAMES: usize = 12;

/// What one address answered.
pub fn text(
    resolved: &Resolved,
    addr: SocketAddr,
    wanted: &Wanted,
    result: &Result<Handshake, Broken>,
    showcerts: bool,
) -> String {
    let mut page = Page::default();
    match result {
        Ok(done) => handshake(&mut page, resolved, wanted, done, showcerts),
        Err(why @ (Broken::Connect(_) | Broken::Setup(_))) => {
            page.line(&format!("{}: {why}", resolved.host));
        }
        Err(Broken::Tls {
            text,
            connect,
            faults,
        }) => {
            page.line(&format!(
                "{} ({addr}): connected in {}",
                resolved.host,
                time(*connect)
            ));
            page.line(&format!("no handshake: {text}"));
            for fault in faults {
                page.line(&format!("  {}: {}", word(fault.kind), fault.text));
            }
        }
    }
    page.text()
}

fn handshake(
    page: &mut Page,
    resolved: &Resolved,
    wanted: &Wanted,
    done: &Handshake,
    showcerts: bool,
) {
    page.line(&format!(
        "{} ({}): connect {}, handshake {}",
        resolved.host,
        done.addr,
        time(done.connect),
        time(done.handshake)
    ));
    let about = &done.about;
    let group = about.group.as_deref().map(|group| format!(", {group}"));
    page.line(&format!(
        "{}, {}{}, ALPN {}",
        about.version,
        about.cipher,
        group.unwrap_or_default(),
        about.alpn.as_deref().unwrap_or("none")
    ));
    for (depth, cert) in done.chain.iter().enumerate() {
        certificate(page, depth, cert);
        if let (true, Some(der)) = (showcerts, done.der.get(depth)) {
            pem(der).lines().for_each(|line| page.safe(line));
        }
    }
    if done.faults.is_empty() {
        let name = wanted.name.to_str();
        page.line(&format!("verified: for {name}, by {}", wanted.roots.source));
    }
    for fault in &done.faults {
        page.line(&format!(
            "NOT verified: {}: {}",
            word(fault.kind),
            fault.text
        ));
    }
}

fn certificate(page: &mut Page, depth: usize, cert: &Cert) {
    page.line(&format!("{depth} subject {}", cert.subject));
    page.line(&format!("  issuer  {}", cert.issuer));
    if !cert.sans.is_empty() {
        let shown: Vec<&str> = cert.sans.iter().take(NAMES).map(String::as_str).collect();
        let more = match cert.sans.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more (all: --json)"),
        };
        page.line(&format!("  names   {}{more}", shown.join(", ")));
    }
    let left = match cert.days_left {
        left @ 0.. => format!("{} left", days(left)),
        left => format!("expired {} ago", days(-left)),
    };
    page.line(&format!(
        "  valid   {} to {}, {left}",
        cert.not_before, cert.not_after
    ));
    let ca = if cert.ca { ", CA" } else { "" };
    page.line(&format!(
        "  key     {}, signed by {}{ca}",
        cert.key, cert.signature
    ));
    page.line(&format!("  sha256  {}", cert.sha256));
}

fn days(number: i64) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} day{s}")
}

/// As people say it.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Expired => "expired",
        Kind::NotYetValid => "not yet valid",
        Kind::WrongHost => "wrong host",
        Kind::SelfSigned => "self-signed",
        Kind::UnknownIssuer => "unknown issuer",
        Kind::IncompleteChain => "incomplete chain",
        Kind::Invalid => "invalid",
    }
}

#[derive(Serialize)]
struct Row<'a> {
    event: &'static str,
    host: &'a str,
    addr: String,
    port: u16,
    name: String,
    dns_us: u64,
    connect_us: Option<u64>,
    handshake_us: Option<u64>,
    version: Option<&'a str>,
    cipher: Option<&'a str>,
    group: Option<&'a str>,
    alpn: Option<&'a str>,
    certs: usize,
    days_left: Option<i64>,
    verified: bool,
    faults: Vec<Kind>,
    texts: Vec<&'a str>,
    error: Option<String>,
    refused_by: Option<String>,
}

#[derive(Serialize)]
struct CertRow<'a> {
    event: &'static str,
    addr: String,
    depth: usize,
    #[serde(flatten)]
    cert: &'a Cert,
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

/// One object for the handshake, one for each certificate.
pub fn json(
    into: &mut Vec<u8>,
    resolved: &Resolved,
    addr: SocketAddr,
    wanted: &Wanted,
    result: &Result<Handshake, Broken>,
    showcerts: bool,
) {
    let done = result.as_ref().ok();
    let faults: &[Fault] = match result {
        Ok(done) => &done.faults,
        Err(Broken::Tls { faults, .. }) => faults,
        Err(Broken::Connect(_) | Broken::Setup(_)) => &[],
    };
    let connect = match result {
        Ok(done) => Some(done.connect),
        Err(Broken::Tls { connect, .. }) => Some(*connect),
        Err(Broken::Connect(_) | Broken::Setup(_)) => None,
    };
    let row = Row {
        event: "tls",
        host: &resolved.host,
        addr: addr.ip().to_string(),
        port: addr.port(),
        name: wanted.name.to_str().into_owned(),
        dns_us: us(resolved.time),
        connect_us: connect.map(us),
        handshake_us: done.map(|done| us(done.handshake)),
        version: done.map(|done| done.about.version.as_str()),
        cipher: done.map(|done| done.about.cipher.as_str()),
        group: done.and_then(|done| done.about.group.as_deref()),
        alpn: done.and_then(|done| done.about.alpn.as_deref()),
        certs: done.map_or(0, |done| done.chain.len()),
        days_left: done.and_then(|done| done.chain.iter().map(|cert| cert.days_left).min()),
        verified: done.is_some_and(|done| done.faults.is_empty()),
        faults: faults.iter().map(|fault| fault.kind).collect(),
        texts: faults.iter().map(|fault| fault.text.as_str()).collect(),
        error: result.as_ref().err().map(ToString::to_string),
        refused_by: match result {
            Err(Broken::Connect(refused)) => refused.by().map(|by| by.to_string()),
            Ok(_) | Err(Broken::Tls { .. } | Broken::Setup(_)) => None,
        },
    };
    object(into, &row);
    for (depth, cert) in done.iter().flat_map(|done| done.chain.iter().enumerate()) {
        let der = done.and_then(|done| done.der.get(depth));
        let row = CertRow {
            event: "certificate",
            addr: addr.ip().to_string(),
            depth,
            cert,
            pem: der.filter(|_| showcerts).map(|der| pem(der)),
        };
        object(into, &row);
    }
}
