//! pcapng written: one interface block for each interface met, packets with nanoseconds.

use super::{Interface, Packet};
use pcap_file::{
    PcapError,
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::EnhancedPacketBlock,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};
use std::{
    borrow::Cow,
    io::{self, Write},
    time::Duration,
};

/// `if_tsresol`: ten to the power of -9 seconds.
const NANOSECONDS: u8 = 9;

pub struct Writer<W: Write> {
    inner: PcapNgWriter<W>,
    /// Number in this file of each interface of the source.
    numbers: Vec<Option<u32>>,
    next: u32,
}

impl<W: Write> Writer<W> {
    pub fn new(output: W) -> io::Result<Self> {
        let application = concat!("netobs ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(
                application,
            ))],
            ..SectionHeaderBlock::default()
        };
        let inner = PcapNgWriter::with_section_header(output, section).map_err(failed)?;
        Ok(Self {
            inner,
            numbers: Vec::new(),
            next: 0,
        })
    }

    /// Writes a packet, and before it what is not written yet of its interface.
    pub fn write(&mut self, packet: &Packet<'_>, interfaces: &[Interface]) -> io::Result<()> {
        if self.numbers.len() < interfaces.len() {
            self.numbers.resize(interfaces.len(), None);
        }
        let number = match self.numbers.get(packet.interface) {
            Some(Some(number)) => *number,
            _ => self.interface(packet.interface, interfaces)?,
        };
        let block = EnhancedPacketBlock {
            interface_id: number,
            timestamp: Duration::from_nanos(packet.time_ns),
            original_len: packet.wire,
            data: Cow::Borrowed(packet.data),
            options: Vec::new(),
        };
        self.inner.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    fn interface(&mut self, index: usize, interfaces: &[Interface]) -> io::Result<u32> {
        let Some(interface) = interfaces.get(index) else {
            return Err(io::Error::other("a packet of an unknown interface"));
        };
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
        let number = self.next;
        self.next += 1;
        if let Some(place) = self.numbers.get_mut(index) {
            *place = Some(number);
        }
        Ok(number)
    }

    /// Writes out what waits in memory.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.get_mut().flush()
    }
}

fn failed(error: PcapError) -> io::Error {
    if let PcapError::IoError(error) = error {
        error
    } else {
        io::Error::other(error.to_string())
    }
}
