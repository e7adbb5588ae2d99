//! Named counters, quotas, limits and helpers; and nft's data types by number.

use super::{
    data::Kind,
    expr::{Reader, number},
    headers::TCP_FLAGS,
    keys::CT_STATE,
    matching::masked_text,
    sets::Shape,
    statements,
};
use crate::netlink::attrs::{Attr, attrs, find};

/// A stateful object: its name and what it says of itself.
#[derive(Clone, Debug, Default)]
pub struct Object {
    pub family: u8,
    pub table: String,
    pub name: String,
    pub handle: u64,
    pub kind: &'static str,
    pub text: String,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
}

const fn kind(number: u32) -> &'static str {
    match number {
        1 => "counter",
        2 => "quota",
        3 => "ct helper",
        4 => "limit",
        5 => "ct count",
        6 => "tunnel",
        7 => "ct timeout",
        8 => "secmark",
        9 => "ct expectation",
        10 => "synproxy",
        _ => "object",
    }
}

/// `objref`: a rule uses a named object, perhaps chosen by a map.
pub fn reference(reader: &mut Reader<'_>, data: &[u8]) {
    let set = |kind: &'static str| {
        if kind.starts_with("ct ") && kind != "ct count" {
            " set"
        } else {
            " name"
        }
    };
    if let Some(name) = find(data, 2).map(Attr::text) {
        let kind = kind(number(data, 1));
        return reader.push(format!("{kind}{} \"{name}\"", set(kind)), &[]);
    }
    let name = find(data, 4).map(Attr::text).unwrap_or_default();
    let known = reader
        .world
        .sets
        .get(&(reader.family, reader.table.to_owned(), name.clone()));
    let loads = reader
        .registers
        .span(number(data, 3), known.map_or(1, |set| set.key_len));
    let key: Vec<String> = loads.iter().map(masked_text).collect();
    let elements = match known.filter(|set| set.is_anonymous()) {
        Some(set) => {
            let shape = Shape {
                keys: &loads,
                data: &[],
                links: reader.world.links,
            };
            format!("{{ {} }}", set.shown(&shape).join(", "))
        }
        None => format!("@{name}"),
    };
    let kind = known.map_or("object", |set| kind(set.object));
    reader.push(
        format!("{kind} name {} map {elements}", key.join(" . ")),
        &loads,
    );
}

/// `NFT_MSG_NEWOBJ`.
pub fn decode(family: u8, payload: &[u8]) -> Object {
    let mut object = Object {
        family,
        kind: "object",
        ..Object::default()
    };
    let mut data: &[u8] = &[];
    for attr in attrs(payload) {
        match attr.kind {
            1 => object.table = attr.text(),
            2 => object.name = attr.text(),
            3 => object.kind = kind(attr.be32().unwrap_or(0)),
            4 => data = attr.value,
            6 => object.handle = attr.be64().unwrap_or(0),
            _ => {}
        }
    }
    match object.kind {
        "counter" => {
            object.bytes = find(data, 1).and_then(Attr::be64);
            object.packets = find(data, 2).and_then(Attr::be64);
        }
        "quota" => {
            let used = find(data, 4).and_then(Attr::be64).unwrap_or(0);
            object.text = format!(
                "{} used {}",
                statements::quota(data),
                statements::amount(used)
            );
        }
        "ct helper" => object.text = find(data, 1).map(Attr::text).unwrap_or_default(),
        _ => {}
    }
    object
}

const STATE: Kind = Kind::Names(&CT_STATE);
const FLAGS: Kind = Kind::Names(&TCP_FLAGS);

/// Name, kind and length of an nft data type.
pub fn data_type(number: u32) -> (&'static str, Kind, usize) {
    match number {
        5 => ("string", Kind::Name, 16),
        7 => ("ipv4_addr", Kind::Address, 4),
        8 => ("ipv6_addr", Kind::Address, 16),
        9 => ("ether_addr", Kind::Mac, 6),
        10 => ("ether_type", Kind::EtherType, 2),
        12 => ("inet_proto", Kind::Protocol, 1),
        13 => ("inet_service", Kind::Port, 2),
        14 => ("icmp_type", Kind::Big, 1),
        15 => ("tcp_flag", FLAGS, 1),
        18 => ("time", Kind::Time, 8),
        19 => ("mark", Kind::Mark, 4),
        20 => ("iface_index", Kind::Ifindex, 4),
        22 => ("realm", Kind::Host, 4),
        23 => ("classid", Kind::Class, 4),
        24 => ("uid", Kind::Host, 4),
        25 => ("gid", Kind::Host, 4),
        26 => ("ct_state", STATE, 4),
        29 => ("icmpv6_type", Kind::Big, 1),
        35 => ("devgroup", Kind::Host, 4),
        41 => ("ifname", Kind::Name, 16),
        4 => ("integer", Kind::Big, 4),
        _ => ("data", Kind::Raw, 4),
    }
}
