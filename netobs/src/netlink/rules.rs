//! The routing policy: which packets ask which routing table, in order.

use super::{
    attrs::{Attr, array, behind, u16_at, u32_at},
    families::{self, any, family_name},
    names::{Names, ip_protocol, named},
    socket::{Dump, Error, Socket},
};
use serde::Serialize;
use std::net::IpAddr;

const RTM_GETRULE: u16 = 34;
/// `struct fib_rule_hdr`.
const HEADER: usize = 12;
const FIB_RULE_INVERT: u32 = 2;

/// A rule of the routing policy.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rule {
    pub family: &'static str,
    pub priority: u32,
    /// The rule matches what the selectors do not.
    pub not: bool,
    pub from: Option<String>,
    pub to: Option<String>,
    pub iif: Option<String>,
    pub oif: Option<String>,
    pub fwmark: Option<u32>,
    pub fwmask: Option<u32>,
    pub tos: Option<u8>,
    pub ipproto: Option<String>,
    pub sport: Option<String>,
    pub dport: Option<String>,
    pub uidrange: Option<String>,
    pub tun_id: Option<u64>,
    /// The table of the VRF that the packet belongs to.
    pub l3mdev: bool,
    /// `lookup`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit`.
    pub action: String,
    pub table: Option<String>,
    pub table_id: Option<u32>,
    pub goto: Option<u32>,
    /// Routes with a prefix this short or shorter do not count.
    pub suppress_prefixlength: Option<u32>,
    pub suppress_ifgroup: Option<u32>,
    pub proto: Option<String>,
    /// The interface named does not exist, or the rule jumped to does not.
    pub detached: bool,
}

pub fn all(socket: &mut Socket) -> Result<Dump<Rule>, Error> {
    let (tables, protocols) = (Names::tables(), Names::protocols());
    let decode = |payload: &[u8]| decode(payload, &tables, &protocols);
    families::dump::<_, HEADER>(socket, "list the routing rules", RTM_GETRULE, decode)
}

const ACTIONS: [&str; 9] = [
    "unspec",
    "lookup",
    "goto",
    "nop",
    "res3",
    "res4",
    "blackhole",
    "unreachable",
    "prohibit",
];

fn decode(payload: &[u8], tables: &Names, protocols: &Names) -> Option<Rule> {
    let [family, dst_len, src_len, tos, table, _, _, action, ..] = *payload else {
        return None;
    };
    let flags = u32_at(payload, 8)?;
    let mut table = u32::from(table);
    let name = family_name(family)?;
    let mut rule = Rule {
        family: name,
        not: flags & FIB_RULE_INVERT != 0,
        from: (src_len > 0).then(|| prefix(any(name), src_len)),
        to: (dst_len > 0).then(|| prefix(any(name), dst_len)),
        tos: (tos != 0).then_some(tos),
        action: named(&ACTIONS, action),
        // FIB_RULE_DEV_DETACHED, FIB_RULE_OIF_DETACHED, FIB_RULE_UNRESOLVED
        detached: flags & (0x4 | 0x8 | 0x10) != 0,
        ..Rule::default()
    };
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => rule.to = attr.ip().map(|ip| prefix(ip, dst_len)),
            2 => rule.from = attr.ip().map(|ip| prefix(ip, src_len)),
            15 => table = attr.u32().unwrap_or(table),
            21 => rule.proto = attr.u8().map(|n| protocols.of(u32::from(n))),
            _ => selector(&mut rule, attr),
        }
    }
    if rule.action == "lookup" && !rule.l3mdev {
        rule.table = Some(tables.of(table));
        rule.table_id = Some(table);
    }
    Some(rule)
}

fn selector(rule: &mut Rule, attr: Attr<'_>) {
    match attr.kind {
        3 => rule.iif = Some(attr.text()),
        4 => rule.goto = attr.u32(),
        6 => rule.priority = attr.u32().unwrap_or(0),
        10 => rule.fwmark = attr.u32(),
        12 => rule.tun_id = attr.be64(),
        13 => rule.suppress_ifgroup = attr.u32().filter(|n| *n != u32::MAX),
        14 => rule.suppress_prefixlength = attr.u32().filter(|n| *n != u32::MAX),
        16 => rule.fwmask = attr.u32(),
        17 => rule.oif = Some(attr.text()),
        19 => rule.l3mdev = attr.u8() == Some(1),
        20 => {
            rule.uidrange =
                range(array::<8>(attr.value, 0).map(|b| (u32_at(&b, 0), u32_at(&b, 4))));
        }
        22 => rule.ipproto = attr.u8().map(ip_protocol),
        23 => rule.sport = ports(attr.value),
        24 => rule.dport = ports(attr.value),
        _ => {}
    }
}

fn ports(bytes: &[u8]) -> Option<String> {
    range(Some((u16_at(bytes, 0), u16_at(bytes, 2))))
}

/// `80` or `80-90`.
fn range<T: PartialEq + ToString>(ends: Option<(Option<T>, Option<T>)>) -> Option<String> {
    let (Some(first), Some(last)) = ends? else {
        return None;
    };
    Some(if first == last {
        first.to_string()
    } else {
        format!("{}-{}", first.to_string(), last.to_string())
    })
}

/// `10.0.0.0/8`; one address alone has no length.
pub fn prefix(ip: IpAddr, len: u8) -> String {
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    if len == whole {
        ip.to_string()
    } else {
        format!("{ip}/{len}")
    }
}
