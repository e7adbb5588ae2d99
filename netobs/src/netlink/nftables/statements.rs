//! Statements that do something: count, limit, log, reject, queue and the rest.

use super::{
    data::{Kind, duration},
    expr::{INET, Reader, number},
    headers::{ICMP_CODE, ICMP6_CODE},
    matching::maybe,
    registers::{Content, Layer, Load},
};
use crate::netlink::attrs::{Attr, find};
use std::fmt::Write as _;

/// Adds a statement to the rule.
pub fn statement(reader: &mut Reader<'_>, name: &str, data: &[u8]) {
    match name {
        "counter" => {
            let count = |kind| find(data, kind).and_then(Attr::be64).unwrap_or(0);
            reader.counters.get_or_insert((count(2), count(1)));
        }
        // nft leaves out the family that the code shows.
        "reject" if number(data, 1) == 0 && reader.family >= INET => reader.forget(Layer::Network),
        _ => {}
    }
    let words = words(reader, name, data);
    reader.push(words, &[]);
}

/// A statement in words.
pub fn words(reader: &Reader<'_>, name: &str, data: &[u8]) -> String {
    match name {
        "counter" => "counter".to_owned(),
        "limit" => limit(data),
        "quota" => quota(data),
        "connlimit" => {
            let over = if number(data, 2) & 1 != 0 {
                "over "
            } else {
                ""
            };
            format!("ct count {over}{}", number(data, 1))
        }
        "last" => last(data),
        "log" => log(data),
        "reject" => reject(reader, data),
        "queue" => queue(reader, data),
        "notrack" => "notrack".to_owned(),
        "flow_offload" => format!(
            "flow add @{}",
            find(data, 1).map(Attr::text).unwrap_or_default()
        ),
        "synproxy" => synproxy(data),
        "dup" => duplicate(reader, data),
        "fwd" => forward(reader, data),
        // Not known: told by its name, so that nobody takes the rule for something else.
        other => format!("[{other}]"),
    }
}

fn limit(data: &[u8]) -> String {
    let rate = find(data, 1).and_then(Attr::be64).unwrap_or(0);
    let unit = match find(data, 2).and_then(Attr::be64) {
        Some(1) => "second".to_owned(),
        Some(60) => "minute".to_owned(),
        Some(3_600) => "hour".to_owned(),
        Some(86_400) => "day".to_owned(),
        Some(604_800) => "week".to_owned(),
        other => format!("{}s", other.unwrap_or(0)),
    };
    let (burst, of_bytes) = (number(data, 3), number(data, 4) == 1);
    let over = if number(data, 5) & 1 != 0 {
        "over "
    } else {
        ""
    };
    let mut text = if of_bytes {
        format!("limit rate {over}{}/{unit}", amount(rate))
    } else {
        format!("limit rate {over}{rate}/{unit}")
    };
    // Five is what nft sets by itself.
    if burst != 0 && burst != 5 {
        let burst = if of_bytes {
            amount(u64::from(burst))
        } else {
            format!("{burst} packets")
        };
        _ = write!(text, " burst {burst}");
    }
    text
}

/// `10 mbytes`.
pub fn amount(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        n if n % (1 << 20) == 0 => format!("{} mbytes", n >> 20),
        n if n % (1 << 10) == 0 => format!("{} kbytes", n >> 10),
        n => format!("{n} bytes"),
    }
}

pub fn quota(data: &[u8]) -> String {
    let over = if number(data, 2) & 1 != 0 {
        "over "
    } else {
        ""
    };
    let limit = find(data, 1).and_then(Attr::be64).unwrap_or(0);
    format!("quota {over}{}", amount(limit))
}

fn last(data: &[u8]) -> String {
    match (maybe(data, 1), find(data, 2).and_then(Attr::be64)) {
        (Some(set), Some(ms)) if set != 0 => format!("last used {}", duration(ms)),
        _ => "last used never".to_owned(),
    }
}

