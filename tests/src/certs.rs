//! Certificates of a root, an intermediate and servers, good and bad, as PEM.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// A root and an intermediate below it.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    middle: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its key.
pub struct Leaf {
    pub cert: String,
    pub key: String,
}

/// First and last year of a certificate's life.
pub type Years = (i32, i32);

pub const NOW: Years = (2020, 2100);

fn params(name: &str, names: &[&str], years: Years) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority(name: &str, years: Years) -> Result<CertificateParams> {
    let mut params = params(name, &[], years)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(params)
}

impl Authority {
    /// `years`: of the intermediate.
    pub fn new(name: &str, years: Years) -> Result<Self> {
        let root = CertifiedIssuer::self_signed(
            authority(&format!("{name} root"), NOW)?,
            KeyPair::generate()?,
        )?;
        let below = authority(&format!("{name} intermediate"), years)?;
        let middle = CertifiedIssuer::signed_by(below, KeyPair::generate()?, &root)?;
        Ok(Self { root, middle })
    }

    pub fn root(&self) -> String {
        self.root.pem()
    }

    pub fn middle(&self) -> String {
        self.middle.pem()
    }

    pub fn leaf(&self, names: &[&str], years: Years) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let cert = params("server", names, years)?.signed_by(&key, &self.middle)?;
        Ok(Leaf {
            cert: cert.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Signed by itself.
pub fn alone(names: &[&str]) -> Result<Leaf> {
    let key = KeyPair::generate()?;
    let cert = params("alone", names, NOW)?.self_signed(&key)?;
    Ok(Leaf {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}
