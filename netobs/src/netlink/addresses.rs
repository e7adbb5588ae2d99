//! Addresses of the interfaces.

use super::{
    attrs::{behind, u32_at},
    families::{self, family_name},
    names::{Names, bits, scope},
    socket::{Dump, Error, Socket},
};
use crate::netlink::links::LinkNames;
use serde::Serialize;
use std::net::IpAddr;

const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`.
const HEADER: usize = 8;
const FOREVER: u32 = u32::MAX;

/// An address on an interface.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    pub ifindex: u32,
    pub ifname: String,
    pub family: &'static str,
    /// The interface's own address (`IFA_LOCAL`, else `IFA_ADDRESS`).
    pub addr: IpAddr,
    pub prefixlen: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    pub broadcast: Option<IpAddr>,
    pub scope: String,
    pub flags: Vec<String>,
    /// IPv4 label: `eth0:1`.
    pub label: Option<String>,
    /// Who set it (`IFA_PROTO`, 5.18): `kernel_lo`, `kernel_ra` ...
    pub proto: Option<String>,
    /// Seconds until it is deprecated; null: forever.
    pub preferred_lft_s: Option<u32>,
    /// Seconds until it goes; null: forever.
    pub valid_lft_s: Option<u32>,
    /// Priority of its prefix route.
    pub metric: Option<u32>,
}

/// Family by family: asked for all at once, the kernel waits for whoever changes anything of any interface.
pub fn all(socket: &mut Socket, links: &LinkNames) -> Result<Dump<Address>, Error> {
    let decode = |payload: &[u8]| decode(payload, links);
    families::dump::<_, HEADER>(socket, "list the addresses", RTM_GETADDR, decode)
}

const FLAGS: [(u32, &str); 12] = [
    (0x01, "secondary"),
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "home"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (0x80, "permanent"),
    (0x100, "mngtmpaddr"),
    (0x200, "noprefixroute"),
    (0x400, "autojoin"),
    (0x800, "stable-privacy"),
];

fn decode(payload: &[u8], links: &LinkNames) -> Option<Address> {
    let [family, prefixlen, short_flags, scope_number, ..] = *payload else {
        return None;
    };
    let ifindex = u32_at(payload, 4)?;
    let (mut own, mut other, mut broadcast, mut label) = (None, None, None, None);
    let (mut proto, mut metric, mut lifetime) = (None, None, (FOREVER, FOREVER));
    let mut flags = u32::from(short_flags);
    for attr in behind(payload, HEADER) {
        match attr.kind {
            1 => other = attr.ip(),
            2 => own = attr.ip(),
            3 => label = Some(attr.text()),
            4 => broadcast = attr.ip(),
            6 => lifetime = (u32_at(attr.value, 0)?, u32_at(attr.value, 4)?),
            8 => flags = attr.u32().unwrap_or(flags),
            9 => metric = attr.u32(),
            11 => proto = attr.u8().map(address_protocol),
            _ => {}
        }
    }
    let addr = own.or(other)?;
    Some(Address {
        ifindex,
        ifname: links
            .get(&ifindex)
            .cloned()
            .unwrap_or_else(|| format!("if{ifindex}")),
        family: family_name(family)?,
        addr,
        prefixlen,
        peer: other.filter(|other| *other != addr),
        broadcast,
        scope: scope(scope_number),
        flags: flag_names(flags, addr),
        label,
        proto,
        preferred_lft_s: (lifetime.0 != FOREVER).then_some(lifetime.0),
        valid_lft_s: (lifetime.1 != FOREVER).then_some(lifetime.1),
        metric,
    })
}

/// The first bit means "secondary" for IPv4 and "temporary" for IPv6; what is not permanent is dynamic, as `ip` puts it.
fn flag_names(flags: u32, addr: IpAddr) -> Vec<String> {
    let mut words = bits(&FLAGS, flags & !0x80);
    if let Some(first) = words
        .first_mut()
        .filter(|w| *w == "secondary" && addr.is_ipv6())
    {
        "temporary".clone_into(first);
    }
    if flags & 0x80 == 0 {
        words.push("dynamic".to_owned());
    }
    words
}

fn address_protocol(number: u8) -> String {
    match number {
        1 => "kernel_lo".to_owned(),
        2 => "kernel_ra".to_owned(),
        3 => "kernel_ll".to_owned(),
        other => Names::protocols().of(u32::from(other)),
    }
}
