//! Names in expressions: ports, protocols, networks, hosts, looked up where libpcap looks them up.

use std::net::IpAddr;

/// What a name stands for; none when nobody knows it.
pub trait Names {
    fn port(&self, name: &str, protocol: &'static str) -> Option<u16>;
    fn protocol(&self, name: &str) -> Option<u8>;
    /// A network of /etc/networks, its trailing zeros left out or not.
    fn network(&self, name: &str) -> Option<u32>;
    /// A host of /etc/ethers.
    fn ether(&self, name: &str) -> Option<[u8; 6]>;
    /// Addresses of a host in the order of the resolver; the error says why there are none.
    fn host(&self, name: &str) -> Result<Vec<IpAddr>, String>;
}

/// Knows no names.
pub struct NoNames;

impl Names for NoNames {
    fn port(&self, _: &str, _: &'static str) -> Option<u16> {
        None
    }

    fn protocol(&self, _: &str) -> Option<u8> {
        None
    }

    fn network(&self, _: &str) -> Option<u32> {
        None
    }

    fn ether(&self, _: &str) -> Option<[u8; 6]> {
        None
    }

    fn host(&self, _: &str) -> Result<Vec<IpAddr>, String> {
        Err("no names are looked up".to_owned())
    }
}
