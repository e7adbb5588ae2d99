//! UDP, and what its well-known ports carry.

use super::{Lines, Read, be16, be32, from, ip::Between, should_be, upto};

const HEADER: usize = 8;

/// What a header tells of its datagram.
struct Datagram {
    ports: (u16, u16),
    /// Bytes behind the header: those there are, and those there would be by the header.
    length: usize,
    claimed: usize,
    fragment: bool,
}

/// Linux's own port for it, and flannel's, is known for other things, too: a network is told, and what is reserved is 0.
fn is_vxlan(data: &[u8]) -> bool {
    matches!(data, [0x08, 0, 0, 0, _, _, _, 0, ..])
}

impl Lines<'_> {
    pub(super) fn udp(&mut self, data: &[u8], length: usize, between: &Between) -> Read {
        let Some(header) = data.first_chunk::<HEADER>() else {
            self.hosts_of(between);
            self.cut("udp");
            return Some(());
        };
        let ports = (be16(header, 0)?, be16(header, 2)?);
        let told = usize::from(be16(header, 4)?);
        // 0 is a jumbogram's, or that of segmentation offload.
        let length = if told == 0 { length } else { length.min(told) };
        if told != 0 && told < HEADER {
            self.ends_of(between, ports, "udp");
            self.text.put(format_args!("truncated-udplength {told}"));
            return Some(());
        }
        let carries = length.saturating_sub(HEADER);
        self.ends_of(between, ports, "udp");
        let datagram = Datagram {
            ports,
            length: carries,
            claimed: if told == 0 { carries } else { told - HEADER },
            fragment: between.fragment,
        };
        if self.shown.quiet {
            self.datagram(&datagram);
            return Some(());
        }
        self.udp_checksum(upto(data, length), length, between);
        self.udp_payload(from(upto(data, length), HEADER), &datagram);
        Some(())
    }

    fn udp_checksum(&mut self, data: &[u8], length: usize, between: &Between) {
        // Many send none over IPv4, so that -v alone says nothing of it.
        let wanted = if between.source.is_ipv4() { 2 } else { 1 };
        if self.shown.verbose < wanted || self.shown.no_checksums || between.fragment {
            return;
        }
        let found = be16(data, 6).unwrap_or(0);
        if found == 0 && between.source.is_ipv4() {
            self.say("[no cksum] ");
            return;
        }
        if data.len() < length {
            return;
        }
        match between.sum(17, data) {
            0 => self.say("[udp sum ok] "),
            sum => {
                let right = should_be(found, sum);
                self.text.put(format_args!(
                    "[bad udp cksum 0x{found:04x} -> 0x{right:04x}!] "
                ));
            }
        }
    }

    fn udp_payload(&mut self, data: &[u8], datagram: &Datagram) {
        let (ports, length) = (datagram.ports, datagram.length);
        let either = |port: u16| ports.0 == port || ports.1 == port;
        if either(53) {
            self.dns(data, length, false);
        } else if either(5353) {
            self.dns(data, length, true);
        } else if (either(67) || either(68)) && data.len() >= 34 {
            self.dhcp(data, length);
        } else if either(123) && !data.is_empty() {
            self.ntp(data, length);
        } else if ports.1 == 4789 && data.len() >= 8 || ports.1 == 8472 && is_vxlan(data) {
            let _read_as_far_as_it_goes = self.deeper(|lines| lines.vxlan(data, length));
        } else if either(6081) && data.len() >= 8 {
            let _read_as_far_as_it_goes = self.deeper(|lines| lines.geneve(data, length));
        } else {
            self.datagram(datagram);
        }
    }

    /// The length that a header tells, where the rest of it is in other fragments.
    fn datagram(&mut self, datagram: &Datagram) {
        self.say("UDP, ");
        if datagram.claimed > datagram.length && !datagram.fragment {
            let (claimed, length) = (datagram.claimed, datagram.length);
            self.text
                .put(format_args!("bad length {claimed} > {length}"));
            return;
        }
        self.say("length ");
        self.number(datagram.claimed as u64);
    }

    fn dhcp(&mut self, data: &[u8], length: usize) {
        self.say("BOOTP/DHCP, ");
        match data[0] {
            1 => {
                self.say("Request");
                let mac = data.get(28..).and_then(|d| d.first_chunk::<6>());
                if let (Some(mac), 1, 6) = (mac, data[1], data[2]) {
                    self.say(" from ");
                    self.mac(*mac);
                }
            }
            2 => self.say("Reply"),
            other => _ = self.text.put(format_args!("unknown (0x{other:02x})")),
        }
        self.text.put(format_args!(", length {length}"));
        if self.shown.verbose > 0 {
            self.text
                .put(format_args!(", xid 0x{:x}", be32(data, 4).unwrap_or(0)));
        }
    }

    fn ntp(&mut self, data: &[u8], length: usize) {
        const MODES: [&str; 8] = [
            "Reserved",
            "symmetric active",
            "symmetric passive",
            "Client",
            "Server",
            "Broadcast",
            "Control Message",
            "Reserved",
        ];
        let (version, mode) = (data[0] >> 3 & 7, usize::from(data[0] & 7));
        self.text.put(format_args!(
            "NTPv{version}, {}, length {length}",
            MODES[mode]
        ));
    }
}
