//! Payload loads and IPv6/TCP options to the names of the fields they read.

use super::{
    data::Kind,
    expr::Reader,
    headers::{self, ARP, ETHER, Field, IP, IP6, VLAN},
    registers::{Layer, Load},
};
use crate::netlink::attrs::{Attr, find};

/// Where a payload expression starts to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Link,
    Network,
    Transport,
    Inner,
}

impl Base {
    pub fn of(number: u32) -> Self {
        match number {
            0 => Self::Link,
            1 => Self::Network,
            2 => Self::Transport,
            _ => Self::Inner,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Link => "ll",
            Self::Network => "nh",
            Self::Transport => "th",
            Self::Inner => "ih",
        }
    }

    /// The fields that may stand there, given what the rule has settled so far.
    fn fields(self, reader: &Reader<'_>) -> Vec<&'static [Field]> {
        match self {
            Self::Link => vec![ETHER, VLAN],
            Self::Network => match reader.network() {
                Some(4) => vec![IP],
                Some(6) => vec![IP6],
                Some(0x806) => vec![ARP],
                _ => Vec::new(),
            },
            Self::Transport => vec![headers::transport(reader.transport)],
            Self::Inner => Vec::new(),
        }
    }

    /// The layers that a field there shows to be settled.
    fn needs(self, text: &str) -> &'static [Layer] {
        match self {
            Self::Link if text.starts_with("vlan ") => &[Layer::Link, Layer::Network],
            Self::Link => &[Layer::Link],
            Self::Network => &[Layer::Network],
            Self::Transport if text.starts_with("icmp") => &[Layer::Network, Layer::Transport],
            Self::Transport if !text.starts_with("th ") => &[Layer::Transport],
            Self::Transport | Self::Inner => &[],
        }
    }
}

/// A load of `len` bytes at `offset`.
pub fn payload(reader: &Reader<'_>, base: Base, offset: u32, len: u32) -> Load {
    let (bit, bits) = (offset.saturating_mul(8), len.saturating_mul(8));
    let bytes = usize::try_from(len).unwrap_or(0);
    let fields = base.fields(reader);
    let known = fields.iter().copied().flatten();
    let mut load = if let Some((.., text, kind)) = known.clone().find(|f| (f.0, f.1) == (bit, bits))
    {
        Load::new(*text, *kind, bytes)
    } else if let Some((_, whole, text, kind)) = known
        .clone()
        .find(|f| f.0 == bit && f.1 > bits && f.3.has_prefix())
    {
        // Leading bytes alone: a prefix that ends on a byte.
        let mut load = Load::new(*text, *kind, bytes);
        load.whole = usize::try_from(whole / 8).ok();
        load
    } else {
        Load::new(format!("@{},{bit},{bits}", base.name()), Kind::Raw, bytes)
    };
    load.origin = Some((base, offset));
    load.needs = base.needs(&load.text);
    if load.text == "ip protocol" || load.text == "ip6 nexthdr" {
        load.selects = Some(Layer::Transport);
    } else if load.text == "ether type" || load.text == "vlan type" {
        load.selects = Some(Layer::Network);
    }
    load
}

/// The fields that together fill what was loaded at once: nft joins comparisons of neighbours.
pub fn cover(reader: &Reader<'_>, base: Base, offset: u32, len: usize) -> Option<Vec<Load>> {
    let mut at = offset.checked_mul(8)?;
    let end = at.checked_add(u32::try_from(len).ok()?.checked_mul(8)?)?;
    let fields = base.fields(reader);
    let mut loads = Vec::new();
    while at < end {
        let (_, bits, text, kind) = fields
            .iter()
            .copied()
            .flatten()
            .find(|f| f.0 == at && f.1 % 8 == 0 && at + f.1 <= end)?;
        let mut load = Load::new(*text, *kind, usize::try_from(bits / 8).ok()?);
        load.needs = base.needs(text);
        loads.push(load);
        at += bits;
    }
    (loads.len() > 1).then_some(loads)
}

