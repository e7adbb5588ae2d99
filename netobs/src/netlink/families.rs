//! IPv4 and IPv6 as the kernel's tables know them: their names, and lists that are asked of each by itself.

use super::socket::{Dump, Error, Request, Socket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ipv4` or `ipv6`; other families have no addresses of ours.
pub fn family_name(family: u8) -> Option<&'static str> {
    match i32::from(family) {
        libc::AF_INET => Some("ipv4"),
        libc::AF_INET6 => Some("ipv6"),
        _ => None,
    }
}

/// The address of a family that stands for all of them: `0.0.0.0` or `::`.
pub fn any(family: &str) -> IpAddr {
    if family == "ipv6" {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    }
}

/// All objects of a kind, family by family; the kernel's header begins with the family, and is empty else.
pub fn dump<T, const HEADER: usize>(
    socket: &mut Socket,
    asked: &'static str,
    kind: u16,
    mut decode: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Dump<T>, Error> {
    let mut both = Dump {
        rows: Vec::new(),
        torn: false,
    };
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut header = [0; HEADER];
        header[0] = u8::try_from(family).unwrap_or(0);
        let request = Request::dump(asked, kind, &header);
        let dump = match socket.rows(&request, &mut decode) {
            // A kernel without IPv6, or without such a table for this family.
            Err(error) if error.is_unsupported() => continue,
            dump => dump?,
        };
        both.rows.extend(dump.rows);
        both.torn |= dump.torn;
    }
    Ok(both)
}
