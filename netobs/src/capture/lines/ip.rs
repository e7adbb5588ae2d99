//! IPv4, and what both versions carry.

use super::{Lines, Read, be16, checksum, from, should_be, upto};
use etherparse::Ipv4HeaderSlice;
use std::net::IpAddr;

/// The addresses a transport runs between, and what its checksum covers of them.
#[derive(Clone, Copy)]
pub(super) struct Between {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Not the whole datagram is here: no checksum can be told.
    pub fragment: bool,
    /// Extension headers stand between: the addresses are told already.
    pub told: bool,
}

impl Between {
    /// The sum over a transport packet and the header that its checksum pretends.
    pub fn sum(&self, proto: u8, packet: &[u8]) -> u16 {
        let length = u32::try_from(packet.len()).unwrap_or(0).to_be_bytes();
        let tail = [0, 0, 0, proto];
        match (self.source, self.destination) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                checksum(&[&a.octets(), &b.octets(), &length, &tail, packet])
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                checksum(&[&a.octets(), &b.octets(), &length, &tail, packet])
            }
            _ => 0,
        }
    }
}

/// Names of protocols, for `-v`.
pub(super) fn proto_name(proto: u8) -> &'static str {
    match proto {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        108 => "Compressed IP",
        112 => "VRRP",
        132 => "SCTP",
        _ => "unknown",
    }
}

