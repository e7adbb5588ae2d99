//! ICMP: what it says, and of which packet.

use super::{Lines, Read, be16, checksum, from, ip::Between, should_be, upto};
use std::net::{IpAddr, Ipv4Addr};

/// Where the quoted packet begins, and in it the destination and the protocol.
const QUOTED: usize = 8;

impl Lines<'_> {
    pub(super) fn icmp(&mut self, data: &[u8], length: usize, between: &Between) -> Read {
        let [kind, code, ..] = *data else { return None };
        let quoted = from(data, QUOTED);
        match kind {
            // Nothing is told of an error whose packet is cut off.
            3 | 5 | 11 if quoted.len() < 20 => return None,
            0 | 8 if data.len() < QUOTED => return None,
            _ => {}
        }
        self.say("ICMP ");
        self.icmp_kind(kind, code, data)?;
        self.say(", length ");
        self.number(length as u64);
        if self.shown.verbose == 0 {
            return Some(());
        }
        let sum = checksum(&[upto(data, length)]);
        if !between.fragment && data.len() >= length && sum != 0 {
            let found = be16(data, 2)?;
            let right = should_be(found, sum);
            self.text
                .put(format_args!(" (wrong icmp cksum {found:x} (->{right:x})!)"));
        }
        if matches!(kind, 3 | 4 | 5 | 11 | 12) {
            self.say("\n\t");
            let whole = be16(quoted, 2).map_or(quoted.len(), usize::from);
            self.quoted(|lines| lines.ipv4(upto(quoted, whole), whole));
        }
        Some(())
    }

    fn icmp_kind(&mut self, kind: u8, code: u8, data: &[u8]) -> Read {
        let words = match kind {
            0 | 8 => {
                self.say(if kind == 8 {
                    "echo request, id "
                } else {
                    "echo reply, id "
                });
                self.number(be16(data, 4)?);
                self.say(", seq ");
                self.number(be16(data, 6)?);
                return Some(());
            }
            3 => return self.unreachable(code, data),
            5 => return self.redirect(code, data),
            13 | 14 => {
                let what = if kind == 13 { "query" } else { "reply" };
                let (id, seq) = (be16(data, 4)?, be16(data, 6)?);
                self.text
                    .put(format_args!("time stamp {what} id {id} seq {seq}"));
                return Some(());
            }
            12 if code == 0 => {
                self.text
                    .put(format_args!("parameter problem - octet {}", data.get(4)?));
                return Some(());
            }
            12 => {
                self.text
                    .put(format_args!("parameter problem - code {code}"));
                return Some(());
            }
            11 if code > 1 => {
                self.text.put(format_args!("time exceeded-#{code}"));
                return Some(());
            }
            11 if code == 1 => "ip reassembly time exceeded",
            11 => "time exceeded in-transit",
            4 => "source quench",
            9 => "router advertisement",
            10 => "router solicitation",
            15 => "information request",
            16 => "information reply",
            17 => "address mask request",
            _ => {
                self.text.put(format_args!("type-#{kind}"));
                return Some(());
            }
        };
        self.say(words);
        Some(())
    }

    /// A packet in an error: its version stands before it unless the link is shown.
    fn quoted(&mut self, read: impl FnOnce(&mut Self) -> Read) {
        if !self.shown.link {
            self.say("IP ");
        }
        let _read_as_far_as_it_goes = self.deeper(read);
    }

    fn unreachable(&mut self, code: u8, data: &[u8]) -> Read {
        let to = quoted_destination(data)?;
        let (before, after) = match code {
            0 => ("net ", ""),
            1 => ("host ", ""),
            2 => {
                self.host(to);
                self.text.put(format_args!(
                    " protocol {} unreachable",
                    data.get(QUOTED + 9)?
                ));
                return Some(());
            }
            3 => return self.port_unreachable(to, data),
            4 => {
                self.host(to);
                self.say(" unreachable - need to frag");
                match be16(data, 6)? {
                    0 => {}
                    mtu => _ = self.text.put(format_args!(" (mtu {mtu})")),
                }
                return Some(());
            }
            5 => ("", " - source route failed"),
            6 => ("net ", " - unknown"),
            7 => ("host ", " - unknown"),
            8 => ("", " - source host isolated"),
            9 => ("net ", " - admin prohibited"),
            10 => ("host ", " - admin prohibited"),
            11 => ("net ", " - tos prohibited"),
            12 => ("host ", " - tos prohibited"),
            13 => ("host ", " - admin prohibited filter"),
            14 => ("host ", " - host precedence violation"),
            15 => ("host ", " - precedence cutoff"),
            _ => {
                self.host(to);
                self.text.put(format_args!(" unreachable - #{code}"));
                return Some(());
            }
        };
        self.say(before);
        self.host(to);
        self.say(" unreachable");
        self.say(after);
        Some(())
    }

    fn port_unreachable(&mut self, to: IpAddr, data: &[u8]) -> Read {
        let header = usize::from(data.get(QUOTED)? & 15) * 4;
        let proto = *data.get(QUOTED + 9)?;
        let port = be16(data, QUOTED + header + 2)?;
        self.host(to);
        match proto {
            6 => {
                self.say(" tcp port ");
                self.port(port, "tcp");
            }
            17 => {
                self.say(" udp port ");
                self.port(port, "udp");
            }
            _ => _ = self.text.put(format_args!(" protocol {proto} port {port}")),
        }
        self.say(" unreachable");
        Some(())
    }

    fn redirect(&mut self, code: u8, data: &[u8]) -> Read {
        let to = quoted_destination(data)?;
        let gateway = IpAddr::V4(Ipv4Addr::from(*data.get(4..)?.first_chunk::<4>()?));
        self.say("redirect");
        match code {
            2 | 3 => self.say("-tos"),
            0 | 1 => {}
            _ => _ = self.text.put(format_args!("-#{code}")),
        }
        self.say(" ");
        self.host(to);
        self.say(match code {
            0 | 2 => " to net ",
            1 | 3 => " to host ",
            _ => " to ",
        });
        self.host(gateway);
        Some(())
    }
}

fn quoted_destination(data: &[u8]) -> Option<IpAddr> {
    let bytes = data.get(QUOTED + 16..)?.first_chunk::<4>()?;
    Some(IpAddr::V4(Ipv4Addr::from(*bytes)))
}
