//! Netlink attributes: bounds are checked once, then every reader answers `None` for what is too short.

use netlink_packet_core::NlasIterator;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One attribute: its number without flags, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    pub kind: u16,
    pub value: &'a [u8],
}

/// The attributes in `bytes`; a broken one ends the walk.
pub fn attrs(bytes: &[u8]) -> impl Iterator<Item = Attr<'_>> {
    NlasIterator::new(bytes).map_while(|nla| {
        let nla = nla.ok()?;
        let (kind, length) = (nla.kind(), usize::from(nla.length()));
        let value = nla.into_inner().get(4..length)?;
        Some(Attr { kind, value })
    })
}

/// The attributes behind a fixed header of `len` bytes.
pub fn behind(bytes: &[u8], len: usize) -> impl Iterator<Item = Attr<'_>> {
    attrs(bytes.get(len..).unwrap_or_default())
}

/// The first attribute of a kind.
pub fn find(bytes: &[u8], kind: u16) -> Option<Attr<'_>> {
    attrs(bytes).find(|a| a.kind == kind)
}

/// The `N` bytes at `at`.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A number in the machine's byte order at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_ne_bytes)
}

/// An address of four or sixteen bytes.
pub fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => array::<4>(bytes, 0).map(|b| Ipv4Addr::from(b).into()),
        16 => array::<16>(bytes, 0).map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

/// Text up to its first NUL; what is not UTF-8 becomes U+FFFD. Views escape it.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

impl<'a> Attr<'a> {
    pub fn u8(self) -> Option<u8> {
        self.value.first().copied()
    }

    pub fn u16(self) -> Option<u16> {
        u16_at(self.value, 0)
    }

    pub fn u32(self) -> Option<u32> {
        u32_at(self.value, 0)
    }

    pub fn u64(self) -> Option<u64> {
        u64_at(self.value, 0)
    }

    /// Big-endian, as netfilter sends its numbers.
    pub fn be16(self) -> Option<u16> {
        array(self.value, 0).map(u16::from_be_bytes)
    }

    pub fn be32(self) -> Option<u32> {
        array(self.value, 0).map(u32::from_be_bytes)
    }

    pub fn be64(self) -> Option<u64> {
        array(self.value, 0).map(u64::from_be_bytes)
    }

    pub fn text(self) -> String {
        text(self.value)
    }

    pub fn ip(self) -> Option<IpAddr> {
        ip(self.value)
    }

    pub fn nested(self) -> impl Iterator<Item = Attr<'a>> {
        attrs(self.value)
    }

    pub fn find(self, kind: u16) -> Option<Attr<'a>> {
        find(self.value, kind)
    }
}

/// `02:00:00:00:00:01`.
pub fn mac(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    digits.join(":")
}

/// A hardware address: of tunnels it is an IP address.
pub fn hardware(bytes: &[u8], link_type: u16) -> Option<String> {
    const TUNNEL: u16 = 768;
    const SIT: u16 = 776;
    const IPGRE: u16 = 778;
    const TUNNEL6: u16 = 769;
    const IP6GRE: u16 = 823;
    match (bytes.len(), link_type) {
        (0, _) => None,
        (4, TUNNEL | SIT | IPGRE) | (16, TUNNEL6 | IP6GRE) => ip(bytes).map(|a| a.to_string()),
        _ => Some(mac(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_attributes_end_the_walk() {
        let whole = [8, 0, 1, 0, 1, 2, 3, 4, 5, 0, 2, 0x80, 9, 0, 0, 0];
        let found: Vec<Attr<'_>> = attrs(&whole).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].kind, found[1].value), (2, &[9_u8][..]));
        for cut in 0..whole.len() {
            // Nothing to assert but that it ends and does not panic.
            assert!(attrs(&whole[..cut]).count() <= 2);
        }
        assert_eq!(attrs(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attrs(&[0xff, 0xff, 1, 0, 1]).count(), 0);
    }

    #[test]
    fn short_values_are_none() {
        let short = Attr {
            kind: 1,
            value: &[1],
        };
        assert_eq!((short.u16(), short.be32(), short.u64()), (None, None, None));
        assert_eq!(ip(&[1, 2, 3]), None);
        assert_eq!(text(b"a\xffb\0c"), "a\u{fffd}b");
    }
}
