//! Matches on where a packet comes from or belongs: `-m rpfilter`, `-m socket`, `-m cgroup`, `-m devgroup`, `-m policy` ...

use super::{Extension, address, not, payload::span, ports::join, prefix};
use crate::netlink::attrs::{array, text, u16_at, u32_at};
use std::fmt::Write as _;

fn flags(head: &str, set: u8, names: &[(u8, &str)]) -> String {
    let words = names.iter().filter(|(bit, _)| set & bit != 0);
    let words: Vec<String> = words.map(|(_, name)| (*name).to_owned()).collect();
    join(head, &words)
}

pub fn reverse_path(info: &[u8]) -> Option<String> {
    const NAMES: [(u8, &str); 4] = [
        (1, "--loose"),
        (2, "--validmark"),
        (4, "--accept-local"),
        (8, "--invert"),
    ];
    Some(flags("-m rpfilter", *info.first()?, &NAMES))
}

/// `struct xt_socket_mtinfo1` to `3`.
pub fn socket(info: &[u8]) -> Option<String> {
    const NAMES: [(u8, &str); 3] = [
        (1, "--transparent"),
        (2, "--nowildcard"),
        (4, "--restore-skmark"),
    ];
    Some(flags("-m socket", *info.first()?, &NAMES))
}

/// `struct xt_cgroup_info_v0` to `v2`, whose path is shorter.
pub fn cgroup(info: &[u8], revision: u32) -> Option<String> {
    // Length of a path, and where the class stands.
    let (length, class) = match revision {
        0 => {
            let inverted = not(u32_at(info, 4)? != 0);
            return Some(format!("-m cgroup {inverted}--cgroup {}", u32_at(info, 0)?));
        }
        1 => (4096, 4100),
        _ => (512, 4),
    };
    let [has_path, _, no_path, no_class] = array(info, 0)?;
    let (path, class) = (info.get(4..4 + length)?, u32_at(info, class)?);
    Some(if has_path != 0 {
        format!("-m cgroup {}--path {}", not(no_path != 0), text(path))
    } else {
        format!("-m cgroup {}--cgroup {class}", not(no_class != 0))
    })
}

/// `0x5`, or `0x5/0xff`.
fn group(value: u32, mask: u32) -> String {
    if mask == u32::MAX {
        format!("{value:#x}")
    } else {
        format!("{value:#x}/{mask:#x}")
    }
}

/// `struct xt_devgroup_info`.
pub fn device_group(info: &[u8]) -> Option<String> {
    let set = u32_at(info, 0)?;
    let mut words = Vec::new();
    for (bit, inverted, at, flag) in [(1, 2, 4, "--src-group"), (4, 8, 12, "--dst-group")] {
        if set & bit != 0 {
            let value = group(u32_at(info, at)?, u32_at(info, at + 4)?);
            words.push(format!("{}{flag} {value}", not(set & inverted != 0)));
        }
    }
    Some(join("-m devgroup", &words))
}

/// `struct xt_realm_info`.
pub fn realm(info: &[u8]) -> Option<String> {
    let value = group(u32_at(info, 0)?, u32_at(info, 4)?);
    Some(format!(
        "-m realm {}--realm {value}",
        not(*info.get(8)? != 0)
    ))
}

pub fn processor(info: &[u8]) -> Option<String> {
    let (number, inverted) = (u32_at(info, 0)?, u32_at(info, 4)?);
    Some(format!("-m cpu {}--cpu {number}", not(inverted != 0)))
}

/// `struct xt_sctp_info`, as far as it is about ports.
pub fn sctp(info: &[u8]) -> Option<String> {
    const CHUNKS: u32 = 4;
    let (set, inverted) = (u32_at(info, 284)?, u32_at(info, 288)?);
    if set & CHUNKS != 0 {
        return None;
    }
    two_ends("-m sctp", info, set, inverted)
}

/// `struct xt_dccp_info`, as far as it is about ports.
pub fn dccp(info: &[u8]) -> Option<String> {
    let (set, inverted) = (u32::from(u16_at(info, 8)?), u32::from(u16_at(info, 10)?));
    if set & 0xc != 0 {
        return None;
    }
    // Here source ports stand second too.
    two_ends("-m dccp", info, set, inverted)
}

fn two_ends(head: &str, info: &[u8], set: u32, inverted: u32) -> Option<String> {
    let mut words = Vec::new();
    for (bit, at, flag) in [(1, 4, "--sport"), (2, 0, "--dport")] {
        if set & bit != 0 {
            let range = span(u16_at(info, at)?, u16_at(info, at + 2)?);
            words.push(format!("{}{flag} {range}", not(inverted & bit != 0)));
        }
    }
    Some(join(head, &words))
}

/// `struct xt_policy_elem`.
const ELEMENT: usize = 76;

/// `struct xt_policy_info`: up to four associations of `IPsec`.
pub fn policy(of: &Extension<'_>) -> Option<String> {
    let (set, len) = (
        u16_at(of.info, ELEMENT * 4)?,
        u16_at(of.info, ELEMENT * 4 + 2)?,
    );
    let way = if set & 1 != 0 { "in" } else { "out" };
    let mut words = format!("-m policy --dir {way}");
    if set & 4 != 0 {
        words.push_str(" --pol none");
        return Some(words);
    }
    words.push_str(" --pol ipsec");
    if set & 8 != 0 {
        words.push_str(" --strict");
    }
    for n in 0..usize::from(len.min(4)) {
        if n > 0 {
            words.push_str(" --next");
        }
        element(
            &mut words,
            of.info.get(n * ELEMENT..(n + 1) * ELEMENT)?,
            of.v6,
        )?;
    }
    Some(words)
}

fn element(words: &mut String, of: &[u8], v6: bool) -> Option<()> {
    let [protocol, mode, set, inverted] = array(of, 72)?;
    let mut add = |bit: u8, text: String| {
        if set & bit != 0 {
            _ = write!(words, " {}{text}", not(inverted & bit != 0));
        }
    };
    add(32, format!("--reqid {}", u32_at(of, 68)?));
    add(16, format!("--spi {:#x}", u32_at(of, 64)?));
    let protocol = match protocol {
        50 => "esp".to_owned(),
        51 => "ah".to_owned(),
        108 => "ipcomp".to_owned(),
        number => number.to_string(),
    };
    add(4, format!("--proto {protocol}"));
    let mode = match mode {
        0 => "transport",
        1 => "tunnel",
        _ => "unknown",
    };
    add(8, format!("--mode {mode}"));
    for (bit, at, flag) in [(2, 32, "--tunnel-dst"), (1, 0, "--tunnel-src")] {
        let (end, bits) = (address(of, at, v6)?, prefix(of.get(at + 16..)?, v6)?);
        add(bit, format!("{flag} {end}{bits}"));
    }
    Some(())
}
