//! Filters on rows.

use super::{Expression, Filter, Host, Joint, Side, pattern};
use crate::socket::{Family, Row};
use std::net::IpAddr;

impl Filter {
    pub fn matches(&self, row: &Row) -> bool {
        match &self.expression {
            Some(expression) => self.holds(expression, row),
            None => true,
        }
    }

    fn holds(&self, expression: &Expression, row: &Row) -> bool {
        match expression {
            Expression::Chain(first, rest) => rest.iter().fold(
                self.holds(first, row),
                |so_far, (joint, next)| match joint {
                    Joint::And => so_far && self.holds(next, row),
                    Joint::Or => so_far || self.holds(next, row),
                },
            ),
            Expression::Not(inner) => !self.holds(inner, row),
            Expression::Host(side, host) => host_matches(*side, host, row),
            Expression::AtLeast(side, limit) => port(*side, row) >= *limit,
            Expression::AtMost(side, limit) => port(*side, row) <= *limit,
            Expression::Device(index) => row.ifindex == *index,
            Expression::Mark { value, mask } => row.mark.unwrap_or(0) & mask == *value,
            Expression::Cgroup(id) => row.cgroup.unwrap_or(0) == *id,
            Expression::Autobound => self.autobound(row),
        }
    }

    fn autobound(&self, row: &Row) -> bool {
        let (low, high) = self.ephemeral;
        match row.family {
            Family::Inet | Family::Inet6 => (low..=high).contains(&row.local.port),
            Family::Unix => kernel_named(&row.unix.name),
            Family::Packet => row.local.port == 0 && row.packet.protocol == 0,
            Family::Netlink => row.local.port.cast_signed() < 0,
            Family::Vsock => row.local.port > 1023,
            Family::Tipc | Family::Xdp => false,
        }
    }
}

/// An abstract name of five hexadecimal digits is one that the kernel made up.
fn kernel_named(name: &[u8]) -> bool {
    match name {
        [] => true,
        [0, digits @ ..] => {
            let hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
            digits.len() == 5 && digits.iter().all(hex)
        }
        _ => false,
    }
}

/// As ss counts: netlink's port ids may be below 0, and its peers have none.
fn port(side: Side, row: &Row) -> i64 {
    match (row.family, side) {
        (Family::Netlink, Side::Local) => i64::from(row.local.port.cast_signed()),
        (Family::Netlink, Side::Remote) => -1,
        (_, Side::Local) => i64::from(row.local.port),
        (_, Side::Remote) => i64::from(row.remote.port),
    }
}

fn host_matches(side: Side, host: &Host, row: &Row) -> bool {
    if let Some(path) = &host.path {
        return row.family == Family::Unix && path_matches(side, path, row);
    }
    if host.port.is_some_and(|wanted| wanted != port(side, row)) {
        return false;
    }
    if let Some(wanted) = host.protocol {
        let own = match row.family {
            Family::Packet => u32::from(row.packet.protocol),
            Family::Netlink => u32::from(row.netlink.protocol),
            Family::Vsock if side == Side::Local => row.vsock.0,
            Family::Vsock => row.vsock.1,
            Family::Inet | Family::Inet6 | Family::Unix | Family::Tipc | Family::Xdp => {
                return false;
            }
        };
        return own == wanted && (side == Side::Local || row.family == Family::Vsock);
    }
    if host.prefixes.is_empty() {
        return true;
    }
    let end = match side {
        Side::Local => &row.local,
        Side::Remote => &row.remote,
    };
    row.is_inet() && host.prefixes.iter().any(|prefix| inside(end.ip, *prefix))
}

fn path_matches(side: Side, pattern: &str, row: &Row) -> bool {
    let name = match side {
        Side::Local => &row.unix.name,
        Side::Remote => &row.unix.peer_name,
    };
    if name.contains(&0) {
        let shown: Vec<u8> = name
            .iter()
            .map(|b| if *b == 0 { b'@' } else { *b })
            .collect();
        return pattern::matches(pattern.as_bytes(), &shown);
    }
    pattern::matches(pattern.as_bytes(), name)
}

/// A v4-mapped address is in an IPv4 prefix; a v4-mapped prefix has only v4-mapped addresses.
fn inside(ip: IpAddr, (prefix, bits): (IpAddr, u8)) -> bool {
    let bits = u32::from(bits);
    match (ip, prefix) {
        (IpAddr::V4(ip), IpAddr::V4(prefix)) => same(
            u128::from(ip.to_bits()) << 96,
            u128::from(prefix.to_bits()) << 96,
            bits,
        ),
        (IpAddr::V6(ip), IpAddr::V6(prefix)) => same(ip.to_bits(), prefix.to_bits(), bits),
        (IpAddr::V6(ip), IpAddr::V4(prefix)) => ip.to_ipv4_mapped().is_some_and(|ip| {
            same(
                u128::from(ip.to_bits()) << 96,
                u128::from(prefix.to_bits()) << 96,
                bits,
            )
        }),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    }
}

fn same(a: u128, b: u128, bits: u32) -> bool {
    bits == 0 || (a ^ b) >> (128 - bits) == 0
}
