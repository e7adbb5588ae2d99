//! What routers add behind the packet that an ICMP error quotes (RFC 4884): MPLS labels, the interface they speak of.

use crate::probes::net::{Extensions, Interface, Label};
use etherparse::checksum::Sum16BitWords;
use std::net::IpAddr;

/// The quote is padded to this length where an extension follows without the length being told (RFC 4884, 5.5).
const QUOTE: usize = 128;
const MPLS: (u8, u8) = (1, 1);
const INTERFACE: u8 = 2;
/// More objects than any router sends.
const MOST: usize = 16;

/// `rest` is what follows the eight bytes of the ICMP header, `words` the quote's length as the header tells it, in bytes.
pub fn read(rest: &[u8], told: usize) -> Option<Box<Extensions>> {
    let start = if told == 0 { QUOTE } else { told };
    let block = rest.get(start..).filter(|block| block.len() >= 8)?;
    let sound = block[0] >> 4 == 2 && checksum_fits(block);
    if !sound {
        return None;
    }
    let mut found = Extensions::default();
    let mut objects = &block[4..];
    for _ in 0..MOST {
        let Some([hi, lo, class, kind]) = objects.first_chunk() else {
            break;
        };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]));
        let Some(body) = objects.get(4..len) else {
            break;
        };
        match (*class, *kind) {
            MPLS => found
                .labels
                .extend(body.as_chunks::<4>().0.iter().copied().map(label)),
            (INTERFACE, kind) => found.interface = Some(interface(kind, body)),
            _ => {}
        }
        objects = &objects[len..];
    }
    (found != Extensions::default()).then(|| Box::new(found))
}

/// A checksum of 0 was not made.
fn checksum_fits(block: &[u8]) -> bool {
    block[2..4] == [0, 0] || Sum16BitWords::new().add_slice(block).ones_complement() == 0
}

fn label(entry: [u8; 4]) -> Label {
    let entry = u32::from_be_bytes(entry);
    let [_, _, middle, ttl] = entry.to_be_bytes();
    Label {
        label: entry >> 12,
        traffic_class: middle >> 1 & 7,
        ttl,
    }
}

/// The parts stand in this order, each where its bit is set (RFC 5837, 4.1).
fn interface(kind: u8, body: &[u8]) -> Interface {
    let mut rest = Rest(body);
    let has = |bit: u8| kind & bit != 0;
    Interface {
        index: has(8).then(|| rest.number()).flatten(),
        addr: has(4).then(|| rest.addr()).flatten(),
        name: has(2).then(|| rest.name()).flatten(),
        mtu: has(1).then(|| rest.number()).flatten(),
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn addr(&mut self) -> Option<IpAddr> {
        match self.take()? {
            [0, 1, _, _] => self.take::<4>().map(IpAddr::from),
            [0, 2, _, _] => self.take::<16>().map(IpAddr::from),
            _ => None,
        }
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        let len = usize::from(*self.0.first()?);
        let name = self.0.get(1..len)?;
        self.0 = &self.0[len..];
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        Some(name[..end].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quote of 128 bytes and these objects behind it.
    pub fn with_objects(objects: &[u8]) -> Vec<u8> {
        let mut block = vec![0x20, 0, 0, 0];
        block.extend(objects);
        let sum = Sum16BitWords::new().add_slice(&block).ones_complement();
        block[2..4].copy_from_slice(&sum.to_ne_bytes());
        [vec![0; QUOTE], block].concat()
    }

    #[test]
    fn labels_and_interface() {
        let mut objects = vec![0, 12, 1, 1];
        objects.extend([0x00, 0x64, 0x01, 0x01, 0x00, 0x0c, 0x8a, 0x40]);
        objects.extend([0, 24, 2, 0x0e, 0, 0, 0, 7, 0, 1, 0, 0, 10, 0, 0, 1]);
        objects.extend([8, b'g', b'e', b'-', b'0', 0, 0, 0]);
        let rest = with_objects(&objects);
        for told in [0, QUOTE] {
            let found = read(&rest, told).unwrap();
            assert_eq!(found.labels.len(), 2);
            assert_eq!((found.labels[0].label, found.labels[0].ttl), (1600, 1));
            assert_eq!(
                (found.labels[1].label, found.labels[1].traffic_class),
                (200, 5)
            );
            let interface = found.interface.unwrap();
            assert_eq!(interface.name.as_deref(), Some(&b"ge-0"[..]));
            assert_eq!(interface.index, Some(7));
            assert_eq!(interface.addr, Some("10.0.0.1".parse().unwrap()));
        }
    }

    #[test]
    fn forged_lengths_and_sums_are_no_extensions() {
        let good = with_objects(&[0, 8, 1, 1, 0, 0, 0x11, 1]);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(read(&good, 0).is_some());
        assert!(read(&bad, 0).is_none(), "checksum");
        for cut in 0..good.len() {
            read(&good[..cut], 0);
            read(&good[..cut], 64);
        }
        for lie in [[0, 0], [0, 3], [0xff, 0xff]] {
            let objects = [&lie[..], &[1, 1, 0, 0, 0, 0]].concat();
            assert!(read(&with_objects(&objects), 0).is_none());
        }
        assert!(
            read(&with_objects(&[0, 8, 2, 0x0f, 255, 1, 1, 1]), 0)
                .is_none_or(|e| e.labels.is_empty())
        );
    }
}
