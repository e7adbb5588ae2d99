//! Names as this host knows them: of ports, protocols, networks and hosts, both ways.

use crate::{
    capture::{filter::Names, lines::Naming},
    host::resolver::Whose,
    probes::{
        names::of_address,
        resolve::{Config, Family, resolve},
    },
    sockets::ports::Services,
};
use std::{
    cell::{OnceCell, RefCell},
    fs,
    io::Read as _,
    net::IpAddr,
};

/// Longest file of names that is read.
const LONGEST: u64 = 1 << 22;

/// Names that go into files, and bytes of one: the DNS knows none longer.
const MOST: usize = 1000;
const LONGEST_NAME: usize = 255;

/// Read when first asked for: most filters have no names.
#[derive(Default)]
pub struct System {
    services: OnceCell<Services>,
    resolver: OnceCell<Config>,
    /// Hosts that the filter names.
    resolved: RefCell<Vec<(IpAddr, String)>>,
}

impl System {
    fn services(&self) -> &Services {
        self.services.get_or_init(Services::read)
    }

    fn resolver(&self) -> &Config {
        self.resolver.get_or_init(|| Config::read(&Whose::Own))
    }

    /// Names of addresses that are known without asking anybody: those of the filter, then those of the hosts file.
    pub fn known(&self) -> Vec<(IpAddr, String)> {
        let of_line = |words: Vec<String>| {
            let address: IpAddr = words.first()?.parse().ok()?;
            // Which every host calls so.
            let common = address.is_loopback() || address.is_multicast();
            let name = words.into_iter().nth(1).filter(|_| !common)?;
            Some((address, name))
        };
        let mut known = self.resolved.borrow().clone();
        known.extend(words("/etc/hosts").into_iter().filter_map(of_line));
        known.retain(|(_, name)| name.len() <= LONGEST_NAME);
        known.truncate(MOST);
        known
    }
}

/// Words of each line of a file of names, without comments.
fn words(path: &str) -> Vec<Vec<String>> {
    let mut text = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new(); // no such file, no such names
    }
    let text = String::from_utf8_lossy(&text);
    let words = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_ascii_whitespace().map(str::to_owned).collect()
    };
    text.lines().map(words).collect()
}

/// The value beside a name or one of its aliases.
fn value(path: &str, name: &str) -> Option<String> {
    let mut lines = words(path).into_iter().filter(|words| words.len() > 1);
    let line =
        lines.find(|words| words[0] == name || words[2..].iter().any(|alias| alias == name))?;
    line.into_iter().nth(1)
}

impl Names for System {
    fn port(&self, name: &str, protocol: &'static str) -> Option<u16> {
        self.services().port(name, protocol)
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        value("/etc/protocols", name)?.parse().ok()
    }

    fn network(&self, name: &str) -> Option<u32> {
        let text = value("/etc/networks", name)?;
        let parts: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
        let parts = parts.filter(|parts| (1..=4).contains(&parts.len()))?;
        let mut octets = [0; 4];
        octets[..parts.len()].copy_from_slice(&parts);
        Some(u32::from_be_bytes(octets))
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        let lines = words("/etc/ethers").into_iter();
        let line = lines
            .filter(|words| words.len() > 1)
            .find(|words| words[1] == name)?;
        let bytes: Option<Vec<u8>> = line[0]
            .split(':')
            .map(|part| u8::from_str_radix(part, 16).ok())
            .collect();
        bytes?.try_into().ok()
    }

    fn host(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        match resolve(name, Family::Any, self.resolver()) {
            Ok(found) => {
                let addresses: Vec<IpAddr> = found.addresses.iter().map(|addr| addr.ip).collect();
                let known = addresses.iter().map(|addr| (*addr, name.to_owned()));
                self.resolved.borrow_mut().extend(known);
                Ok(addresses)
            }
            Err(error) => Err(error.text),
        }
    }
}

/// Names in lines, without `-n`.
pub struct Shown<'a>(pub &'a System);

impl Naming for Shown<'_> {
    fn port(&self, port: u16, protocol: &'static str) -> Option<&str> {
        self.0.services().name(port, protocol)
    }

    fn host(&mut self, addr: IpAddr) -> Option<String> {
        of_address(self.0.resolver(), addr)
    }
}
