//! Routes of all tables, with their next hops.

use super::{
    attrs::{Attr, attrs, behind, u16_at, u32_at},
    families::{self, any, family_name},
    names::{Names, bits, route_type, scope},
    rules::prefix,
    socket::{Dump, Error, Socket},
};
use crate::netlink::links::LinkNames;
use serde::Serialize;
use std::net::IpAddr;

pub const RTM_GETROUTE: u16 = 26;
/// `struct rtmsg`.
pub const HEADER: usize = 12;

/// A route, or the answer to a lookup.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Route {
    pub family: &'static str,
    pub table: String,
    pub table_id: u32,
    /// `unicast` `local` `broadcast` `blackhole` `unreachable` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// `default`, an address or a prefix.
    pub dst: String,
    /// Only packets from here (IPv6 subtrees, answers to a lookup).
    pub from: Option<String>,
    pub gateway: Option<IpAddr>,
    pub dev: Option<String>,
    pub proto: String,
    pub scope: String,
    /// The source address it suggests (`prefsrc`).
    pub src: Option<IpAddr>,
    pub metric: Option<u32>,
    pub tos: Option<u8>,
    /// `linkdown` `dead` `onlink` `pervasive` `offload` ...
    pub flags: Vec<String>,
    /// IPv6 router preference: `low` `medium` `high`.
    pub pref: Option<&'static str>,
    pub mtu: Option<u32>,
    pub advmss: Option<u32>,
    /// Other values the route sets: `window 65535`, `initcwnd 10` ...
    pub metrics: Vec<String>,
    /// Encapsulation: `mpls`, `ip`, `ip6`, `seg6` ...
    pub encap: Option<String>,
    pub mark: Option<u32>,
    pub uid: Option<u32>,
    pub iif: Option<String>,
    /// Number of the next hop object.
    pub nhid: Option<u32>,
    /// Seconds until it goes.
    pub expires_s: Option<u32>,
    /// More than one: the load is shared by weight.
    pub nexthops: Vec<NextHop>,
}

/// One of several ways on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NextHop {
    pub gateway: Option<IpAddr>,
    pub dev: Option<String>,
    pub weight: u32,
    pub flags: Vec<String>,
    pub encap: Option<String>,
}

/// What numbers stand for while routes are decoded.
pub struct Context<'a> {
    pub links: &'a LinkNames,
    pub tables: Names,
    pub protocols: Names,
}

impl<'a> Context<'a> {
    pub fn new(links: &'a LinkNames) -> Self {
        Self {
            links,
            tables: Names::tables(),
            protocols: Names::protocols(),
        }
    }

    fn link(&self, index: u32) -> String {
        self.links
            .get(&index)
            .cloned()
            .unwrap_or_else(|| format!("if{index}"))
    }
}

/// All tables of both families.
pub fn all(socket: &mut Socket, links: &LinkNames) -> Result<Dump<Route>, Error> {
    let context = Context::new(links);
    let decode = |payload: &[u8]| decode(payload, &context);
    families::dump::<_, HEADER>(socket, "list the routes", RTM_GETROUTE, decode)
}

const FLAGS: [(u32, &str); 11] = [
    (0x1, "dead"),
    (0x2, "pervasive"),
    (0x4, "onlink"),
    (0x8, "offload"),
    (0x10, "linkdown"),
    (0x20, "unresolved"),
    (0x40, "trap"),
    (0x100, "notify"),
    (0x200, "cloned"),
    (0x400, "equalize"),
    (0x4000, "rt_offload"),
];

pub fn decode(payload: &[u8], context: &Context<'_>) -> Option<Route> {
    let [
        family,
        dst_len,
        src_len,
        tos,
        table,
        proto,
        scope_number,
        kind,
        ..,
    ] = *payload
    else {
        return None;
    };
    let flags = u32_at(payload, 8)?;
    let mut route = Route {
        family: family_name(family)?,
        table_id: u32::from(table),
        kind: route_type(kind),
        proto: context.protocols.of(u32::from(proto)),
        scope: scope(scope_number),
        tos: (tos != 0).then_some(tos),
        // RTM_F_LOOKUP_TABLE, RTM_F_PREFIX, RTM_F_FIB_MATCH are no properties of the route.
        flags: bits(&FLAGS, flags & !0x3800),
        dst: "default".to_owned(),
        ..Route::default()
    };
    if dst_len > 0 {
        route.dst = prefix(any(route.family), dst_len);
    }
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => route.dst = attr.ip().map(|ip| prefix(ip, dst_len)).unwrap_or_default(),
            2 => route.from = attr.ip().map(|ip| prefix(ip, src_len)),
            9 => route.nexthops = next_hops(attr.value, context),
            _ => attribute(&mut route, attr, context),
        }
    }
    route.table = context.tables.of(route.table_id);
    Some(route)
}

