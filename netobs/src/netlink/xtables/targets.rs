//! What a rule does with a packet: `-j NAME ...`.

use super::{Extension, address, changes, ports, prefix, quoted, sets, unknown};
use crate::netlink::attrs::{text, u16_at, u32_at};
use std::fmt::Write as _;

/// A target in words, and what it translates to, if that is what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    pub nat: Option<(&'static str, String)>,
}

/// One target, in the words of `iptables -S`.
pub fn target(of: &Extension<'_>) -> Told {
    let (name, info, v6) = (of.name, of.info, of.v6);
    if let Some(told) = translation(name, of.revision, info, v6) {
        return told;
    }
    let known = match (name, of.revision) {
        ("REJECT", _) => reject(info, v6),
        ("LOG", _) => log(info),
        ("MARK", 2) => set_mark(info),
        ("CONNMARK", 1 | 2) => connection_mark(info, of.revision),
        ("TCPMSS", _) => segment_size(info),
        ("NFLOG", _) => netlink_log(info),
        ("NFQUEUE", 0..=3) => changes::queue(info, of.revision),
        ("TPROXY", 1) => {
            return proxy(info, v6).unwrap_or_else(|| Told::plain(unknown("-j", name, 1)));
        }
        ("CHECKSUM", _) => Some("-j CHECKSUM --checksum-fill".to_owned()),
        ("NOTRACK" | "TRACE", _) => Some(format!("-j {name}")),
        ("CT", 1 | 2) => tracking(info),
        ("SET", 1..=3) => sets::target(of),
        ("DSCP", 0) => changes::dscp(info),
        ("TOS", 1) => changes::tos(info),
        ("TTL" | "HL", 0) => changes::hops(name, info),
        ("CLASSIFY", 0) => changes::class(info),
        ("TEE", 1) => changes::tee(info, v6),
        ("SYNPROXY", 0) => changes::synproxy(info),
        ("TCPOPTSTRIP", 0) => changes::strip(info),
        ("AUDIT", 0) => changes::audit(info),
        ("IDLETIMER", 0 | 1) => changes::idle_timer(info, of.revision),
        _ => None,
    };
    Told::plain(known.unwrap_or_else(|| unknown("-j", name, of.revision)))
}

impl Told {
    fn plain(text: String) -> Self {
        Self { text, nat: None }
    }
}

const MAP_IPS: u32 = 1;
const PROTO: u32 = 2;

/// The range that a translation chooses from, whatever struct it came in.
#[derive(Default)]
struct Range {
    flags: u32,
    addresses: Option<String>,
    ports: Option<String>,
}

impl Range {
    /// `struct nf_nat_ipv4_multi_range_compat`.
    fn old(info: &[u8]) -> Option<Self> {
        let flags = u32_at(info, 4)?;
        Self::new(info, flags, (8, 12), 16, false)
    }

    /// `struct nf_nat_range`, `nf_nat_range2`.
    fn new_style(info: &[u8], v6: bool) -> Option<Self> {
        let flags = u32_at(info, 0)?;
        Self::new(info, flags, (4, 20), 36, v6)
    }

    fn new(info: &[u8], flags: u32, at: (usize, usize), ports: usize, v6: bool) -> Option<Self> {
        let (low, high) = (address(info, at.0, v6)?, address(info, at.1, v6)?);
        let addresses = if low == high {
            low
        } else {
            format!("{low}-{high}")
        };
        Some(Self {
            flags,
            addresses: (flags & MAP_IPS != 0).then_some(addresses),
            ports: (flags & PROTO != 0).then_some(ports::translated(info, ports)?),
        })
    }

    fn flags(&self) -> String {
        const NAMES: [(u32, &str); 3] = [
            (4, " --random"),
            (16, " --random-fully"),
            (8, " --persistent"),
        ];
        let set = NAMES.iter().filter(|(bit, _)| self.flags & bit != 0);
        set.map(|(_, name)| *name).collect()
    }

    /// `10.0.0.2:80`.
    fn to(&self, v6: bool) -> String {
        match (&self.addresses, &self.ports) {
            (Some(address), None) => address.clone(),
            (Some(address), Some(ports)) if v6 => format!("[{address}]:{ports}"),
            (Some(address), Some(ports)) => format!("{address}:{ports}"),
            (None, Some(ports)) => format!(":{ports}"),
            (None, None) => String::new(),
        }
    }
}

