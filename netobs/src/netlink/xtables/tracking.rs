//! `-m conntrack` and `-m state`: what is known of the packet's connection.

use super::{address, be16, not, ports::join, prefix};
use crate::netlink::attrs::{u16_at, u32_at};

const STATES: [(u32, &str); 7] = [
    (1, "INVALID"),
    (8, "NEW"),
    (4, "RELATED"),
    (2, "ESTABLISHED"),
    (64, "SNAT"),
    (128, "DNAT"),
    (256, "UNTRACKED"),
];

const STATUSES: [(u32, &str); 4] = [
    (1, "EXPECTED"),
    (2, "SEEN_REPLY"),
    (4, "ASSURED"),
    (8, "CONFIRMED"),
];

/// `-m state` that the kernel keeps as conntrack.
const ALIAS: u16 = 0x2000;
const DIRECTION: u16 = 0x1000;

fn names(table: &[(u32, &str)], mask: u32) -> String {
    let words = table.iter().filter(|(bit, _)| mask & bit != 0);
    words
        .map(|(_, name)| *name)
        .collect::<Vec<&str>>()
        .join(",")
}

/// Here the bit of what is not tracked is another one.
pub fn state(info: &[u8]) -> Option<String> {
    let mask = u32_at(info, 0)?;
    let mask = if mask & 64 != 0 {
        mask & !64 | 256
    } else {
        mask
    };
    Some(format!("-m state --state {}", names(&STATES, mask)))
}

/// Which of the conditions count, and which are turned round.
struct Conditions<'a> {
    info: &'a [u8],
    v6: bool,
    flags: u16,
    inverted: u16,
    words: Vec<String>,
}

/// `struct xt_conntrack_mtinfo1` to `3`: eight addresses and masks, then numbers.
pub fn conntrack(info: &[u8], revision: u32, v6: bool) -> Option<String> {
    let (states, statuses) = if revision == 1 {
        (u32::from(*info.get(150)?), u32::from(*info.get(151)?))
    } else {
        (u32::from(u16_at(info, 150)?), u32::from(u16_at(info, 152)?))
    };
    let mut words = Conditions {
        info,
        v6,
        flags: u16_at(info, 146)?,
        inverted: u16_at(info, 148)?,
        words: Vec::new(),
    };
    if words.flags & ALIAS != 0 {
        let inverted = not(words.inverted & 1 != 0);
        return Some(format!(
            "-m state {inverted}--state {}",
            names(&STATES, states)
        ));
    }
    words.add(1, "--ctstate", || Some(names(&STATES, states)))?;
    words.add(2, "--ctproto", || u16_at(info, 136).map(|n| n.to_string()))?;
    words.ends(revision)?;
    words.add(0x40, "--ctstatus", || {
        Some(if statuses == 0 {
            "NONE".to_owned()
        } else {
            names(&STATUSES, statuses)
        })
    })?;
    words.add(0x80, "--ctexpire", || {
        Some(span(u32_at(info, 128)?, u32_at(info, 132)?))
    })?;
    // Which way a packet goes is said by the flag's own inversion.
    if words.flags & DIRECTION != 0 {
        let way = if words.inverted & DIRECTION != 0 {
            "REPLY"
        } else {
            "ORIGINAL"
        };
        words.words.push(format!("--ctdir {way}"));
    }
    Some(join("-m conntrack", &words.words))
}

fn span<T: Copy + PartialEq + std::fmt::Display>(low: T, high: T) -> String {
    if low == high {
        low.to_string()
    } else {
        format!("{low}:{high}")
    }
}

impl Conditions<'_> {
    fn add(&mut self, bit: u16, flag: &str, value: impl FnOnce() -> Option<String>) -> Option<()> {
        if self.flags & bit != 0 {
            self.words.push(format!(
                "{}{flag} {}",
                not(self.inverted & bit != 0),
                value()?
            ));
        }
        Some(())
    }

    /// Addresses with their masks, and ports: since revision 3 in the machine's order and with an upper end.
    fn ends(&mut self, revision: u32) -> Option<()> {
        const ADDRESSES: [(usize, u16, &str); 4] = [
            (0, 0x4, "--ctorigsrc"),
            (32, 0x8, "--ctorigdst"),
            (64, 0x10, "--ctreplsrc"),
            (96, 0x20, "--ctrepldst"),
        ];
        const PORTS: [(usize, usize, u16, &str); 4] = [
            (138, 154, 0x100, "--ctorigsrcport"),
            (140, 156, 0x200, "--ctorigdstport"),
            (142, 158, 0x400, "--ctreplsrcport"),
            (144, 160, 0x800, "--ctrepldstport"),
        ];
        let (info, v6) = (self.info, self.v6);
        for (at, bit, flag) in ADDRESSES {
            let masked = || {
                Some(format!(
                    "{}{}",
                    address(info, at, v6)?,
                    prefix(info.get(at + 16..)?, v6)?
                ))
            };
            self.add(bit, flag, masked)?;
        }
        for (low, high, bit, flag) in PORTS {
            let ports = || match revision {
                3 => Some(span(u16_at(info, low)?, u16_at(info, high)?)),
                _ => be16(info, low).map(|port| port.to_string()),
            };
            self.add(bit, flag, ports)?;
        }
        Some(())
    }
}
