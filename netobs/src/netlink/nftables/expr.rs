//! One rule read expression by expression: registers fill, statements come out.

use super::{
    data::Kind,
    fields::{self, Base},
    keys, lookup, matching,
    nat::{self, Nat},
    object,
    registers::{Content, Layer, Load, Registers, VERDICT},
    sets::{Sets, verdict},
    statements,
};
use crate::netlink::attrs::{Attr, attrs, find};
use crate::netlink::ipset::IpSets;
use crate::netlink::links::LinkNames;
use crate::netlink::xtables::{self, Extension};
use std::collections::HashMap;

/// What a rule refers to.
pub struct World<'a> {
    pub sets: &'a Sets,
    pub links: &'a LinkNames,
    pub ipsets: &'a IpSets,
}

/// The state of reading one rule.
pub struct Reader<'a> {
    pub family: u8,
    pub table: &'a str,
    pub world: &'a World<'a>,
    pub registers: Registers,
    /// 4, 6 or 0x806 (ARP): what the rule has settled, if the family leaves it open.
    network: Option<u16>,
    /// The protocol behind the network header, once settled.
    pub transport: Option<u8>,
    statements: Vec<String>,
    /// Statements that only settle a layer, until a field shows it anyway.
    settles: HashMap<&'static str, usize>,
    pub counters: Option<(u64, u64)>,
    pub nat: Option<Nat>,
    pub comment: Option<String>,
    /// The last statement, if it was `>=`: a `<=` may complete it to a range.
    pub from: Option<(String, String)>,
}

/// `NFPROTO_*`.
pub const INET: u8 = 1;
pub const IPV4: u8 = 2;
pub const ARP: u8 = 3;
pub const IPV6: u8 = 10;

impl<'a> Reader<'a> {
    pub fn new(family: u8, table: &'a str, world: &'a World<'a>) -> Self {
        Self {
            family,
            table,
            world,
            registers: Registers::default(),
            network: None,
            transport: None,
            statements: Vec::new(),
            settles: HashMap::new(),
            counters: None,
            nat: None,
            comment: None,
            from: None,
        }
    }

    pub fn network(&self) -> Option<u16> {
        match self.family {
            IPV4 => Some(4),
            IPV6 => Some(6),
            ARP => Some(0x806),
            _ => self.network,
        }
    }

    /// Reads `NFTA_RULE_EXPRESSIONS`.
    pub fn read(&mut self, expressions: &[u8]) {
        for element in attrs(expressions) {
            let name = element.find(1).map(Attr::text).unwrap_or_default();
            let data = element.find(2).map_or(&[][..], |a| a.value);
            let from = self.from.take();
            self.expression(&name, data, from);
        }
    }

    /// The whole rule.
    pub fn text(&mut self) -> String {
        self.statements.retain(|statement| !statement.is_empty());
        self.statements.join(" ")
    }

    /// Adds a statement about `loads`; a statement that only settled what they show goes.
    pub fn push(&mut self, text: String, loads: &[Load]) {
        for layer in loads.iter().flat_map(|load| load.needs) {
            self.forget(*layer);
        }
        self.statements.push(text);
    }

    /// Drops the statement that settled a layer: what follows says it too.
    pub fn forget(&mut self, layer: Layer) {
        if let Some(at) = self.settles.remove(key(layer))
            && let Some(statement) = self.statements.get_mut(at)
        {
            statement.clear();
        }
    }

    /// Takes back the last statement, to say it in another way.
    pub fn pop(&mut self) {
        self.statements.pop();
    }

    /// The last statement settled a protocol.
    pub fn settle(&mut self, load: &Load, value: &[u8]) {
        let Some(layer) = load.selects else {
            return;
        };
        let number = if load.kind.is_host() {
            super::data::host(value)
        } else {
            super::data::big(value)
        };
        let number = number.unwrap_or(0);
        match layer {
            Layer::Link => {}
            Layer::Transport => self.transport = u8::try_from(number).ok(),
            Layer::Network => {
                self.network = match number {
                    2 | 0x800 => Some(4),
                    10 | 0x86dd => Some(6),
                    0x806 => Some(0x806),
                    _ => None,
                }
            }
        }
        // nft keeps `ip protocol tcp` beside `tcp dport`: somebody wrote it.
        if !load.text.starts_with("ip") {
            self.settles
                .insert(key(layer), self.statements.len().saturating_sub(1));
        }
    }

    /// A value as its load would show it; an interface by its name.
    pub fn value(&self, load: &Load, bytes: &[u8]) -> String {
        if load.kind == Kind::Ifindex {
            return self.link(bytes);
        }
        load.show(bytes)
    }

    pub fn link(&self, bytes: &[u8]) -> String {
        let index = super::data::host(bytes).and_then(|n| u32::try_from(n).ok());
        let name = index.and_then(|index| self.world.links.get(&index));
        match (name, index) {
            (Some(name), _) => format!("\"{name}\""),
            (None, Some(index)) => index.to_string(),
            (None, None) => super::data::raw(bytes),
        }
    }

    fn expression(&mut self, name: &str, data: &[u8], from: Option<(String, String)>) {
        match name {
            "payload" => self.payload(data),
            "meta" => self.meta(data),
            "ct" => self.conntrack(data),
            "rt" => self.load_into(number(data, 1), keys::rt(number(data, 2)), "rt"),
            "socket" => {
                let key = keys::socket(number(data, 1));
                self.load_into(number(data, 2), key, "socket");
            }
            "fib" => {
                let (text, kind) = keys::fib(number(data, 2), number(data, 3));
                self.registers
                    .set(number(data, 1), Content::Load(Load::new(text, kind, 4)));
            }
            "exthdr" => self.option(data),
            "immediate" => self.immediate(data),
            "cmp" => matching::cmp(self, data, from),
            "range" => matching::range(self, data),
            "bitwise" => matching::bitwise(self, data),
            "byteorder" => matching::byteorder(self, data),
            "lookup" => lookup::lookup(self, data),
            "dynset" => lookup::dynset(self, data),
            "numgen" | "hash" | "osf" | "xfrm" => statements::computed(self, name, data),
            "nat" | "masq" | "redir" | "tproxy" => nat::translate(self, name, data),
            "objref" => object::reference(self, data),
            "match" => self.extension(data, false),
            "target" => self.extension(data, true),
            _ => statements::statement(self, name, data),
        }
    }

