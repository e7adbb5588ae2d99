//! Network interfaces: state, addresses of the hardware, counters.

use super::{
    attrs::{Attr, behind, hardware, u16_at, u32_at, u64_at},
    names::{bits, named},
    socket::{Dump, Error, Request, Socket},
};
use serde::Serialize;
use std::collections::HashMap;

const RTM_GETLINK: u16 = 18;

/// An interface as the kernel describes it; ethtool, qdiscs and programs are added by whoever asks for them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Link {
    pub ifindex: u32,
    pub ifname: String,
    /// `veth`, `bridge`, `vlan` ... (`IFLA_INFO_KIND`); none: real hardware or loopback.
    pub kind: Option<String>,
    pub alias: Option<String>,
    pub altnames: Vec<String>,
    /// `ARPHRD_*`: `ether`, `loopback`, `none`, else the number.
    pub link_type: String,
    /// What the administrator asked for (`IFF_UP`): `up` or `down`.
    pub admin: &'static str,
    /// RFC 2863 state: `UP` `DOWN` `DORMANT` `LOWERLAYERDOWN` `UNKNOWN` ...
    pub oper: String,
    /// Signal on the wire (`IFLA_CARRIER`).
    pub carrier: Option<bool>,
    /// How often the carrier came or went.
    pub carrier_changes: Option<u32>,
    pub flags: Vec<String>,
    pub mtu: Option<u32>,
    pub mac: Option<String>,
    /// The interface it is a port of.
    pub master: Option<String>,
    /// The interface below: of a vlan its parent, of a veth its peer.
    pub lower: Option<String>,
    /// Index of the interface below, also when it is in another namespace.
    pub lower_ifindex: Option<u32>,
    /// The namespace id of the interface below, when that is another one.
    pub lower_netnsid: Option<u32>,
    pub vlan_id: Option<u16>,
    pub tx_queue_len: Option<u32>,
    pub rx_queues: Option<u32>,
    pub tx_queues: Option<u32>,
    /// Mbit/s, as ethtool gives it; null: unknown.
    pub speed_mbps: Option<u32>,
    /// `full` or `half`.
    pub duplex: Option<&'static str>,
    #[serde(flatten)]
    pub stats: Stats,
    /// The root queueing discipline.
    pub qdisc: Option<String>,
    pub qdisc_dropped: Option<u64>,
    pub qdisc_backlog_bytes: Option<u64>,
    pub qdisc_backlog_packets: Option<u64>,
    pub qdisc_requeues: Option<u64>,
    /// `native` `generic` `offload` with the program: `native:NAME#ID`.
    pub xdp: Vec<String>,
    /// TC and tcx programs: `tcx-ingress:NAME#ID`, `tc-egress:NAME#ID`.
    pub tc: Vec<String>,
    /// XDP program ids by mode, before they are named.
    #[serde(skip)]
    pub xdp_ids: Vec<(&'static str, u32)>,
    #[serde(skip)]
    pub master_ifindex: Option<u32>,
}

/// Name of each interface by its index.
pub type LinkNames = HashMap<u32, String>;

/// `struct rtnl_link_stats64`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Stats {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    /// `rx_fifo_errors`: what ifconfig and netstat -i call overruns.
    pub rx_overruns: u64,
    pub tx_overruns: u64,
    /// `rx_missed_errors`: the host was too slow to take it from the device.
    pub rx_missed: u64,
    pub rx_multicast: u64,
    pub rx_crc_errors: u64,
    pub rx_frame_errors: u64,
    pub rx_length_errors: u64,
    pub tx_carrier_errors: u64,
    pub tx_collisions: u64,
    /// No handler for the packet's protocol.
    pub rx_nohandler: u64,
}

impl Stats {
    fn decode(bytes: &[u8]) -> Self {
        let word = |n: usize| u64_at(bytes, n * 8).unwrap_or(0);
        Self {
            rx_packets: word(0),
            tx_packets: word(1),
            rx_bytes: word(2),
            tx_bytes: word(3),
            rx_errors: word(4),
            tx_errors: word(5),
            rx_dropped: word(6),
            tx_dropped: word(7),
            rx_multicast: word(8),
            tx_collisions: word(9),
            rx_length_errors: word(10),
            rx_crc_errors: word(12),
            rx_frame_errors: word(13),
            rx_overruns: word(14),
            rx_missed: word(15),
            tx_carrier_errors: word(17),
            tx_overruns: word(18),
            rx_nohandler: word(23),
        }
    }
}

/// All interfaces of the namespace.
pub fn all(socket: &mut Socket) -> Result<Dump<Link>, Error> {
    let request = Request::dump("list the interfaces", RTM_GETLINK, &[0; 16]);
    let mut dump = socket.rows(&request, decode)?;
    let names: Vec<(u32, String)> = dump
        .rows
        .iter()
        .map(|link| (link.ifindex, link.ifname.clone()))
        .collect();
    let name_of = |index: Option<u32>| {
        let known = names.iter().find(|(known, _)| Some(*known) == index);
        known.map(|(_, name)| name.clone())
    };
    for link in &mut dump.rows {
        link.master = name_of(link.master_ifindex);
        if link.lower_netnsid.is_none() {
            link.lower = name_of(link.lower_ifindex);
        }
    }
    Ok(dump)
}

