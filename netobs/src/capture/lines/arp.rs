//! ARP and reverse ARP.

use super::{Lines, Read, be16};
use etherparse::ArpPacketSlice;
use std::net::{IpAddr, Ipv4Addr};

impl Lines<'_> {
    pub(super) fn arp(&mut self, data: &[u8], length: usize) -> Read {
        let arp = ArpPacketSlice::from_slice(data).ok()?;
        let known = arp.hw_addr_size() == 6 && arp.proto_addr_size() == 4;
        if self.shown.verbose > 0 {
            let (hardware, protocol) = (arp.hw_addr_size(), arp.proto_addr_size());
            self.text.put(format_args!(
                "Ethernet (len {hardware}), IPv4 (len {protocol}), "
            ));
        }
        if !known {
            self.text.put(format_args!(
                "Unknown Hardware ({}) (len {}), Unknown Protocol (0x{:04x}) (len {}), length {length}",
                arp.hw_addr_type().0,
                arp.hw_addr_size(),
                arp.proto_addr_type().0,
                arp.proto_addr_size()
            ));
            return Some(());
        }
        let source = ipv4(arp.sender_protocol_addr());
        let target = ipv4(arp.target_protocol_addr());
        let from = mac(arp.sender_hw_addr());
        let to = mac(arp.target_hw_addr());
        match be16(data, 6)? {
            1 => {
                self.say("Request who-has ");
                self.host(target);
                if to != [0; 6] && to != [0xff; 6] {
                    self.say(" (");
                    self.mac(to);
                    self.say(")");
                }
                self.say(" tell ");
                self.host(source);
            }
            2 => {
                self.say("Reply ");
                self.host(source);
                self.say(" is-at ");
                self.mac(from);
            }
            3 => {
                self.say("Reverse Request who-is ");
                self.mac(to);
                self.say(" tell ");
                self.mac(from);
            }
            4 => {
                self.say("Reverse Reply ");
                self.mac(to);
                self.say(" at ");
                self.host(target);
            }
            other => _ = self.text.put(format_args!("Unknown ({other})")),
        }
        self.text.put(format_args!(", length {length}"));
        Some(())
    }
}

fn ipv4(bytes: &[u8]) -> IpAddr {
    let octets = bytes.first_chunk::<4>().copied().unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from(octets))
}

fn mac(bytes: &[u8]) -> [u8; 6] {
    bytes.first_chunk().copied().unwrap_or_default()
}
