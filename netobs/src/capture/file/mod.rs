//! Capture files: classic pcap and pcapng read, pcapng written; memory is bounded whatever the lengths in a file say.

mod classic;
mod error;
mod pcapng;
mod processes;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{FileError, What};
pub use writer::{Statistics, Way, Writer};

use super::link::LinkType;
use crate::event::Comm;
use source::Source;
use std::io::Read;

/// Longest packet that is read: that of libpcap.
pub const LONGEST: u32 = 262_144;

/// A packet of a file, as long as the next one is not read.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Since 1970.
    pub time_ns: u64,
    pub data: &'a [u8],
    /// Its length before it was cut off.
    pub wire: u32,
    /// Which of the interfaces of the file.
    pub interface: usize,
    pub way: Option<Way>,
    /// What is known of it beside its bytes: its owner; empty: nothing.
    pub comment: &'a [u8],
    /// Its process: of two the one that sent it. Files that are read tell it in the comment.
    pub process: Option<Process>,
}

/// A process that has a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub pid: u32,
    pub comm: Comm,
}

/// Where packets of a file were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub link: LinkType,
    pub snaplen: u32,
    pub name: Option<String>,
    /// Ticks of its clock: nanoseconds or finer tell more than microseconds do.
    pub nanoseconds: bool,
    /// Written by a machine of the other byte order.
    pub swapped: bool,
}

enum Format {
    Classic(classic::Classic),
    Pcapng(pcapng::Pcapng),
}

/// A file of packets, read once from its beginning.
pub struct Reader {
    source: Source,
    format: Format,
    interfaces: Vec<Interface>,
}

impl Reader {
    /// `name` is for errors.
    pub fn open(name: &str, input: Box<dyn Read>) -> Result<Self, FileError> {
        let mut source = Source::new(name, input);
        let mut interfaces = Vec::new();
        let magic = *source.chunk::<4>("the magic number")?;
        let format = if magic == pcapng::SECTION {
            Format::Pcapng(pcapng::Pcapng::open(&mut source)?)
        } else {
            let (classic, interface) = classic::Classic::open(&mut source, magic)?;
            interfaces.push(interface);
            Format::Classic(classic)
        };
        Ok(Self {
            source,
            format,
            interfaces,
        })
    }

    /// The next packet, and the interfaces met so far; none at the end of the file.
    #[inline]
    pub fn packet(&mut self) -> Result<Option<(Packet<'_>, &[Interface])>, FileError> {
        let packet = match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.source)?,
            Format::Pcapng(pcapng) => pcapng.next(&mut self.source, &mut self.interfaces)?,
        };
        Ok(packet.map(|packet| (packet, self.interfaces.as_slice())))
    }

    /// Those met so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Reads on until an interface is known, so that a filter can be made; nothing is lost.
    pub fn first_interface(&mut self) -> Result<Option<&Interface>, FileError> {
        if let Format::Pcapng(pcapng) = &mut self.format {
            pcapng.prepare(&mut self.source, &mut self.interfaces)?;
        }
        Ok(self.interfaces.first())
    }
}

/// Integers of a file, in its writer's byte order.
#[derive(Clone, Copy)]
struct Order {
    little: bool,
}

impl Order {
    /// Is it not ours?
    fn is_swapped(self) -> bool {
        self.little != cfg!(target_endian = "little")
    }

    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        }
    }

    /// The `index`th 32-bit word.
    fn word(self, bytes: &[u8], index: usize) -> u32 {
        let word = bytes.get(4 * index..).and_then(<[u8]>::first_chunk);
        word.map_or(0, |word| self.u32(*word))
    }
}