fn attribute(route: &mut Route, attr: Attr<'_>, context: &Context<'_>) {
    match attr.kind {
        3 => route.iif = attr.u32().map(|index| context.link(index)),
        4 => route.dev = attr.u32().map(|index| context.link(index)),
        5 => route.gateway = attr.ip(),
        6 => route.metric = attr.u32(),
        7 => route.src = attr.ip(),
        8 => metrics(route, attr),
        12 => route.expires_s = expires(attr),
        15 => route.table_id = attr.u32().unwrap_or(route.table_id),
        16 => route.mark = attr.u32().filter(|mark| *mark != 0),
        18 => route.gateway = via(attr),
        20 => route.pref = preference(attr),
        21 => route.encap = attr.u16().map(encapsulation),
        25 => route.uid = attr.u32(),
        30 => route.nhid = attr.u32(),
        _ => {}
    }
}

/// `RTA_VIA`: a gateway of the other family.
fn via(attr: Attr<'_>) -> Option<IpAddr> {
    super::attrs::ip(attr.value.get(2..)?)
}

fn preference(attr: Attr<'_>) -> Option<&'static str> {
    match attr.u8()? {
        0 => Some("medium"),
        1 => Some("high"),
        3 => Some("low"),
        _ => None,
    }
}

/// `struct rta_cacheinfo`: `rta_expires`, hundredths of a second.
fn expires(attr: Attr<'_>) -> Option<u32> {
    u32_at(attr.value, 8)
        .filter(|ticks| *ticks != 0)
        .map(|ticks| ticks / 100)
}

fn encapsulation(kind: u16) -> String {
    const NAMES: [&str; 11] = [
        "none",
        "mpls",
        "ip",
        "ila",
        "ip6",
        "seg6",
        "bpf",
        "seg6local",
        "rpl",
        "ioam6",
        "xfrm",
    ];
    let name = NAMES.get(usize::from(kind));
    name.map_or_else(|| kind.to_string(), |name| (*name).to_owned())
}

/// `RTAX_*`.
const METRICS: [&str; 18] = [
    "unspec",
    "lock",
    "mtu",
    "window",
    "rtt",
    "rttvar",
    "ssthresh",
    "cwnd",
    "advmss",
    "reordering",
    "hoplimit",
    "initcwnd",
    "features",
    "rto_min",
    "initrwnd",
    "quickack",
    "congctl",
    "fastopen_no_cookie",
];

fn metrics(route: &mut Route, attr: Attr<'_>) {
    for metric in attr.nested() {
        match (metric.kind, metric.u32()) {
            (2, value) => route.mtu = value,
            (8, value) => route.advmss = value,
            (16, _) => route.metrics.push(format!("congctl {}", metric.text())),
            (kind, Some(value)) => {
                let name = METRICS.get(usize::from(kind)).copied().unwrap_or("metric");
                route.metrics.push(format!("{name} {value}"));
            }
            _ => {}
        }
    }
}

/// `RTA_MULTIPATH`: `struct rtnexthop` and attributes, one after the other.
fn next_hops(mut bytes: &[u8], context: &Context<'_>) -> Vec<NextHop> {
    const HEADER: usize = 8;
    let mut hops = Vec::new();
    while let (Some(length), Some(index)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        let length = usize::from(length);
        let Some(body) = bytes.get(HEADER..length) else {
            break;
        };
        let mut hop = NextHop {
            dev: Some(context.link(index)),
            weight: u32::from(bytes[3]) + 1,
            flags: bits(&FLAGS, u32::from(bytes[2])),
            ..NextHop::default()
        };
        for attr in attrs(body) {
            match attr.kind {
                5 => hop.gateway = attr.ip(),
                18 => hop.gateway = via(attr),
                21 => hop.encap = attr.u16().map(encapsulation),
                _ => {}
            }
        }
        hops.push(hop);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}
