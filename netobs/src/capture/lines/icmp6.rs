//! ICMPv6 with neighbour discovery.

use super::{Lines, Read, be16, be32, bytes, from, ip::Between, should_be, upto};
use std::net::{IpAddr, Ipv6Addr};

impl Lines<'_> {
    pub(super) fn icmp6(&mut self, data: &[u8], length: usize, between: &Between) -> Read {
        let header = data.first_chunk::<4>()?;
        let [kind, code, ..] = *header;
        if self.shown.verbose > 0 && !between.fragment && data.len() >= length {
            match between.sum(58, upto(data, length)) {
                0 => self.say("[icmp6 sum ok] "),
                sum => {
                    let found = be16(data, 2)?;
                    let right = should_be(found, sum);
                    self.text.put(format_args!(
                        "[bad icmp6 cksum 0x{found:04x} -> 0x{right:04x}!] "
                    ));
                }
            }
        }
        self.say("ICMP6, ");
        match name(kind) {
            Some(name) => self.say(name),
            None => _ = self.text.put(format_args!("unknown icmp6 type ({kind})")),
        }
        // Discovery tells its length before its options.
        let verbose = self.shown.verbose > 0;
        if verbose && matches!(kind, 133..=137) {
            self.text.put(format_args!(", length {length}"));
        }
        if self.icmp6_body(kind, code, data, length).is_none() {
            self.cut("icmp6");
            return Some(());
        }
        if !verbose {
            self.say(", length ");
            self.number(length as u64);
        }
        Some(())
    }

    fn icmp6_body(&mut self, kind: u8, code: u8, data: &[u8], length: usize) -> Read {
        match kind {
            1 => self.unreachable6(code, data)?,
            2 => _ = self.text.put(format_args!(", mtu {}", be32(data, 4)?)),
            3 => {
                match code {
                    0 => self.say(" in-transit"),
                    1 => self.say(" (reassembly)"),
                    _ => _ = self.text.put(format_args!(", unknown code ({code})")),
                }
                self.say(" for ");
                let to = address(data, 8 + 24)?;
                self.host(to);
            }
            4 => {
                let at = be32(data, 4)?;
                match code {
                    0 => _ = self.text.put(format_args!(", erroneous - octet {at}")),
                    1 => _ = self.text.put(format_args!(", next header - octet {at}")),
                    2 => _ = self.text.put(format_args!(", option - octet {at}")),
                    _ => _ = self.text.put(format_args!(", code-#{code}")),
                }
            }
            128 | 129 => {
                self.say(", id ");
                self.number(be16(data, 4)?);
                self.say(", seq ");
                self.number(be16(data, 6)?);
            }
            133..=137 => self.neighbours(kind, data, length)?,
            130..=132 | 143 => self.listeners(kind, data)?,
            _ => {}
        }
        Some(())
    }

    /// Discovery of routers and neighbours.
    fn neighbours(&mut self, kind: u8, data: &[u8], length: usize) -> Read {
        match kind {
            133 => self.discovery(data, 8, length)?,
            134 => {
                self.advertised(data)?;
                self.discovery(data, 16, length)?;
            }
            135 => {
                self.say(", who has ");
                let who = address(data, 8)?;
                self.host(who);
                self.discovery(data, 24, length)?;
            }
            136 => {
                self.say(", tgt is ");
                let who = address(data, 8)?;
                self.host(who);
                if self.shown.verbose > 0 {
                    let flags = data.get(4)?;
                    self.flags(
                        *flags,
                        &[(0x80, "router"), (0x40, "solicited"), (0x20, "override")],
                    );
                }
                self.discovery(data, 24, length)?;
            }
            _ => {
                self.say(", ");
                let (to, via) = (address(data, 24)?, address(data, 8)?);
                self.host(to);
                self.say(" to ");
                self.host(via);
                self.discovery(data, 40, length)?;
            }
        }
        Some(())
    }

    /// Who listens to which groups.
    fn listeners(&mut self, kind: u8, data: &[u8]) -> Read {
        if kind == 143 {
            let records = be16(data, 6)?;
            self.text.put(format_args!(", {records} group record(s)"));
            if self.shown.verbose > 0 {
                self.groups(data, records)?;
            }
            return Some(());
        }
        let group = address(data, 8)?;
        let space = if kind == 130 { " " } else { "" };
        self.text.put(format_args!(
            "{space}max resp delay: {} addr: ",
            be16(data, 4)?
        ));
        self.text.ip(group);
        Some(())
    }

    fn flags(&mut self, flags: u8, names: &[(u8, &str)]) {
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

    fn unreachable6(&mut self, code: u8, data: &[u8]) -> Read {
        const QUOTED: usize = 8;
        self.say(", ");
        match code {
            0 => self.say("unreachable route "),
            1 => self.say("unreachable prohibited "),
            2 => self.say("beyond scope "),
            3 => self.say("unreachable address "),
            4 => self.say("unreachable port, "),
            _ => {
                self.text
                    .put(format_args!("unknown unreach code ({code}) "));
            }
        }
        let to = address(data, QUOTED + 24)?;
        if code == 2 {
            let source = address(data, QUOTED + 8)?;
            self.host(to);
            self.say(", source address ");
            self.host(source);
            return Some(());
        }
        self.host(to);
        if code != 4 {
            return Some(());
        }
        let port = be16(data, QUOTED + 42)?;
        match data.get(QUOTED + 6)? {
            6 => {
                self.say(" tcp port ");
                self.port(port, "tcp");
            }
            17 => {
                self.say(" udp port ");
                self.port(port, "udp");
            }
            proto => {
                self.text
                    .put(format_args!(" protocol {proto} port {port} unreachable"));
            }
        }
        Some(())
    }

    /// What a router says of itself.
    fn advertised(&mut self, data: &[u8]) -> Read {
        const PREFERENCES: [&str; 4] = ["medium", "high", "reserved", "low"];
        let fixed = data.first_chunk::<16>()?;
        if self.shown.verbose == 0 {
            return Some(());
        }
        self.text.put(format_args!("\n\thop limit {}", fixed[4]));
        self.flags(
            fixed[5] & 0xe7,
            &[
                (0x80, "managed"),
                (0x40, "other stateful"),
                (0x20, "home agent"),
            ],
        );
        let preference = PREFERENCES[usize::from(fixed[5] >> 3 & 3)];
        self.text.put(format_args!(
            ", pref {preference}, router lifetime {}s, reachable time {}ms, retrans timer {}ms",
            be16(fixed, 6)?,
            be32(fixed, 8)?,
            be32(fixed, 12)?
        ));
        Some(())
    }

    /// Options of discovery, one a line, for `-v`.
    fn discovery(&mut self, data: &[u8], at: usize, length: usize) -> Read {
        if self.shown.verbose == 0 {
            return Some(());
        }
        let mut options = from(upto(data, length), at);
        while let [kind, units, ..] = *options {
            let size = usize::from(units) * 8;
            if size == 0 {
                return None;
            }
            let option = options.get(..size)?;
            let name = match kind {
                1 => "source link-address",
                2 => "destination link-address",
                3 => "prefix info",
                4 => "redirected header",
                5 => "mtu",
                24 => "route info",
                25 => "rdnss",
                31 => "dnssl",
                _ => "unknown",
            };
            self.text.put(format_args!(
                "\n\t  {name} option ({kind}), length {size} ({units}): "
            ));
            self.discovery_option(kind, option)?;
            if self.shown.verbose > 1 {
                bytes::rows(&mut self.text, "\n\t    ", from(option, 2), false);
            }
            options = from(options, size);
        }
        Some(())
    }

    fn discovery_option(&mut self, kind: u8, option: &[u8]) -> Read {
        match kind {
            1 | 2 => {
                let mac = option.get(2..)?.first_chunk::<6>()?;
                self.mac(*mac);
            }
            3 => {
                let prefix = address(option, 16)?;
                self.text.put(format_args!("{prefix}/{}", option[2]));
                self.flags(
                    *option.get(3)?,
                    &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")],
                );
                let (valid, preferred) = (be32(option, 4)?, be32(option, 8)?);
                self.say(", valid time ");
                self.lifetime(valid);
                self.say(", pref. time ");
                self.lifetime(preferred);
            }
            5 => _ = self.text.put(format_args!(" {}", be32(option, 4)?)),
            25 => {
                self.say(" lifetime ");
                self.lifetime(be32(option, 4)?);
                self.say(",");
                for addr in from(option, 8).as_chunks::<16>().0 {
                    self.text
                        .put(format_args!(" addr: {}", Ipv6Addr::from(*addr)));
                }
            }
            _ => {}
        }
        Some(())
    }

    fn lifetime(&mut self, seconds: u32) {
        if seconds == u32::MAX {
            self.say("infinity");
        } else {
            self.text.put(format_args!("{seconds}s"));
        }
    }

    /// Groups of a listener report.
    fn groups(&mut self, data: &[u8], records: u16) -> Read {
        const KINDS: [&str; 7] = [
            "unknown", "is_in", "is_ex", "to_in", "to_ex", "allow", "block",
        ];
        let mut at = 8;
        for _ in 0..records {
            let (kind, extra) = (*data.get(at)?, *data.get(at + 1)?);
            let sources = be16(data, at + 2)?;
            let group = address(data, at + 4)?;
            let kind = KINDS.get(usize::from(kind)).unwrap_or(&"unknown");
            self.text.put(format_args!(" [gaddr {group} {kind}"));
            if self.shown.verbose > 1 {
                self.say(" {");
                for index in 0..usize::from(sources) {
                    let source = address(data, at + 20 + 16 * index)?;
                    self.text.put(format_args!(" {source}"));
                }
                self.say(" }]");
            } else {
                self.text.put(format_args!(", {sources} source(s)]"));
            }
            at += 20 + 16 * usize::from(sources) + 4 * usize::from(extra);
        }
        Some(())
    }
}

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        137 => "redirect",
        138 => "router renumbering",
        139 => "who-are-you request",
        140 => "node information reply",
        143 => "multicast listener report v2",
        _ => return None,
    })
}

fn address(data: &[u8], at: usize) -> Option<IpAddr> {
    let bytes = data.get(at..)?.first_chunk::<16>()?;
    Some(IpAddr::V6(Ipv6Addr::from(*bytes)))
}