    fn payload(&mut self, data: &[u8]) {
        let (base, offset, len) = (Base::of(number(data, 2)), number(data, 3), number(data, 4));
        if find(data, 5).is_some() {
            return matching::write_payload(self, data, base, offset, len);
        }
        let load = fields::payload(self, base, offset, len);
        self.registers.set(number(data, 1), Content::Load(load));
    }

    /// `meta` loads or sets by key.
    fn meta(&mut self, data: &[u8]) {
        let key = number(data, 2);
        let (text, kind) = keys::meta(key).map_or_else(
            || (format!("meta key {key}"), Kind::Raw),
            |(text, kind)| (text.to_owned(), kind),
        );
        if let Some(source) = matching::maybe(data, 3) {
            let value = self.registers.text(source, kind);
            return self.push(format!("{text} set {value}"), &[]);
        }
        let mut load = Load::new(text, kind, meta_len(key));
        load.selects = match key {
            8 => Some(Layer::Link),
            1 | 15 => Some(Layer::Network),
            16 => Some(Layer::Transport),
            _ => None,
        };
        self.registers.set(number(data, 1), Content::Load(load));
    }

    fn conntrack(&mut self, data: &[u8]) {
        let key = number(data, 2);
        let direction = match find(data, 3).and_then(Attr::u8) {
            Some(0) if key != 10 => "original ",
            Some(1) if key != 10 => "reply ",
            _ => "",
        };
        let (text, kind) = keys::ct(key).map_or_else(
            || (format!("ct key {key}"), Kind::Raw),
            |(text, kind)| (format!("ct {direction}{text}"), kind),
        );
        if find(data, 4).is_some() {
            let value = self.registers.text(number(data, 4), kind);
            return self.push(format!("{text} set {value}"), &[]);
        }
        let len = match key {
            1 | 7 | 10 => 1,
            11 | 12 | 17 => 2,
            6 | 13 | 21 | 22 => 16,
            8 | 9 if self.network() == Some(6) => 16,
            14..=16 => 8,
            _ => 4,
        };
        self.registers
            .set(number(data, 1), Content::Load(Load::new(text, kind, len)));
    }

    fn load_into(&mut self, register: u32, key: Option<keys::Key>, name: &str) {
        let (text, kind) = key.unwrap_or((name, Kind::Raw));
        let len = match text {
            "rt ip6 nexthop" => 16,
            "rt mtu" => 2,
            "socket transparent" | "socket wildcard" => 1,
            _ => 4,
        };
        self.registers
            .set(register, Content::Load(Load::new(text, kind, len)));
    }

    fn option(&mut self, data: &[u8]) {
        let load = fields::exthdr(data);
        if find(data, 7).is_some() {
            let value = self.registers.text(number(data, 7), Kind::Big);
            return self.push(format!("{} set {value}", load.text), &[]);
        }
        match find(data, 1) {
            Some(_) => self.registers.set(number(data, 1), Content::Load(load)),
            None => self.push(format!("reset {}", load.text), &[]),
        }
    }

    fn immediate(&mut self, data: &[u8]) {
        let register = number(data, 1);
        let value = find(data, 2);
        if register == VERDICT {
            let verdict = value
                .and_then(|v| v.find(2))
                .map(verdict)
                .unwrap_or_default();
            return self.push(verdict, &[]);
        }
        let bytes = value.and_then(|v| v.find(1)).map(|a| a.value.to_vec());
        self.registers
            .set(register, Content::Data(bytes.unwrap_or_default()));
    }

    /// `match` and `target`: extensions of iptables.
    fn extension(&mut self, data: &[u8], target: bool) {
        let name = find(data, 1).map(Attr::text).unwrap_or_default();
        let revision = number(data, 2);
        let info = find(data, 3).map_or(&[][..], |a| a.value);
        let extension = Extension {
            name: &name,
            revision,
            info,
            v6: self.family == IPV6,
            sets: self.world.ipsets,
        };
        if target {
            let told = xtables::target(&extension);
            if let Some((kind, to)) = &told.nat {
                self.nat = Some(Nat {
                    kind,
                    to: to.clone(),
                });
            }
            self.push(told.text, &[]);
        } else if name == "comment" {
            self.comment = Some(crate::netlink::attrs::text(info));
        } else {
            let told = xtables::matched(&extension);
            self.push(told, &[]);
        }
    }
}

const fn key(layer: Layer) -> &'static str {
    match layer {
        Layer::Link => "link",
        Layer::Network => "network",
        Layer::Transport => "transport",
    }
}

/// A number of netfilter, 0 when it is not there.
pub fn number(data: &[u8], kind: u16) -> u32 {
    find(data, kind).and_then(Attr::be32).unwrap_or(0)
}

/// Bytes that a meta key takes in its register.
const fn meta_len(key: u32) -> usize {
    match key {
        6 | 7 | 17 | 18 | 26 | 27 | 34 => 16,
        15 | 16 | 19 | 25 | 31 => 1,
        1 | 8 | 9 | 28 | 29 => 2,
        30 => 8,
        _ => 4,
    }
}
