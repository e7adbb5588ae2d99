//! The two ends of a socket as ss writes them: an address cell and a port cell each.

use super::names::SocketNames;
use crate::{
    line::Line,
    socket::{
        Family, Row,
        names::{LINK_PROTOCOLS, NETLINK_PROTOCOLS, of},
    },
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of the local end with the mark that separates it from its port.
pub fn local_address(line: &mut Line, row: &Row, names: &mut SocketNames) {
    match row.family {
        Family::Inet | Family::Inet6 => {
            inet(line, row, row.local.ip, names);
            if row.ifindex != 0 {
                let interface = names.interface(row.netns, row.ifindex);
                line.raw(b"%").escaped(interface.as_bytes());
            }
            line.raw(b":");
        }
        Family::Unix => unix(line, &row.unix.name),
        Family::Packet => {
            let protocol = u32::from(row.packet.protocol);
            match of(&LINK_PROTOCOLS, protocol) {
                _ if protocol == 3 => line.raw(b"*"),
                Some(name) if !names.numeric => line.raw(name.as_bytes()),
                _ => line.raw(b"[").number(u64::from(protocol)).raw(b"]"),
            };
            line.raw(b":");
        }
        Family::Netlink => {
            let protocol = u32::from(row.netlink.protocol);
            match of(&NETLINK_PROTOCOLS, protocol) {
                Some(name) if !names.numeric => line.raw(name.as_bytes()),
                _ => line.number(u64::from(protocol)),
            };
            line.raw(b":");
        }
        Family::Vsock | Family::Tipc => number_or_any(line, row.vsock.0, b":"),
        Family::Xdp if row.ifindex == 0 => _ = line.raw(b"*"),
        Family::Xdp => {
            let interface = names.interface(row.netns, row.ifindex);
            line.escaped(interface.as_bytes()).raw(b":");
        }
    }
}

pub fn local_port(line: &mut Line, row: &Row, names: &mut SocketNames, process: Option<&str>) {
    let port = row.local.port;
    match row.family {
        Family::Inet | Family::Inet6 => names.port(line, row.table, port),
        Family::Unix => _ = line.number(u64::from(port)),
        Family::Packet if row.ifindex == 0 => _ = line.raw(b"*"),
        Family::Packet => _ = line.escaped(names.interface(row.netns, row.ifindex).as_bytes()),
        Family::Netlink => netlink_port(line, port, names.numeric, process),
        Family::Vsock | Family::Tipc => number_or_any(line, port, b""),
        Family::Xdp if row.ifindex == 0 => {}
        Family::Xdp => _ = line.raw(b"q").number(u64::from(port)),
    }
}

pub fn remote_address(line: &mut Line, row: &Row, names: &mut SocketNames) {
    match row.family {
        Family::Inet | Family::Inet6 => {
            inet(line, row, row.remote.ip, names);
            line.raw(b":");
        }
        Family::Unix => unix(line, &row.unix.peer_name),
        Family::Netlink => match row.netlink.peer {
            Some((_, group)) => _ = line.number(u64::from(group)).raw(b":"),
            None => _ = line.raw(b"*"),
        },
        Family::Packet | Family::Xdp => _ = line.raw(b"*"),
        Family::Vsock | Family::Tipc => number_or_any(line, row.vsock.1, b":"),
    }
}

pub fn remote_port(line: &mut Line, row: &Row, names: &SocketNames) {
    match row.family {
        Family::Inet | Family::Inet6 => names.port(line, row.table, row.remote.port),
        Family::Unix => _ = line.number(u64::from(row.remote.port)),
        Family::Netlink => {
            if let Some((port, _)) = row.netlink.peer {
                line.raw(port.cast_signed().to_string().as_bytes());
            }
        }
        Family::Packet | Family::Xdp => {}
        Family::Vsock | Family::Tipc => number_or_any(line, row.remote.port, b""),
    }
}

fn number_or_any(line: &mut Line, number: u32, delimiter: &[u8]) {
    if number == u32::MAX {
        line.raw(b"*");
    } else {
        line.number(u64::from(number));
    }
    line.raw(delimiter);
}

fn netlink_port(line: &mut Line, port: u32, numeric: bool, process: Option<&str>) {
    let signed = port.cast_signed();
    match process {
        _ if signed == -1 => _ = line.raw(b"*"),
        _ if numeric => _ = line.raw(signed.to_string().as_bytes()),
        _ if port == 0 => _ = line.raw(b"kernel"),
        Some(comm) => {
            line.escaped(comm.as_bytes()).raw(b"/");
            line.number(u64::from(port));
        }
        None => _ = line.raw(signed.to_string().as_bytes()),
    }
}

fn inet(line: &mut Line, row: &Row, ip: IpAddr, names: &mut SocketNames) {
    if let IpAddr::V6(v6) = ip
        && row.v6only != Some(true)
        && v6.is_unspecified()
    {
        line.raw(b"*"); // takes IPv4 too
    } else if let Some(host) = names.host(ip) {
        line.escaped(host.as_bytes());
    } else {
        match ip {
            IpAddr::V4(_) => _ = line.ip(ip),
            IpAddr::V6(v6) => {
                line.raw(b"[");
                ipv6(line, v6);
                line.raw(b"]");
            }
        }
    }
}

/// As `inet_ntop(3)` writes it: `::1.2.3.4` for what is left of v4-compatible addresses.
pub fn ipv6(line: &mut Line, ip: Ipv6Addr) {
    let segments = ip.segments();
    if segments[..6] == [0; 6] && segments[6] != 0 {
        let compatible = Ipv4Addr::from(ip.octets().last_chunk::<4>().copied().unwrap_or_default());
        line.raw(b"::").ip(IpAddr::V4(compatible));
    } else {
        line.ip(IpAddr::V6(ip));
    }
}

fn unix(line: &mut Line, name: &[u8]) {
    if name.is_empty() {
        line.raw(b"*");
    } else if name[0] == 0 {
        for part in name.split_inclusive(|byte| *byte == 0) {
            match part.strip_suffix(b"\0") {
                Some(before) => line.escaped(before).raw(b"@"),
                None => line.escaped(part),
            };
        }
    } else {
        line.escaped(name);
    }
    line.raw(b" ");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_glibc() {
        for (text, want) in [
            ("::1", "::1"),
            ("::", "::"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::5", "::5"),
            ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
            ("fe80:0:0:1::", "fe80:0:0:1::"),
        ] {
            let mut line = Line::default();
            ipv6(&mut line, text.parse().unwrap());
            assert_eq!(line.as_bytes(), want.as_bytes());
        }
    }

    #[test]
    fn names_of_unix_sockets_are_escaped() {
        let mut line = Line::default();
        unix(&mut line, b"\0a\0\x1b");
        unix(&mut line, b"/run/x\n");
        assert_eq!(line.as_bytes(), b"@a@\\x1b /run/x\\x0a ");
    }
}
