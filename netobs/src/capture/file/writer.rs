//! pcapng written: one interface block for each interface met, packets with nanoseconds, what was lost at the end.

use super::{
    Interface, Packet,
    processes::{self, Processes},
};
use pcap_file::{
    Endianness, PcapError,
    pcapng::{
        PcapNgWriter,
        blocks::{
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption},
            name_resolution::{Ipv4Record, Ipv6Record, NameResolutionBlock, Record},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};
use std::{
    borrow::Cow,
    io::{self, Write},
    net::IpAddr,
};
use zerocopy::IntoBytes as _;

/// `if_tsresol`: ten to the power of -9 seconds.
const NANOSECONDS: u8 = 9;
/// An enhanced packet block: its number, and its bytes around packet and options.
const PACKET: u32 = 6;
const HEAD: u32 = 28;
const FRAME: u32 = HEAD + 4;
/// Zeros behind a packet whose length is no multiple of four.
const PADDING: [u8; 3] = [0; 3];

pub struct Writer<W: Write> {
    inner: PcapNgWriter<Gathered<W>>,
    /// Number in this file of each interface of the source.
    numbers: Vec<Option<u32>>,
    /// Packets of each interface of this file.
    packets: Vec<u64>,
    processes: Processes,
    first_ns: u64,
    last_ns: u64,
}

/// What a capture as a whole saw, for the end of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    pub received: u64,
    pub lost: u64,
}

/// Bytes that are written at once.
const AT_ONCE: usize = 256 * 1024;

/// Gathers what is written, and counts it.
struct Gathered<W> {
    output: W,
    waiting: Vec<u8>,
    /// Of what waits no more.
    bytes: u64,
}

impl<W: Write> Gathered<W> {
    /// Writes out what waits, if it is much.
    #[inline]
    fn settle(&mut self) -> io::Result<()> {
        if self.waiting.len() < AT_ONCE {
            return Ok(());
        }
        self.write_out()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.bytes += self.waiting.len() as u64;
        let written = self.output.write_all(&self.waiting);
        self.waiting.clear();
        written
    }
}

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        self.settle()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.output.flush()
    }
}