/// A field that lies within the bits of `mask` from `offset` (bytes) on: version, dscp, vlan id ...
pub fn within(reader: &Reader<'_>, base: Base, offset: u32, mask: &[u8]) -> Option<Load> {
    let value = super::data::big(mask)?;
    let bits = u32::try_from(mask.len() * 8).ok()?;
    let before = value.leading_zeros() - (64 - bits);
    let (ones, trail) = (value.count_ones(), value.trailing_zeros());
    // One run of bits only.
    if ones == 0 || before + ones + trail != bits || ones == bits {
        return None;
    }
    let start = offset.checked_mul(8)?.checked_add(before)?;
    let fields = base.fields(reader);
    let (.., text, kind) = fields
        .iter()
        .copied()
        .flatten()
        .find(|f| (f.0, f.1) == (start, ones))?;
    let mut load = Load::new(*text, *kind, mask.len());
    load.shift = trail;
    load.needs = base.needs(&load.text);
    Some(load)
}

/// `exthdr`: IPv6 extension headers, TCP, IPv4 and SCTP options.
pub fn exthdr(data: &[u8]) -> Load {
    let number = |kind| find(data, kind).and_then(Attr::be32).unwrap_or(0);
    let kind = find(data, 2).and_then(Attr::u8).unwrap_or(0);
    let (offset, len, op) = (number(3), number(4), number(6));
    let present = number(5) & 1 != 0;
    let bytes = usize::try_from(len).unwrap_or(0);
    let text = match op {
        1 => tcp_option(kind, offset, len, present),
        0 => extension(kind, offset, len, present),
        2 => format!("ip option {}", ip_option(kind, offset, present)),
        3 => format!("sctp chunk {kind} @{},{}", bits(offset), bits(len)),
        _ => format!("exthdr {op} {kind} @{},{}", bits(offset), bits(len)),
    };
    let kind = if present { Kind::Exists } else { Kind::Big };
    let mut load = Load::new(text, kind, bytes);
    if op == 0 {
        load.needs = &[Layer::Network];
    }
    load
}

/// Nothing that the kernel takes is this long.
fn bits(bytes: u32) -> u32 {
    bytes.saturating_mul(8)
}

fn tcp_option(kind: u8, offset: u32, len: u32, present: bool) -> String {
    let name = match kind {
        0 => "eol".to_owned(),
        1 => "nop".to_owned(),
        2 => "maxseg".to_owned(),
        3 => "window".to_owned(),
        4 => "sack-perm".to_owned(),
        5 => "sack".to_owned(),
        8 => "timestamp".to_owned(),
        34 => "fastopen".to_owned(),
        30 => "mptcp".to_owned(),
        other => other.to_string(),
    };
    let field = match (kind, offset, len) {
        _ if present => return format!("tcp option {name}"),
        (_, 1, 1) => "length".to_owned(),
        (2, 2, 2) => "size".to_owned(),
        (3, 2, 1) => "count".to_owned(),
        (8, 2, 4) => "tsval".to_owned(),
        (8, 6, 4) => "tsecr".to_owned(),
        _ => format!("@{},{}", bits(offset), bits(len)),
    };
    format!("tcp option {name} {field}")
}

fn extension(kind: u8, offset: u32, len: u32, present: bool) -> String {
    let name = match kind {
        0 => "hbh",
        43 => "rt",
        44 => "frag",
        50 => "esp",
        51 => "auth",
        60 => "dst",
        135 => "mh",
        _ => return format!("exthdr {kind} @{},{}", bits(offset), bits(len)),
    };
    let field = match (kind, offset, len) {
        _ if present => return format!("exthdr {name}"),
        (_, 0, 1) => "nexthdr",
        (0 | 43 | 60 | 135, 1, 1) => "hdrlength",
        (43, 2, 1) => "type",
        (43, 3, 1) => "seg-left",
        (44, 4, 4) => "id",
        (44, 2, 2) => "frag-off",
        _ => return format!("{name} @{},{}", bits(offset), bits(len)),
    };
    format!("{name} {field}")
}

fn ip_option(kind: u8, offset: u32, present: bool) -> String {
    let name = match kind {
        7 => "rr",
        131 => "lsrr",
        137 => "ssrr",
        148 => "ra",
        _ => return format!("{kind} @{}", bits(offset)),
    };
    let field = match offset {
        _ if present => return name.to_owned(),
        0 => "type",
        1 => "length",
        2 => "ptr",
        _ => "addr",
    };
    format!("{name} {field}")
}
