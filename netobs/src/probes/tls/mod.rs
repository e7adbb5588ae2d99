//! A TLS handshake measured and its certificates judged; a bad certificate is a finding here, not a failure.

mod cert;
mod handshake;
mod roots;
mod verify;

pub use cert::{Cert, pem};
pub use handshake::{About, Broken, Handshake, Wanted, about, shake};
pub use roots::{Roots, RootsError};
pub use verify::{Fault, Kind, Recorder, Seen};

use rustls::{ClientConfig, crypto::ring};
use std::sync::Arc;

/// A client that records what it is shown. With `strict` a bad certificate ends the handshake.
pub fn client(
    roots: &Arc<Roots>,
    alpn: &[Vec<u8>],
    strict: bool,
) -> Result<(ClientConfig, Arc<Recorder>), rustls::Error> {
    let recorder = Arc::new(Recorder::new(Arc::clone(roots), strict));
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<_>)
        .with_no_client_auth();
    config.alpn_protocols = alpn.to_vec();
    Ok((config, recorder))
}
