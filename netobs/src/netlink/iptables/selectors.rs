//! What a rule selects packets by, besides its extensions: addresses, interfaces, protocol.

use crate::netlink::{
    attrs::{array, ip, text, u16_at},
    names::ip_protocol,
};

/// Where things stand in `struct ipt_entry` or `struct ip6t_entry`.
pub struct Offsets {
    pub address: usize,
    pub names: usize,
    pub protocol: usize,
    pub flags: usize,
    pub inverted: usize,
    pub target: usize,
    pub counters: usize,
    pub entry: usize,
}

pub const V4: Offsets = Offsets {
    address: 4,
    names: 16,
    protocol: 80,
    flags: 82,
    inverted: 83,
    target: 88,
    counters: 96,
    entry: 112,
};

pub const V6: Offsets = Offsets {
    address: 16,
    names: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    target: 140,
    counters: 152,
    entry: 168,
};

/// `-s 10.0.0.0/8 ! -i eth0 -p tcp`.
pub fn selectors(offsets: &Offsets, bytes: &[u8]) -> Vec<String> {
    let inverted = bytes.get(offsets.inverted).copied().unwrap_or(0);
    let not = |bit: u8| if inverted & bit != 0 { "! " } else { "" };
    let len = offsets.address;
    let mut words = Vec::new();
    for (flag, bit, n) in [("-s", 8, 0), ("-d", 16, 1)] {
        let part = |n: usize| bytes.get(n * len..(n + 1) * len).unwrap_or_default();
        let (address, mask) = (part(n), part(n + 2));
        if mask.iter().any(|b| *b != 0) || inverted & bit != 0 {
            words.push(format!("{}{flag} {}", not(bit), prefix(address, mask)));
        }
    }
    for (flag, bit, n) in [("-i", 1, 0), ("-o", 2, 1)] {
        let part = |n: usize| array::<16>(bytes, offsets.names + n * 16).unwrap_or_default();
        if let Some(name) = interface(&part(n), &part(n + 2)) {
            words.push(format!("{}{flag} {name}", not(bit)));
        }
    }
    let protocol = u16_at(bytes, offsets.protocol).unwrap_or(0);
    if protocol != 0 || inverted & 0x40 != 0 {
        let name = u8::try_from(protocol).map_or_else(|_| protocol.to_string(), ip_protocol);
        let name = if name == "icmpv6" {
            "ipv6-icmp".to_owned()
        } else {
            name
        };
        words.push(format!("{}-p {name}", not(0x40)));
    }
    let flags = bytes.get(offsets.flags).copied().unwrap_or(0);
    // IPv6 has no such bit.
    if offsets.address == 4 && flags & 1 != 0 {
        words.push(format!("{}-f", not(0x20)));
    }
    words
}

/// `10.0.0.0/8`, or with a mask that is no prefix.
fn prefix(address: &[u8], mask: &[u8]) -> String {
    let ones = mask.iter().take_while(|b| **b == 0xff).count();
    let partial = mask.get(ones).map_or(0, |b| b.leading_ones() as usize);
    let len = ones * 8 + partial;
    let total: usize = mask.iter().map(|b| b.count_ones() as usize).sum();
    let shown = ip(address).map(|ip| ip.to_string()).unwrap_or_default();
    if total == len {
        return format!("{shown}/{len}");
    }
    let mask = ip(mask).map(|ip| ip.to_string()).unwrap_or_default();
    format!("{shown}/{mask}")
}

/// `eth0`; where the mask leaves the end open `eth+`.
fn interface(name: &[u8; 16], mask: &[u8; 16]) -> Option<String> {
    let used = mask.iter().take_while(|b| **b != 0).count();
    let shown = text(name);
    match used {
        0 => None,
        used if used > shown.len() => Some(shown),
        // Only the beginning counts; iptables notes its `+` in the name too.
        _ => Some(format!("{}+", shown.trim_end_matches('+'))),
    }
}
