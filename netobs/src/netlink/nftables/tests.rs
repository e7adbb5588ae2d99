//! Rules from bytes: whatever comes, no panic; what is not known is named.

use super::{
    expr::{Reader, World},
    sets::Sets,
};
use crate::netlink::ipset::IpSets;
use std::collections::HashMap;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn expression(name: &str, data: &[u8]) -> Vec<u8> {
    let inner = [attribute(1, name.as_bytes()), attribute(2, data)].concat();
    attribute(1, &inner)
}

fn read(family: u8, expressions: &[u8]) -> String {
    let (sets, links) = (Sets::new(), HashMap::new());
    let world = World {
        sets: &sets,
        links: &links,
        ipsets: &IpSets::default(),
    };
    let mut reader = Reader::new(family, "t", &world);
    reader.read(expressions);
    reader.text()
}

#[test]
fn an_unknown_expression_is_named() {
    let rule = [expression("frobnicate", &[]), expression("counter", &[])].concat();
    assert_eq!(read(2, &rule), "[frobnicate] counter");
}

const NAMES: [&str; 34] = [
    "payload",
    "meta",
    "ct",
    "rt",
    "socket",
    "fib",
    "exthdr",
    "immediate",
    "cmp",
    "range",
    "bitwise",
    "byteorder",
    "lookup",
    "dynset",
    "numgen",
    "hash",
    "osf",
    "xfrm",
    "nat",
    "masq",
    "redir",
    "tproxy",
    "objref",
    "match",
    "target",
    "counter",
    "limit",
    "quota",
    "connlimit",
    "last",
    "log",
    "reject",
    "queue",
    "fwd",
];

/// Numbers of all sizes in all attributes of all expressions, cut off anywhere.
#[test]
fn no_bytes_are_too_odd() {
    // A small generator: the same every time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let mut rule = Vec::new();
        for _ in 0..4 {
            let name = NAMES[usize::try_from(next() % 34).unwrap()];
            let mut data = Vec::new();
            for _ in 0..next() % 8 {
                let value = match next() % 4 {
                    0 => u32::try_from(next() % 24).unwrap().to_be_bytes().to_vec(),
                    1 => next().to_be_bytes().to_vec(),
                    2 => attribute(1, &next().to_ne_bytes()),
                    _ => vec![0xff; usize::try_from(next() % 40).unwrap()],
                };
                data.extend(attribute(u16::try_from(next() % 12).unwrap(), &value));
            }
            rule.extend(expression(name, &data));
        }
        let cut = usize::try_from(next()).unwrap_or(0) % (rule.len() + 1);
        for family in [1, 2, 3, 5, 7, 10] {
            read(family, &rule);
            read(family, &rule[..cut]);
        }
    }
}
