//! Matches on what stands in the packet: `-m string`, `-m u32`, `-m bpf`, `-m dscp`, `-m ttl` ...

use super::{in_quotes, not, ports::join};
use crate::netlink::attrs::{array, text, u16_at, u32_at};
use std::fmt::Write as _;

/// `0x0` or `5:9`.
pub fn span<T: Copy + PartialEq + std::fmt::Display>(low: T, high: T) -> String {
    if low == high {
        low.to_string()
    } else {
        format!("{low}:{high}")
    }
}

/// `struct xt_string_info`; revision 0 knows no flags.
pub fn string(info: &[u8], revision: u32) -> Option<String> {
    let (from, to) = (u16_at(info, 0)?, u16_at(info, 2)?);
    let (algorithm, [len, flags]) = (text(info.get(4..20)?), array(info, 148)?);
    let pattern = info.get(20..148)?.get(..usize::from(len))?;
    let inverted = if revision == 0 { flags } else { flags & 1 };
    let printable = |b: &u8| (0x20..0x7f).contains(b);
    let (flag, shown) = if pattern.iter().all(printable) && pattern.last() != Some(&b'|') {
        ("string", in_quotes(&text(pattern)))
    } else {
        let digits = pattern.iter().fold(String::new(), |mut all, b| {
            _ = write!(all, "{b:02x}");
            all
        });
        ("hex-string", format!("\"|{digits}|\""))
    };
    let mut words = format!(
        "-m string {}--{flag} {shown} --algo {algorithm}",
        not(inverted != 0)
    );
    if from != 0 {
        _ = write!(words, " --from {from}");
    }
    if to != 0 && to != u16::MAX {
        _ = write!(words, " --to {to}");
    }
    if revision > 0 && flags & 2 != 0 {
        words.push_str(" --icase");
    }
    Some(words)
}

/// Places and values of a test, eight bytes each, of eleven at most; then how many of each.
const TEST: usize = 11 * 8 * 2 + 4;

/// `struct xt_u32`: numbers reached by shifts, masks and jumps, compared with ranges.
pub fn numbers(info: &[u8]) -> Option<String> {
    const STEPS: [&str; 4] = ["&", "<<", ">>", "@"];
    let [count, inverted] = array(info, TEST * 11)?;
    let mut tests = Vec::new();
    for n in 0..usize::from(count.min(11)) {
        let test = info.get(n * TEST..(n + 1) * TEST)?;
        let [places, values] = array(test, TEST - 4)?;
        let mut shown = String::new();
        for place in 0..usize::from(places.min(11)) {
            if place > 0 {
                shown.push_str(STEPS.get(usize::from(*test.get(place * 8 + 4)?))?);
            }
            _ = write!(shown, "{:#x}", u32_at(test, place * 8)?);
        }
        let ranges = (0..usize::from(values.min(11))).map(|n| {
            let at = 88 + n * 8;
            let (low, high) = (u32_at(test, at)?, u32_at(test, at + 4)?);
            Some(if low == high {
                format!("{low:#x}")
            } else {
                format!("{low:#x}:{high:#x}")
            })
        });
        let ranges: Vec<String> = ranges.collect::<Option<_>>()?;
        tests.push(format!("{shown}={}", ranges.join(",")));
    }
    let inverted = not(inverted != 0);
    Some(format!("-m u32 {inverted}--u32 \"{}\"", tests.join("&&")))
}

/// `struct xt_bpf_info`, and `_v1`, which may name a pinned program.
pub fn program(info: &[u8], revision: u32) -> Option<String> {
    let (mode, count, at) = if revision == 0 {
        (0, u16_at(info, 0)?, 4)
    } else {
        (u16_at(info, 0)?, u16_at(info, 2)?, 8)
    };
    if mode == 1 {
        return Some(format!(
            "-m bpf --object-pinned {}",
            text(info.get(at..at + 512)?)
        ));
    }
    if mode != 0 {
        return None;
    }
    let mut words = count.to_string();
    for n in 0..usize::from(count.min(64)) {
        let at = at + n * 8;
        let [yes, no] = array(info, at + 2)?;
        _ = write!(
            words,
            ",{} {yes} {no} {}",
            u16_at(info, at)?,
            u32_at(info, at + 4)?
        );
    }
    Some(format!("-m bpf --bytecode \"{words}\""))
}

/// `struct xt_tcpmss_match_info`.
pub fn segment_size(info: &[u8]) -> Option<String> {
    let range = span(u16_at(info, 0)?, u16_at(info, 2)?);
    Some(format!(
        "-m tcpmss {}--mss {range}",
        not(*info.get(4)? != 0)
    ))
}

pub fn dscp(info: &[u8]) -> Option<String> {
    let [value, inverted] = array(info, 0)?;
    Some(format!("-m dscp {}--dscp {value:#04x}", not(inverted != 0)))
}

/// `struct xt_tos_match_info`.
pub fn tos(info: &[u8]) -> Option<String> {
    let [mask, value, inverted] = array(info, 0)?;
    Some(format!(
        "-m tos {}--tos {value:#04x}/{mask:#04x}",
        not(inverted != 0)
    ))
}

/// `struct ipt_ttl_info`, `struct ip6t_hl_info`.
pub fn hops(name: &str, info: &[u8]) -> Option<String> {
    let [mode, value] = array(info, 0)?;
    let word = match mode {
        0 => format!("--{name}-eq"),
        1 => format!("! --{name}-eq"),
        2 => format!("--{name}-lt"),
        3 => format!("--{name}-gt"),
        _ => return None,
    };
    Some(format!("-m {name} {word} {value}"))
}

/// `struct xt_ecn_info`.
pub fn ecn(info: &[u8]) -> Option<String> {
    let [operation, inverted, mark] = array(info, 0)?;
    let mut words = Vec::new();
    for (bit, flag) in [(0x10, "--ecn-tcp-ece"), (0x20, "--ecn-tcp-cwr")] {
        if operation & bit != 0 {
            words.push(format!("{}{flag}", not(inverted & bit != 0)));
        }
    }
    if operation & 1 != 0 {
        words.push(format!("{}--ecn-ip-ect {mark}", not(inverted & 1 != 0)));
    }
    Some(join("-m ecn", &words))
}

/// `struct xt_esp`, `struct ipt_ah`: numbers of associations.
pub fn association(name: &str, info: &[u8]) -> Option<String> {
    let (low, high) = (u32_at(info, 0)?, u32_at(info, 4)?);
    if (low, high) == (0, u32::MAX) {
        return Some(format!("-m {name}"));
    }
    let inverted = not(*info.get(8)? & 1 != 0);
    Some(format!(
        "-m {name} {inverted}--{name}spi {}",
        span(low, high)
    ))
}
