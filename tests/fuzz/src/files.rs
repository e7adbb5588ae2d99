//! Capture files: packets or an error, the same however the bytes trickle in, and what is written of them is read back.

use std::io::{Cursor, Read};

use netobs::capture::file::{Interface, Packet, Process, Reader, Statistics, Way, Writer};

/// Longest comment that is written.
const COMMENT: usize = 4096;

pub fn run(data: &[u8]) {
    let whole = Contents::of(Box::new(Cursor::new(data.to_vec())), false);
    let trickled = Contents::of(Box::new(Trickle(Cursor::new(data.to_vec()))), true);
    assert_eq!(whole, trickled, "it depends on how the bytes come");
    // A packet is at least its header.
    assert!(
        whole.packets.len() <= data.len() / 16,
        "more packets than fit"
    );
    let written = whole.written();
    let again = Contents::of(Box::new(Cursor::new(written)), false);
    assert_eq!(again.error, None, "what was written is not read");
    assert_eq!(
        again.told(),
        whole.told(),
        "what was written is read otherwise"
    );
}

/// A few bytes at a time.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Held {
    time_ns: u64,
    data: Vec<u8>,
    wire: u32,
    interface: usize,
    way: Option<Way>,
    comment: Vec<u8>,
    process: Option<Process>,
}

/// All that a file held, up to what is wrong with it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    packets: Vec<Held>,
    interfaces: Vec<Interface>,
    error: Option<String>,
}

impl Contents {
    /// `ahead`: the first interface is looked for before the first packet.
    fn of(input: Box<dyn Read>, ahead: bool) -> Self {
        let mut read = Self::default();
        match Reader::open("x", input) {
            Ok(mut reader) => {
                let outcome = read.all(&mut reader, ahead);
                read.error = outcome.err();
                read.interfaces = reader.interfaces().to_vec();
            }
            Err(error) => read.error = Some(error.to_string()),
        }
        read
    }

    fn all(&mut self, reader: &mut Reader, ahead: bool) -> Result<(), String> {
        if ahead {
            reader
                .first_interface()
                .map_err(|error| error.to_string())?;
        }
        while let Some((packet, interfaces)) = reader.packet().map_err(|error| error.to_string())? {
            assert!(
                packet.interface < interfaces.len(),
                "a packet of no interface"
            );
            self.packets.push(Held {
                time_ns: packet.time_ns,
                data: packet.data.to_vec(),
                wire: packet.wire,
                interface: packet.interface,
                way: packet.way,
                comment: packet.comment.to_vec(),
                process: packet.process,
            });
        }
        Ok(())
    }

    fn written(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).expect("memory takes it");
        for held in &self.packets {
            let packet = Packet {
                time_ns: held.time_ns,
                data: &held.data,
                wire: held.wire,
                interface: held.interface,
                way: held.way,
                comment: &held.comment,
                process: held.process,
            };
            writer
                .write(&packet, &self.interfaces)
                .expect("memory takes it");
        }
        if !self.interfaces.is_empty() {
            let all = Statistics {
                received: 3,
                lost: u64::MAX,
            };
            writer
                .statistics(all, &self.interfaces)
                .expect("memory takes it");
        }
        writer.flush().expect("memory takes it");
        file
    }

    /// What a file of ours tells of a packet: interfaces are numbered anew, long comments cut off.
    fn told(&self) -> Vec<impl PartialEq + std::fmt::Debug + '_> {
        let packets = self.packets.iter().map(|held| {
            let interface = &self.interfaces[held.interface];
            let comment = &held.comment[..held.comment.len().min(COMMENT)];
            let of = (interface.link, interface.snaplen, interface.name.as_deref());
            (
                held.time_ns,
                &held.data,
                held.wire,
                held.way,
                held.process,
                comment,
                of,
            )
        });
        packets.collect()
    }
}
