//! Links without Ethernet: Linux's cooked headers, loopback, raw IP.

use super::{
    Lines, be16, be32, bytes,
    ether::{LONGEST, TAGS, type_name},
    from,
};
use crate::capture::file::Interface;

/// The interface of packets of all interfaces, in files of others.
const ANY: &str = "any";

impl Lines<'_> {
    /// Linux's cooked header, the first or second version; its length.
    pub(super) fn cooked(
        &mut self,
        data: &[u8],
        length: usize,
        second: Option<&Interface>,
    ) -> usize {
        let first = second.is_none();
        let size = if first { 16 } else { 20 };
        let (Some(kind), Some(header)) = (be16(data, if first { 14 } else { 0 }), data.get(..size))
        else {
            self.cut(if first { "sll" } else { "sll2" });
            return data.len();
        };
        if let Some(interface) = second {
            let index = be32(header, 4).unwrap_or(0);
            // Unless the file tells it, the name is another on the machine that wrote it.
            if let Some(name) = interface.name.as_deref().filter(|name| *name != ANY) {
                let start = self.text.as_bytes().len();
                self.text.escaped(name.as_bytes());
                let length = self.text.as_bytes().len() - start;
                self.text.raw(&b"      "[..6 - length.min(5)]);
                self.text
                    .put(format_args!("{:<3} ", direction(header, first)));
                if self.shown.link {
                    self.text.put(format_args!("ifindex {index} "));
                }
            } else {
                self.text.put(format_args!(
                    "ifindex {index} {:<3} ",
                    direction(header, first)
                ));
            }
        }
        if self.shown.link {
            self.cooked_header(header, kind, length, first);
        }
        let (mut kind, mut at) = (kind, size);
        while TAGS.contains(&kind) {
            let (Some(tag), Some(next)) = (be16(data, at), be16(data, at + 2)) else {
                self.cut("vlan");
                return data.len();
            };
            if self.shown.link {
                self.text
                    .put(format_args!("vlan {}, p {}, ", tag & 0x0fff, tag >> 13));
            }
            if next > LONGEST && !self.shown.quiet {
                self.text
                    .put(format_args!("ethertype {}, ", type_name(next)));
            }
            (kind, at) = (next, at + 4);
        }
        let rest = length.saturating_sub(at);
        if self.carried(kind, from(data, at), rest).is_none() {
            if !self.shown.link {
                self.cooked_header(header, kind, length, first);
            }
            if !self.shown.quiet && !self.shown.bytes.shows_hex() {
                bytes::dump(&mut self.text, from(data, at), true);
            }
        }
        at
    }

    fn cooked_header(&mut self, header: &[u8], kind: u16, length: usize, first: bool) {
        if first {
            self.text
                .put(format_args!("{:>3} ", direction(header, first)));
        }
        let (sized, at) = if first {
            (header[5], 6)
        } else {
            (header[11], 12)
        };
        if sized > 0 {
            let mac = header[at..].first_chunk().copied().unwrap_or_default();
            self.mac(mac);
            self.say(" ");
        }
        if !self.shown.quiet {
            self.kind(kind);
            self.text.put(format_args!(", length {length}: "));
        }
    }

    /// The address family of a loopback, in the byte order of the writer or of the network.
    pub(super) fn loopback(&mut self, data: &[u8], length: usize, null: bool) -> usize {
        const HEADER: usize = 4;
        let Some(family) = be32(data, 0) else {
            self.cut(if null { "null" } else { "loop" });
            return data.len();
        };
        // A family is small: in the other byte order it is large.
        let family = if family > 0xffff {
            family.swap_bytes()
        } else {
            family
        };
        let name = match family {
            2 => "IPv4",
            10 | 24 | 28 | 30 => "IPv6",
            _ => "unknown",
        };
        if self.shown.link {
            if self.shown.quiet {
                self.text.put(format_args!("{name}, length {length}: "));
            } else {
                self.text
                    .put(format_args!("AF {name} ({family}), length {length}: "));
            }
        }
        let (rest, length) = (from(data, HEADER), length.saturating_sub(HEADER));
        match name {
            "IPv4" => _ = self.carried(0x0800, rest, length),
            "IPv6" => _ = self.carried(0x86dd, rest, length),
            _ => {
                self.text.put(format_args!("AF {family}, length {length}"));
            }
        }
        HEADER
    }

    pub(super) fn raw_ip(&mut self, data: &[u8], length: usize) -> usize {
        if self.shown.link {
            self.say("ip: ");
        }
        match data.first().map(|byte| byte >> 4) {
            Some(4) => _ = self.carried(0x0800, data, length),
            Some(6) => _ = self.carried(0x86dd, data, length),
            Some(version) => _ = self.text.put(format_args!("unknown ip {version}")),
            None => self.cut("ip"),
        }
        0
    }
}

/// Which way a packet of a cooked header went.
fn direction(header: &[u8], first: bool) -> &'static str {
    const DIRECTIONS: [&str; 5] = ["In", "B", "M", "P", "Out"];
    let kind = if first {
        be16(header, 0).unwrap_or(0)
    } else {
        u16::from(header[10])
    };
    DIRECTIONS
        .get(usize::from(kind))
        .copied()
        .unwrap_or("Unknown")
}
