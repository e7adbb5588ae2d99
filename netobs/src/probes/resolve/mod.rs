//! Names to addresses by our own path: sources in the order of nsswitch.conf, hosts file, search list, servers in order.
//!
//! Blocking; resolves in the network namespace of the calling thread. No libc resolver is involved.

mod config;
mod local;
mod order;
mod servers;

pub use config::{Config, Source};
pub use servers::candidates;

use crate::clock;
use serde::Serialize;
use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

impl Family {
    pub fn takes(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "address",
            Self::V4 => "IPv4 address",
            Self::V6 => "IPv6 address",
        }
    }
}

/// An address; one of a link needs its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub ip: IpAddr,
    /// Interface number of a link-local address, else 0.
    pub scope: u32,
}

impl Address {
    pub fn at(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => SocketAddr::from((ip, port)),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip, scope: 0 }
    }
}

/// One thing tried on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `address`, `files`, `dns`, `myhostname`, or a source that we do not speak.
    pub source: String,
    /// What was looked up: a name, absolute for DNS.
    pub asked: String,
    /// The server or file that told.
    pub by: String,
    /// `10.0.0.1`, `NXDOMAIN`, `no such line`: in words.
    pub outcome: String,
    pub time_us: Option<u64>,
}

/// A name with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub host: String,
    /// The name that has the addresses, after search list and aliases.
    pub canonical: Option<String>,
    /// The best first, as for other programs of this host; never empty.
    pub addresses: Vec<Address>,
    pub steps: Vec<Step>,
    pub time: Duration,
}

/// Why there are no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Not to be asked for at all: `a..b`.
    BadName,
    /// All that were asked say that it does not exist.
    NoSuchName,
    /// It exists, but has no address of the family.
    NoAddress,
    /// A server could not find out.
    ServerFailed,
    /// A server does not answer such questions, or not ours.
    Refused,
    /// No server answered.
    NoAnswer,
}

/// A name without addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub host: String,
    pub why: Why,
    /// One sentence.
    pub text: String,
    pub steps: Vec<Step>,
    pub time: Duration,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unresolved {}

/// What one source says.
enum Told {
    Found {
        addresses: Vec<Address>,
        canonical: Option<String>,
    },
    /// Not here; why and in what words, and what was said of the last name tried.
    Not { why: Why, text: String, last: Why },
    /// A source that we do not speak, or that has nothing to say about such names.
    Silent,
}

impl Told {
    fn not(why: Why, text: String) -> Self {
        Self::Not {
            why,
            text,
            last: why,
        }
    }
}

/// Addresses of a host: a name, or an address in any of the ways that C libraries read.
pub fn resolve(host: &str, family: Family, config: &Config) -> Result<Resolved, Unresolved> {
    let start = clock::instant();
    let mut steps = Vec::new();
    let told = match local::literal(host) {
        Some(Ok(address)) => literal(host, address, family, &mut steps),
        Some(Err(text)) => Told::not(Why::BadName, text),
        None => by_sources(host, family, config, &mut steps),
    };
    let time = clock::instant().saturating_duration_since(start);
    match told {
        Told::Found {
            addresses,
            canonical,
        } => Ok(Resolved {
            host: host.to_owned(),
            canonical,
            addresses: order::sorted(addresses),
            steps,
            time,
        }),
        Told::Not { why, text, .. } => Err(Unresolved {
            host: host.to_owned(),
            why,
            text,
            steps,
            time,
        }),
        Told::Silent => Err(Unresolved {
            host: host.to_owned(),
            why: Why::NoSuchName,
            text: format!(
                "{host}: no source of names knows it ({})",
                config.order_text()
            ),
            steps,
            time,
        }),
    }
}

fn literal(host: &str, address: Address, family: Family, steps: &mut Vec<Step>) -> Told {
    if !family.takes(address.ip) {
        let text = format!("{host} is no {}", family.name());
        return Told::not(Why::NoAddress, text);
    }
    steps.push(Step {
        source: "address".to_owned(),
        asked: host.to_owned(),
        by: String::new(),
        outcome: address.ip.to_string(),
        time_us: None,
    });
    Told::Found {
        addresses: vec![address],
        canonical: None,
    }
}

/// Asks the sources in order until one knows; `[NOTFOUND=return]` and the like are obeyed.
fn by_sources(host: &str, family: Family, config: &Config, steps: &mut Vec<Step>) -> Told {
    let mut last = Told::Silent;
    let mut said = None;
    for source in &config.order {
        let told = match source {
            Source::Files => local::files(host, family, config, steps),
            Source::Dns => servers::search(host, family, config, steps),
            Source::MyHostname => local::my_hostname(host, family, config, steps),
            Source::Other(name) => {
                steps.push(Step {
                    source: name.clone(),
                    asked: host.to_owned(),
                    by: "nsswitch.conf".to_owned(),
                    outcome: "not asked: a source that netobs does not speak".to_owned(),
                    time_us: None,
                });
                Told::Silent
            }
            Source::Stop(when) => {
                if when.stops(said) {
                    break;
                }
                continue;
            }
        };
        said = match told {
            Told::Found { .. } => return told,
            Told::Silent => None,
            Told::Not { last: why, .. } => {
                // What DNS says of a name says more than that the hosts file has no line.
                last = told;
                Some(why)
            }
        };
    }
    last
}

/// Whether a host is written as an address.
pub fn is_address(host: &str) -> bool {
    matches!(local::literal(host), Some(Ok(_)))
}
