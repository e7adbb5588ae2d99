//! TCP: flags, sequence numbers as the conversation counts them, options.

use super::{Lines, Read, be16, be32, from, ip::Between, should_be, upto};
use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
};

/// Conversations whose first numbers are remembered; the numbers of others are shown as they are.
const MOST: usize = 262_144;

/// Where numbers of a conversation begin, by its ends in order.
#[derive(Default)]
pub(super) struct Flows(HashMap<[(IpAddr, u16); 2], [u32; 2]>);

impl Flows {
    /// What to take off the numbers of this segment: of its own, and of what it acknowledges.
    fn base(
        &mut self,
        source: (IpAddr, u16),
        to: (IpAddr, u16),
        seq: u32,
        ack: u32,
        syn: bool,
    ) -> (u32, u32) {
        let turned = source > to;
        let key = if turned { [to, source] } else { [source, to] };
        let (own, other) = if turned { (1, 0) } else { (0, 1) };
        let full = self.0.len() >= MOST;
        match self.0.entry(key) {
            Entry::Occupied(known) if !syn => {
                let bases = known.get();
                return (bases[own], bases[other]);
            }
            Entry::Occupied(mut known) => {
                known.get_mut()[own] = seq;
                known.get_mut()[other] = ack.wrapping_sub(1);
            }
            Entry::Vacant(_) if full => {}
            Entry::Vacant(place) => {
                let mut bases = [0; 2];
                bases[own] = seq;
                bases[other] = ack.wrapping_sub(1);
                place.insert(bases);
            }
        }
        (0, 0)
    }
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
/// tcpdump's letters, in its order.
const LETTERS: [(u8, u8); 8] = [
    (FIN, b'F'),
    (SYN, b'S'),
    (RST, b'R'),
    (0x08, b'P'),
    (ACK, b'.'),
    (URG, b'U'),
    (0x40, b'E'),
    (0x80, b'W'),
];

impl Lines<'_> {
    pub(super) fn tcp(&mut self, data: &[u8], length: usize, between: &Between) -> Read {
        let (Some(sport), Some(dport)) = (be16(data, 0), be16(data, 2)) else {
            self.hosts_of(between);
            self.cut("tcp");
            return Some(());
        };
        self.ends_of(between, (sport, dport), "tcp");
        let Some(header) = data.first_chunk::<20>() else {
            self.cut("tcp");
            return Some(());
        };
        let size = usize::from(header[12] >> 4) * 4;
        if size < 20 {
            self.text
                .put(format_args!(" [bad hdr length {size} - too short, < 20]"));
            return Some(());
        }
        if size > length {
            self.text.put(format_args!(
                " [bad hdr length {size} - too long, > {length}]"
            ));
            return Some(());
        }
        if self.shown.quiet {
            self.say("tcp ");
            self.number((length - size) as u64);
            return Some(());
        }
        self.tcp_flags(header[13]);
        let checks = self.shown.verbose > 0 && !self.shown.no_checksums && !between.fragment;
        if checks && data.len() >= length {
            self.tcp_checksum(upto(data, length), between);
        }
        self.segment(
            header,
            from(upto(data, length), 20),
            length - 20,
            (between, sport, dport),
        )
    }

    fn tcp_flags(&mut self, flags: u8) {
        self.say("Flags [");
        if flags == 0 {
            self.say("none");
        }
        for (bit, letter) in LETTERS {
            if flags & bit != 0 {
                self.text.raw(&[letter]);
            }
        }
        self.say("]");
    }

    /// Numbers, options, and what a segment carries; `data` begins behind the fixed header.
    fn segment(
        &mut self,
        header: &[u8; 20],
        data: &[u8],
        length: usize,
        (between, sport, dport): (&Between, u16, u16),
    ) -> Read {
        let flags = header[13];
        let options = usize::from(header[12] >> 4) * 4 - 20;
        let carries = length - options;
        let (seq, ack) = (be32(header, 4)?, be32(header, 8)?);
        let bases = if self.shown.absolute || flags & ACK == 0 {
            (0, 0)
        } else {
            let (source, to) = ((between.source, sport), (between.destination, dport));
            self.flows.base(source, to, seq, ack, flags & SYN != 0)
        };
        self.tcp_numbers(
            header,
            (seq.wrapping_sub(bases.0), ack.wrapping_sub(bases.1)),
            carries,
        );
        if options > 0 {
            self.say(", options [");
            let there = upto(data, options);
            if self.tcp_options(there, options, bases.1).is_none() {
                self.say("[bad opt]");
                return Some(());
            }
            self.say("]");
        }
        self.say(", length ");
        self.number(carries as u64);
        if carries > 0 && flags & RST == 0 {
            self.tcp_payload(from(data, options), carries, (sport, dport));
        }
        Some(())
    }

    fn tcp_checksum(&mut self, data: &[u8], between: &Between) {
        let sum = between.sum(6, data);
        let found = be16(data, 16).unwrap_or(0);
        self.text.put(format_args!(", cksum 0x{found:04x}"));
        if sum == 0 {
            self.say(" (correct)");
        } else {
            let right = should_be(found, sum);
            self.text.put(format_args!(" (incorrect -> 0x{right:04x})"));
        }
    }

