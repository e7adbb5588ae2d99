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
