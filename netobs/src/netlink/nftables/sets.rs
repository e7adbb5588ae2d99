//! Sets and maps: their elements as nft writes them.

use super::{
    data::{Kind, duration, prefix_len},
    registers::Load,
};
use crate::netlink::attrs::{Attr, attrs};
use crate::netlink::links::LinkNames;
use std::collections::HashMap;
use std::fmt::Write as _;

pub const ANONYMOUS: u32 = 1;
pub const INTERVAL: u32 = 4;
pub const MAP: u32 = 8;
pub const OBJECT: u32 = 0x40;
pub const CONCAT: u32 = 0x80;
const INTERVAL_END: u32 = 1;
const CATCHALL: u32 = 2;

/// A set or map.
#[derive(Clone, Debug, Default)]
pub struct Set {
    pub family: u8,
    pub table: String,
    pub name: String,
    pub handle: u64,
    pub flags: u32,
    pub key_type: u32,
    pub key_len: usize,
    pub data_type: u32,
    pub data_len: usize,
    /// Type of the objects it maps to.
    pub object: u32,
    pub elements: Vec<Element>,
}

/// One element.
#[derive(Clone, Debug, Default)]
pub struct Element {
    pub key: Vec<u8>,
    pub key_end: Option<Vec<u8>>,
    pub flags: u32,
    pub data: Option<Value>,
    /// Milliseconds.
    pub timeout: Option<u64>,
    pub expires: Option<u64>,
}

/// What an element maps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Bytes(Vec<u8>),
    Verdict(String),
    Object(String),
}

/// All sets by family, table and name.
pub type Sets = HashMap<(u8, String, String), Set>;

/// `NFTA_DATA_VERDICT`.
pub fn verdict(attr: Attr<'_>) -> String {
    let code = attr.find(1).and_then(Attr::be32).map(u32::cast_signed);
    let chain = || attr.find(2).map(Attr::text).unwrap_or_default();
    match code {
        Some(0) => "drop".to_owned(),
        Some(1) => "accept".to_owned(),
        Some(2) => "stolen".to_owned(),
        Some(3) => "queue".to_owned(),
        Some(4) => "repeat".to_owned(),
        Some(-1) => "continue".to_owned(),
        Some(-2) => "break".to_owned(),
        Some(-3) => format!("jump {}", chain()),
        Some(-4) => format!("goto {}", chain()),
        Some(-5) => "return".to_owned(),
        Some(code) => format!("verdict {code}"),
        None => "verdict".to_owned(),
    }
}

/// One element of `NFTA_SET_ELEM_LIST_ELEMENTS`.
pub fn element(bytes: &[u8]) -> Element {
    let mut element = Element::default();
    for attr in attrs(bytes) {
        let value = || attr.find(1).map(|a| a.value.to_vec());
        match attr.kind {
            1 => element.key = value().unwrap_or_default(),
            2 => {
                element.data = match attr.find(2) {
                    Some(found) => Some(Value::Verdict(verdict(found))),
                    None => value().map(Value::Bytes),
                }
            }
            3 => element.flags = attr.be32().unwrap_or(0),
            4 => element.timeout = attr.be64(),
            5 => element.expires = attr.be64(),
            9 => element.data = Some(Value::Object(attr.text())),
            10 => element.key_end = value(),
            _ => {}
        }
    }
    element
}

/// How keys and values of a set are shown.
pub struct Shape<'a> {
    /// The parts of a key; what a rule loaded, or the set's own types.
    pub keys: &'a [Load],
    pub data: &'a [Load],
    /// Interfaces by index.
    pub links: &'a LinkNames,
}

impl Set {
    pub fn is_anonymous(&self) -> bool {
        self.flags & ANONYMOUS != 0
    }

    pub fn is_map(&self) -> bool {
        self.flags & (MAP | OBJECT) != 0
    }

    /// The parts of its keys by the types that nft noted.
    pub fn key_loads(&self) -> Vec<Load> {
        loads(
            self.key_type,
            self.key_len,
            self.flags & INTERVAL != 0 && self.flags & CONCAT == 0,
        )
    }

    pub fn data_loads(&self) -> Vec<Load> {
        loads(self.data_type, self.data_len, false)
    }

    /// All elements as nft lists them, in order.
    pub fn shown(&self, shape: &Shape<'_>) -> Vec<String> {
        let mut elements: Vec<&Element> = self.elements.iter().collect();
        elements
            .sort_by_cached_key(|e| (sort_key(&e.key, shape.keys), e.flags & INTERVAL_END == 0));
        if self.flags & INTERVAL != 0
            && self.flags & CONCAT == 0
            && self.elements.iter().all(|e| e.key_end.is_none())
        {
            return intervals(&elements, shape);
        }
        elements.iter().map(|e| shape.element(e)).collect()
    }
}

/// Host numbers sort as numbers, the rest as bytes.
fn sort_key(key: &[u8], loads: &[Load]) -> Vec<u8> {
    let mut sorted = key.to_vec();
    let mut at = 0;
    for load in loads {
        let end = (at + load.len).min(sorted.len());
        if load.kind.is_host() && !load.swapped && at < end {
            sorted[at..end].reverse();
        }
        at += load.len.next_multiple_of(4);
    }
    sorted
}

