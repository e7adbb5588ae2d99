//! Records in the words of zone files: bytes that a terminal could act on are written `\DDD`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the registry of record types grows; what is not named here has a form that fits all"
)]

use data_encoding::HEXUPPER;
use hickory_proto::{
    rr::{Name, RData, RecordType},
    serialize::binary::BinEncodable as _,
};
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

/// A name, absolute, as dig writes it.
pub fn name(name: &Name) -> String {
    let mut text = String::new();
    for label in name {
        for byte in label {
            push(&mut text, *byte, b".\\\";()@$", false);
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// `"..."`
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        push(&mut text, *byte, b"\"\\", true);
    }
    text.push('"');
    text
}

fn push(text: &mut String, byte: u8, special: &[u8], space: bool) {
    match byte {
        _ if special.contains(&byte) => {
            text.push('\\');
            text.push(char::from(byte));
        }
        b' ' if space => text.push(' '),
        0x21..0x7f => text.push(char::from(byte)),
        _ => write!(text, "\\{byte:03}").expect("a string takes all"),
    }
}

/// The address that an A or AAAA record holds.
pub fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

/// The name that a CNAME, NS or PTR record points to.
pub fn target(data: &RData) -> Option<&Name> {
    match data {
        RData::CNAME(to) => Some(&to.0),
        RData::NS(to) => Some(&to.0),
        RData::PTR(to) => Some(&to.0),
        _ => None,
    }
}

/// `A`, `TYPE65280`.
pub fn kind(kind: RecordType) -> String {
    match kind {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

/// The data of a record.
pub fn data(data: &RData) -> String {
    match data {
        RData::A(a) => a.0.to_string(),
        RData::AAAA(aaaa) => aaaa_text(aaaa.0),
        RData::CNAME(_) | RData::NS(_) | RData::PTR(_) => {
            target(data).map(name).unwrap_or_default()
        }
        RData::MX(mx) => format!("{} {}", mx.preference, name(&mx.exchange)),
        RData::SRV(srv) => format!(
            "{} {} {} {}",
            srv.priority,
            srv.weight,
            srv.port,
            name(&srv.target)
        ),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            name(&soa.mname),
            name(&soa.rname),
            soa.serial,
            // Unsigned on the wire.
            soa.refresh.cast_unsigned(),
            soa.retry.cast_unsigned(),
            soa.expire.cast_unsigned(),
            soa.minimum
        ),
        RData::TXT(txt) => {
            let strings: Vec<String> = txt.txt_data.iter().map(|s| quoted(s)).collect();
            strings.join(" ")
        }
        RData::CAA(caa) => {
            let tag: String = caa
                .tag
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            format!("{} {tag} {}", caa.flags(), quoted(&caa.value))
        }
        _ => rarer(data),
    }
}

/// Types that are seldom asked for; what has no form of its own gets the general one.
fn rarer(data: &RData) -> String {
    match data {
        RData::HINFO(hinfo) => format!("{} {}", quoted(&hinfo.cpu), quoted(&hinfo.os)),
        RData::DNSSEC(dnssec) => safe(&dnssec.to_string()),
        RData::SSHFP(key) => format!(
            "{} {} {}",
            u8::from(key.algorithm),
            u8::from(key.fingerprint_type),
            HEXUPPER.encode(&key.fingerprint)
        ),
        RData::TLSA(cert) => format!(
            "{} {} {} {}",
            u8::from(cert.cert_usage),
            u8::from(cert.selector),
            u8::from(cert.matching),
            HEXUPPER.encode(&cert.cert_data)
        ),
        RData::NAPTR(rule) => format!(
            "{} {} {} {} {} {}",
            rule.order,
            rule.preference,
            quoted(&rule.flags),
            quoted(&rule.services),
            quoted(&rule.regexp),
            name(&rule.replacement)
        ),
        RData::SVCB(_) | RData::HTTPS(_) => safe(&data.to_string()),
        _ => generic(data),
    }
}

/// dig writes addresses mapped from IPv4 as C libraries do; so does Rust, but not for the `::a.b.c.d` of old.
fn aaaa_text(ip: std::net::Ipv6Addr) -> String {
    let octets = ip.octets();
    if octets[..12] == [0; 12] && octets[12..14] != [0, 0] {
        let v4 = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
        return format!("::{v4}");
    }
    ip.to_string()
}

/// Text that a library made of foreign bytes.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        push(&mut safe, byte, b"", true);
    }
    safe
}

/// `\# 4 0a000001` (RFC 3597).
fn generic(data: &RData) -> String {
    let bytes = match data {
        RData::Unknown { rdata, .. } => rdata.anything.clone(),
        RData::NULL(null) => null.anything.clone(),
        other => other.to_bytes().unwrap_or_default(),
    };
    if bytes.is_empty() {
        return "\\# 0".to_owned();
    }
    format!("\\# {} {}", bytes.len(), HEXUPPER.encode(&bytes))
}

/// The type of the data.
pub fn kind_of(data: &RData) -> String {
    kind(data.record_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::{MX, TXT};

    #[test]
    fn foreign_bytes_are_decimal() {
        let txt = RData::TXT(TXT::from_bytes(vec![b"a \"b\"\\", b"\x1b[31m\xff"]));
        assert_eq!(data(&txt), r#""a \"b\"\\" "\027[31m\255""#);
        let odd = Name::from_labels([&b"a.b\x07"[..], b"example"]).unwrap();
        assert_eq!(name(&odd), r"a\.b\007.example.");
        assert_eq!(name(&Name::root()), ".");
        let mx = RData::MX(MX::new(10, odd));
        assert_eq!(data(&mx), r"10 a\.b\007.example.");
    }
}