fn log(data: &[u8]) -> String {
    const LEVELS: [&str; 9] = [
        "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit",
    ];
    const ALL: u32 = 0x2f;
    let mut text = "log".to_owned();
    let mut add = |words: String| {
        text.push(' ');
        text.push_str(&words);
    };
    if let Some(prefix) = find(data, 2).map(Attr::text).filter(|p| !p.is_empty()) {
        add(format!("prefix \"{prefix}\""));
    }
    let half = |kind| find(data, kind).and_then(Attr::be16);
    if let Some(group) = half(1) {
        add(format!("group {group}"));
        if let Some(snaplen) = maybe(data, 3).filter(|n| *n != 0) {
            add(format!("snaplen {snaplen}"));
        }
        if let Some(threshold) = half(4).filter(|n| *n != 0) {
            add(format!("queue-threshold {threshold}"));
        }
    } else if let Some(level) = maybe(data, 5).filter(|level| *level != 4) {
        let name = LEVELS.get(level as usize).copied().unwrap_or("?");
        add(format!("level {name}"));
    }
    match number(data, 6) & ALL {
        ALL => add("flags all".to_owned()),
        flags => {
            match flags & 3 {
                1 => add("flags tcp sequence".to_owned()),
                2 => add("flags tcp options".to_owned()),
                3 => add("flags tcp sequence,options".to_owned()),
                _ => {}
            }
            for (bit, name) in [(4, "ip options"), (8, "skuid"), (0x20, "ether")] {
                if flags & bit != 0 {
                    add(format!("flags {name}"));
                }
            }
        }
    }
    text
}

fn reject(reader: &Reader<'_>, data: &[u8]) -> String {
    const ICMPX: [&str; 4] = [
        "no-route",
        "port-unreachable",
        "host-unreachable",
        "admin-prohibited",
    ];
    const PORT: u8 = 3;
    let code = find(data, 2).and_then(Attr::u8).unwrap_or(0);
    let (kind, v6) = (number(data, 1), reader.network() == Some(6));
    match kind {
        1 => "reject with tcp reset".to_owned(),
        2 if code == 1 => "reject".to_owned(),
        2 => format!(
            "reject with icmpx {}",
            ICMPX.get(usize::from(code)).unwrap_or(&"?")
        ),
        0 if v6 && code == 4 && reader.family != INET => "reject".to_owned(),
        0 if !v6 && code == PORT && reader.family != INET => "reject".to_owned(),
        0 if v6 => format!(
            "reject with icmpv6 {}",
            Kind::Names(&ICMP6_CODE).show(&[code])
        ),
        0 => format!("reject with icmp {}", Kind::Names(&ICMP_CODE).show(&[code])),
        other => format!("reject type {other} code {code}"),
    }
}

fn queue(reader: &Reader<'_>, data: &[u8]) -> String {
    let half = |kind| find(data, kind).and_then(Attr::be16);
    let mut flags = Vec::new();
    let bits = half(3).unwrap_or(0);
    if bits & 1 != 0 {
        flags.push("bypass");
    }
    if bits & 2 != 0 {
        flags.push("fanout");
    }
    let flags = if flags.is_empty() {
        String::new()
    } else {
        format!(" flags {}", flags.join(","))
    };
    let to = match (maybe(data, 4), half(1), half(2)) {
        (Some(register), ..) => reader.registers.text(register, Kind::Host),
        (None, Some(first), Some(total)) if total > 1 => {
            format!("{first}-{}", u32::from(first) + u32::from(total) - 1)
        }
        (None, first, _) => first.unwrap_or(0).to_string(),
    };
    format!("queue{flags} to {to}")
}

fn synproxy(data: &[u8]) -> String {
    let mut text = "synproxy".to_owned();
    let flags = number(data, 3);
    if flags & 1 != 0 {
        _ = write!(
            text,
            " mss {}",
            find(data, 1).and_then(Attr::be16).unwrap_or(0)
        );
    }
    if flags & 2 != 0 {
        _ = write!(
            text,
            " wscale {}",
            find(data, 2).and_then(Attr::u8).unwrap_or(0)
        );
    }
    for (bit, name) in [(8, " timestamp"), (4, " sack-perm")] {
        if flags & bit != 0 {
            text.push_str(name);
        }
    }
    text
}

