//! The neighbour tables: which hardware address stands behind an IP address, and how sure the kernel is.

use super::{
    attrs::{array, behind, mac, u16_at, u32_at},
    families::family_name,
    names::{Names, bits},
    socket::{Dump, Error, Request, Socket},
};
use crate::netlink::links::LinkNames;
use serde::Serialize;
use std::net::IpAddr;

const RTM_GETNEIGH: u16 = 30;
/// `struct ndmsg`.
const HEADER: usize = 12;
/// The kernel reports ages in hundredths of a second (`USER_HZ`).
const USER_HZ: f64 = 100.0;

/// A neighbour.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbour {
    pub ifindex: u32,
    pub ifname: String,
    pub family: &'static str,
    pub addr: IpAddr,
    pub mac: Option<String>,
    /// `REACHABLE` `STALE` `DELAY` `PROBE` `FAILED` `INCOMPLETE` `PERMANENT` `NOARP` `NONE`.
    pub state: String,
    pub flags: Vec<String>,
    /// Seconds since it was last used to send (`ndm_used`).
    pub used_s: Option<f64>,
    /// Seconds since the neighbour last proved to be there (`ndm_confirmed`).
    pub confirmed_s: Option<f64>,
    /// Seconds since state or hardware address changed (`ndm_updated`).
    pub updated_s: Option<f64>,
    /// How many hold it (`ndm_refcnt`).
    pub refcnt: Option<u32>,
    /// Probes that went unanswered.
    pub probes: Option<u32>,
    pub proto: Option<String>,
}

impl Neighbour {
    /// What the kernel keeps without having to ask: multicast, loopback.
    pub fn is_trivial(&self) -> bool {
        self.state == "NOARP" || self.state == "NONE"
    }
}

pub fn all(socket: &mut Socket, links: &LinkNames) -> Result<Dump<Neighbour>, Error> {
    let request = Request::dump("list the neighbours", RTM_GETNEIGH, &[0; HEADER]);
    socket.rows(&request, |payload| decode(payload, links))
}

const STATES: [(u32, &str); 8] = [
    (0x01, "INCOMPLETE"),
    (0x02, "REACHABLE"),
    (0x04, "STALE"),
    (0x08, "DELAY"),
    (0x10, "PROBE"),
    (0x20, "FAILED"),
    (0x40, "NOARP"),
    (0x80, "PERMANENT"),
];

const FLAGS: [(u32, &str); 8] = [
    (0x01, "use"),
    (0x02, "self"),
    (0x04, "master"),
    (0x08, "proxy"),
    (0x10, "extern_learn"),
    (0x20, "offload"),
    (0x40, "sticky"),
    (0x80, "router"),
];

fn decode(payload: &[u8], links: &LinkNames) -> Option<Neighbour> {
    let family = family_name(*payload.first()?)?;
    let ifindex = u32_at(payload, 4)?;
    let state = u16_at(payload, 8)?;
    let flags = u32::from(*payload.get(10)?);
    let (mut addr, mut lladdr, mut cache, mut probes, mut proto) = (None, None, None, None, None);
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => addr = attr.ip(),
            2 => lladdr = (!attr.value.is_empty()).then(|| mac(attr.value)),
            3 => cache = array::<16>(attr.value, 0),
            4 => probes = attr.u32(),
            12 => proto = attr.u8().map(|n| Names::protocols().of(u32::from(n))),
            _ => {}
        }
    }
    let state = bits(&STATES, u32::from(state)).join(",");
    let word = |n: usize| u32_at(cache.as_ref()?, n * 4);
    let age = |n: usize| word(n).map(|ticks| f64::from(ticks) / USER_HZ);
    Some(Neighbour {
        ifindex,
        ifname: links
            .get(&ifindex)
            .cloned()
            .unwrap_or_else(|| format!("if{ifindex}")),
        family,
        addr: addr?,
        mac: lladdr,
        state: if state.is_empty() {
            "NONE".to_owned()
        } else {
            state
        },
        flags: bits(&FLAGS, flags),
        used_s: age(1),
        confirmed_s: age(0),
        updated_s: age(2),
        refcnt: word(3),
        probes,
        proto,
    })
}
