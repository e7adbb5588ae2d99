//! A request and its answer: for people, and as JSON.

use super::{Page, object, time, us};
use crate::{
    line::is_format,
    probes::http::{Exchange, Head, Stage},
};
use serde::Serialize;
use std::{fmt::Write as _, time::Duration};

/// What happened, for standard error. `shown`: the head is on standard output already.
pub fn text(exchange: &Exchange, shown: bool) -> String {
    let mut page = Page::default();
    page.line(&format!("{} {}", exchange.method, exchange.url));
    if let Some(resolved) = &exchange.resolved
        && resolved.addresses.len() > 1
    {
        let all: Vec<String> = resolved
            .addresses
            .iter()
            .map(|a| a.ip.to_string())
            .collect();
        page.line(&format!("addresses: {}", all.join(" ")));
    }
    // Refused by all addresses: the last line names each.
    let refused = matches!(&exchange.failed, Some(failed) if failed.stage == Stage::Connect);
    for tried in exchange.tried.iter().filter(|_| !refused) {
        let outcome = match &tried.error {
            Some(error) => error.clone(),
            None => format!("{}: connected in {}", tried.addr, time(tried.time)),
        };
        page.line(&outcome);
    }
    if let Some((about, faults)) = &exchange.tls {
        page.line(&format!("{} {}", about.version, about.cipher));
        for fault in faults {
            page.line(&format!("certificate NOT verified: {}", fault.text));
        }
    }
    if let (Some(head), false) = (&exchange.head, shown) {
        page.line(&status_line(head));
        for (name, value) in &head.headers {
            page.line(&format!("{name}: {}", String::from_utf8_lossy(value)));
        }
    }
    page.line(&phases(exchange));
    if let Some(failed) = &exchange.failed {
        page.line(&format!("netobs: {}", failed.text));
    }
    page.text()
}

/// Only what went wrong.
pub fn failure(exchange: &Exchange) -> String {
    let mut page = Page::default();
    if let Some(failed) = &exchange.failed {
        page.line(&format!("netobs: {}", failed.text));
    }
    page.text()
}

fn status_line(head: &Head) -> String {
    let line = format!("{} {} {}", head.version, head.status, head.reason);
    line.trim_end().to_owned()
}

/// `dns 1.20ms, connect 310us, ... total 12.4ms, 5120 bytes`
fn phases(exchange: &Exchange) -> String {
    let p = &exchange.phases;
    let all = [
        ("dns", p.dns),
        ("connect", p.connect),
        ("tls", p.tls),
        ("request", p.request),
        ("first byte", p.first_byte),
        ("body", p.body),
        ("total", Some(p.total)),
    ];
    let shown: Vec<String> = all
        .iter()
        .filter_map(|(name, took)| took.map(|took| format!("{name} {}", time(took))))
        .collect();
    format!("{}; {} bytes", shown.join(", "), exchange.bytes)
}

/// The head of an answer as it came, for a pipe, or harmless, for a terminal.
pub fn head(head: &Head, raw: bool) -> Vec<u8> {
    let mut bytes = status_line(head).into_bytes();
    bytes.extend(b"\r\n");
    for (name, value) in &head.headers {
        bytes.extend(name.as_bytes());
        bytes.extend(b": ");
        bytes.extend(value);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    if raw {
        return bytes;
    }
    harmless(&bytes).into_bytes()
}

/// A text of others for a terminal: lines and tabs stay, what it could act on becomes `\xNN`.
pub fn harmless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let hex = |text: &mut String, byte: u8| {
        write!(text, "\\x{byte:02x}").expect("a string takes all");
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => text.push(c),
                '\r' => {}
                c if c.is_control() || is_format(c) => {
                    let mut utf8 = [0; 4];
                    c.encode_utf8(&mut utf8)
                        .bytes()
                        .for_each(|b| hex(&mut text, b));
                }
                c => text.push(c),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| hex(&mut text, *byte));
    }
    text
}

#[derive(Serialize)]
struct Row<'a> {
    event: &'static str,
    method: &'a str,
    url: &'a str,
    version: Option<&'static str>,
    /// null: no answer.
    status: Option<u16>,
    reason: Option<&'a str>,
    addr: Option<String>,
    port: Option<u16>,
    addresses: Vec<String>,
    /// Addresses that did not take the connection, with the reason.
    refused: Vec<&'a str>,
    dns_us: Option<u64>,
    connect_us: Option<u64>,
    tls_us: Option<u64>,
    request_us: Option<u64>,
    first_byte_us: Option<u64>,
    body_us: Option<u64>,
    total_us: u64,
    bytes: u64,
    tls: Option<&'a str>,
    cipher: Option<&'a str>,
    verified: Option<bool>,
    faults: Vec<&'a str>,
    headers: Vec<String>,
    location: Option<&'a str>,
    error: Option<&'a str>,
}

/// One request, one object.
pub fn json(into: &mut Vec<u8>, exchange: &Exchange) {
    let p = &exchange.phases;
    let us = |took: Option<Duration>| took.map(us);
    let head = exchange.head.as_ref();
    let connected = exchange.tried.iter().find(|tried| tried.error.is_none());
    let tls = exchange.tls.as_ref();
    let resolved = exchange
        .resolved
        .iter()
        .flat_map(|resolved| &resolved.addresses);
    let headers = head.into_iter().flat_map(|head| &head.headers);
    let row = Row {
        event: "http",
        method: exchange.method.as_str(),
        url: exchange.url.as_str(),
        version: head.map(|head| head.version),
        status: head.map(|head| head.status),
        reason: head.map(|head| head.reason.as_str()),
        addr: connected.map(|tried| tried.addr.ip().to_string()),
        port: connected.map(|tried| tried.addr.port()),
        addresses: resolved.map(|a| a.ip.to_string()).collect(),
        refused: exchange
            .tried
            .iter()
            .filter_map(|t| t.error.as_deref())
            .collect(),
        dns_us: us(p.dns),
        connect_us: us(p.connect),
        tls_us: us(p.tls),
        request_us: us(p.request),
        first_byte_us: us(p.first_byte),
        body_us: us(p.body),
        total_us: us(Some(p.total)).unwrap_or_default(),
        bytes: exchange.bytes,
        tls: tls.map(|(about, _)| about.version.as_str()),
        cipher: tls.map(|(about, _)| about.cipher.as_str()),
        verified: tls.map(|(_, faults)| faults.is_empty()),
        faults: tls.map_or_else(Vec::new, |(_, faults)| {
            faults.iter().map(|fault| fault.text.as_str()).collect()
        }),
        headers: headers
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .collect(),
        location: exchange.next.as_ref().map(url::Url::as_str),
        error: exchange.failed.as_ref().map(|failed| failed.text.as_str()),
    };
    object(into, &row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_cannot_act_on_the_terminal() {
        let page = b"a\tb\r\n\x1b]0;title\x07 \xff \xc2\x9b31m {\"k\":\"\\\"\"}\n";
        let want = "a\tb\n\\x1b]0;title\\x07 \\xff \\xc2\\x9b31m {\"k\":\"\\\"\"}\n";
        assert_eq!(harmless(page), want);
    }
}