    fn tcp_numbers(&mut self, header: &[u8; 20], (seq, ack): (u32, u32), carries: usize) {
        let flags = header[13];
        if self.shown.verbose > 1 || carries > 0 || flags & (SYN | FIN | RST) != 0 {
            self.say(", seq ");
            self.number(seq);
            if carries > 0 {
                self.say(":");
                self.number(seq.wrapping_add(u32::try_from(carries).unwrap_or(0)));
            }
        }
        if flags & ACK != 0 {
            self.say(", ack ");
            self.number(ack);
        }
        self.say(", win ");
        self.number(be16(header, 14).unwrap_or(0));
        if flags & URG != 0 {
            self.say(", urg ");
            self.number(be16(header, 18).unwrap_or(0));
        }
    }

    fn tcp_options(&mut self, options: &[u8], whole: usize, other: u32) -> Read {
        let mut rest = options;
        let mut first = true;
        while let Some(kind) = rest.first() {
            if !first {
                self.say(",");
            }
            first = false;
            let length = match kind {
                0 | 1 => 1,
                _ => usize::from(*rest.get(1)?),
            };
            if *kind > 1 && length < 2 {
                return None;
            }
            let value = rest.get(usize::from(*kind > 1) + 1..length.max(1))?;
            self.tcp_option(*kind, value, other)?;
            if *kind == 0 {
                return Some(());
            }
            rest = from(rest, length);
        }
        (options.len() == whole).then_some(())
    }

    fn tcp_option(&mut self, kind: u8, value: &[u8], other: u32) -> Read {
        match (kind, value.len()) {
            (0, _) => self.say("eol"),
            (1, _) => self.say("nop"),
            (2, 2) => {
                self.say("mss ");
                self.number(be16(value, 0)?);
            }
            (3, 1) => {
                self.say("wscale ");
                self.number(value[0]);
            }
            (4, 0) => self.say("sackOK"),
            (5, length) if length % 8 == 0 && length > 0 => {
                self.text.put(format_args!("sack {} ", length / 8));
                for block in value.as_chunks::<8>().0 {
                    // They count what the other side sends.
                    let (left, right) = (be32(block, 0)?, be32(block, 4)?);
                    let (left, right) = (left.wrapping_sub(other), right.wrapping_sub(other));
                    self.text.put(format_args!("{{{left}:{right}}}"));
                }
            }
            (8, 8) => {
                self.say("TS val ");
                self.number(be32(value, 0)?);
                self.say(" ecr ");
                self.number(be32(value, 4)?);
            }
            (2..=5 | 8, _) => return None,
            _ => self.rare_option(kind, value),
        }
        Some(())
    }

    fn rare_option(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            // Seconds, or minutes where the lowest bit is the highest of the field.
            (28, [high, low]) => {
                let told = u16::from_be_bytes([*high, *low]);
                let unit = if told & 1 == 1 { 60 } else { 1 };
                let seconds = u32::from(told >> 1) * unit;
                self.text.put(format_args!("uto 0x{told:x} {seconds}"));
            }
            (34, []) => self.say("tfo  cookiereq"),
            (34, cookie) => {
                self.say("tfo  cookie ");
                self.hex(cookie);
            }
            // RFC 6994: what is tried out says whose it is; this is TCP Fast Open's.
            (254, [0xf9, 0x89]) => self.say("exp-tfo cookiereq"),
            (254, [0xf9, 0x89, cookie @ ..]) => {
                self.say("exp-tfo cookie ");
                self.hex(cookie);
            }
            (254, [high, low, ..]) => {
                let whose = u16::from_be_bytes([*high, *low]);
                self.text.put(format_args!("exp-{whose:04x}"));
            }
            (30, _) => _ = self.text.put(format_args!("mptcp {}", value.len() + 2)),
            (19, digest) => {
                self.say("md5 ");
                self.hex(digest);
            }
            (29, [id, next, mac @ ..]) => {
                self.text
                    .put(format_args!("tcp-ao keyid {id} rnextkeyid {next} mac 0x"));
                self.hex(mac);
            }
            (kind, _) => {
                self.text.put(format_args!("unknown-{kind}"));
                if !value.is_empty() {
                    self.say(" 0x");
                    self.hex(value);
                }
            }
        }
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.text.put(format_args!("{byte:02x}"));
        }
    }

    fn tcp_payload(&mut self, data: &[u8], length: usize, ports: (u16, u16)) {
        let either = |port: u16| ports.0 == port || ports.1 == port;
        if either(80) || either(8080) {
            self.text_protocol("HTTP", data, length);
        } else if either(25) {
            self.text_protocol("SMTP", data, length);
        } else if either(21) {
            self.text_protocol("FTP", data, length);
        } else if either(22) && data.starts_with(b"SSH-") {
            self.version("SSH", data);
        } else if either(53) && data.len() >= 2 {
            let wanted = usize::from(be16(data, 0).unwrap_or(0));
            let there = length.saturating_sub(2);
            if wanted == there {
                self.say(" ");
                self.dns(from(data, 2), wanted, false);
            } else {
                self.text.put(format_args!(
                    " [prefix length({wanted}) != length({there})] (invalid)"
                ));
            }
        }
    }
}