/// An interval set is a list of borders: where one begins, and the first key behind it.
fn intervals(elements: &[&Element], shape: &Shape<'_>) -> Vec<String> {
    let mut shown = Vec::new();
    let mut elements = elements.iter().peekable();
    while let Some(element) = elements.next() {
        if element.flags & CATCHALL != 0 {
            shown.push(format!("*{}", shape.rest(element)));
            continue;
        }
        if element.flags & INTERVAL_END != 0 {
            continue;
        }
        let last = match elements.peek() {
            Some(next) if next.flags & CATCHALL == 0 => before(&next.key),
            _ => vec![0xff; element.key.len()],
        };
        let range = shape.range(shape.keys, &element.key, &last);
        shown.push(format!("{range}{}", shape.rest(element)));
    }
    shown
}

/// The number before a big-endian one.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            break;
        }
    }
    key
}

impl Shape<'_> {
    fn element(&self, element: &Element) -> String {
        if element.flags & CATCHALL != 0 {
            return format!("*{}", self.rest(element));
        }
        let key = match &element.key_end {
            Some(end) => self.range(self.keys, &element.key, end),
            None => self.key(self.keys, &element.key),
        };
        format!("{key}{}", self.rest(element))
    }

    /// Timeout, and what a map gives.
    fn rest(&self, element: &Element) -> String {
        let mut text = String::new();
        if let Some(ms) = element.timeout {
            _ = write!(text, " timeout {}", duration(ms));
        }
        if let Some(ms) = element.expires {
            _ = write!(text, " expires {}", duration(ms));
        }
        match &element.data {
            None => {}
            Some(Value::Verdict(verdict)) => _ = write!(text, " : {verdict}"),
            Some(Value::Object(name)) => _ = write!(text, " : \"{name}\""),
            Some(Value::Bytes(bytes)) => _ = write!(text, " : {}", self.data(bytes)),
        }
        text
    }

    fn data(&self, bytes: &[u8]) -> String {
        let one: usize = self.data.iter().map(|l| l.len.next_multiple_of(4)).sum();
        // Twice as long as the type says: from and to.
        if one > 0 && bytes.len() == one * 2 {
            return self.range(self.data, &bytes[..one], &bytes[one..]);
        }
        self.key(self.data, bytes)
    }

    fn parts<'b>(loads: &'b [Load], bytes: &'b [u8]) -> impl Iterator<Item = (&'b Load, &'b [u8])> {
        let mut at = 0;
        loads.iter().map(move |load| {
            let part = bytes
                .get(at..(at + load.len).min(bytes.len()))
                .unwrap_or_default();
            at += load.len.next_multiple_of(4);
            (load, part)
        })
    }

    fn key(&self, loads: &[Load], bytes: &[u8]) -> String {
        if loads.is_empty() {
            return Kind::Raw.show(bytes);
        }
        let parts: Vec<String> = Self::parts(loads, bytes)
            .map(|(load, part)| self.one(load, part))
            .collect();
        parts.join(" . ")
    }

    fn range(&self, loads: &[Load], from: &[u8], to: &[u8]) -> String {
        if loads.is_empty() {
            return format!("{}-{}", Kind::Raw.show(from), Kind::Raw.show(to));
        }
        let ends = Self::parts(loads, from).zip(Self::parts(loads, to));
        let parts: Vec<String> = ends
            .map(|((load, low), (_, high))| self.between(load, low, high))
            .collect();
        parts.join(" . ")
    }

    /// One value, a prefix, or `from-to`.
    fn between(&self, load: &Load, low: &[u8], high: &[u8]) -> String {
        if low == high {
            return self.one(load, low);
        }
        let mask: Vec<u8> = low.iter().zip(high).map(|(a, b)| !(a ^ b)).collect();
        let whole = low.iter().zip(&mask).all(|(b, m)| b & !m == 0);
        if load.kind.has_prefix()
            && whole
            && let Some(len) = prefix_len(&mask)
        {
            return format!("{}/{len}", self.one(load, low));
        }
        if load.kind == Kind::Name {
            return format!("\"{}*\"", crate::netlink::attrs::text(low));
        }
        format!("{}-{}", self.one(load, low), self.one(load, high))
    }

    fn one(&self, load: &Load, bytes: &[u8]) -> String {
        if load.kind == Kind::Ifindex
            && let Some(name) =
                super::data::host(bytes).and_then(|n| self.links.get(&u32::try_from(n).ok()?))
        {
            return format!("\"{name}\"");
        }
        load.show(bytes)
    }
}

/// nft's data types (enum datatypes of nftables), six bits each in a concatenation.
fn loads(types: u32, len: usize, swapped: bool) -> Vec<Load> {
    let mut parts = Vec::new();
    let mut left = types;
    while left != 0 {
        parts.insert(0, left & 0x3f);
        left >>= 6;
    }
    let single = parts.len() == 1;
    parts
        .into_iter()
        .map(|number| {
            let (name, kind, size) = super::object::data_type(number);
            let mut load = Load::new(
                name,
                kind,
                if single && len != size * 2 { len } else { size },
            );
            load.swapped = swapped;
            load
        })
        .collect()
}
