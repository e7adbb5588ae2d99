//! One question as it goes over the wire.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{DNSClass, Name, RecordType},
};
use std::net::IpAddr;

/// What fits one unfragmented packet almost everywhere (DNS flag day 2020).
pub const PAYLOAD: u16 = 1232;

/// What is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the header")]
pub struct Question {
    pub name: Name,
    pub kind: RecordType,
    pub class: DNSClass,
    pub recurse: bool,
    /// Signatures wanted (DO).
    pub dnssec: bool,
    /// No validation by the server (CD).
    pub checking_disabled: bool,
    /// Show whether the server validated (AD).
    pub authentic_data: bool,
    /// Largest answer over UDP, bytes; None asks without EDNS.
    pub edns: Option<u16>,
}

/// Why a name cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' is no domain name: {why}")]
pub struct BadName {
    name: String,
    why: String,
}

/// A name from what a user wrote: `\.` and `\DDD` as in zone files, other scripts as IDNA.
pub fn name(text: &str) -> Result<Name, BadName> {
    let bad = |why: String| BadName {
        name: text.to_owned(),
        why,
    };
    if text.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if text == "." {
        return Ok(Name::root());
    }
    let parsed = if text.is_ascii() {
        Name::from_labels(labels(text).map_err(bad)?)
    } else {
        Name::from_utf8(text)
    };
    let mut name = parsed.map_err(|error| bad(error.to_string()))?;
    name.set_fqdn(true);
    Ok(name)
}

/// The bytes of each label.
fn labels(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut labels = vec![Vec::new()];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'.' => {
                labels.push(Vec::new());
                continue;
            }
            b'\\' => escaped(&mut rest).ok_or("a '\\' that escapes nothing")?,
            other => other,
        };
        if let Some(last) = labels.last_mut() {
            last.push(byte);
        }
    }
    // What follows the last dot is the root.
    if labels.last().is_some_and(Vec::is_empty) {
        labels.pop();
    }
    if labels.iter().any(Vec::is_empty) {
        return Err("a label between two dots is empty".to_owned());
    }
    Ok(labels)
}

/// `\DDD` or `\X`.
fn escaped(rest: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = rest.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, rest.next()?, rest.next()?];
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// `4.3.2.1.in-addr.arpa.`
pub fn reverse(ip: IpAddr) -> Name {
    let mut name = Name::from(ip);
    name.set_fqdn(true);
    name
}

impl Question {
    /// As a stub resolver asks: recursion wanted, EDNS on.
    pub fn new(name: Name, kind: RecordType) -> Self {
        Self {
            name,
            kind,
            class: DNSClass::IN,
            recurse: true,
            dnssec: false,
            checking_disabled: false,
            authentic_data: false,
            edns: Some(PAYLOAD),
        }
    }

    pub(super) fn encode(&self, id: u16) -> Result<Vec<u8>, String> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.recurse;
        message.metadata.checking_disabled = self.checking_disabled;
        message.metadata.authentic_data = self.authentic_data;
        let mut query = Query::query(self.name.clone(), self.kind);
        query.set_query_class(self.class);
        message.add_query(query);
        if let Some(payload) = self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(payload).set_version(0);
            if self.dnssec {
                edns.enable_dnssec();
            }
            message.set_edns(edns);
        }
        message.to_vec().map_err(|error| error.to_string())
    }

    /// Whether an answer repeats this question: names do not differ by case.
    pub(super) fn is_asked_by(&self, query: &Query) -> bool {
        query.query_type() == self.kind
            && query.query_class() == self.class
            && query.name().eq_ignore_root(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_users_write_them() {
        for (text, shown) in [
            ("www.example", "www.example."),
            ("www.example.", "www.example."),
            ("_sip._tcp.example", "_sip._tcp.example."),
            ("größe.example", "xn--gre-6ka8i.example."),
            (".", "."),
            ("a\\.b\\032c.example", "a\\.b\\032c.example."),
        ] {
            assert_eq!(super::super::rdata::name(&name(text).unwrap()), shown);
        }
        for bad in [
            "",
            "a..b",
            "..",
            ".a",
            "a\\",
            "a\\25",
            "a\\256",
            &"a".repeat(64),
            &"abcdefgh.".repeat(40),
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(
            reverse("10.1.2.3".parse().unwrap()).to_ascii(),
            "3.2.1.10.in-addr.arpa."
        );
    }
}
