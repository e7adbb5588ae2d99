//! Matches and targets of iptables, as its own command line writes them.
//!
//! Layouts are those of uapi/linux/netfilter/xt_*.h; they reach us inside `nf_tables` (iptables-nft) and from the
//! tables of legacy iptables. An extension that is not decoded is named, with a mark that there is more to it.

mod matches;
mod ports;
mod rates;
mod targets;
mod tracking;

pub use matches::matched;
pub use targets::{Told, target};

use crate::netlink::attrs::{array, ip};

/// A big-endian `u16` at `at`.
fn be16(info: &[u8], at: usize) -> Option<u16> {
    array(info, at).map(u16::from_be_bytes)
}

/// An address of the packet's family in a `union nf_inet_addr`.
fn address(info: &[u8], at: usize, v6: bool) -> Option<String> {
    let len = if v6 { 16 } else { 4 };
    ip(info.get(at..at + len)?).map(|ip| ip.to_string())
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
        let names = [
            "tcp",
            "udp",
            "icmp",
            "icmp6",
            "state",
            "conntrack",
            "addrtype",
            "mark",
            "connmark",
            "multiport",
            "limit",
            "statistic",
            "physdev",
            "owner",
            "iprange",
            "pkttype",
            "length",
            "mac",
            "set",
            "recent",
            "hashlimit",
            "comment",
            "what",
        ];
        let targets = [
            "DNAT",
            "SNAT",
            "MASQUERADE",
            "REDIRECT",
            "REJECT",
            "LOG",
            "MARK",
            "CONNMARK",
            "TCPMSS",
            "NFLOG",
            "NFQUEUE",
            "NETMAP",
            "TPROXY",
            "CT",
            "SET",
            "WHAT",
        ];
        let bytes: Vec<u8> = (0..400).map(|n: u16| n.to_ne_bytes()[0]).collect();
        for len in 0..bytes.len() {
            for revision in 0..4 {
                for v6 in [false, true] {
                    for name in names {
                        assert!(!matched(name, revision, &bytes[..len], v6).is_empty());
                    }
                    for name in targets {
                        assert!(
                            target(name, revision, &bytes[..len], v6)
                                .text
                                .contains(name)
                        );
                    }
                }
            }
        }
    }
}
