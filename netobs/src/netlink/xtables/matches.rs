//! What a rule asks of a packet: `-m NAME ...`.

use super::{
    Extension, address, counts, marked, not, payload, places, ports, ports::join, quoted, rates,
    sets, times, tracking, unknown,
};
use crate::netlink::attrs::{array, mac, text, u16_at, u32_at};

/// One match, in the words of `iptables -S`.
pub fn matched(of: &Extension<'_>) -> String {
    let (info, v6) = (of.info, of.v6);
    let known = match (of.name, of.revision) {
        ("tcp", _) => ports::tcp(info),
        ("udp", _) => ports::udp(info),
        ("icmp", _) => ports::icmp(info, false),
        ("icmp6", _) => ports::icmp(info, true),
        ("multiport", 1) => ports::multiport(info),
        ("comment", _) => Some(format!("-m comment --comment {}", quoted(&text(info)))),
        ("state", _) => tracking::state(info),
        ("conntrack", 1..=3) => tracking::conntrack(info, of.revision, v6),
        ("addrtype", 1) => address_type(info),
        ("mark", 1) => mark("mark", info),
        ("connmark", 1) => mark("connmark", info),
        ("limit", _) => rates::limit(info),
        ("hashlimit", 3) => rates::hashlimit(info, v6),
        ("recent", 0 | 1) => rates::recent(info, of.revision, v6),
        ("statistic", _) => statistic(info),
        ("physdev", _) => physical(info),
        ("owner", 1) => owner(info),
        ("iprange", 1) => address_range(info, v6),
        ("pkttype", _) => packet_type(info),
        ("length", _) => length(info),
        ("mac", _) => hardware(info),
        ("set", 1..=4) => sets::matched(of),
        _ => in_packets(of).or_else(|| of_connections(of)),
    };
    known.unwrap_or_else(|| unknown("-m", of.name, of.revision))
}

fn in_packets(of: &Extension<'_>) -> Option<String> {
    let info = of.info;
    match (of.name, of.revision) {
        ("string", 0 | 1) => payload::string(info, of.revision),
        ("u32", 0) => payload::numbers(info),
        ("bpf", 0 | 1) => payload::program(info, of.revision),
        ("tcpmss", 0) => payload::segment_size(info),
        ("dscp", 0) => payload::dscp(info),
        ("tos", 1) => payload::tos(info),
        ("ttl" | "hl", 0) => payload::hops(of.name, info),
        ("ecn", _) => payload::ecn(info),
        ("esp", 0) => payload::association("esp", info),
        ("ah", 0) if !of.v6 => payload::association("ah", info),
        ("sctp", 0) => places::sctp(info),
        ("dccp", 0) => places::dccp(info),
        _ => None,
    }
}

fn of_connections(of: &Extension<'_>) -> Option<String> {
    let info = of.info;
    match (of.name, of.revision) {
        ("rpfilter", 0) => places::reverse_path(info),
        ("socket", 0) => Some("-m socket".to_owned()),
        ("socket", 1..=3) => places::socket(info),
        ("cgroup", 0..=2) => places::cgroup(info, of.revision),
        ("devgroup", 0) => places::device_group(info),
        ("realm", 0) => places::realm(info),
        ("cpu", 0) => places::processor(info),
        ("policy", 0) => places::policy(of),
        ("connlimit", 0 | 1) => counts::connections(of),
        ("connbytes", 0) => counts::bytes(info),
        ("connlabel", 0) => counts::label(info),
        ("helper", 0) => counts::helper(info),
        ("quota", 0) => counts::quota(info),
        ("cluster", 0) => counts::cluster(info),
        ("time", 0) => times::time(info),
        _ => None,
    }
}

/// `struct xt_addrtype_info_v1`.
fn address_type(info: &[u8]) -> Option<String> {
    const NAMES: [&str; 12] = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
        "THROW",
        "NAT",
        "XRESOLVE",
    ];
    let types = |mask: u16| {
        let set = NAMES.iter().enumerate().filter(|(n, _)| mask >> n & 1 != 0);
        set.map(|(_, name)| *name).collect::<Vec<&str>>().join(",")
    };
    let (source, dest, flags) = (u16_at(info, 0)?, u16_at(info, 2)?, u32_at(info, 4)?);
    let mut words = Vec::new();
    if source != 0 {
        words.push(format!(
            "{}--src-type {}",
            not(flags & 1 != 0),
            types(source)
        ));
    }
    if dest != 0 {
        words.push(format!("{}--dst-type {}", not(flags & 2 != 0), types(dest)));
    }
    for (bit, flag) in [(4, "--limit-iface-in"), (8, "--limit-iface-out")] {
        if flags & bit != 0 {
            words.push(flag.to_owned());
        }
    }
    Some(join("-m addrtype", &words))
}

