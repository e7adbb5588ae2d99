//! Protocols beside TCP and UDP that are named in a line: IGMP, ESP, OSPF, VRRP, SCTP.

use super::{Lines, Read, be16, be32, from, ip::Between};
use std::net::Ipv4Addr;

impl Lines<'_> {
    pub(super) fn igmp(&mut self, data: &[u8], length: usize) -> Read {
        let [kind, code, ..] = *data else { return None };
        if self.shown.quiet {
            self.say("igmp");
            return Some(());
        }
        let group = || {
            let bytes = data.get(4..)?.first_chunk::<4>()?;
            Some(Ipv4Addr::from(*bytes))
        };
        match kind {
            0x11 => {
                self.say("igmp query v");
                self.say(match (length, code) {
                    (12.., _) => "3",
                    (_, 0) => "1",
                    _ => "2",
                });
                match group()? {
                    Ipv4Addr::UNSPECIFIED => {}
                    group => _ = self.text.put(format_args!(" [gaddr {group}]")),
                }
            }
            0x12 => _ = self.text.put(format_args!("igmp v1 report {}", group()?)),
            0x16 => _ = self.text.put(format_args!("igmp v2 report {}", group()?)),
            0x17 => _ = self.text.put(format_args!("igmp leave {}", group()?)),
            0x22 => {
                self.text.put(format_args!(
                    "igmp v3 report, {} group record(s)",
                    be16(data, 6)?
                ));
            }
            _ => _ = self.text.put(format_args!("igmp-{kind}")),
        }
        Some(())
    }

    pub(super) fn esp(&mut self, data: &[u8], length: usize) -> Read {
        self.text.put(format_args!(
            "ESP(spi=0x{:08x},seq=0x{:x}), length {length}",
            be32(data, 0)?,
            be32(data, 4)?
        ));
        Some(())
    }

    pub(super) fn ospf(&mut self, data: &[u8], length: usize) -> Read {
        const KINDS: [&str; 6] = [
            "unknown",
            "Hello",
            "Database Description",
            "LS-Request",
            "LS-Update",
            "LS-Ack",
        ];
        let [version, kind, ..] = *data else {
            return None;
        };
        let kind = KINDS.get(usize::from(kind)).unwrap_or(&"unknown");
        self.text
            .put(format_args!("OSPFv{version}, {kind}, length {length}"));
        Some(())
    }

    pub(super) fn vrrp(&mut self, data: &[u8], length: usize) -> Read {
        let [first, router, priority, ..] = *data else {
            return None;
        };
        let version = first >> 4;
        self.text.put(format_args!(
            "VRRPv{version}, Advertisement, vrid {router}, prio {priority}, length {length}"
        ));
        Some(())
    }

    pub(super) fn sctp(&mut self, data: &[u8], between: &Between) {
        const KINDS: [&str; 15] = [
            "DATA",
            "INIT",
            "INIT ACK",
            "SACK",
            "HB REQ",
            "HB ACK",
            "ABORT",
            "SHUTDOWN",
            "SHUTDOWN ACK",
            "ERROR",
            "COOKIE ECHO",
            "COOKIE ACK",
            "ECNE",
            "CWR",
            "SHUTDOWN COMPLETE",
        ];
        let (Some(sport), Some(dport)) = (be16(data, 0), be16(data, 2)) else {
            self.hosts_of(between);
            self.cut("sctp");
            return;
        };
        self.ends_of(between, (sport, dport), "sctp");
        self.say("sctp");
        let mut chunks = from(data, 12);
        let mut count = 0;
        while let ([kind, ..], Some(size)) = (chunks, be16(chunks, 2)) {
            count += 1;
            match KINDS.get(usize::from(*kind)) {
                Some(name) => _ = self.text.put(format_args!(" ({count}) [{name}]")),
                None => {
                    self.text
                        .put(format_args!(" ({count}) [unknown chunk type: {kind}]"));
                }
            }
            if size < 4 {
                break;
            }
            chunks = from(chunks, usize::from(size).next_multiple_of(4));
        }
    }
}
