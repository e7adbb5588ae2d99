//! Names of ports: /etc/services, /etc/protocols, and the range the kernel chooses from.

use std::{collections::HashMap, fs};

/// Lines of /etc/services that are kept: the file is the administrator's, its size is not ours.
const MOST: usize = 65_536;

/// Services by number and by name.
#[derive(Default)]
pub struct Services {
    by_port: HashMap<(&'static str, u16), String>,
    by_name: HashMap<(&'static str, String), u16>,
}

const PROTOCOLS: [&str; 4] = ["tcp", "udp", "sctp", "dccp"];

impl Services {
    pub fn read() -> Self {
        Self::parse(&fs::read_to_string("/etc/services").unwrap_or_default())
    }

    pub fn parse(text: &str) -> Self {
        let mut services = Self::default();
        for line in text.lines().take(MOST) {
            let words = line.split('#').next().unwrap_or_default();
            let mut words = words.split_ascii_whitespace();
            let (Some(name), Some(place)) = (words.next(), words.next()) else {
                continue;
            };
            let Some((port, protocol)) = place.split_once('/') else {
                continue;
            };
            let known = PROTOCOLS.iter().find(|known| **known == protocol);
            if let (Ok(port), Some(protocol)) = (port.parse::<u16>(), known) {
                let by_port = services.by_port.entry((protocol, port));
                by_port.or_insert_with(|| name.to_owned());
                for name in std::iter::once(name).chain(words) {
                    let by_name = services.by_name.entry((protocol, name.to_owned()));
                    by_name.or_insert(port);
                }
            }
        }
        services
    }

    pub fn port(&self, name: &str, protocol: &'static str) -> Option<u16> {
        self.by_name.get(&(protocol, name.to_owned())).copied()
    }

    pub fn name(&self, port: u16, protocol: &'static str) -> Option<&str> {
        self.by_port.get(&(protocol, port)).map(String::as_str)
    }
}

/// Names of /etc/protocols by number: the "ports" of raw sockets.
pub fn protocols() -> HashMap<u32, String> {
    let text = fs::read_to_string("/etc/protocols").unwrap_or_default();
    let mut names = HashMap::new();
    for line in text.lines().take(MOST) {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        if let (Some(name), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<u32>))
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// `net.ipv4.ip_local_port_range` of the namespace we stand in.
pub fn ephemeral() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(low)), Some(Ok(high))) => (low, high),
        _ => (1024, 4999), // what ss takes when it cannot know
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_both_ways() {
        let services =
            Services::parse("ssh 22/tcp  # x\nwww 80/tcp http\nbad\nx y/z\ndns 53/udp\n");
        assert_eq!(services.port("http", "tcp"), Some(80));
        assert_eq!(services.name(80, "tcp"), Some("www"));
        assert_eq!(
            (services.port("ssh", "udp"), services.name(53, "udp")),
            (None, Some("dns"))
        );
    }
}