/// The device in a register.
fn device(reader: &Reader<'_>, register: u32) -> String {
    match reader.registers.get(register) {
        Some(Content::Data(bytes)) => reader.link(bytes),
        _ => reader.registers.text(register, Kind::Host),
    }
}

fn duplicate(reader: &Reader<'_>, data: &[u8]) -> String {
    match (maybe(data, 1), maybe(data, 2)) {
        (Some(addr), Some(dev)) => format!(
            "dup to {} device {}",
            reader.registers.text(addr, Kind::Address),
            device(reader, dev)
        ),
        (Some(addr), None) => format!("dup to {}", reader.registers.text(addr, Kind::Address)),
        (None, dev) => format!("dup to {}", device(reader, dev.unwrap_or(0))),
    }
}

fn forward(reader: &Reader<'_>, data: &[u8]) -> String {
    let dev = device(reader, number(data, 1));
    match maybe(data, 2) {
        Some(addr) => {
            let family = if number(data, 3) == 10 { "ip6" } else { "ip" };
            format!(
                "fwd {family} to {} device {dev}",
                reader.registers.text(addr, Kind::Address)
            )
        }
        None => format!("fwd to {dev}"),
    }
}

/// `numgen`, `hash`, `osf`, `xfrm`: values that are made, not found in the packet.
pub fn computed(reader: &mut Reader<'_>, name: &str, data: &[u8]) {
    let offset = |kind| match number(data, kind) {
        0 => String::new(),
        n => format!(" offset {n}"),
    };
    let (register, load) = match name {
        "numgen" => {
            let how = if number(data, 3) == 0 {
                "inc"
            } else {
                "random"
            };
            let text = format!("numgen {how} mod {}{}", number(data, 2), offset(4));
            (1, Load::new(text, Kind::Host, 4))
        }
        "osf" => (1, Load::new("osf name", Kind::Name, 16)),
        "xfrm" => (1, ipsec(data)),
        _ if number(data, 7) == 1 => {
            let text = format!("symhash mod {}{}", number(data, 4), offset(6));
            (2, Load::new(text, Kind::Host, 4))
        }
        _ => (2, hashed(reader, data, &offset(6))),
    };
    reader
        .registers
        .set(number(data, register), Content::Load(load));
}

fn hashed(reader: &Reader<'_>, data: &[u8], offset: &str) -> Load {
    let loads = reader
        .registers
        .span(number(data, 1), number(data, 3) as usize);
    let of: Vec<&str> = loads.iter().map(|l| l.text.as_str()).collect();
    let seed = maybe(data, 5)
        .map(|seed| format!(" seed {seed:#x}"))
        .unwrap_or_default();
    let text = format!(
        "jhash {} mod {}{seed}{offset}",
        of.join(" . "),
        number(data, 4)
    );
    let mut load = Load::new(text, Kind::Host, 4);
    load.needs = loads.first().map_or(&[], |l| l.needs);
    load
}

/// `ipsec in reqid`: `NFT_XFRM_KEY_*`.
fn ipsec(data: &[u8]) -> Load {
    let side = if find(data, 3).and_then(Attr::u8) == Some(1) {
        "out"
    } else {
        "in"
    };
    let (name, kind, len) = match number(data, 2) {
        1 => ("ip daddr", Kind::Address, 4),
        2 => ("ip6 daddr", Kind::Address, 16),
        3 => ("ip saddr", Kind::Address, 4),
        4 => ("ip6 saddr", Kind::Address, 16),
        5 => ("reqid", Kind::Host, 4),
        6 => ("spi", Kind::Big, 4),
        _ => ("key", Kind::Raw, 4),
    };
    let number = match number(data, 4) {
        0 => String::new(),
        n => format!("spnum {n} "),
    };
    Load::new(format!("ipsec {side} {number}{name}"), kind, len)
}
