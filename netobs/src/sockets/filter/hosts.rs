//! Operands of a filter: addresses, prefixes, ports, services, paths.

use super::{
    FilterError, Host,
    parse::{Parser, number},
    words::Token,
};
use crate::socket::{
    Family, Table,
    names::{LINK_PROTOCOLS, NETLINK_PROTOCOLS},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FAMILIES: [(&str, Family); 6] = [
    ("unix:", Family::Unix),
    ("link:", Family::Packet),
    ("netlink:", Family::Netlink),
    ("vsock:", Family::Vsock),
    ("inet:", Family::Inet),
    ("inet6:", Family::Inet6),
];

type Read = Result<Host, FilterError>;

/// The operand of `src` and `dst`.
pub(super) fn host(parser: &mut Parser<'_>, token: Token<'_>) -> Read {
    operand(parser, token, false)
}

/// The operand of `sport` and `dport`.
pub(super) fn port(parser: &mut Parser<'_>, token: Token<'_>) -> Read {
    operand(parser, token, true)
}

fn operand(parser: &mut Parser<'_>, token: Token<'_>, is_port: bool) -> Read {
    let named = FAMILIES
        .iter()
        .find_map(|(name, family)| Some((token.text.strip_prefix(name)?, *family)));
    let (text, family) = match named {
        Some((text, family)) => {
            parser.family = Some(family);
            (text, Some(family))
        }
        None => (token.text, parser.context.family),
    };
    let reader = Reader {
        parser,
        token,
        family,
    };
    match family {
        Some(Family::Unix) => Ok(Host {
            path: Some(text.to_owned()),
            ..Host::default()
        }),
        Some(Family::Packet) => reader.numbered(text, is_port, &LINK_PROTOCOLS),
        Some(Family::Netlink) => reader.numbered(text, is_port, &NETLINK_PROTOCOLS),
        Some(Family::Vsock) => reader.numbered(text, is_port, &[]),
        _ if is_port => Ok(Host {
            port: reader.port(text.strip_prefix(':').unwrap_or(text))?,
            ..Host::default()
        }),
        _ => reader.inet(text),
    }
}

struct Reader<'p, 'a> {
    parser: &'p Parser<'a>,
    token: Token<'p>,
    family: Option<Family>,
}

impl Reader<'_, '_> {
    fn refuse<T>(&self, what: &str) -> Result<T, FilterError> {
        Err(self.parser.expected(what, Some(self.token)))
    }

    /// `PROTOCOL:PORT` of sockets whose ends are numbers.
    fn numbered(&self, text: &str, is_port: bool, names: &[(u32, &str)]) -> Read {
        let (address, port) = if is_port {
            ("", text.strip_prefix(':').unwrap_or(text))
        } else {
            text.split_once(':').unwrap_or((text, ""))
        };
        let mut host = Host::default();
        if !matches!(port, "" | "*") {
            let by_name = || match self.family {
                Some(Family::Packet) => (self.parser.context.interface)(port).map(u64::from),
                Some(Family::Netlink) if port == "kernel" => Some(0),
                _ => None,
            };
            match number(port).or_else(by_name) {
                Some(n) => host.port = i64::try_from(n).ok(),
                None => return self.refuse("a port number, or an interface of packet sockets"),
            }
        }
        if !matches!(address, "" | "*") {
            let listed = names.iter().find(|(_, name)| *name == address);
            let known = listed.map(|(n, _)| u64::from(*n));
            match known.or_else(|| number(address)) {
                Some(n) => host.protocol = u32::try_from(n).ok(),
                None => return self.refuse("a protocol by name or number"),
            }
        }
        Ok(host)
    }

    fn inet(&self, text: &str) -> Read {
        if let Some(inside) = text.strip_prefix('[') {
            let Some((address, after)) = inside.split_once(']') else {
                return self.refuse("']' after the address");
            };
            // A prefix length may stand inside or outside of the brackets.
            let (bits, port) = match after.split_once(':') {
                Some((bits, port)) => (bits, port),
                None => (after, ""),
            };
            return self.with_port(&format!("{address}{bits}"), port);
        }
        if let Some(rest) = text.strip_prefix('*') {
            return self.with_port("", rest.strip_prefix(':').unwrap_or(rest));
        }
        // As ss: the last colon begins a port, unless a prefix length comes after it.
        let from = text.find('/').unwrap_or(0);
        let colon = text[from..].rfind(':').map(|at| from + at);
        match colon {
            Some(at) => {
                let (address, port) = (&text[..at], &text[at + 1..]);
                let whole = self.prefix(text);
                let readable = address.is_empty() || !address.ends_with(':');
                match whole {
                    // `::1` and `fe80::1` are addresses without a port, though their last colon says otherwise.
                    Some(prefix) if !readable || self.prefix(address).is_none() => Ok(Host {
                        prefixes: vec![prefix],
                        ..Host::default()
                    }),
                    _ => self.with_port(address, port),
                }
            }
            None => self.with_port(text, ""),
        }
    }

    fn with_port(&self, address: &str, port: &str) -> Read {
        let mut host = Host {
            port: self.port(port)?,
            ..Host::default()
        };
        if matches!(address, "" | "*" | "any" | "all" | "default") {
            return Ok(host);
        }
        if let Some(prefix) = self.prefix(address) {
            host.prefixes.push(prefix);
            return Ok(host);
        }
        if address.contains('/') || address.contains(':') {
            return self.refuse("an address prefix such as 10.0.0.0/8 or 2001:db8::/32");
        }
        let found = (self.parser.context.resolve)(address).into_iter();
        let wanted = found.filter(|ip| match self.family {
            Some(Family::Inet) => ip.is_ipv4(),
            Some(Family::Inet6) => ip.is_ipv6(),
            _ => true,
        });
        host.prefixes = wanted.map(|ip| (ip, width(&ip))).collect();
        if host.prefixes.is_empty() {
            return self.refuse("an address prefix or the name of a host that can be resolved");
        }
        Ok(host)
    }

    /// An address, `/` and a length or a netmask; an IPv4 address may be cut short as `10/8`.
    fn prefix(&self, text: &str) -> Option<(IpAddr, u8)> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let ip = if address.contains(':') {
            IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
        } else {
            IpAddr::V4(short_ipv4(address)?)
        };
        let allowed = match self.family {
            Some(Family::Inet) => ip.is_ipv4(),
            Some(Family::Inet6) => ip.is_ipv6(),
            _ => true,
        };
        let width = width(&ip);
        let bits = match bits {
            None => width,
            Some(bits) => length(bits)?,
        };
        (allowed && bits <= width).then_some((ip, bits))
    }

    fn port(&self, text: &str) -> Result<Option<i64>, FilterError> {
        if matches!(text, "" | "*") {
            return Ok(None);
        }
        if let Some(n) = number(text) {
            return match u16::try_from(n) {
                Ok(port) => Ok(Some(i64::from(port))),
                Err(_) => self.refuse("a port from 0 to 65535"),
            };
        }
        let context = self.parser.context;
        let service = |table: Table, name| {
            let shown = context.tables.has(table);
            shown.then(|| context.services.port(text, name)).flatten()
        };
        match (service(Table::Udp, "udp"), service(Table::Tcp, "tcp")) {
            (Some(udp), Some(tcp)) if udp != tcp => {
                self.refuse("a port number, as the name has one for TCP and another for UDP")
            }
            (Some(port), _) | (None, Some(port)) => Ok(Some(i64::from(port))),
            (None, None) => self.refuse("a port such as :443, or a service of /etc/services"),
        }
    }
}

fn width(ip: &IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// `10`, `10.1`, `10.1.2.3`: what is missing is 0.
fn short_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let Some(part) = parts.next() else { break };
        *octet = u8::try_from(number(part)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// `8`, or `255.0.0.0`.
fn length(text: &str) -> Option<u8> {
    if let Ok(mask) = text.parse::<Ipv4Addr>() {
        let bits = mask.to_bits();
        let ones = u8::try_from(bits.leading_ones()).ok()?;
        return (bits.count_ones() == bits.leading_ones()).then_some(ones);
    }
    u8::try_from(number(text)?).ok()
}
