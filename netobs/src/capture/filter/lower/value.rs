//! A value with its qualifiers: which kind of value fits which kind of primitive.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a primitive does not name is refused"
)]

use super::{
    Lower, Lowered,
    ports::{Ports, SCTP, TCP, UDP},
};
use crate::capture::filter::{
    ast::{Kind, Proto, Qualifiers, Value},
    graph::Test,
};
use std::net::IpAddr;

impl Lower<'_> {
    pub(super) fn value(&mut self, value: &Value, of: Qualifiers) -> Lowered<Test> {
        match value {
            Value::Name(name) => self.name(name, of),
            Value::Number(n) => self.number(*n, of),
            Value::Dotted(text) => self.dotted(text, of),
            Value::DottedLength(text, length) => {
                if *length > 32 {
                    return self.refuse("a prefix of IPv4 has at most 32 bits");
                }
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                self.network(text, mask, of)
            }
            Value::DottedMask(text, mask) => {
                let (mask, length) = self.address(mask)?;
                self.network(text, justify(mask, length), of)
            }
            Value::V6(addr) => self.prefix6(*addr, 128, of),
            Value::V6Length(addr, length) => self.prefix6(*addr, *length, of),
            Value::Mac(mac) => match (of.kind, of.proto) {
                (Kind::Host | Kind::Default, Proto::Link) => self.ether(*mac, of.dir),
                _ => self.refuse("an Ethernet address needs 'ether host' before it"),
            },
            Value::Arcnet => self.refuse("not supported: addresses of ARCnet"),
        }
    }

    /// One to four bytes, and how many bits they are.
    fn address(&self, text: &str) -> Lowered<(u32, u32)> {
        let mut addr = 0;
        let mut bits = 0;
        for part in text.split('.') {
            let Ok(byte) = part.parse::<u8>() else {
                return self.refuse(format!("'{text}' is no IPv4 address"));
            };
            addr = addr << 8 | u32::from(byte);
            bits += 8;
        }
        Ok((addr, bits))
    }

    fn dotted(&mut self, text: &str, of: Qualifiers) -> Lowered<Test> {
        match of.kind {
            Kind::Host | Kind::Net | Kind::Default => {}
            Kind::Undefined => return self.unqualified(),
            Kind::Gateway => return self.gateway(),
            _ => return self.refuse("an address stands where a port or protocol is wanted"),
        }
        if of.proto == Proto::Decnet {
            let numbers: Vec<u32> = text.split('.').filter_map(|n| n.parse().ok()).collect();
            let [area, node, ..] = numbers[..] else {
                return self.refuse("a DECnet address is an area and a node: 1.2");
            };
            return self.ipv4(area << 10 & 0xfc00 | node & 0x03ff, 0, of);
        }
        if of.proto == Proto::Link {
            return self.refuse("this is no link-layer address");
        }
        let (addr, bits) = self.address(text)?;
        self.ipv4(justify(addr, bits), justify(u32::MAX, bits), of)
    }

    fn network(&mut self, text: &str, mask: u32, of: Qualifiers) -> Lowered<Test> {
        let (addr, bits) = self.address(text)?;
        let addr = justify(addr, bits);
        if addr & !mask != 0 {
            return self.refuse("the address has bits set beyond the prefix");
        }
        if of.kind != Kind::Net {
            return self.refuse("a prefix needs 'net' before it");
        }
        self.ipv4(addr, mask, of)
    }

    fn prefix6(&mut self, addr: std::net::Ipv6Addr, length: u32, of: Qualifiers) -> Lowered<Test> {
        if length > 128 {
            return self.refuse("a prefix of IPv6 has at most 128 bits");
        }
        if addr.to_bits() & u128::MAX.checked_shr(length).unwrap_or(0) != 0 {
            return self.refuse("the address has bits set beyond the prefix");
        }
        match of.kind {
            Kind::Host | Kind::Default if length == 128 => self.ipv6(addr, length, of),
            Kind::Host | Kind::Default => self.refuse("a prefix needs 'net' before it"),
            Kind::Net => self.ipv6(addr, length, of),
            Kind::Undefined => self.unqualified(),
            _ => self.refuse("an IPv6 address stands where something else is wanted"),
        }
    }

    fn number(&mut self, n: u32, of: Qualifiers) -> Lowered<Test> {
        match of.kind {
            Kind::Host | Kind::Net | Kind::Default => match of.proto {
                Proto::Link => self.refuse("this is no link-layer address"),
                Proto::Decnet => self.ipv4(n, 0, of),
                _ if of.kind == Kind::Net => {
                    let (addr, mask) = left(n);
                    self.ipv4(addr, mask, of)
                }
                _ => self.ipv4(n, u32::MAX, of),
            },
            Kind::Port | Kind::PortRange => {
                let proto = self.port_proto(of)?;
                if n > 0xffff {
                    return self.refuse("a port is at most 65535");
                }
                let ports = match of.kind {
                    Kind::Port => Ports::One(n),
                    _ => Ports::Range(n, n),
                };
                self.ports(ports, proto, of.dir)
            }
            Kind::Proto => {
                self.undirected(of.dir)?;
                self.proto(n, of.proto)
            }
            Kind::ProtoChain => self.protochain(n, of.proto),
            Kind::Gateway => self.gateway(),
            Kind::Undefined => self.unqualified(),
        }
    }

    fn name(&mut self, name: &str, of: Qualifiers) -> Lowered<Test> {
        match of.kind {
            Kind::Net => match self.options.names.network(name) {
                None | Some(0) => self.refuse(format!("the network '{name}' is not known")),
                Some(n) => {
                    let (addr, mask) = left(n);
                    self.ipv4(addr, mask, of)
                }
            },
            Kind::Host | Kind::Default => self.host(name, of),
            Kind::Port => {
                let proto = self.port_proto(of)?;
                let (port, named) = self.port(name)?;
                let proto = self.agree(proto, named, name)?;
                self.ports(Ports::One(port), proto, of.dir)
            }
            Kind::PortRange => {
                let proto = self.port_proto(of)?;
                let (first, last, named) = self.range(name)?;
                let proto = self.agree(proto, named, name)?;
                self.ports(Ports::Range(first, last), proto, of.dir)
            }
            Kind::Proto => {
                let n = self.proto_by_name(name, of.proto)?;
                self.undirected(of.dir)?;
                self.proto(n, of.proto)
            }
            Kind::ProtoChain => {
                let n = self.proto_by_name(name, of.proto)?;
                self.protochain(n, of.proto)
            }
            Kind::Gateway => self.gateway(),
            Kind::Undefined => self.unqualified(),
        }
    }

    fn unqualified<T>(&self) -> Lowered<T> {
        self.refuse("nothing says what this is: put 'host', 'net' or 'port' before it")
    }

    fn gateway<T>(&self) -> Lowered<T> {
        self.refuse("not supported: 'gateway', which libpcap with IPv6 has not either")
    }

    fn host(&mut self, name: &str, of: Qualifiers) -> Lowered<Test> {
        if of.proto == Proto::Link {
            return match self.options.names.ether(name) {
                Some(mac) => self.ether(mac, of.dir),
                None => self.refuse(format!("the Ethernet host '{name}' is not in /etc/ethers")),
            };
        }
        if of.proto == Proto::Decnet {
            return self.refuse("not supported: DECnet hosts by name");
        }
        let addresses = match self.options.names.host(name) {
            Ok(addresses) => addresses,
            Err(why) => return self.refuse(format!("the host '{name}' is not known: {why}")),
        };
        let mut any: Option<Test> = None;
        for addr in addresses {
            // Raw IP has no ARP to look into.
            let raw = self.kind.is_none() && of.proto == Proto::Default;
            let one = match addr {
                IpAddr::V4(_) if of.proto == Proto::Ip6 => continue,
                IpAddr::V6(_) if of.proto == Proto::Ip => continue,
                IpAddr::V4(addr) => {
                    let proto = if raw { Proto::Ip } else { of.proto };
                    self.ipv4(addr.to_bits(), u32::MAX, Qualifiers { proto, ..of })?
                }
                IpAddr::V6(addr) => self.ipv6(addr, 128, of)?,
            };
            any = Some(match any {
                Some(any) => self.graph.or(any, one),
                None => one,
            });
        }
        match any {
            Some(any) => Ok(any),
            None => self.refuse(format!("the host '{name}' has no address of this family")),
        }
    }

    /// The protocol whose ports are meant; none: of all that have ports.
    fn port_proto(&self, of: Qualifiers) -> Lowered<Option<u32>> {
        match of.proto {
            Proto::Default => Ok(None),
            Proto::Tcp => Ok(Some(TCP)),
            Proto::Udp => Ok(Some(UDP)),
            Proto::Sctp => Ok(Some(SCTP)),
            _ => self.refuse("only tcp, udp and sctp have ports"),
        }
    }

    /// A service has the protocol that /etc/services gives it, which must be the one asked for.
    fn agree(&self, asked: Option<u32>, named: Option<u32>, name: &str) -> Lowered<Option<u32>> {
        match (asked, named) {
            (None, named) => Ok(named),
            (asked, None) => Ok(asked),
            (Some(asked), Some(named)) if asked == named => Ok(Some(asked)),
            (_, Some(named)) => {
                let proto = if named == TCP { "tcp" } else { "udp" };
                self.refuse(format!("the service '{name}' is of {proto}"))
            }
        }
    }

    /// The port of a service, and its protocol if it has only one.
    fn port(&self, name: &str) -> Lowered<(u32, Option<u32>)> {
        if let Ok(port) = name.parse::<u16>() {
            return Ok((u32::from(port), None));
        }
        let names = self.options.names;
        match (names.port(name, "tcp"), names.port(name, "udp")) {
            (Some(tcp), Some(udp)) if tcp == udp => Ok((u32::from(tcp), None)),
            (Some(tcp), _) => Ok((u32::from(tcp), Some(TCP))),
            (None, Some(udp)) => Ok((u32::from(udp), Some(UDP))),
            (None, None) => self.refuse(format!("the service '{name}' is not in /etc/services")),
        }
    }

    /// `80-90`, `http-https`
    fn range(&self, name: &str) -> Lowered<(u32, u32, Option<u32>)> {
        let Some((first, last)) = name.split_once('-') else {
            return self.refuse("expected a range of ports such as 80-90");
        };
        let ((first, a), (last, b)) = (self.port(first)?, self.port(last)?);
        Ok((first, last, if a == b { a } else { None }))
    }
}

/// Bits moved to where an address begins.
fn justify(n: u32, bits: u32) -> u32 {
    n.checked_shl(32 - bits.min(32)).unwrap_or(0)
}

/// A short network number: 10 is 10.0.0.0/8.
fn left(mut n: u32) -> (u32, u32) {
    let mut mask = u32::MAX;
    while n != 0 && n & 0xff00_0000 == 0 {
        n <<= 8;
        mask <<= 8;
    }
    (n, mask)
}
