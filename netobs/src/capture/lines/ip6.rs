//! IPv6 and its extension headers.

use super::{
    Lines, Read, be16, be32, from,
    ip::{Between, proto_name},
    upto,
};
use etherparse::Ipv6HeaderSlice;
use std::net::{IpAddr, Ipv6Addr};

const HEADER: usize = 40;
/// Extension headers of one packet that are followed.
const MOST: usize = 64;

impl Lines<'_> {
    pub(super) fn ipv6(&mut self, data: &[u8], length: usize) -> Read {
        let Ok(ip) = Ipv6HeaderSlice::from_slice(data) else {
            match data.first() {
                Some(byte) if data.len() >= HEADER => {
                    self.text.put(format_args!(
                        "IP6, wrong link-layer encapsulation (invalid {})",
                        byte >> 4
                    ));
                }
                _ => self.cut("ip6"),
            }
            return Some(());
        };
        let mut payload = usize::from(ip.payload_length());
        if length < payload + HEADER {
            let missing = (payload + HEADER).saturating_sub(length);
            self.text
                .put(format_args!("truncated-ip6 - {missing} bytes missing!"));
        }
        let next = ip.next_header().0;
        if payload == 0 && length > HEADER && next != 59 {
            payload = length - HEADER; // a jumbo of segmentation offload
        }
        if self.shown.verbose > 0 {
            self.say("(");
            let class = ip.traffic_class();
            if class != 0 {
                self.text.put(format_args!("class 0x{class:02x}, "));
            }
            let flow = ip.flow_label().value();
            if flow != 0 {
                self.text.put(format_args!("flowlabel 0x{flow:05x}, "));
            }
            let name = proto_name(next);
            self.text.put(format_args!(
                "hlim {}, next-header {name} ({next}) payload length: {}) ",
                ip.hop_limit(),
                ip.payload_length()
            ));
        }
        let between = Between {
            source: IpAddr::V6(ip.source_addr()),
            destination: IpAddr::V6(ip.destination_addr()),
            fragment: false,
            told: false,
        };
        let data = upto(from(data, HEADER), payload);
        self.extensions(next, data, payload, between)
    }

    fn extensions(&mut self, next: u8, data: &[u8], length: usize, between: Between) -> Read {
        let (mut next, mut data, mut length, mut between) = (next, data, length, between);
        for _ in 0..MOST {
            let name = match next {
                0 => "HBH",
                43 => "RT6",
                44 => "frag",
                60 => "DSTOPT",
                135 => "mobility",
                _ => return self.transport(next, data, length, &between),
            };
            self.hosts_of(&between);
            between.told = true;
            if next == 135 {
                self.text.put(format_args!("mobility, length {length}"));
                return Some(());
            }
            let Some(size) = self.extension(next, data, length, &mut between) else {
                self.cut(if next == 43 { "srcrt" } else { name });
                return Some(());
            };
            if size == usize::MAX {
                return Some(()); // a later fragment
            }
            next = *data.first()?;
            data = from(data, size);
            length = length.saturating_sub(size);
        }
        self.say("too many extension headers");
        Some(())
    }

    /// One header; its length.
    fn extension(
        &mut self,
        kind: u8,
        data: &[u8],
        length: usize,
        between: &mut Between,
    ) -> Option<usize> {
        let size = (usize::from(*data.get(1)?) + 1) * 8;
        match kind {
            44 => return self.fragment(data, length, between),
            43 => self.routing(data, size, between)?,
            0 => {
                self.say("HBH ");
                self.header_options(data.get(2..size)?);
            }
            _ => {
                self.say("DSTOPT ");
                self.header_options(data.get(2..size)?);
            }
        }
        (data.len() >= size).then_some(size)
    }

    fn fragment(&mut self, data: &[u8], length: usize, between: &mut Between) -> Option<usize> {
        let (word, id) = (be16(data, 2)?, be32(data, 4)?);
        let offset = word & 0xfff8;
        self.say("frag (");
        if self.shown.verbose > 0 {
            self.text.put(format_args!("0x{id:08x}:"));
        }
        self.text
            .put(format_args!("{offset}|{}", length.saturating_sub(8)));
        self.say(")");
        // tcpdump checks no sums behind such a header, even when all is there.
        between.fragment = true;
        if offset > 0 {
            return Some(usize::MAX);
        }
        self.say(" ");
        Some(8)
    }

    fn routing(&mut self, data: &[u8], size: usize, between: &mut Between) -> Option<()> {
        let [_, length, kind, left, ..] = *data else {
            return None;
        };
        let name = match kind {
            0 => " [Deprecated]",
            4 => " ",
            _ => "",
        };
        self.text.put(format_args!(
            "RT6 (len={length}, type={kind}{name}, segleft={left}"
        ));
        if kind == 0 || kind == 2 {
            if self.shown.verbose > 0 {
                self.text.put(format_args!(", rsv=0x{:x}", be32(data, 4)?));
            }
            let addresses = data.get(8..size)?;
            for (index, addr) in addresses.as_chunks::<16>().0.iter().enumerate() {
                let addr = Ipv6Addr::from(*addr);
                self.text.put(format_args!(", [{index}]{addr}"));
                if left > 0 {
                    // Checksums are of where it will arrive.
                    between.destination = IpAddr::V6(addr);
                }
            }
        } else if kind == 4 {
            let last = data.get(4)?;
            self.text.put(format_args!(
                ", last-entry={last}, flags=0x{:x}, tag={:x}",
                data.get(5)?,
                be16(data, 6)?
            ));
            let addresses = data.get(8..size)?;
            for (index, addr) in addresses
                .as_chunks::<16>()
                .0
                .iter()
                .take(usize::from(*last) + 1)
                .enumerate()
            {
                self.text
                    .put(format_args!(", [{index}]{}", Ipv6Addr::from(*addr)));
            }
        }
        self.say(") ");
        Some(())
    }

    /// Names of options, for `-v`.
    fn header_options(&mut self, mut options: &[u8]) {
        if self.shown.verbose == 0 {
            return;
        }
        while let Some(kind) = options.first() {
            let length = if *kind == 0 {
                1
            } else {
                options.get(1).map_or(2, |length| usize::from(*length) + 2)
            };
            match (kind, be16(options, 2)) {
                (0, _) => self.say("(pad1) "),
                (1, _) => self.say("(padn) "),
                (5, Some(value)) => _ = self.text.put(format_args!("(rtalert: 0x{value:04x}) ")),
                (0xc2, _) => {
                    self.text
                        .put(format_args!("(jumbo: {}) ", be32(options, 2).unwrap_or(0)));
                }
                (kind, _) => {
                    self.text.put(format_args!(
                        "(opt_type 0x{kind:02x}: len={}) ",
                        length.saturating_sub(2)
                    ));
                }
            }
            options = from(options, length);
        }
    }
}
