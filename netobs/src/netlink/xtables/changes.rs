//! Targets that change or hand on a packet: `-j DSCP`, `-j TTL`, `-j TEE`, `-j NFQUEUE`, `-j SYNPROXY` ...

use super::address;
use crate::netlink::attrs::{array, text, u16_at, u32_at};
use std::fmt::Write as _;

pub fn dscp(info: &[u8]) -> Option<String> {
    Some(format!("-j DSCP --set-dscp {:#04x}", info.first()?))
}

/// `struct xt_tos_target_info`.
pub fn tos(info: &[u8]) -> Option<String> {
    let [value, mask] = array(info, 0)?;
    Some(format!("-j TOS --set-tos {value:#04x}/{mask:#04x}"))
}

/// `struct ipt_TTL_info`, `struct ip6t_HL_info`.
pub fn hops(name: &str, info: &[u8]) -> Option<String> {
    let [mode, value] = array(info, 0)?;
    let mode = *["set", "inc", "dec"].get(usize::from(mode))?;
    let flag = name.to_ascii_lowercase();
    Some(format!("-j {name} --{flag}-{mode} {value}"))
}

pub fn class(info: &[u8]) -> Option<String> {
    let class = u32_at(info, 0)?;
    let (major, minor) = (class >> 16, class & 0xffff);
    Some(format!("-j CLASSIFY --set-class {major:04x}:{minor:04x}"))
}

/// `struct xt_tee_tginfo`.
pub fn tee(info: &[u8], v6: bool) -> Option<String> {
    let (gateway, device) = (address(info, 0, v6)?, text(info.get(16..32)?));
    let device = if device.is_empty() {
        device
    } else {
        format!(" --oif {device}")
    };
    Some(format!("-j TEE --gateway {gateway}{device}"))
}

/// `struct xt_synproxy_info`.
pub fn synproxy(info: &[u8]) -> Option<String> {
    let [options, scale] = array(info, 0)?;
    let mut words = "-j SYNPROXY".to_owned();
    for (bit, word) in [(4, " --sack-perm"), (8, " --timestamp")] {
        if options & bit != 0 {
            words.push_str(word);
        }
    }
    if options & 2 != 0 {
        _ = write!(words, " --wscale {scale}");
    }
    if options & 1 != 0 {
        _ = write!(words, " --mss {}", u16_at(info, 2)?);
    }
    if options & 0x10 != 0 {
        words.push_str(" --ecn");
    }
    Some(words)
}

/// `struct xt_tcpoptstrip_target_info`: a bit for each option.
pub fn strip(info: &[u8]) -> Option<String> {
    let mut words = Vec::new();
    for option in 0..256 {
        if u32_at(info, option / 32 * 4)? >> (option % 32) & 1 != 0 {
            words.push(option.to_string());
        }
    }
    Some(format!(
        "-j TCPOPTSTRIP --strip-options {}",
        words.join(",")
    ))
}

pub fn audit(info: &[u8]) -> Option<String> {
    let kind = *["accept", "drop", "reject"].get(usize::from(*info.first()?))?;
    Some(format!("-j AUDIT --type {kind}"))
}

/// `struct idletimer_tg_info`, and `_v1`.
pub fn idle_timer(info: &[u8], revision: u32) -> Option<String> {
    let (seconds, label) = (u32_at(info, 0)?, text(info.get(4..32)?));
    let alarm = if revision > 0 && *info.get(33)? != 0 {
        " --alarm"
    } else {
        ""
    };
    Some(format!(
        "-j IDLETIMER --timeout {seconds} --label {label}{alarm}"
    ))
}

/// `struct xt_NFQ_info` to `_v3`.
pub fn queue(info: &[u8], revision: u32) -> Option<String> {
    let first = u16_at(info, 0)?;
    let total = if revision == 0 { 1 } else { u16_at(info, 2)? };
    let mut words = if total > 1 {
        let last = u32::from(first) + u32::from(total) - 1;
        format!("-j NFQUEUE --queue-balance {first}:{last}")
    } else {
        format!("-j NFQUEUE --queue-num {first}")
    };
    let flags = if revision < 2 { 0 } else { u16_at(info, 4)? };
    for (bit, word) in [(1, " --queue-bypass"), (2, " --queue-cpu-fanout")] {
        if flags & bit != 0 {
            words.push_str(word);
        }
    }
    Some(words)
}
