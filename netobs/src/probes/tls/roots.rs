//! Whom we trust: the platform's roots, or those of a file.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::path::Path;

/// Trust anchors and where they came from.
#[derive(Debug)]
pub struct Roots {
    pub(super) store: RootCertStore,
    /// As given: a server's own certificate may be trusted by itself.
    given: Vec<CertificateDer<'static>>,
    /// `the platform's 142 roots`, `ca.pem`: for sentences.
    pub source: String,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("read certificates of {path}: {why}")]
    File { path: String, why: String },
    #[error("{path} holds no certificate that can be trusted; expected PEM")]
    Empty { path: String },
}

impl Roots {
    /// Those of the platform: /etc/ssl/certs and the like, `SSL_CERT_FILE`, `SSL_CERT_DIR`. None at all is no error: nothing
    /// is trusted then, and the verdict says so.
    pub fn platform() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(found.certs.iter().cloned());
        let source = match added {
            0 => "nothing: the platform has no roots (install ca-certificates, or use --ca)"
                .to_owned(),
            count => format!("the platform's {count} roots"),
        };
        Self {
            store,
            given: found.certs,
            source,
        }
    }

    /// Nobody: for requests that need no TLS.
    pub fn none() -> Self {
        Self {
            store: RootCertStore::empty(),
            given: Vec::new(),
            source: "nothing".to_owned(),
        }
    }

    /// Those of a PEM file, and no others.
    pub fn file(path: &Path) -> Result<Self, RootsError> {
        let shown = || path.display().to_string();
        let wrong = |why: String| RootsError::File { path: shown(), why };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let given = certs.map_err(|error| wrong(error.to_string()))?;
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(given.iter().cloned());
        if added == 0 {
            return Err(RootsError::Empty { path: shown() });
        }
        Ok(Self {
            store,
            given,
            source: shown(),
        })
    }

    /// Whether exactly this certificate is among them.
    pub(super) fn holds(&self, cert: &CertificateDer<'_>) -> bool {
        self.given
            .iter()
            .any(|given| given.as_ref() == cert.as_ref())
    }
}
