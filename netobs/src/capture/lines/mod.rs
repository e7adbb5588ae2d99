//! A packet as people read it: lines in the format of tcpdump, whatever the bytes are.

mod arp;
mod bytes;
mod cookbook;
mod cooked;
mod dns;
mod ether;
mod icmp;
mod icmp6;
mod ip;
mod ip6;
mod ppp;
mod stamp;
mod tcp;
#[cfg(test)]
mod tests;
mod text;
mod tunnel;
mod udp;

pub use bytes::Bytes;
pub use stamp::{Stamp, Stamps};

use super::{
    file::{Interface, Packet},
    link::LinkType,
};
use crate::line::Line;
use std::{collections::HashMap, net::IpAddr};
use tcp::Flows;

/// Headers inside of each other that are followed.
const DEEPEST: u8 = 12;

/// What is shown of a packet: tcpdump's flags.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// `-v`, `-vv`, `-vvv`
    pub verbose: u8,
    /// `-q`
    pub quiet: bool,
    /// `-e`
    pub link: bool,
    /// `-S`
    pub absolute: bool,
    /// `-#`
    pub numbered: bool,
    /// `-K`
    pub no_checksums: bool,
    /// `-A`, `-x`, `-X` and their doubles
    pub bytes: Bytes,
    pub stamp: Stamp,
}

/// Names of ports and hosts, unless numbers are wanted.
pub trait Naming {
    fn port(&self, port: u16, protocol: &'static str) -> Option<&str>;
    fn host(&mut self, addr: IpAddr) -> Option<String>;
}

/// `-n`
pub struct Numbers;

impl Naming for Numbers {
    fn port(&self, _: u16, _: &'static str) -> Option<&str> {
        None
    }

    fn host(&mut self, _: IpAddr) -> Option<String> {
        None
    }
}

/// Names of hosts that are remembered.
const HOSTS: usize = 4096;

pub struct Lines<'a> {
    text: Line,
    shown: Shown,
    stamps: Stamps,
    flows: Flows,
    names: Box<dyn Naming + 'a>,
    hosts: HashMap<IpAddr, Option<String>>,
    depth: u8,
    count: u64,
}

/// Ends the reading of a packet: what comes next is not there.
type Read = Option<()>;

impl<'a> Lines<'a> {
    pub fn new(shown: Shown, stamps: Stamps, names: Box<dyn Naming + 'a>) -> Self {
        Self {
            text: Line::default(),
            shown,
            stamps,
            flows: Flows::default(),
            names,
            hosts: HashMap::new(),
            depth: 0,
            count: 0,
        }
    }

    /// What is ready to be written.
    pub fn pending(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Adds the lines of a packet.
    pub fn packet(&mut self, interface: &Interface, packet: &Packet<'_>) {
        let link = interface.link;
        self.count += 1;
        self.depth = 0;
        self.text.begin();
        if self.shown.numbered {
            self.text.put(format_args!("{:5}  ", self.count));
        }
        self.stamps
            .push(&mut self.text, self.shown.stamp, packet.time_ns);
        let data = packet.data;
        // A file may tell less than it holds.
        let length = (packet.wire as usize).max(data.len());
        let header = match link {
            LinkType::Ethernet => self.ethernet(data, length),
            LinkType::Sll => self.cooked(data, length, None),
            LinkType::Sll2 => self.cooked(data, length, Some(interface)),
            LinkType::Null => self.loopback(data, length, true),
            LinkType::Loop => self.loopback(data, length, false),
            LinkType::Raw | LinkType::RawV4 | LinkType::RawV6 => self.raw_ip(data, length),
            LinkType::Ppp => self.ppp(data, length).map_or(data.len(), |()| 0),
        };
        if !packet.comment.is_empty() {
            self.say("  [");
            self.comment(packet.comment);
            self.say("]");
        }
        self.bytes(data, header.min(data.len()), link);
        self.text.raw(b"\n");
    }

    /// Names in ours are escaped already, so backslashes stay as they are.
    fn comment(&mut self, comment: &[u8]) {
        for part in comment.split_inclusive(|byte| *byte == b'\\') {
            match part {
                [rest @ .., b'\\'] => self.text.escaped(rest).raw(b"\\"),
                part => self.text.escaped(part),
            };
        }
    }

    /// One layer deeper; a packet that nests without end is not followed.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Read) -> Read {
        if self.depth >= DEEPEST {
            self.text.raw(b" [nested too deeply]");
            return Some(());
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    fn cut(&mut self, what: &str) {
        self.text.raw(b" [|").raw(what.as_bytes()).raw(b"]");
    }

    /// An address, by name if names are wanted.
    fn host(&mut self, addr: IpAddr) {
        if !self.hosts.contains_key(&addr) && self.hosts.len() < HOSTS {
            let name = self.names.host(addr);
            self.hosts.insert(addr, name);
        }
        match self.hosts.get(&addr) {
            Some(Some(name)) => _ = self.text.escaped(name.as_bytes()),
            _ => _ = self.text.ip(addr),
        }
    }

    fn port(&mut self, port: u16, protocol: &'static str) {
        match self.names.port(port, protocol) {
            Some(name) => _ = self.text.escaped(name.as_bytes()),
            None => _ = self.text.number(u64::from(port)),
        }
    }

    fn number(&mut self, n: impl Into<u64>) {
        self.text.number(n.into());
    }

    fn say(&mut self, words: &str) {
        self.text.raw(words.as_bytes());
    }
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .map(|bytes| u16::from_be_bytes(*bytes))
}

fn be32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}

/// The first `length` bytes, or as many as there are.
fn upto(data: &[u8], length: usize) -> &[u8] {
    &data[..length.min(data.len())]
}

fn from(data: &[u8], at: usize) -> &[u8] {
    data.get(at..).unwrap_or_default()
}

/// The sum of RFC 1071 over these parts, as it would stand in the header: 0 when the checksum inside is right.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        sum += words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum::<u64>();
        sum += rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// What a wrong checksum should be, from what it is and the sum over it.
fn should_be(found: u16, sum: u16) -> u16 {
    let mut shall = u32::from(found) + u32::from(sum);
    shall = (shall & 0xffff) + (shall >> 16);
    u16::try_from((shall & 0xffff) + (shall >> 16)).unwrap_or(0)
}
