//! Ethernet frames with their tags, and what each type carries.

use super::{Lines, Read, be16, be32, bytes, from};

type Mac = [u8; 6];

/// Names of Ethernet types.
pub(super) fn type_name(kind: u16) -> &'static str {
    match kind {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8035 => "Reverse ARP",
        0x86dd => "IPv6",
        0x8100 => "802.1Q",
        0x88a8 => "802.1Q-QinQ",
        0x9100 => "802.1Q-9100",
        0x9200 => "802.1Q-9200",
        0x8847 => "MPLS unicast",
        0x8848 => "MPLS multicast",
        0x8863 => "PPPoE D",
        0x8864 => "PPPoE S",
        0x880b => "PPP",
        0x8808 => "MPCP",
        0x8809 => "Slow Protocols",
        0x888e => "EAPOL",
        0x88cc => "LLDP",
        0x88e5 => "802.1AE MACsec",
        0x88f7 => "PTP",
        0x6558 => "TEB",
        0x8137 => "Novell IPX",
        0x809b => "Appletalk",
        0x80f3 => "Appletalk ARP",
        0x9000 => "Loopback",
        0x6003 => "DECnet",
        _ => "Unknown",
    }
}

pub(super) const LONGEST: u16 = 1500;
/// Access points and control.
const LLC: usize = 3;
pub(super) const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

