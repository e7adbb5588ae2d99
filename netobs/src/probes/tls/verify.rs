//! What is wrong with a chain, all of it, in words: time, name and trust are judged apart.

use super::{
    Roots,
    cert::{self, Cert},
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Names of a certificate that a sentence takes.
const NAMES: usize = 4;

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Expired,
    NotYetValid,
    WrongHost,
    SelfSigned,
    UnknownIssuer,
    IncompleteChain,
    /// A signature that does not fit, a purpose that is not a server's, an algorithm that we do not take.
    Invalid,
}

/// And the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub kind: Kind,
    pub text: String,
}

/// What a server showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// As sent, the server's own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Empty: it may be trusted.
    pub faults: Vec<Fault>,
}

/// Judges chains and remembers what it saw.
#[derive(Debug)]
pub struct Recorder {
    roots: Arc<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
    strict: bool,
    seen: Mutex<Option<Seen>>,
}

impl Recorder {
    pub(super) fn new(roots: Arc<Roots>, strict: bool) -> Self {
        Self {
            roots,
            algorithms: ring::default_provider().signature_verification_algorithms,
            strict,
            seen: Mutex::new(None),
        }
    }

    /// A certificate of an age that the library does not read (X.509 version 1) is judged already: the rest is still worth
    /// showing. A signature that is wrong is not.
    fn unreadable_passes(
        &self,
        verdict: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = CertificateError::BadSignature;
        match verdict {
            Err(Error::InvalidCertificate(why)) if !self.strict && why != bad => {
                Ok(HandshakeSignatureValid::assertion())
            }
            other => other,
        }
    }

    /// What the last handshake showed, if it came that far.
    pub fn seen(&self) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = Judge {
            roots: &self.roots,
            algorithms: &self.algorithms,
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        };
        let faults = judge.faults(end_entity, intermediates, server_name);
        let refused = (self.strict && !faults.is_empty()).then(|| faults[0].text.clone());
        let all = std::iter::once(end_entity).chain(intermediates);
        let seen = Seen {
            chain: all.map(|cert| cert.clone().into_owned()).collect(),
            faults,
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        match refused {
            Some(text) => Err(Error::General(text)),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.unreadable_passes(verify_tls12_signature(
            message,
            cert,
            signed,
            &self.algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.unreadable_passes(verify_tls13_signature(
            message,
            cert,
            signed,
            &self.algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

struct Judge<'a> {
    roots: &'a Roots,
    algorithms: &'a WebPkiSupportedAlgorithms,
    /// Seconds since 1970.
    now: i64,
}

impl Judge<'_> {
    fn faults(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Vec<Fault> {
        let own = match cert::read(leaf, self.now) {
            Ok(own) => own,
            Err(why) => return vec![fault(Kind::Invalid, format!("not a certificate: {why}"))],
        };
        let mut faults: Vec<Fault> = self.time(&own, "the certificate").into_iter().collect();
        match ParsedCertificate::try_from(leaf) {
            Ok(parsed) => {
                if verify_server_name(&parsed, name).is_err() {
                    faults.push(wrong_host(&own, name));
                }
                faults.extend(self.trust(&own, leaf, &parsed, others));
            }
            Err(error) => {
                let text = format!("a certificate of a kind that is not taken: {error}");
                faults.push(fault(Kind::Invalid, text));
            }
        }
        faults
    }

    fn time(&self, cert: &Cert, what: &str) -> Option<Fault> {
        if self.now > cert.until {
            let days = (self.now - cert.until) / 86_400;
            let text = format!("{what} expired on {}, {} ago", cert.not_after, plural(days));
            return Some(fault(Kind::Expired, text));
        }
        (self.now < cert.from).then(|| {
            let days = (cert.from - self.now) / 86_400;
            let text = format!(
                "{what} is valid from {} on, in {}",
                cert.not_before,
                plural(days)
            );
            fault(Kind::NotYetValid, text)
        })
    }

    /// Whether signatures lead to a root; the leaf's own time is judged elsewhere.
    fn trust(
        &self,
        own: &Cert,
        leaf: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        others: &[CertificateDer<'_>],
    ) -> Option<Fault> {
        if self.roots.holds(leaf) {
            return None; // Trusted by itself, as with curl and openssl.
        }
        let at = self.now.clamp(own.from.min(own.until), own.until);
        let at = Duration::from_secs(u64::try_from(at).unwrap_or(0));
        let verdict = verify_server_cert_signed_by_trust_anchor(
            parsed,
            &self.roots.store,
            others,
            UnixTime::since_unix_epoch(at),
            self.algorithms.all,
        );
        let Err(error) = verdict else { return None };
        let chain: Vec<Cert> = others
            .iter()
            .filter_map(|c| cert::read(c, self.now).ok())
            .collect();
        let expired = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            )
        );
        let late = chain
            .iter()
            .find_map(|c| self.time(c, &format!("{} in the chain", c.subject)));
        if expired {
            // With a leaf of another time nothing more can be told: a way to a root there is.
            return late.filter(|_| self.time(own, "").is_none());
        }
        if own.self_issued {
            let text = format!("signed by itself, and not in {}", self.roots.source);
            return Some(fault(Kind::SelfSigned, text));
        }
        if let Error::InvalidCertificate(CertificateError::UnknownIssuer) = error {
            return Some(self.unknown_issuer(own, &chain));
        }
        Some(fault(Kind::Invalid, error.to_string()))
    }

    /// Where the chain ends, and what is missing there.
    fn unknown_issuer(&self, own: &Cert, chain: &[Cert]) -> Fault {
        let mut last = own;
        // Each step takes another certificate: a ring of issuers ends.
        for _ in chain {
            match chain.iter().find(|c| c.subject == last.issuer) {
                Some(next) if !last.self_issued => last = next,
                _ => break,
            }
        }
        let roots = &self.roots.source;
        if last.self_issued {
            let text = format!(
                "the chain ends in {}, which is not in {roots}",
                last.subject
            );
            return fault(Kind::UnknownIssuer, text);
        }
        let issuer = &last.issuer;
        if last.ca {
            let text = format!("issuer {issuer} is not in {roots}");
            return fault(Kind::UnknownIssuer, text);
        }
        // The server sent nothing above its own certificate. A CA that has intermediates says so in it.
        let text = format!(
            "issuer {issuer} was not sent and is not in {roots}: the server leaves out an intermediate, or it is a CA of \
             its own (--ca FILE)"
        );
        let kind = if last.issuer_url
            || !chain.is_empty()
            || !self.roots.source.starts_with("the platform")
        {
            Kind::IncompleteChain
        } else {
            Kind::UnknownIssuer
        };
        fault(kind, text)
    }
}

fn fault(kind: Kind, text: String) -> Fault {
    Fault { kind, text }
}

fn plural(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        many => format!("{many} days"),
    }
}

fn wrong_host(cert: &Cert, name: &ServerName<'_>) -> Fault {
    let name = name.to_str();
    if cert.sans.is_empty() {
        let text = format!(
            "not for {name}: the certificate has no subject alternative names, and its subject {} does not count",
            cert.subject
        );
        return fault(Kind::WrongHost, text);
    }
    let shown: Vec<&str> = cert.sans.iter().take(NAMES).map(String::as_str).collect();
    let more = match cert.sans.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("for {}{more}, not for {name}", shown.join(", "));
    fault(Kind::WrongHost, text)
}
