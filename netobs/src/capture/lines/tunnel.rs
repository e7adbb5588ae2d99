//! Packets inside of packets: GRE, VXLAN, Geneve, MPLS, `PPPoE`, AH.

use super::{Lines, Read, be16, be32, from, ip::Between};

impl Lines<'_> {
    pub(super) fn gre(&mut self, data: &[u8], length: usize) -> Read {
        let (flags, kind) = (be16(data, 0)?, be16(data, 2)?);
        let version = flags & 7;
        self.text.put(format_args!("GREv{version}"));
        if version != 0 {
            self.text.put(format_args!(", length {length}"));
            return Some(());
        }
        if self.shown.verbose > 0 {
            let names = [
                (0x8000, "checksum present"),
                (0x2000, "key present"),
                (0x1000, "sequence# present"),
            ];
            let set: Vec<&str> = names
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .map(|(_, name)| *name)
                .collect();
            let shown = if set.is_empty() {
                "none".to_owned()
            } else {
                set.join(", ")
            };
            self.text.put(format_args!(", Flags [{shown}]"));
        }
        let mut at = 4;
        if flags & 0xc000 != 0 {
            if self.shown.verbose > 0 && flags & 0x8000 != 0 {
                self.text.put(format_args!(", sum 0x{:x}", be16(data, at)?));
            }
            at += 4;
        }
        if flags & 0x2000 != 0 {
            self.text.put(format_args!(", key=0x{:x}", be32(data, at)?));
            at += 4;
        }
        if flags & 0x1000 != 0 {
            self.text.put(format_args!(", seq {}", be32(data, at)?));
            at += 4;
        }
        if self.shown.link {
            let name = match kind {
                0x0800 => "IPv4",
                0x86dd => "IPv6",
                0x6558 => "TEB",
                0x8847 => "MPLS unicast",
                _ => "unknown",
            };
            self.text.put(format_args!(", proto {name} (0x{kind:04x})"));
        }
        self.text.put(format_args!(", length {length}"));
        self.say(if self.shown.verbose > 0 { "\n\t" } else { ": " });
        let rest = length.saturating_sub(at);
        if self.carried(kind, from(data, at), rest).is_none() {
            self.text.put(format_args!("gre-proto-0x{kind:x}"));
        }
        Some(())
    }

    pub(super) fn vxlan(&mut self, data: &[u8], length: usize) -> Read {
        const HEADER: usize = 8;
        let (flags, vni) = (data.first()?, be32(data, 4)? >> 8);
        let valid = if flags & 8 != 0 { "I" } else { "." };
        self.text.put(format_args!(
            "VXLAN, flags [{valid}] (0x{flags:02x}), vni {vni}\n"
        ));
        self.ethernet(from(data, HEADER), length.saturating_sub(HEADER));
        Some(())
    }

    pub(super) fn geneve(&mut self, data: &[u8], length: usize) -> Read {
        let [first, flags, ..] = *data else {
            return None;
        };
        let (kind, vni) = (be16(data, 2)?, be32(data, 4)? >> 8);
        let header = 8 + usize::from(first & 0x3f) * 4;
        let shown = match (flags & 0x80 != 0, flags & 0x40 != 0) {
            (true, true) => "OC",
            (true, false) => "O",
            (false, true) => "C",
            (false, false) => "none",
        };
        self.text
            .put(format_args!("Geneve, Flags [{shown}], vni 0x{vni:x}"));
        if self.shown.verbose > 0 {
            self.text.put(format_args!(", proto 0x{kind:04x}"));
        }
        if header > 8 {
            self.text
                .put(format_args!(", options [{} bytes]", header - 8));
        }
        self.say(if self.shown.verbose > 0 { "\n\t" } else { ": " });
        let rest = length.saturating_sub(header);
        if self.carried(kind, from(data, header), rest).is_none() {
            self.text.put(format_args!("geneve-proto-0x{kind:x}"));
        }
        Some(())
    }

    /// A stack of labels, and what its bottom carries, which nothing names.
    pub(super) fn mpls(&mut self, data: &[u8], length: usize) -> Read {
        const MOST: usize = 32;
        self.say("MPLS");
        let mut at = 0;
        for index in 0..MOST {
            let Some(entry) = be32(data, at) else {
                self.cut("mpls");
                return Some(());
            };
            at += 4;
            let bottom = entry >> 8 & 1 == 1;
            self.say(if index > 0 && self.shown.verbose > 0 {
                "\n\t"
            } else {
                " "
            });
            self.text.put(format_args!("(label {}", entry >> 12));
            match entry >> 12 {
                0 if self.shown.verbose > 0 => self.say(" (IPv4 explicit NULL)"),
                2 if self.shown.verbose > 0 => self.say(" (IPv6 explicit NULL)"),
                _ => {}
            }
            self.text.put(format_args!(", tc {}", entry >> 9 & 7));
            if bottom {
                self.say(", [S]");
            }
            self.text.put(format_args!(", ttl {})", entry & 0xff));
            if bottom {
                break;
            }
        }
        let (inner, rest) = (from(data, at), length.saturating_sub(at));
        let kind = match inner.first()? >> 4 {
            4 => 0x0800,
            6 => 0x86dd,
            _ => return Some(()),
        };
        self.say(if self.shown.verbose > 0 { "\n\t" } else { " " });
        self.carried(kind, inner, rest)
    }

    pub(super) fn pppoe(&mut self, data: &[u8], length: usize) -> Read {
        const HEADER: usize = 6;
        let [form, code, ..] = *data else { return None };
        let (session, told) = (be16(data, 2)?, usize::from(be16(data, 4)?));
        self.say("PPPoE ");
        if form != 0x11 {
            self.text
                .put(format_args!("[ver {}] [type {}] ", form >> 4, form & 15));
        }
        let name = match code {
            0x00 => "",
            0x07 => "PADO",
            0x09 => "PADI",
            0x19 => "PADR",
            0x65 => "PADS",
            0xa7 => "PADT",
            _ => "PAD-unknown",
        };
        self.say(name);
        if code == 0 {
            self.text.put(format_args!(" [ses 0x{session:x}] "));
            let rest = told.min(length.saturating_sub(HEADER));
            return self.deeper(|lines| lines.ppp(from(data, HEADER), rest));
        }
        if session != 0 {
            self.text.put(format_args!(" [ses 0x{session:x}]"));
        }
        self.tags(from(data, HEADER), told)
    }

    /// What a `PPPoE` discovery asks for or offers.
    fn tags(&mut self, mut tags: &[u8], mut left: usize) -> Read {
        while left >= 4 {
            let (kind, size) = (be16(tags, 0)?, usize::from(be16(tags, 2)?));
            let name = match kind {
                0x0000 => "EOL",
                0x0101 => "Service-Name",
                0x0102 => "AC-Name",
                0x0103 => "Host-Uniq",
                0x0104 => "AC-Cookie",
                0x0105 => "Vendor-Specific",
                0x0110 => "Relay-Session-ID",
                0x0120 => "PPP-Max-Payload",
                0x0203 => "Generic-Error",
                _ => "Unknown",
            };
            self.text.put(format_args!(" [{name}"));
            let value = tags.get(4..4 + size)?;
            if !value.is_empty() {
                if value
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
                {
                    self.say(" \"");
                    self.text.escaped(value);
                    self.say("\"");
                } else {
                    self.say(" 0x");
                    self.hex(value);
                }
            }
            self.say("]");
            tags = from(tags, 4 + size);
            left = left.saturating_sub(4 + size);
        }
        Some(())
    }

    pub(super) fn ah(&mut self, data: &[u8], length: usize, between: &Between) -> Read {
        let [next, words, ..] = *data else {
            return None;
        };
        let size = (usize::from(words) + 2) * 4;
        self.say("AH(");
        if self.shown.verbose > 0 {
            self.text.put(format_args!("length={words}({size}-bytes),"));
        }
        self.text.put(format_args!(
            "spi=0x{:08x},seq=0x{:x},icv=0x",
            be32(data, 4)?,
            be32(data, 8)?
        ));
        let icv = data.get(12..size)?.to_vec();
        self.hex(&icv);
        self.say("): ");
        let between = Between {
            told: true,
            ..*between
        };
        self.transport(
            next,
            from(data, size),
            length.saturating_sub(size),
            &between,
        )
    }
}
