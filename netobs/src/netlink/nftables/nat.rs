//! Address translation: what a connection is turned into.

use super::{
    data::Kind,
    expr::{INET, IPV6, Reader, number},
    matching::maybe,
    registers::{Content, Layer, Load},
};

/// `NF_NAT_RANGE_*`.
const FLAGS: [(u32, &str); 3] = [(4, "random"), (16, "fully-random"), (8, "persistent")];
const NETMAP: u32 = 0x40;

/// What a rule turns addresses or ports into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    pub kind: &'static str,
    pub to: String,
}

/// `nat`, `masq`, `redir`, `tproxy`.
pub fn translate(reader: &mut Reader<'_>, name: &str, data: &[u8]) {
    let (kind, text, to) = match name {
        "masq" => {
            let ports = ends(reader, maybe(data, 2), maybe(data, 3), Kind::Port);
            (
                "masquerade",
                with_ports("masquerade", &ports, number(data, 1)),
                ports,
            )
        }
        "redir" => {
            let ports = ends(reader, maybe(data, 1), maybe(data, 2), Kind::Port);
            (
                "redirect",
                with_ports("redirect", &ports, number(data, 3)),
                ports,
            )
        }
        "tproxy" => tproxy(reader, data),
        _ => nat(reader, data),
    };
    let registers: &[u16] = match name {
        "masq" => &[2],
        "redir" => &[1],
        "tproxy" => &[2, 3],
        _ => &[3, 5],
    };
    let loads: Vec<Load> = registers
        .iter()
        .filter_map(|attr| reader.registers.load(maybe(data, *attr)?))
        .cloned()
        .collect();
    reader.nat = Some(Nat { kind, to });
    reader.push(text, &loads);
}

fn with_ports(verb: &str, ports: &str, flags: u32) -> String {
    let to = if ports.is_empty() {
        String::new()
    } else {
        format!(" to :{ports}")
    };
    format!("{verb}{to}{}", flag_words(flags))
}

fn flag_words(flags: u32) -> String {
    let words: Vec<&str> = FLAGS
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" {}", words.join(","))
    }
}

/// `first`, or `first-last` when they differ.
fn ends(reader: &Reader<'_>, first: Option<u32>, last: Option<u32>, kind: Kind) -> String {
    let Some(first) = first else {
        return String::new();
    };
    let low = show(reader, first, kind);
    match last
        .filter(|last| *last != first)
        .map(|last| show(reader, last, kind))
    {
        // A map gives both ends at once: the second register holds no name of its own.
        Some(high) if high != low && !high.starts_with("reg") => format!("{low}-{high}"),
        _ => low,
    }
}

fn show(reader: &Reader<'_>, register: u32, kind: Kind) -> String {
    match reader.registers.get(register) {
        // Ports are two bytes of a register of four.
        Some(Content::Data(bytes)) if kind == Kind::Port => {
            kind.show(bytes.get(..2).unwrap_or(bytes))
        }
        _ => reader.registers.text(register, kind),
    }
}

/// `10.0.0.2:80`, `[fd00::1]:80`.
fn endpoint(address: &str, ports: &str) -> String {
    match (address.is_empty(), ports.is_empty()) {
        (_, true) => address.to_owned(),
        (true, false) => format!(":{ports}"),
        (false, false) if address.contains(':') && !address.contains(' ') => {
            format!("[{address}]:{ports}")
        }
        (false, false) => format!("{address}:{ports}"),
    }
}

/// The family is said where the table has several, or where a map's type would not tell.
fn family(reader: &mut Reader<'_>, family: u32) -> &'static str {
    if reader.family != INET {
        return "";
    }
    reader.forget(Layer::Network);
    if family == u32::from(IPV6) {
        "ip6 "
    } else {
        "ip "
    }
}

fn nat(reader: &mut Reader<'_>, data: &[u8]) -> (&'static str, String, String) {
    let verb = if number(data, 1) == 0 { "snat" } else { "dnat" };
    let address = ends(reader, maybe(data, 3), maybe(data, 4), Kind::Address);
    let from_map = address.contains(" map ");
    let ports = if from_map
        && reader.registers.load(number(data, 5)).is_none()
        && reader.registers.get(number(data, 5)).is_none()
    {
        String::new() // The map gives address and port together.
    } else {
        ends(reader, maybe(data, 5), maybe(data, 6), Kind::Port)
    };
    let flags = number(data, 7);
    let to = endpoint(&address, &ports);
    let mut said = family(reader, number(data, 2));
    let together = from_map && (maybe(data, 5).is_some() || flags & NETMAP != 0);
    if said.is_empty() && together {
        said = if reader.family == IPV6 { "ip6 " } else { "ip " };
    }
    let prefix = if flags & NETMAP != 0 { "prefix " } else { "" };
    let text = format!("{verb} {said}{prefix}to {to}{}", flag_words(flags));
    (verb, text, to)
}

fn tproxy(reader: &mut Reader<'_>, data: &[u8]) -> (&'static str, String, String) {
    let address = ends(reader, maybe(data, 2), None, Kind::Address);
    let ports = ends(reader, maybe(data, 3), None, Kind::Port);
    let to = endpoint(&address, &ports);
    let said = if maybe(data, 2).is_some() {
        family(reader, number(data, 1))
    } else {
        ""
    };
    ("tproxy", format!("tproxy {said}to {to}"), to)
}