impl<W: Write> Writer<W> {
    pub fn new(output: W) -> io::Result<Self> {
        let application = concat!("netobs ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::native(),
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(
                application,
            ))],
            ..SectionHeaderBlock::default()
        };
        let output = Gathered {
            output,
            waiting: Vec::new(),
            bytes: 0,
        };
        let inner = PcapNgWriter::with_section_header(output, section).map_err(failed)?;
        Ok(Self {
            inner,
            numbers: Vec::new(),
            packets: Vec::new(),
            processes: Processes::default(),
            first_ns: 0,
            last_ns: 0,
        })
    }

    /// Names of addresses, for who reads the file where they mean nothing.
    pub fn names(&mut self, known: &[(IpAddr, String)]) -> io::Result<()> {
        let record = |(address, name): &'_ (IpAddr, String)| match address {
            IpAddr::V4(v4) => Record::Ipv4(Ipv4Record {
                ip_addr: Cow::Owned(v4.octets().to_vec()),
                names: vec![Cow::Owned(name.clone())],
            }),
            IpAddr::V6(v6) => Record::Ipv6(Ipv6Record {
                ip_addr: Cow::Owned(v6.octets().to_vec()),
                names: vec![Cow::Owned(name.clone())],
            }),
        };
        if known.is_empty() {
            return Ok(());
        }
        let block = NameResolutionBlock {
            records: known.iter().map(record).collect(),
            options: Vec::new(),
        };
        self.inner.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        let output = self.inner.get_ref();
        output.bytes + output.waiting.len() as u64
    }

    /// Writes a packet, and before it what is not written yet of its interface. The crate that writes all other blocks
    /// allocates for each one.
    #[inline]
    pub fn write(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> io::Result<()> {
        let number = match self.numbers.get(packet.interface) {
            Some(Some(number)) => *number,
            _ => self.interface(packet.interface, interfaces)?,
        };
        let packets = self.packets.get_mut(number as usize);
        *packets.ok_or_else(unknown_interface)? += 1;
        if self.first_ns == 0 {
            self.first_ns = packet.time_ns;
        }
        self.last_ns = packet.time_ns;
        let kept = packet.data.len();
        let padding = kept.next_multiple_of(4) - kept;
        let comment = &packet.comment[..packet.comment.len().min(LONGEST_COMMENT)];
        let process = packet.process.and_then(|process| {
            let output = &mut self.inner.get_mut().waiting;
            self.processes.number(process, output)
        });
        let options = options_length(packet.way, process, comment);
        let length = u32::try_from(kept + padding + options).map_err(io::Error::other)?;
        let length = FRAME + length;
        let [low, high] = halves(packet.time_ns);
        let words = [
            PACKET,
            length,
            number,
            high,
            low,
            u32::try_from(kept).unwrap_or(0),
            packet.wire,
        ];
        let output = self.inner.get_mut();
        let block = &mut output.waiting;
        block.reserve(length as usize);
        block.extend_from_slice(words.as_bytes());
        block.extend_from_slice(packet.data);
        block.extend_from_slice(&PADDING[..padding]);
        if let Some(way) = packet.way {
            block.extend_from_slice(&option(FLAGS, 4));
            block.extend_from_slice(&way.flags().to_ne_bytes());
        }
        if let Some(number) = process {
            block.extend_from_slice(&option(processes::OPTION, 4));
            block.extend_from_slice(&number.to_ne_bytes());
        }
        if let Ok(length @ 1..) = u16::try_from(comment.len()) {
            block.extend_from_slice(&option(COMMENT, length));
            block.extend_from_slice(comment);
            block.extend_from_slice(&PADDING[..padded(comment.len()) - comment.len()]);
        }
        if options > 0 {
            block.extend_from_slice(&option(0, 0));
        }
        block.extend_from_slice(&length.to_ne_bytes());
        output.settle()
    }

    fn interface(&mut self, index: usize, interfaces: &[Interface]) -> io::Result<u32> {
        let interface = interfaces.get(index).ok_or_else(unknown_interface)?;
        let mut options = vec![InterfaceDescriptionOption::IfTsResol(NANOSECONDS)];
        if let Some(name) = &interface.name {
            options.push(InterfaceDescriptionOption::IfName(Cow::Borrowed(name)));
        }
        let block = InterfaceDescriptionBlock {
            linktype: u32::from(interface.link.number()).into(),
            snaplen: interface.snaplen,
            options,
        };
        self.inner.write_pcapng_block(block).map_err(failed)?;
        if self.numbers.len() < interfaces.len() {
            self.numbers.resize(interfaces.len(), None);
        }
        let number = u32::try_from(self.packets.len()).unwrap_or(u32::MAX);
        self.packets.push(0);
        if let Some(place) = self.numbers.get_mut(index) {
            *place = Some(number);
        }
        Ok(number)
    }

    /// What was captured and lost: of each interface its packets, of the capture as a whole the rest, with the first interface.
    pub fn statistics(&mut self, all: Statistics, interfaces: &[Interface]) -> io::Result<()> {
        if self.packets.is_empty() {
            // Readers want an interface, and the figures want one to be told of.
            self.interface(0, interfaces)?;
        }
        let many = self.packets.len() > 1;
        for (number, packets) in (0_u32..).zip(self.packets.clone()) {
            let mut options = vec![
                InterfaceStatisticsOption::IsbStartTime(swapped(self.first_ns)),
                InterfaceStatisticsOption::IsbEndTime(swapped(self.last_ns)),
            ];
            if number == 0 {
                if many {
                    let words = "received and lost: of all interfaces together";
                    options.push(InterfaceStatisticsOption::Comment(Cow::Borrowed(words)));
                }
                options.push(InterfaceStatisticsOption::IsbFilterAccept(all.received));
                options.push(InterfaceStatisticsOption::IsbOsDrop(all.lost));
            }
            options.push(InterfaceStatisticsOption::IsbUsrDeliv(packets));
            let block = InterfaceStatisticsBlock {
                interface_id: number,
                timestamp: swapped(self.last_ns),
                options,
            };
            self.inner.write_pcapng_block(block).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes out what waits in memory.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.get_mut().flush()
    }
}

/// Which way a packet went, as a file tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub out: bool,
    /// Whom it was for: 1 this host, 2 a group, 3 all, 4 another; 0: not known.
    pub reception: u8,
}

impl Way {
    /// From `epb_flags`, if they tell it.
    pub(super) fn of(flags: u32) -> Option<Self> {
        let out = match flags & 3 {
            1 => false,
            2 => true,
            _ => return None,
        };
        let reception = u8::try_from(flags >> 2 & 7).unwrap_or(0);
        Some(Self { out, reception })
    }

    /// `epb_flags`
    fn flags(self) -> u32 {
        (if self.out { 2 } else { 1 }) | u32::from(self.reception & 7) << 2
    }
}

/// `opt_comment`, `epb_flags`
const COMMENT: u16 = 1;
const FLAGS: u16 = 2;
/// Longest comment of a packet.
const LONGEST_COMMENT: usize = 4096;

fn option(code: u16, length: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (code.to_ne_bytes(), length.to_ne_bytes());
    [a, b, c, d]
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Bytes of all options of a packet, with what ends them.
fn options_length(way: Option<Way>, process: Option<u32>, comment: &[u8]) -> usize {
    let flags = way.map_or(0, |_| 8) + process.map_or(0, |_| 8);
    let comment = match comment.len() {
        0 => 0,
        length => 4 + padded(length),
    };
    match flags + comment {
        0 => 0,
        length => length + 4,
    }
}

fn halves(n: u64) -> [u32; 2] {
    [n & 0xffff_ffff, n >> 32].map(|half| u32::try_from(half).unwrap_or(0))
}

/// Times of statistics are two words, the upper one first; the crate writes one number.
fn swapped(time_ns: u64) -> u64 {
    if cfg!(target_endian = "little") {
        time_ns.rotate_left(32)
    } else {
        time_ns
    }
}

fn unknown_interface() -> io::Error {
    io::Error::other("a packet of an unknown interface")
}

fn failed(error: PcapError) -> io::Error {
    if let PcapError::IoError(error) = error {
        error
    } else {
        io::Error::other(error.to_string())
    }
}
