//! Bytes in a register to text, by what the bytes are.

use crate::netlink::attrs::{array, ip, mac, text};
use crate::netlink::names::ip_protocol;
use std::fmt::Write as _;

/// What bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Address,
    Port,
    Protocol,
    EtherType,
    Mac,
    Mark,
    Name,
    Ifindex,
    /// A number in network order.
    Big,
    /// A number in the machine's order.
    Host,
    /// One byte: a set of bits or a flag is present or not.
    Exists,
    /// Names for bits or values.
    Names(&'static Names),
    /// Seconds of the day.
    Hour,
    /// Milliseconds.
    Time,
    /// Traffic control handle: `1:2`.
    Class,
    /// Nothing known: `0x1234`.
    Raw,
}

/// A table of names, for values or for bits.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    pub style: Style,
    /// The kernel keeps it in the machine's byte order.
    pub host: bool,
    pub table: &'static [(u64, &'static str)],
}

/// How names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A value without a name is decimal.
    Plain,
    /// A value without a name is hexadecimal.
    Hex,
    Quoted,
    /// Each bit has a name.
    Bits,
}

impl Kind {
    /// Kept in the machine's byte order, so that its order as bytes is not its order as number.
    pub fn is_host(self) -> bool {
        match self {
            Self::Mark | Self::Ifindex | Self::Host | Self::Hour | Self::Time | Self::Class => true,
            Self::Names(names) => names.host,
            Self::Address
            | Self::Port
            | Self::Protocol
            | Self::EtherType
            | Self::Mac
            | Self::Name
            | Self::Big
            | Self::Exists
            | Self::Raw => false,
        }
    }

    /// Bits, of which a mask tests several at once.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Names(names) if names.style == Style::Bits)
    }

    /// An address, whose mask may be a prefix.
    pub fn has_prefix(self) -> bool {
        self == Self::Address
    }

    pub fn show(self, bytes: &[u8]) -> String {
        match self {
            Self::Address => ip(bytes).map_or_else(|| raw(bytes), |ip| ip.to_string()),
            Self::Protocol => protocol(bytes),
            Self::EtherType => ether_type(bytes),
            Self::Mac => mac(bytes),
            Self::Mark => host(bytes).map_or_else(|| raw(bytes), |n| format!("{n:#010x}")),
            Self::Name => name(bytes),
            Self::Port | Self::Big => big(bytes).map_or_else(|| raw(bytes), |n| n.to_string()),
            Self::Host | Self::Ifindex => host(bytes).map_or_else(|| raw(bytes), |n| n.to_string()),
            Self::Exists => if bytes.iter().all(|b| *b == 0) {
                "missing"
            } else {
                "exists"
            }
            .to_owned(),
            Self::Names(names) => names.show(bytes),
            Self::Hour => host(bytes).map_or_else(|| raw(bytes), hour),
            Self::Time => host(bytes).map_or_else(|| raw(bytes), duration),
            Self::Class => host(bytes).map_or_else(|| raw(bytes), class),
            Self::Raw => raw(bytes),
        }
    }
}

impl Names {
    fn show(&self, bytes: &[u8]) -> String {
        let Some(value) = (if self.host { host(bytes) } else { big(bytes) }) else {
            return raw(bytes);
        };
        if self.style == Style::Bits {
            return self.bits(value);
        }
        match self.table.iter().find(|(n, _)| *n == value) {
            Some((_, name)) if self.style == Style::Quoted => format!("\"{name}\""),
            Some((_, name)) => (*name).to_owned(),
            None if self.style == Style::Hex => format!("{value:#04x}"),
            None => value.to_string(),
        }
    }

    fn bits(&self, value: u64) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut left = value;
        for (bit, name) in self.table.iter().filter(|(bit, _)| value & bit != 0) {
            words.push((*name).to_owned());
            left &= !bit;
        }
        if left != 0 || words.is_empty() {
            words.push(format!("{left:#x}"));
        }
        words.join(",")
    }
}

/// A number in network order of up to eight bytes.
pub fn big(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// A number in the machine's order.
pub fn host(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        1 => Some(u64::from(bytes[0])),
        2 => array(bytes, 0).map(|b| u64::from(u16::from_ne_bytes(b))),
        4 => array(bytes, 0).map(|b| u64::from(u32::from_ne_bytes(b))),
        8 => array(bytes, 0).map(u64::from_ne_bytes),
        _ => None,
    }
}

pub fn raw(bytes: &[u8]) -> String {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    if start == bytes.len() {
        return "0x0".to_owned();
    }
    let mut digits = String::from("0x");
    for (n, byte) in bytes[start..].iter().enumerate() {
        let width = if n == 0 { 1 } else { 2 };
        _ = write!(digits, "{byte:0width$x}");
    }
    digits
}

/// A name fills its register with NULs; one that does not is a beginning: `"eth*"`.
fn name(bytes: &[u8]) -> String {
    if bytes.contains(&0) || bytes.is_empty() {
        format!("\"{}\"", text(bytes))
    } else {
        format!("\"{}*\"", text(bytes))
    }
}

fn protocol(bytes: &[u8]) -> String {
    match host(bytes).and_then(|n| u8::try_from(n).ok()) {
        Some(58) => "ipv6-icmp".to_owned(),
        Some(number) => ip_protocol(number),
        None => raw(bytes),
    }
}

fn ether_type(bytes: &[u8]) -> String {
    let name = match big(bytes) {
        Some(0x0800) => "ip",
        Some(0x0806) => "arp",
        Some(0x86dd) => "ip6",
        Some(0x8100) => "8021q",
        Some(0x88a8) => "8021ad",
        Some(0x8863) => "pppoe-discovery",
        Some(0x8864) => "pppoe",
        _ => return raw(bytes),
    };
    name.to_owned()
}

fn class(n: u64) -> String {
    match n {
        0 => "none".to_owned(),
        0xffff_ffff => "root".to_owned(),
        _ => format!("{:x}:{:x}", n >> 16, n & 0xffff),
    }
}

/// Seconds since midnight, UTC in the kernel.
fn hour(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if s == 0 {
        format!("\"{h:02}:{m:02}\"")
    } else {
        format!("\"{h:02}:{m:02}:{s:02}\"")
    }
}

/// Milliseconds as nft writes them: `1d2h3m4s5ms`.
pub fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let (mut left, mut text) = (ms, String::new());
    for (unit, name) in UNITS {
        if left >= unit {
            _ = write!(text, "{}{name}", left / unit);
            left %= unit;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// The length of a mask that is a prefix.
pub fn prefix_len(mask: &[u8]) -> Option<usize> {
    let ones: usize = mask.iter().take_while(|b| **b == 0xff).count();
    let partial = mask.get(ones).map_or(0, |b| b.leading_ones() as usize);
    let len = ones * 8 + partial;
    let exact = mask.iter().enumerate().all(|(n, b)| {
        let bits = len.saturating_sub(n * 8).min(8);
        u32::from(*b) == (0xff00_u32 >> bits) & 0xff
    });
    exact.then_some(len)
}
