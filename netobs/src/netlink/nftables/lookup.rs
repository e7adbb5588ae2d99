//! Sets and maps in a rule: `tcp dport { 80, 443 }`, `ip saddr @allowed`, `vmap`, and sets that rules fill.

use super::{
    data::duration,
    expr::{Reader, number},
    matching::{masked_text, maybe},
    registers::{Content, Layer, Load, VERDICT},
    sets::{Set, Shape},
    statements,
};
use crate::netlink::attrs::{Attr, attrs, find};
use std::fmt::Write as _;

fn set_of<'a>(reader: &Reader<'a>, name: &str) -> Option<&'a Set> {
    reader
        .world
        .sets
        .get(&(reader.family, reader.table.to_owned(), name.to_owned()))
}

/// The loads of a key, and how they read: `ip saddr . tcp dport`.
fn key(reader: &Reader<'_>, register: u32, set: Option<&Set>) -> (Vec<Load>, String) {
    let len = set.map_or(1, |set| set.key_len);
    let loads = reader.registers.span(register, len);
    let texts: Vec<String> = loads.iter().map(masked_text).collect();
    if texts.is_empty() {
        return (loads, format!("reg{register}"));
    }
    (loads, texts.join(" . "))
}

/// `@name`, or the elements of a set that only this rule uses.
fn shown(reader: &Reader<'_>, name: &str, set: Option<&Set>, keys: &[Load]) -> String {
    let Some(set) = set.filter(|set| set.is_anonymous()) else {
        return format!("@{name}");
    };
    let data = set.data_loads();
    let shape = Shape {
        keys,
        data: &data,
        links: reader.world.links,
    };
    format!("{{ {} }}", set.shown(&shape).join(", "))
}

/// `lookup`.
pub fn lookup(reader: &mut Reader<'_>, data: &[u8]) {
    let name = find(data, 1).map(Attr::text).unwrap_or_default();
    let set = set_of(reader, &name);
    let (loads, text) = key(reader, number(data, 2), set);
    let elements = shown(reader, &name, set, &loads);
    match maybe(data, 3) {
        None => {
            let not = if number(data, 5) & 1 != 0 { "!= " } else { "" };
            reader.push(format!("{text} {not}{elements}"), &loads);
        }
        Some(VERDICT) => reader.push(format!("{text} vmap {elements}"), &loads),
        Some(register) => {
            let types = set.map(Set::data_loads).unwrap_or_default();
            let len = set.map_or(4, |set| set.data_len);
            let kind = match types.as_slice() {
                [one] => one.kind,
                _ => super::data::Kind::Raw,
            };
            let mut load = Load::new(format!("{text} map {elements}"), kind, len);
            load.needs = union(&loads);
            reader.registers.set(register, Content::Load(load));
        }
    }
}

/// What several loads show to be settled.
fn union(loads: &[Load]) -> &'static [Layer] {
    let any = |layer| loads.iter().any(|load| load.needs.contains(&layer));
    match (any(Layer::Network), any(Layer::Transport)) {
        (true, true) => &[Layer::Network, Layer::Transport],
        (true, false) => &[Layer::Network],
        (false, true) => &[Layer::Transport],
        (false, false) => &[],
    }
}

/// `dynset`: the rule fills a set, with a timeout or a meter on each element.
pub fn dynset(reader: &mut Reader<'_>, data: &[u8]) {
    let name = find(data, 1).map(Attr::text).unwrap_or_default();
    let set = set_of(reader, &name);
    let verb = match number(data, 3) {
        0 => "add",
        1 => "update",
        2 => "delete",
        _ => "dynset",
    };
    let (loads, mut text) = key(reader, number(data, 4), set);
    if let Some(ms) = find(data, 6).and_then(Attr::be64).filter(|ms| *ms != 0) {
        _ = write!(text, " timeout {}", duration(ms));
    }
    let one = find(data, 7).map(|a| a.value);
    let several = find(data, 10)
        .into_iter()
        .flat_map(|list| attrs(list.value))
        .map(|a| a.value);
    for expression in one.into_iter().chain(several) {
        let name = find(expression, 1).map(Attr::text).unwrap_or_default();
        let data = find(expression, 2).map_or(&[][..], |a| a.value);
        _ = write!(text, " {}", statements::words(reader, &name, data));
    }
    if let Some(register) = maybe(data, 5) {
        let kind = set
            .map(Set::data_loads)
            .and_then(|loads| loads.first().map(|l| l.kind));
        let value = reader
            .registers
            .text(register, kind.unwrap_or(super::data::Kind::Raw));
        _ = write!(text, " : {value}");
    }
    reader.push(format!("{verb} @{name} {{ {text} }}"), &loads);
}