/// Flags of one interface (`IFF_UP` ...).
pub fn flags(socket: &mut Socket, index: u32) -> Result<u32, Error> {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let told = socket.one(&Request::get("ask for an interface", RTM_GETLINK, &header))?;
    Ok(told.and_then(|told| u32_at(&told, 8)).unwrap_or(0))
}

/// Name of each interface by its index.
pub fn names(socket: &mut Socket) -> Result<LinkNames, Error> {
    let links = all(socket)?.rows;
    Ok(links.into_iter().map(|l| (l.ifindex, l.ifname)).collect())
}

pub const IFF_UP: u32 = 1;
const FLAGS: [(u32, &str); 19] = [
    (1 << 3, "LOOPBACK"),
    (1 << 1, "BROADCAST"),
    (1 << 4, "POINTOPOINT"),
    (1 << 12, "MULTICAST"),
    (1 << 7, "NOARP"),
    (1 << 9, "ALLMULTI"),
    (1 << 8, "PROMISC"),
    (1 << 10, "MASTER"),
    (1 << 11, "SLAVE"),
    (1 << 2, "DEBUG"),
    (1 << 14, "DYNAMIC"),
    (1 << 15, "AUTOMEDIA"),
    (1 << 13, "PORTSEL"),
    (1 << 5, "NOTRAILERS"),
    (1, "UP"),
    (1 << 16, "LOWER_UP"),
    (1 << 17, "DORMANT"),
    (1 << 18, "ECHO"),
    (1 << 6, "RUNNING"),
];

const OPER: [&str; 7] = [
    "UNKNOWN",
    "NOTPRESENT",
    "DOWN",
    "LOWERLAYERDOWN",
    "TESTING",
    "DORMANT",
    "UP",
];

fn link_type(number: u16) -> String {
    let name = match number {
        1 => "ether",
        32 => "infiniband",
        280 => "can",
        512 => "ppp",
        768 => "ipip",
        769 => "tunnel6",
        772 => "loopback",
        776 => "sit",
        778 => "gre",
        801 => "ieee802.11",
        823 => "gre6",
        0xfffe => "none",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// `struct ifinfomsg` and its attributes.
fn decode(payload: &[u8]) -> Option<Link> {
    let arphrd = u16_at(payload, 2)?;
    let flags = u32_at(payload, 8)?;
    let mut link = Link {
        ifindex: u32_at(payload, 4)?,
        link_type: link_type(arphrd),
        admin: if flags & IFF_UP == 0 { "down" } else { "up" },
        // ip leaves RUNNING out too: LOWER_UP and the state say it better.
        flags: bits(&FLAGS, flags & !(1 << 6)),
        ..Link::default()
    };
    for attr in behind(payload, 16) {
        attribute(&mut link, attr, arphrd);
    }
    Some(link)
}

fn attribute(link: &mut Link, attr: Attr<'_>, arphrd: u16) {
    match attr.kind {
        1 => link.mac = hardware(attr.value, arphrd),
        3 => link.ifname = attr.text(),
        4 => link.mtu = attr.u32(),
        5 => link.lower_ifindex = attr.u32(),
        6 => link.qdisc = Some(attr.text()),
        10 => link.master_ifindex = attr.u32(),
        13 => link.tx_queue_len = attr.u32(),
        16 => link.oper = attr.u8().map(|n| named(&OPER, n)).unwrap_or_default(),
        18 => information(link, attr),
        20 => link.alias = Some(attr.text()),
        23 => link.stats = Stats::decode(attr.value),
        31 => link.tx_queues = attr.u32(),
        32 => link.rx_queues = attr.u32(),
        33 => link.carrier = attr.u8().map(|n| n != 0),
        35 => link.carrier_changes = attr.u32(),
        37 => link.lower_netnsid = attr.u32(),
        43 => link.xdp_ids = xdp(attr),
        52 => {
            link.altnames = attr
                .nested()
                .filter(|a| a.kind == 53)
                .map(Attr::text)
                .collect();
        }
        _ => {}
    }
}

/// `IFLA_LINKINFO`: the kind, and of a vlan its number.
fn information(link: &mut Link, attr: Attr<'_>) {
    link.kind = attr.find(1).map(Attr::text);
    if link.kind.as_deref() == Some("vlan") {
        link.vlan_id = attr
            .find(2)
            .and_then(|data| data.find(1))
            .and_then(Attr::u16);
    }
}

/// `IFLA_XDP`: one program, or one of each mode when several are attached.
fn xdp(attr: Attr<'_>) -> Vec<(&'static str, u32)> {
    const MODES: [(u16, &str); 3] = [(5, "native"), (6, "generic"), (7, "offload")];
    let of_modes: Vec<(&'static str, u32)> = MODES
        .iter()
        .filter_map(|(kind, mode)| Some((*mode, attr.find(*kind)?.u32()?)))
        .filter(|(_, id)| *id != 0)
        .collect();
    if !of_modes.is_empty() {
        return of_modes;
    }
    let mode = match attr.find(2).and_then(Attr::u8) {
        Some(1) => "native",
        Some(2) => "generic",
        Some(3) => "offload",
        _ => return Vec::new(),
    };
    let id = attr.find(4).and_then(Attr::u32).unwrap_or(0);
    vec![(mode, id)]
}