impl Lines<'_> {
    pub(super) fn ipv4(&mut self, data: &[u8], length: usize) -> Read {
        match data.first() {
            Some(byte) if byte >> 4 != 4 => {
                self.text.put(format_args!("IP{} (invalid)", byte >> 4));
                return Some(());
            }
            _ => {}
        }
        let Ok(ip) = Ipv4HeaderSlice::from_slice(data) else {
            match data.first() {
                Some(byte) if data.len() >= 20 && byte & 15 < 5 => {
                    self.text.put(format_args!("bad-hlen {}", (byte & 15) * 4));
                }
                _ => self.cut("ip"),
            }
            return Some(());
        };
        let header = ip.slice().len();
        let mut total = usize::from(ip.total_len());
        if length < total {
            self.text.put(format_args!(
                "truncated-ip - {} bytes missing! ",
                total - length
            ));
        }
        if total < header {
            // Segmentation offload leaves 0 there.
            if total != 0 {
                self.text.put(format_args!("bad-len {total}"));
                return Some(());
            }
            total = length;
        }
        let offset = usize::from(ip.fragments_offset().value()) * 8;
        if self.shown.verbose > 0 {
            self.ipv4_header(&ip, offset, total);
        }
        let between = Between {
            source: IpAddr::V4(ip.source_addr()),
            destination: IpAddr::V4(ip.destination_addr()),
            fragment: offset > 0 || ip.more_fragments(),
            told: false,
        };
        let proto = ip.protocol().0;
        let payload = from(upto(data, total), header);
        if offset > 0 {
            self.hosts_of(&between);
            self.text.put(format_args!("ip-proto-{proto}"));
            return Some(());
        }
        self.transport(proto, payload, total.saturating_sub(header), &between)
    }

    fn ipv4_header(&mut self, ip: &Ipv4HeaderSlice<'_>, offset: usize, total: usize) {
        let data = ip.slice();
        self.text.put(format_args!("(tos 0x{:x}", data[1]));
        match data[1] & 3 {
            1 => self.say(",ECT(1)"),
            2 => self.say(",ECT(0)"),
            3 => self.say(",CE"),
            _ => {}
        }
        if ip.ttl() >= 1 {
            self.text.put(format_args!(", ttl {}", ip.ttl()));
        }
        let flags = match (data[6] & 0x80 != 0, ip.dont_fragment(), ip.more_fragments()) {
            (true, ..) => "rsvd",
            (_, true, true) => "+, DF",
            (_, true, false) => "DF",
            (_, false, true) => "+",
            _ => "none",
        };
        let proto = ip.protocol().0;
        self.text.put(format_args!(
            ", id {}, offset {offset}, flags [{flags}], proto {} ({proto}), length {total}",
            ip.identification(),
            proto_name(proto)
        ));
        if ip.options().as_ref().is_empty() {
            // nothing to say
        } else {
            self.say(", options (");
            self.ipv4_options(ip.options().as_ref());
            self.say(")");
        }
        let sum = checksum(&[data]);
        if !self.shown.no_checksums && sum != 0 {
            let found = be16(data, 10).unwrap_or(0);
            let right = should_be(found, sum);
            self.text
                .put(format_args!(", bad cksum {found:x} (->{right:x})!"));
        }
        self.say(")\n    ");
    }

    fn ipv4_options(&mut self, mut options: &[u8]) {
        let mut first = true;
        while let Some(kind) = options.first() {
            if !first {
                self.say(",");
            }
            first = false;
            let name = match kind {
                0 => "EOL",
                1 => "NOP",
                7 => "RR",
                68 => "timestamp",
                130 => "security",
                131 => "LSRR",
                137 => "SSRR",
                148 => "RA",
                _ => "unknown",
            };
            self.say(name);
            let length = match (kind, options.get(1)) {
                (0, _) => return,
                (1, _) => 1,
                (_, Some(length)) if *length >= 2 => usize::from(*length),
                _ => return,
            };
            options = from(options, length);
        }
    }

    /// `10.0.0.1 > 10.0.0.2: `
    pub(super) fn hosts_of(&mut self, between: &Between) {
        if between.told {
            return;
        }
        self.host(between.source);
        self.say(" > ");
        self.host(between.destination);
        self.say(": ");
    }

    /// `10.0.0.1.80 > 10.0.0.2.90: `
    pub(super) fn ends_of(&mut self, between: &Between, ports: (u16, u16), protocol: &'static str) {
        if !between.told {
            self.host(between.source);
            self.say(".");
        }
        self.port(ports.0, protocol);
        self.say(" > ");
        if !between.told {
            self.host(between.destination);
            self.say(".");
        }
        self.port(ports.1, protocol);
        self.say(": ");
    }

    /// What an IP header carries, by its protocol number.
    pub(super) fn transport(
        &mut self,
        proto: u8,
        data: &[u8],
        length: usize,
        between: &Between,
    ) -> Read {
        match proto {
            6 => return self.tcp(data, length, between),
            17 => return self.udp(data, length, between),
            132 => {
                self.sctp(data, between);
                return Some(());
            }
            _ => self.hosts_of(between),
        }
        let read = match proto {
            1 => self.icmp(data, length, between),
            2 => self.igmp(data, length),
            4 => self.inner("IP ", |lines| lines.ipv4(data, length)),
            41 => self.inner("IP6 ", |lines| lines.ipv6(data, length)),
            47 => self.deeper(|lines| lines.gre(data, length)),
            50 => self.esp(data, length),
            51 => self.deeper(|lines| lines.ah(data, length, between)),
            58 => self.icmp6(data, length, between),
            59 => {
                self.say("no next header");
                Some(())
            }
            89 => self.ospf(data, length),
            103 => {
                self.text.put(format_args!(
                    "PIMv{}, length {length}",
                    data.first().map_or(0, |b| b >> 4)
                ));
                Some(())
            }
            112 => self.vrrp(data, length),
            _ => {
                self.text.put(format_args!(" ip-proto-{proto} {length}"));
                Some(())
            }
        };
        if read.is_none() {
            let name = proto_name(proto).to_ascii_lowercase();
            self.cut(if name == "icmpv6" { "icmp6" } else { &name });
        }
        Some(())
    }

    fn inner(&mut self, word: &str, read: impl FnOnce(&mut Self) -> Read) -> Read {
        if !self.shown.link {
            self.say(word);
        }
        self.deeper(read)
    }
}
