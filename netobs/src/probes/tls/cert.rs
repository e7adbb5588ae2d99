//! What a certificate says of itself.

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use serde::Serialize;
use std::net::IpAddr;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::asn1_rs::oid,
    prelude::FromDer as _,
    public_key::PublicKey,
    time::ASN1Time,
    x509::{SubjectPublicKeyInfo, X509Name},
};

/// One certificate of a chain; every text in it is the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cert {
    pub subject: String,
    pub issuer: String,
    /// `www.example`, `10.0.0.1`, `mailto:...`.
    pub sans: Vec<String>,
    /// RFC 3339, UTC.
    pub not_before: String,
    pub not_after: String,
    /// Whole days until it expires; negative: since it did.
    pub days_left: i64,
    /// `RSA 2048`, `EC P-256`.
    pub key: String,
    pub signature: String,
    pub serial: String,
    pub sha256: String,
    pub ca: bool,
    /// Seconds since 1970.
    #[serde(skip)]
    pub from: i64,
    #[serde(skip)]
    pub until: i64,
    #[serde(skip)]
    pub self_issued: bool,
    /// Says where its issuer's certificate can be had.
    #[serde(skip)]
    pub issuer_url: bool,
}

/// A certificate from its bytes; `now` in seconds since 1970.
pub fn read(der: &[u8], now: i64) -> Result<Cert, String> {
    let (_, cert) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let validity = cert.validity();
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    Ok(Cert {
        subject: name(cert.subject()),
        issuer: name(cert.issuer()),
        sans: sans(&cert),
        not_before: date(validity.not_before),
        not_after: date(validity.not_after),
        days_left: (until - now).div_euclid(86_400),
        key: key(cert.public_key()),
        signature: signature(&cert),
        serial: HEXLOWER.encode(cert.raw_serial()),
        sha256: HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, der).as_ref()),
        ca: cert.is_ca(),
        from,
        until,
        self_issued: cert.subject().as_raw() == cert.issuer().as_raw(),
        issuer_url: has_issuer_url(&cert),
    })
}

/// A name as openssl writes it, without blanks around `=`; nothing at all is said, not left empty.
fn name(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    if text.is_empty() {
        "(empty)".to_owned()
    } else {
        text
    }
}

fn date(time: ASN1Time) -> String {
    Timestamp::from_second(time.timestamp()).map_or_else(|_| time.to_string(), |t| t.to_string())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of names that servers do not have"
)]
fn sans(cert: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(bytes) => address(bytes),
            GeneralName::RFC822Name(mail) => format!("mailto:{mail}"),
            GeneralName::URI(uri) => (*uri).to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn address(bytes: &[u8]) -> String {
    let ip: Option<IpAddr> = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    };
    ip.map_or_else(
        || format!("address of {} bytes", bytes.len()),
        |ip| ip.to_string(),
    )
}

fn key(info: &SubjectPublicKeyInfo<'_>) -> String {
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match point.key_size() {
            // An uncompressed point, of whose coordinate the library gives the size.
            bits @ (256 | 384) => format!("EC P-{bits}"),
            528 | 521 => "EC P-521".to_owned(),
            bits => format!("EC {bits}"),
        },
        Ok(PublicKey::DSA(_)) => "DSA".to_owned(),
        _ if info.algorithm.algorithm == oid!(1.3.101.112) => "Ed25519".to_owned(),
        _ => info.algorithm.algorithm.to_id_string(),
    }
}

fn signature(cert: &X509Certificate<'_>) -> String {
    let algorithm = &cert.signature_algorithm.algorithm;
    let known = [
        (oid!(1.2.840.113549.1.1.4), "RSA with MD5"),
        (oid!(1.2.840.113549.1.1.5), "RSA with SHA-1"),
        (oid!(1.2.840.113549.1.1.11), "RSA with SHA-256"),
        (oid!(1.2.840.113549.1.1.12), "RSA with SHA-384"),
        (oid!(1.2.840.113549.1.1.13), "RSA with SHA-512"),
        (oid!(1.2.840.113549.1.1.10), "RSA-PSS"),
        (oid!(1.2.840.10045.4.3.2), "ECDSA with SHA-256"),
        (oid!(1.2.840.10045.4.3.3), "ECDSA with SHA-384"),
        (oid!(1.2.840.10045.4.3.4), "ECDSA with SHA-512"),
        (oid!(1.3.101.112), "Ed25519"),
    ];
    let name = known.iter().find(|(oid, _)| oid == algorithm);
    name.map_or_else(|| algorithm.to_id_string(), |(_, name)| (*name).to_owned())
}

/// Authority information access with a caIssuers address: CAs that have intermediates name them there.
fn has_issuer_url(cert: &X509Certificate<'_>) -> bool {
    let ca_issuers = oid!(1.3.6.1.5.5.7.48.2);
    cert.extensions().iter().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::AuthorityInfoAccess(access)
            if access.accessdescs.iter().any(|d| d.access_method == ca_issuers))
    })
}

/// As PEM, for `--showcerts`.
pub fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