/// `10.0.0.0/8`: the range of `NETMAP` is one, first and last address.
fn network(info: &[u8], v6: bool) -> Option<String> {
    let (low, high, len) = if v6 { (4, 20, 16) } else { (8, 12, 4) };
    let (first, last) = (info.get(low..low + len)?, info.get(high..high + len)?);
    let mask: Vec<u8> = first.iter().zip(last).map(|(a, b)| !(a ^ b)).collect();
    let bits = match prefix(&mask, v6)? {
        whole if whole.is_empty() => format!("/{}", len * 8),
        bits => bits,
    };
    Some(format!("{}{bits}", address(info, low, v6)?))
}

fn translation(name: &str, revision: u32, info: &[u8], v6: bool) -> Option<Told> {
    let (kind, flag) = match name {
        "DNAT" => ("dnat", "--to-destination"),
        "SNAT" => ("snat", "--to-source"),
        "MASQUERADE" => ("masquerade", "--to-ports"),
        "REDIRECT" => ("redirect", "--to-ports"),
        "NETMAP" => ("netmap", "--to"),
        _ => return None,
    };
    let range = if revision == 0 && !v6 {
        Range::old(info)?
    } else {
        Range::new_style(info, v6)?
    };
    let to = match kind {
        "masquerade" | "redirect" => range.ports.clone().unwrap_or_default(),
        "netmap" => network(info, v6)?,
        _ => range.to(v6),
    };
    let words = if to.is_empty() {
        String::new()
    } else {
        format!(" {flag} {to}")
    };
    Some(Told {
        text: format!("-j {name}{words}{}", range.flags()),
        nat: Some((kind, to)),
    })
}

fn reject(info: &[u8], v6: bool) -> Option<String> {
    const V4: [&str; 9] = [
        "icmp-net-unreachable",
        "icmp-host-unreachable",
        "icmp-proto-unreachable",
        "icmp-port-unreachable",
        "icmp-echoreply",
        "icmp-net-prohibited",
        "icmp-host-prohibited",
        "tcp-reset",
        "icmp-admin-prohibited",
    ];
    const V6: [&str; 8] = [
        "icmp6-no-route",
        "icmp6-adm-prohibited",
        "icmp6-not-neighbour",
        "icmp6-addr-unreachable",
        "icmp6-port-unreachable",
        "icmp6-echoreply",
        "tcp-reset",
        "icmp6-policy-fail",
    ];
    let names: &[&str] = if v6 { &V6 } else { &V4 };
    let with = names.get(usize::try_from(u32_at(info, 0)?).ok()?)?;
    Some(format!("-j REJECT --reject-with {with}"))
}

fn log(info: &[u8]) -> Option<String> {
    const FLAGS: [(u8, &str); 5] = [
        (1, " --log-tcp-sequence"),
        (2, " --log-tcp-options"),
        (4, " --log-ip-options"),
        (8, " --log-uid"),
        (0x20, " --log-macdecode"),
    ];
    let [level, flags] = *info.get(..2)? else {
        return None;
    };
    let prefix = text(info.get(2..32)?);
    let mut words = "-j LOG".to_owned();
    if !prefix.is_empty() {
        _ = write!(words, " --log-prefix {}", quoted(&prefix));
    }
    if level != 4 {
        _ = write!(words, " --log-level {level}");
    }
    for (_, name) in FLAGS.iter().filter(|(bit, _)| flags & bit != 0) {
        words.push_str(name);
    }
    Some(words)
}

fn set_mark(info: &[u8]) -> Option<String> {
    let (value, mask) = (u32_at(info, 0)?, u32_at(info, 4)?);
    Some(format!("-j MARK --set-xmark {value:#x}/{mask:#x}"))
}