fn mark(name: &str, info: &[u8]) -> Option<String> {
    let value = marked(u32_at(info, 0)?, u32_at(info, 4)?);
    Some(format!(
        "-m {name} {}--mark {value}",
        not(*info.get(8)? != 0)
    ))
}

/// `struct xt_statistic_info`.
fn statistic(info: &[u8]) -> Option<String> {
    let (mode, flags) = (u16_at(info, 0)?, u16_at(info, 2)?);
    let inverted = not(flags & 1 != 0);
    let first = u32_at(info, 4)?;
    Some(match mode {
        0 => format!(
            "-m statistic --mode random {inverted}--probability {:.11}",
            f64::from(first) / 2_147_483_648.0
        ),
        1 => format!(
            "-m statistic --mode nth {inverted}--every {} --packet {}",
            u64::from(first) + 1,
            u32_at(info, 8)?
        ),
        _ => return None,
    })
}

/// `struct xt_physdev_info`.
fn physical(info: &[u8]) -> Option<String> {
    // Bit, place of a name.
    const ASKED: [(u8, Option<usize>, &str); 5] = [
        (8, None, "--physdev-is-in"),
        (1, Some(0), "--physdev-in"),
        (16, None, "--physdev-is-out"),
        (2, Some(32), "--physdev-out"),
        (4, None, "--physdev-is-bridged"),
    ];
    let [inverted, set] = array(info, 64)?;
    let mut words = Vec::new();
    for (bit, name, flag) in ASKED.iter().filter(|(bit, ..)| set & bit != 0) {
        let inverted = not(inverted & bit != 0);
        let name = name.and_then(|at| info.get(at..at + 16));
        let name = name.map_or_else(String::new, |name| format!(" {}", text(name)));
        words.push(format!("{inverted}{flag}{name}"));
    }
    Some(join("-m physdev", &words))
}

/// `struct xt_owner_match_info`.
fn owner(info: &[u8]) -> Option<String> {
    let [set, inverted] = *info.get(16..18)? else {
        return None;
    };
    let mut words = Vec::new();
    if set & 4 != 0 {
        words.push(format!("{}--socket-exists", not(inverted & 4 != 0)));
    }
    for (bit, at, flag) in [(1, 0, "--uid-owner"), (2, 8, "--gid-owner")] {
        if set & bit != 0 {
            let (low, high) = (u32_at(info, at)?, u32_at(info, at + 4)?);
            let ids = if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            };
            words.push(format!("{}{flag} {ids}", not(inverted & bit != 0)));
        }
    }
    if set & 8 != 0 {
        words.push("--suppl-groups".to_owned());
    }
    Some(join("-m owner", &words))
}

/// `struct xt_iprange_mtinfo`.
fn address_range(info: &[u8], v6: bool) -> Option<String> {
    let flags = *info.get(64)?;
    let mut words = Vec::new();
    for (bit, inverted, at, flag) in [(1, 16, 0, "--src-range"), (2, 32, 32, "--dst-range")] {
        if flags & bit != 0 {
            let (low, high) = (address(info, at, v6)?, address(info, at + 16, v6)?);
            words.push(format!("{}{flag} {low}-{high}", not(flags & inverted != 0)));
        }
    }
    Some(join("-m iprange", &words))
}

fn packet_type(info: &[u8]) -> Option<String> {
    let kind = match u32_at(info, 0)? {
        0 => "unicast",
        1 => "broadcast",
        2 => "multicast",
        _ => return None,
    };
    Some(format!(
        "-m pkttype {}--pkt-type {kind}",
        not(u32_at(info, 4)? != 0)
    ))
}

fn length(info: &[u8]) -> Option<String> {
    let (low, high) = (u16_at(info, 0)?, u16_at(info, 2)?);
    let range = if low == high {
        low.to_string()
    } else {
        format!("{low}:{high}")
    };
    Some(format!(
        "-m length {}--length {range}",
        not(*info.get(4)? != 0)
    ))
}

fn hardware(info: &[u8]) -> Option<String> {
    let address = mac(info.get(..6)?);
    Some(format!(
        "-m mac {}--mac-source {address}",
        not(u32_at(info, 8)? != 0)
    ))
}
