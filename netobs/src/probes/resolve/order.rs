//! Which address first: the rules of RFC 6724 with glibc's table, by the source address that the kernel would take for each.

use super::Address;
use std::{
    cmp::Reverse,
    net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// What the rules look at, better is smaller.
type Rank = (bool, bool, bool, Reverse<u8>, u8, Reverse<u32>);

/// The best first; equals stay in the order of the answer.
pub fn sorted(mut addresses: Vec<Address>) -> Vec<Address> {
    let mut seen: Vec<Address> = Vec::with_capacity(addresses.len());
    addresses.retain(|address| {
        let new = !seen.contains(address);
        seen.push(*address);
        new
    });
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| rank(address.ip, source(*address)));
    }
    addresses
}

/// The address that we would send from; nothing is sent.
fn source(to: Address) -> Option<IpAddr> {
    let any: SocketAddr = match to.ip {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to.at(9)).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}

/// Rules 1, 2, 5, 6, 8 and 9; the others need what only the kernel knows of its addresses.
fn rank(to: IpAddr, from: Option<IpAddr>) -> Rank {
    let Some(from) = from else {
        return (
            true,
            true,
            true,
            Reverse(precedence(to)),
            scope(to),
            Reverse(0),
        );
    };
    (
        false,
        scope(to) != scope(from),
        label(to) != label(from),
        Reverse(precedence(to)),
        scope(to),
        Reverse(common_prefix(to, from)),
    )
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// Precedence and label: the table of glibc, which is older than RFC 6724 and takes private IPv6 before IPv4; other programs of
/// this host go by it.
fn policy(ip: IpAddr) -> (u8, u8) {
    let v6 = mapped(ip);
    let [first, second, ..] = v6.segments();
    match v6 {
        Ipv6Addr::LOCALHOST => (50, 0),
        _ if v6.to_ipv4_mapped().is_some() => (10, 4),
        _ if v6.segments()[..6] == [0; 6] => (20, 3),
        _ if first == 0x2002 => (30, 2),
        _ if (first, second) == (0x2001, 0) => (40, 7),
        _ if first & 0xfe00 == 0xfc00 => (40, 6),
        _ if first & 0xffc0 == 0xfec0 => (40, 5),
        _ => (40, 1),
    }
}

fn precedence(ip: IpAddr) -> u8 {
    policy(ip).0
}

fn label(ip: IpAddr) -> u8 {
    policy(ip).1
}

/// 2 link, 5 site, 14 global; loopback counts as link (RFC 6724, 3.4).
fn scope(ip: IpAddr) -> u8 {
    const LINK: u8 = 2;
    match ip {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_link_local() => LINK,
        IpAddr::V6(v6) if v6.is_multicast() => v6.octets()[1] & 15,
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unicast_link_local() => LINK,
        IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfec0 => 5,
        IpAddr::V4(_) | IpAddr::V6(_) => 14,
    }
}

/// Of IPv6 only, and of the network part: for IPv4 it would undo what servers rotate.
fn common_prefix(to: IpAddr, from: IpAddr) -> u32 {
    match (to, from) {
        (IpAddr::V6(to), IpAddr::V6(from)) => {
            (u128::from(to) ^ u128::from(from)).leading_zeros().min(64)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The examples of RFC 6724, 10.2: destination and source; the first is preferred.
    #[test]
    fn examples_of_the_rfc() {
        for (first, second) in [
            (
                ("2001:db8:1::1", "2001:db8:1::2"),
                ("198.51.100.121", "169.254.13.78"),
            ),
            (
                ("198.51.100.121", "198.51.100.117"),
                ("2001:db8:1::1", "fe80::1"),
            ),
            (("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")),
            (("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2")),
            (
                ("2001:db8:1::1", "2001:db8:1::2"),
                ("2001:db8:3ffe::1", "2001:db8:3f44::2"),
            ),
        ] {
            let better = rank(ip(first.0), Some(ip(first.1)));
            let worse = rank(ip(second.0), Some(ip(second.1)));
            assert!(better < worse, "{first:?} {second:?}");
        }
        assert!(rank(ip("::1"), Some(ip("::1"))) < rank(ip("2001:db8::1"), None));
    }

    #[test]
    fn each_address_once() {
        let one = Address::from(ip("127.0.0.1"));
        assert_eq!(sorted(vec![one, one]), [one]);
    }
}