impl Lines<'_> {
    /// An Ethernet frame; the length of its header.
    pub(super) fn ethernet(&mut self, data: &[u8], length: usize) -> usize {
        let (Some(header), Some(kind)) = (data.first_chunk::<12>(), be16(data, 12)) else {
            self.cut("ether");
            return data.len();
        };
        if self.shown.link {
            let (to, source) = ends(header);
            self.mac(source);
            self.say(" > ");
            self.mac(to);
            self.say(", ");
            self.kind(kind);
            // 802.3 has its length where others have a type.
            let told = if kind <= LONGEST {
                usize::from(kind)
            } else {
                length
            };
            self.text.put(format_args!(", length {told}: "));
        }
        self.tagged(data, length, header, kind, 14)
    }

    /// Tags, and what follows them.
    fn tagged(
        &mut self,
        data: &[u8],
        length: usize,
        header: &[u8; 12],
        kind: u16,
        at: usize,
    ) -> usize {
        let (mut kind, mut at) = (kind, at);
        while TAGS.contains(&kind) {
            let (Some(tag), Some(next)) = (be16(data, at), be16(data, at + 2)) else {
                self.cut("vlan");
                return data.len();
            };
            if self.shown.link {
                self.text
                    .put(format_args!("vlan {}, p {}", tag & 0x0fff, tag >> 13));
                if tag & 0x1000 != 0 {
                    self.say(", DEI");
                }
                self.say(", ");
                if next > LONGEST {
                    self.kind(next);
                    self.say(", ");
                }
            }
            kind = next;
            at += 4;
        }
        let mut rest = length.saturating_sub(at);
        if kind <= LONGEST {
            rest = rest.min(usize::from(kind));
        }
        if self.carried(kind, from(data, at), rest).is_none() {
            // A protocol that nobody reads: where it goes, and its bytes.
            if !self.shown.link {
                let (to, source) = ends(header);
                self.mac(source);
                self.say(" > ");
                self.mac(to);
                self.say(", ");
                self.kind(kind);
                self.text.put(format_args!(", length {length}: "));
            }
            if !self.shown.quiet && !self.shown.bytes.shows_hex() {
                bytes::dump(&mut self.text, from(data, at), true);
            }
        } else if kind <= LONGEST {
            return at + LLC;
        }
        at
    }

    pub(super) fn kind(&mut self, kind: u16) {
        if kind <= LONGEST {
            self.say("802.3");
        } else if self.shown.quiet {
            match type_name(kind) {
                "Unknown" => {
                    self.text
                        .put(format_args!("Unknown Ethertype (0x{kind:04x})"));
                }
                name => self.say(name),
            }
        } else {
            self.text
                .put(format_args!("ethertype {} (0x{kind:04x})", type_name(kind)));
        }
    }

    pub(super) fn mac(&mut self, mac: Mac) {
        for (index, byte) in mac.iter().enumerate() {
            if index > 0 {
                self.say(":");
            }
            self.text.put(format_args!("{byte:02x}"));
        }
    }

    /// What a type of Ethernet carries; none when that type is not known.
    pub(super) fn carried(&mut self, kind: u16, data: &[u8], length: usize) -> Option<()> {
        match kind {
            0x0800 => {
                // Another version says so itself.
                let word = if data.first().is_none_or(|byte| byte >> 4 == 4) {
                    "IP "
                } else {
                    ""
                };
                self.prefixed(word, |lines| lines.ipv4(data, length));
            }
            0x86dd => {
                let word = if data.len() < 40 { "" } else { "IP6 " };
                self.prefixed(word, |lines| lines.ipv6(data, length));
            }
            0x0806 | 0x8035 => {
                if !self.shown.link {
                    self.say("ARP, ");
                }
                if self.arp(data, length).is_none() {
                    self.cut("arp");
                }
            }
            0x8847 | 0x8848 => _ = self.deeper(|lines| lines.mpls(data, length)),
            0x8863 | 0x8864 => {
                if self.deeper(|lines| lines.pppoe(data, length)).is_none() {
                    self.cut("pppoe");
                }
            }
            0x6558 => {
                _ = self.deeper(|lines| {
                    lines.ethernet(data, length);
                    Some(())
                });
            }
            0x88cc => _ = self.text.put(format_args!("LLDP, length {length}")),
            0x888e => _ = self.text.put(format_args!("EAPOL, length {length}")),
            0x8809 => {
                self.text
                    .put(format_args!("Slow Protocols, length {length}"));
            }
            0..=LONGEST => return self.llc(data, length),
            _ => return None,
        }
        Some(())
    }

    /// The version before an IP packet, unless the type stands there already.
    fn prefixed(&mut self, word: &str, read: impl FnOnce(&mut Self) -> Read) {
        if !self.shown.link {
            self.say(word);
        }
        let _read_as_far_as_it_goes = self.deeper(read);
    }

    /// 802.2: the access points, and the spanning tree.
    fn llc(&mut self, data: &[u8], length: usize) -> Option<()> {
        let [to, source, control] = *data.first_chunk()?;
        if (to, source) == (0xaa, 0xaa) && data.get(3..6) == Some(&[0, 0, 0]) {
            let kind = be16(data, 6)?;
            return self.carried(kind, from(data, 8), length.saturating_sub(8));
        }
        if self.shown.link {
            self.text.put(format_args!(
                "LLC, dsap {} (0x{:02x}) Individual, ssap {} (0x{:02x}) Command, ctrl 0x{control:02x}: ",
                point(to),
                to & 0xfe,
                point(source),
                source & 0xfe
            ));
        }
        if (to, source) == (0x42, 0x42) {
            return self.spanning_tree(from(data, 3), length.saturating_sub(3));
        }
        self.text.put(format_args!(
            "LLC, dsap 0x{to:02x}, ssap 0x{source:02x}, ctrl 0x{control:02x}: length {length}"
        ));
        Some(())
    }

    fn spanning_tree(&mut self, data: &[u8], length: usize) -> Option<()> {
        let (version, kind) = (data.get(2)?, data.get(3)?);
        let version = match version {
            0 => "802.1d",
            2 => "802.1w",
            3 => "802.1s",
            _ => "unknown version",
        };
        if *kind == 0x80 {
            self.text.put(format_args!(
                "STP {version}, Topology Change, length {length}"
            ));
            return Some(());
        }
        let kind = if *kind == 0 { "Config" } else { "Rapid STP" };
        let flags = match data.get(4)? & 0x81 {
            0 => "none",
            0x01 => "Topology change",
            0x80 => "Topology change ACK",
            _ => "Topology change, Topology change ACK",
        };
        let bridge = data.get(17..)?.first_chunk::<8>()?;
        let [a, b, mac @ ..] = *bridge;
        self.text.put(format_args!(
            "STP {version}, {kind}, Flags [{flags}], bridge-id {a:02x}{b:02x}."
        ));
        self.mac(mac);
        self.text
            .put(format_args!(".{:04x}, length {length}", be16(data, 25)?));
        if self.shown.verbose == 0 {
            return Some(());
        }
        let times = [
            ("\n\tmessage-age", 27),
            (", max-age", 29),
            (", hello-time", 31),
            (", forwarding-delay", 33),
        ];
        for (name, at) in times {
            // In parts of 1/256 second.
            let hundredths = u32::from(be16(data, at)?) * 100 / 256;
            self.text.put(format_args!(
                "{name} {}.{:02}s",
                hundredths / 100,
                hundredths % 100
            ));
        }
        let [a, b, mac @ ..] = *data.get(5..)?.first_chunk::<8>()?;
        self.text.put(format_args!("\n\troot-id {a:02x}{b:02x}."));
        self.mac(mac);
        self.text
            .put(format_args!(", root-pathcost {}", be32(data, 13)?));
        Some(())
    }
}

/// Names of service access points.
fn point(sap: u8) -> &'static str {
    match sap & 0xfe {
        0x00 => "Null",
        0x06 => "IP",
        0x42 => "STP",
        0xaa => "SNAP",
        0xe0 => "IPX",
        0xf0 => "NetBeui",
        0xfe => "ISO",
        _ => "Unknown",
    }
}

/// Destination and source.
fn ends(header: &[u8; 12]) -> (Mac, Mac) {
    let at = |at: usize| header[at..].first_chunk().copied().unwrap_or_default();
    (at(0), at(6))
}
