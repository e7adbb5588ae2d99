//! An answer, taken apart: status, flags, sections, and what the server added by EDNS.

use super::rdata;
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{Record as Wire, rdata::opt::EdnsOption},
};
use serde::Serialize;
use std::net::IpAddr;

/// One record of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Owner, absolute, in the escapes of zone files.
    pub name: String,
    /// Seconds that it may be kept.
    pub ttl: u32,
    pub class: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// As in a zone file.
    pub data: String,
    #[serde(skip)]
    pub address: Option<IpAddr>,
    /// Where a CNAME, NS or PTR leads.
    #[serde(skip)]
    pub target: Option<String>,
}

/// What a server added by EDNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extra {
    pub version: u8,
    pub dnssec_ok: bool,
    /// Largest UDP answer that it takes, bytes.
    pub payload: u16,
    /// Extended errors (RFC 8914): number, its name, the server's own words.
    pub errors: Vec<(u16, &'static str, String)>,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub id: u16,
    pub status: ResponseCode,
    /// `qr rd ra`: in dig's order.
    pub flags: Vec<&'static str>,
    pub edns: Option<Extra>,
    /// Name, class, type; what the server repeats.
    pub question: Vec<(String, String, String)>,
    pub answers: Vec<Record>,
    pub authorities: Vec<Record>,
    pub additionals: Vec<Record>,
    /// Bytes on the wire.
    pub size: usize,
}

impl Reply {
    pub(super) fn new(message: &Message, size: usize) -> Self {
        let all = |records: &[Wire]| records.iter().map(Record::new).collect();
        let question = message.queries.iter().map(|query| {
            (
                rdata::name(query.name()),
                query.query_class().to_string(),
                rdata::kind(query.query_type()),
            )
        });
        Self {
            id: message.metadata.id,
            status: message.metadata.response_code,
            flags: flags(message),
            edns: message.edns.as_ref().map(extra),
            question: question.collect(),
            answers: all(&message.answers),
            authorities: all(&message.authorities),
            additionals: all(&message.additionals),
            size,
        }
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// "Ask those servers": no answer, no end of the zone, but servers of another.
    pub fn refers(&self) -> bool {
        let has = |kind| self.authorities.iter().any(|r| r.kind == kind);
        self.answers.is_empty() && !self.has("aa") && has("NS") && !has("SOA")
    }

    /// `NOERROR`, `NXDOMAIN`, `RCODE17`.
    pub fn status_name(&self) -> String {
        status(self.status)
    }

    /// Follows CNAMEs from `name` within this answer: every name on the way, the last one canonical.
    pub fn chain(&self, name: &str) -> Vec<String> {
        let mut chain = vec![name.to_owned()];
        // Each step takes another record: a loop of names ends.
        for _ in &self.answers {
            let here = &chain[chain.len() - 1];
            let next = self
                .answers
                .iter()
                .find(|r| r.kind == "CNAME" && r.name.eq_ignore_ascii_case(here));
            match next.and_then(|r| r.target.clone()) {
                Some(target) if !chain.contains(&target) => chain.push(target),
                _ => break,
            }
        }
        chain
    }

    /// Addresses of a name in this answer, CNAMEs followed.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let chain = self.chain(name);
        let last = &chain[chain.len() - 1];
        let ours = self
            .answers
            .iter()
            .filter(|r| r.name.eq_ignore_ascii_case(last));
        ours.filter_map(|r| r.address).collect()
    }
}

impl Record {
    fn new(wire: &Wire) -> Self {
        Self {
            name: rdata::name(&wire.name),
            ttl: wire.ttl,
            class: wire.dns_class.to_string(),
            kind: rdata::kind_of(&wire.data),
            data: rdata::data(&wire.data),
            address: rdata::address(&wire.data),
            target: rdata::target(&wire.data).map(rdata::name),
        }
    }
}

/// In the words of the registry, as dig prints them.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "codes of signed transactions are not expected here: a number does"
)]
pub fn status(code: ResponseCode) -> String {
    let word = match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        ResponseCode::BADVERS => "BADVERS",
        ResponseCode::BADCOOKIE => "BADCOOKIE",
        other => return format!("RCODE{}", u16::from(other)),
    };
    word.to_owned()
}

fn flags(message: &Message) -> Vec<&'static str> {
    let bits = &message.metadata;
    let all = [
        ("qr", true),
        ("aa", bits.authoritative),
        ("tc", bits.truncation),
        ("rd", bits.recursion_desired),
        ("ra", bits.recursion_available),
        ("ad", bits.authentic_data),
        ("cd", bits.checking_disabled),
    ];
    let set = all.into_iter().filter(|(_, set)| *set);
    set.map(|(name, _)| name).collect()
}

fn extra(edns: &Edns) -> Extra {
    let options = edns.options().options.iter();
    let errors = options.filter_map(|(_, option)| {
        if let EdnsOption::Unknown(15, bytes) = option {
            extended_error(bytes)
        } else {
            None
        }
    });
    Extra {
        version: edns.version(),
        dnssec_ok: edns.flags().dnssec_ok,
        payload: edns.max_payload(),
        errors: errors.collect(),
    }
}

fn extended_error(bytes: &[u8]) -> Option<(u16, &'static str, String)> {
    let (number, text) = bytes.split_first_chunk::<2>()?;
    let number = u16::from_be_bytes(*number);
    let text = String::from_utf8_lossy(text).into_owned();
    Some((number, extended_error_name(number), text))
}

/// The registry of RFC 8914.
fn extended_error_name(number: u16) -> &'static str {
    const NAMES: [&str; 25] = [
        "other error",
        "unsupported DNSKEY algorithm",
        "unsupported DS digest type",
        "stale answer",
        "forged answer",
        "DNSSEC indeterminate",
        "DNSSEC bogus",
        "signature expired",
        "signature not yet valid",
        "DNSKEY missing",
        "signatures missing",
        "no zone key bit set",
        "NSEC missing",
        "cached error",
        "not ready",
        "blocked",
        "censored",
        "filtered",
        "prohibited",
        "stale NXDOMAIN answer",
        "not authoritative",
        "not supported",
        "no reachable authority",
        "network error",
        "invalid data",
    ];
    NAMES
        .get(usize::from(number))
        .copied()
        .unwrap_or("unknown error")
}
