//! Sets of ipset: `-m set`, and `-j SET`, which fills them.

use super::{Extension, not};
use crate::netlink::attrs::{array, u16_at, u32_at, u64_at};
use std::fmt::Write as _;

/// No set.
const NOBODY: u16 = u16::MAX;

/// `struct xt_set_info` at `at`: name, or `#3` if the kernel does not tell it, and which ends of a packet are looked up;
/// nothing: no set.
fn member(of: &Extension<'_>, at: usize) -> Option<String> {
    let number = u16_at(of.info, at)?;
    let [dimensions, flags] = array(of.info, at + 2)?;
    if number == NOBODY {
        return Some(String::new());
    }
    let sides: Vec<&str> = (1..=dimensions.min(6))
        .map(|dim| if flags >> dim & 1 != 0 { "src" } else { "dst" })
        .collect();
    let name = of.sets.name(number).unwrap_or_else(|| format!("#{number}"));
    Some(format!("{name} {}", sides.join(",")))
}

/// `struct xt_set_info_match_v1`, `v3` and `v4`.
pub fn matched(of: &Extension<'_>) -> Option<String> {
    const NO_MATCH: u8 = 1 << 7;
    let inverted = not(*of.info.get(3)? & 1 != 0);
    let mut words = format!("-m set {inverted}--match-set {}", member(of, 0)?);
    if of.revision == 1 {
        return Some(words);
    }
    if of.revision == 2 {
        if of.info.get(3)? & NO_MATCH != 0 {
            words.push_str(" --return-nomatch");
        }
        return Some(words);
    }
    let (packets, bytes, flags) = (8, 24, 40);
    let set = u32_at(of.info, flags)?;
    for (bit, word) in [
        (1 << 7, " --return-nomatch"),
        (1 << 3, " ! --update-counters"),
        (1 << 4, " ! --update-subcounters"),
    ] {
        if set & bit != 0 {
            words.push_str(word);
        }
    }
    for (at, what) in [(packets, "packets"), (bytes, "bytes")] {
        counter(&mut words, of, at, what)?;
    }
    Some(words)
}

/// `struct ip_set_counter_match`: value and operation, in either order by revision.
fn counter(words: &mut String, of: &Extension<'_>, at: usize, what: &str) -> Option<()> {
    let (operation, value) = if of.revision == 3 {
        (*of.info.get(at)?, u64_at(of.info, at + 8)?)
    } else {
        (*of.info.get(at + 8)?, u64_at(of.info, at)?)
    };
    let word = match operation {
        1 => format!(" --{what}-eq {value}"),
        2 => format!(" ! --{what}-eq {value}"),
        3 => format!(" --{what}-lt {value}"),
        4 => format!(" --{what}-gt {value}"),
        _ => return Some(()),
    };
    words.push_str(&word);
    Some(())
}

/// `struct xt_set_info_target_v1` to `v3`.
pub fn target(of: &Extension<'_>) -> Option<String> {
    const EXIST: u32 = 1;
    let (flags, timeout) = match of.revision {
        1 => (0, u32::MAX),
        2 => (u32_at(of.info, 8)?, u32_at(of.info, 12)?),
        3 => (u32_at(of.info, 12)?, u32_at(of.info, 16)?),
        _ => return None,
    };
    let mut words = "-j SET".to_owned();
    let set = member(of, 0)?;
    if !set.is_empty() {
        _ = write!(words, " --add-set {set}");
        if flags & EXIST != 0 {
            words.push_str(" --exist");
        }
        if timeout != u32::MAX {
            _ = write!(words, " --timeout {timeout}");
        }
    }
    let set = member(of, 4)?;
    if !set.is_empty() {
        _ = write!(words, " --del-set {set}");
    }
    let set = if of.revision == 3 {
        member(of, 8)?
    } else {
        String::new()
    };
    if !set.is_empty() {
        _ = write!(words, " --map-set {set}");
        for (bit, word) in [
            (1 << 8, " --map-mark"),
            (1 << 9, " --map-prio"),
            (1 << 10, " --map-queue"),
        ] {
            if flags & bit != 0 {
                words.push_str(word);
            }
        }
    }
    Some(words)
}
