//! Matches and targets of iptables, as its own command line writes them.
//!
//! Layouts are those of uapi/linux/netfilter/xt_*.h; they reach us inside `nf_tables` (iptables-nft) and from the
//! tables of legacy iptables. An extension that is not decoded is named, with a mark that there is more to it.

mod changes;
mod counts;
mod matches;
mod payload;
mod places;
mod ports;
mod rates;
mod sets;
mod targets;
mod times;
mod tracking;

pub use matches::matched;
pub use targets::{Told, target};

use crate::netlink::{
    attrs::{array, ip},
    ipset::IpSets,
};

/// A match or target of a rule, as the kernel keeps it.
#[derive(Clone, Copy)]
pub struct Extension<'a> {
    pub name: &'a str,
    pub revision: u32,
    pub info: &'a [u8],
    pub v6: bool,
    pub sets: &'a IpSets,
}

/// A big-endian `u16` at `at`.
fn be16(info: &[u8], at: usize) -> Option<u16> {
    array(info, at).map(u16::from_be_bytes)
}

/// An address of the packet's family in a `union nf_inet_addr`.
fn address(info: &[u8], at: usize, v6: bool) -> Option<String> {
    let len = if v6 { 16 } else { 4 };
    ip(info.get(at..at + len)?).map(|ip| ip.to_string())
}

/// What of an address counts: `/8`, a mask that is no prefix as it is, nothing if all of it does.
fn prefix(mask: &[u8], v6: bool) -> Option<String> {
    let mask = mask.get(..if v6 { 16 } else { 4 })?;
    let ones: u32 = mask.iter().map(|b| b.count_ones()).sum();
    let whole = mask.iter().take_while(|b| **b == 0xff).count();
    let part = mask.get(whole).map_or(0, |b| b.leading_ones());
    let leading = u32::try_from(whole * 8).ok()? + part;
    Some(if whole == mask.len() {
        String::new()
    } else if ones == leading {
        format!("/{ones}")
    } else {
        format!("/{}", ip(mask)?)
    })
}

/// Named, but not decoded: its details are not shown.
fn unknown(flag: &str, name: &str, revision: u32) -> String {
    format!("{flag} {name} [revision {revision}, not decoded]")
}

/// `1`, or `1/0xff` when only some bits count.
fn marked(value: u32, mask: u32) -> String {
    if mask == u32::MAX {
        format!("{value:#x}")
    } else {
        format!("{value:#x}/{mask:#x}")
    }
}

/// Text as iptables-save writes it: in quotes unless it is one plain word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    in_quotes(text)
}

fn in_quotes(text: &str) -> String {
    let mut words = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            words.push('\\');
        }
        words.push(c);
    }
    words.push('"');
    words
}

/// `! ` before what must not match.
fn not(invert: bool) -> &'static str {
    if invert { "! " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the kernel hands us, in whatever length: no panic.
    #[test]
    fn short_information_is_named() {
        let names = "tcp udp icmp icmp6 state conntrack addrtype mark connmark multiport limit statistic physdev owner \
            iprange pkttype length mac set recent hashlimit comment string u32 bpf tcpmss dscp tos ttl hl ecn esp ah \
            rpfilter socket cgroup devgroup realm cpu sctp dccp policy connlimit connbytes connlabel helper quota cluster \
            time what";
        let targets = "DNAT SNAT MASQUERADE REDIRECT REJECT LOG MARK CONNMARK TCPMSS NFLOG NFQUEUE NETMAP TPROXY CT SET DSCP \
            TOS TTL HL CLASSIFY TEE SYNPROXY TCPOPTSTRIP AUDIT IDLETIMER WHAT";
        let bytes: Vec<u8> = (0..4200).map(|n: u16| n.to_ne_bytes()[0]).collect();
        let sets = IpSets::default();
        let all = |len: usize, revision: u32, v6: bool| {
            let of = |name| Extension {
                name,
                revision,
                info: &bytes[..len],
                v6,
                sets: &sets,
            };
            for name in names.split_whitespace() {
                assert!(!matched(&of(name)).is_empty());
            }
            for name in targets.split_whitespace() {
                assert!(target(&of(name)).text.contains(name));
            }
        };
        for len in (0..400).chain([520, 600, 1984, 2000, 4200]) {
            for revision in 0..5 {
                all(len, revision, false);
                all(len, revision, true);
            }
        }
    }

    #[test]
    fn text_stands_in_quotes_unless_it_is_a_word() {
        assert_eq!(quoted("drop_1-a"), "drop_1-a");
        assert_eq!(quoted("drop: "), "\"drop: \"");
        assert_eq!(quoted("a\"b"), "\"a\\\"b\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