/// `struct xt_connmark_tginfo1`, and 2, which shifts too.
fn connection_mark(info: &[u8], revision: u32) -> Option<String> {
    let (mark, ctmask, nfmask) = (u32_at(info, 0)?, u32_at(info, 4)?, u32_at(info, 8)?);
    let mode = *info.get(if revision == 1 { 12 } else { 14 })?;
    let masks = format!("--nfmask {nfmask:#x} --ctmask {ctmask:#x}");
    let mut text = match mode {
        0 => format!("-j CONNMARK --set-xmark {mark:#x}/{ctmask:#x}"),
        1 => format!("-j CONNMARK --save-mark {masks}"),
        2 => format!("-j CONNMARK --restore-mark {masks}"),
        _ => return None,
    };
    if revision == 2 {
        let [direction, bits] = *info.get(12..14)? else {
            return None;
        };
        if bits != 0 {
            let side = if direction == 0 { "left" } else { "right" };
            _ = write!(text, " --{side}-shift-mark {bits}");
        }
    }
    Some(text)
}

fn segment_size(info: &[u8]) -> Option<String> {
    Some(match u16_at(info, 0)? {
        0xffff => "-j TCPMSS --clamp-mss-to-pmtu".to_owned(),
        size => format!("-j TCPMSS --set-mss {size}"),
    })
}

/// `struct xt_nflog_info`.
fn netlink_log(info: &[u8]) -> Option<String> {
    const COPIES: u16 = 1;
    let (len, group, threshold, flags) = (
        u32_at(info, 0)?,
        u16_at(info, 4)?,
        u16_at(info, 6)?,
        u16_at(info, 8)?,
    );
    let prefix = text(info.get(12..76)?);
    let mut words = "-j NFLOG".to_owned();
    if !prefix.is_empty() {
        _ = write!(words, " --nflog-prefix {}", quoted(&prefix));
    }
    if group != 0 {
        _ = write!(words, " --nflog-group {group}");
    }
    if flags & COPIES != 0 {
        _ = write!(words, " --nflog-size {len}");
    } else if len != 0 {
        _ = write!(words, " --nflog-range {len}");
    }
    if threshold > 1 {
        _ = write!(words, " --nflog-threshold {threshold}");
    }
    Some(words)
}

/// `struct xt_tproxy_target_info_v1`.
fn proxy(info: &[u8], v6: bool) -> Option<Told> {
    let (mask, value) = (u32_at(info, 0)?, u32_at(info, 4)?);
    let to = address(info, 8, v6)?;
    let port = super::be16(info, 24)?;
    let ends = if v6 {
        format!("[{to}]:{port}")
    } else {
        format!("{to}:{port}")
    };
    Some(Told {
        text: format!("-j TPROXY --on-port {port} --on-ip {to} --tproxy-mark {value:#x}/{mask:#x}"),
        nat: Some(("tproxy", ends)),
    })
}

/// `struct xt_ct_target_info_v1`.
fn tracking(info: &[u8]) -> Option<String> {
    const EVENTS: [(u32, &str); 11] = [
        (0, "new"),
        (1, "related"),
        (2, "destroy"),
        (3, "reply"),
        (4, "assured"),
        (5, "protoinfo"),
        (6, "helper"),
        (7, "mark"),
        (8, "natseqinfo"),
        (9, "secmark"),
        (10, "label"),
    ];
    let (flags, zone) = (u16_at(info, 0)?, u16_at(info, 2)?);
    let (events, expected) = (u32_at(info, 4)?, u32_at(info, 8)?);
    let (helper, policy) = (text(info.get(12..28)?), text(info.get(28..60)?));
    if flags & 2 != 0 {
        return Some("-j NOTRACK".to_owned());
    }
    let mut words = "-j CT".to_owned();
    if flags & 1 != 0 {
        words.push_str(" --notrack");
    }
    for (flag, name) in [("helper", helper), ("timeout", policy)] {
        if !name.is_empty() {
            _ = write!(words, " --{flag} {name}");
        }
    }
    let names = |mask: u32| {
        let set = EVENTS.iter().filter(|(bit, _)| mask >> bit & 1 != 0);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    };
    if events != 0 {
        _ = write!(words, " --ctevents {}", names(events));
    }
    if expected != 0 {
        _ = write!(words, " --expevents new");
    }
    let flag = match flags & 0xc {
        4 => "--zone-orig",
        8 => "--zone-reply",
        _ => "--zone",
    };
    if flags & 16 != 0 {
        _ = write!(words, " {flag} mark");
    } else if zone != 0 {
        _ = write!(words, " {flag} {zone}");
    }
    Some(words)
}
