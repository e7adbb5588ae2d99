//! pcapng: sections of blocks; those that hold no packets are stepped over.

use super::{
    Interface, LONGEST, Order, Packet, Process, Way,
    error::{FileError, What},
    processes,
    source::Source,
};
use crate::{capture::link::LinkType, event::Comm};

/// The first bytes of a section: the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const SECTION_TYPE: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// Longest block that we look into; others are stepped over however long they are.
const MOST: u32 = LONGEST + 256 * 1024;
/// Interfaces of one file.
const INTERFACES: usize = 65_536;
/// Bytes of an interface's name that are kept: what is no text grows when it is made text, beyond what can be written again.
const NAME: usize = 256;
/// Type and length, and the length again.
const FRAME: u32 = 12;

pub(super) struct Pcapng {
    little: bool,
    /// Where the interfaces of this section begin.
    first: usize,
    clocks: Vec<ClockOf>,
    /// Those of this section.
    processes: Vec<Process>,
}

/// How an interface tells the time.
#[derive(Clone, Copy)]
struct ClockOf {
    /// Ticks of a second: a power of ten, or of two.
    power: u32,
    binary: bool,
    offset_seconds: i64,
}

impl ClockOf {
    fn ns(self, ticks: u64) -> u64 {
        const NANO: u32 = 9;
        let ns = if self.binary {
            let ns = (u128::from(ticks) * 1_000_000_000) >> self.power.min(127);
            u64::try_from(ns).unwrap_or(u64::MAX)
        } else if self.power <= NANO {
            ticks.saturating_mul(10_u64.pow(NANO - self.power))
        } else {
            let finer = 10_u64.checked_pow(self.power - NANO);
            finer.map_or(0, |finer| ticks / finer)
        };
        let offset = self.offset_seconds.saturating_mul(1_000_000_000);
        ns.saturating_add_signed(offset)
    }
}

/// The beginning of a block.
struct Head {
    kind: u32,
    length: u32,
}

/// A packet in a block: where its bytes are, from the end of the block.
struct Found {
    time_ns: u64,
    back: usize,
    length: usize,
    wire: u32,
    interface: usize,
    beside: Beside,
}

/// What the options of a packet tell.
#[derive(Clone, Copy, Default)]
struct Beside {
    way: Option<Way>,
    /// As `back` and `length` of the packet; of several comments the first.
    comment: (usize, usize),
    process: Option<Process>,
}

impl Pcapng {
    pub fn open(source: &mut Source) -> Result<Self, FileError> {
        let mut pcapng = Self {
            little: true,
            first: 0,
            clocks: Vec::new(),
            processes: Vec::new(),
        };
        pcapng.section(source)?;
        Ok(pcapng)
    }

    fn order(&self) -> Order {
        Order {
            little: self.little,
        }
    }

    pub fn next<'s>(
        &mut self,
        source: &'s mut Source,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Option<Packet<'s>>, FileError> {
        loop {
            let Some(head) = self.head(source)? else {
                return Ok(None);
            };
            if let Some(found) = self.block(source, &head, interfaces)? {
                return Ok(Some(Packet {
                    time_ns: found.time_ns,
                    data: source.taken(found.back, found.length),
                    wire: found.wire,
                    interface: found.interface,
                    way: found.beside.way,
                    comment: source.taken(found.beside.comment.0, found.beside.comment.1),
                    process: found.beside.process,
                }));
            }
        }
    }

    /// Reads on to the first packet, which stays.
    pub fn prepare(
        &mut self,
        source: &mut Source,
        interfaces: &mut Vec<Interface>,
    ) -> Result<(), FileError> {
        while let Some(head) = self.head(source)? {
            if [PACKET, OLD_PACKET, SIMPLE_PACKET].contains(&head.kind) {
                break;
            }
            self.block(source, &head, interfaces)?;
        }
        Ok(())
    }

    /// Type and length of the next block, which stays.
    fn head(&mut self, source: &mut Source) -> Result<Option<Head>, FileError> {
        if source.fill(8)? == 0 {
            return Ok(None);
        }
        let order = self.order();
        let head = source.chunk::<8>("the beginning of a block")?;
        let (kind, length) = (order.word(head, 0), order.word(head, 1));
        // The length of a section is in its own byte order, which is known later.
        if kind != SECTION_TYPE && (length < FRAME || !length.is_multiple_of(4)) {
            return Err(source.error_at(4, What::Malformed("the length of a block is impossible")));
        }
        Ok(Some(Head { kind, length }))
    }

    /// Takes a block; what packet it holds.
    fn block(
        &mut self,
        source: &mut Source,
        head: &Head,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Option<Found>, FileError> {
        match head.kind {
            SECTION_TYPE => {
                self.first = interfaces.len();
                self.clocks.clear();
                self.processes.clear();
                return self.section(source).map(|()| None);
            }
            INTERFACE | PACKET | OLD_PACKET | SIMPLE_PACKET | processes::BLOCK => {}
            _ => {
                source.skip(u64::from(head.length), "a block")?;
                return Ok(None);
            }
        }
        if head.length > MOST {
            return Err(source.error(What::TooLong {
                of: "a block",
                length: u64::from(head.length),
                most: u64::from(MOST),
            }));
        }
        let length = head.length as usize;
        let order = self.order();
        let block = source.peek(length, "a block")?;
        if order.word(block, length / 4 - 1) != head.length {
            let what = What::Malformed("the two lengths of a block differ");
            return Err(source.error_at(length - 4, what));
        }
        let body = &block[8..length - 4];
        let outcome = match head.kind {
            INTERFACE => self.interface(body, interfaces).map(|()| None),
            processes::BLOCK => {
                self.process(body);
                Ok(None)
            }
            kind => self.packet(kind, body, interfaces).map(Some),
        };
        let found = outcome.map_err(|what| source.error(what))?;
        source.take(length);
        Ok(found)
    }

    fn section(&mut self, source: &mut Source) -> Result<(), FileError> {
        let head = *source.chunk::<28>("the header of a section")?;
        let magic = head[8..].first_chunk().copied().unwrap_or_default();
        self.little = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (BYTE_ORDER, _) => true,
            (_, BYTE_ORDER) => false,
            _ => {
                return Err(
                    source.error_at(8, What::Malformed("the byte order of a section is unknown"))
                );
            }
        };
        let order = self.order();
        let length = order.word(&head, 1);
        let version = (
            order.u16([head[12], head[13]]),
            order.u16([head[14], head[15]]),
        );
        if version.0 != 1 {
            return Err(source.error_at(12, What::Version(version.0, version.1)));
        }
        if length < 28 || !length.is_multiple_of(4) {
            return Err(source.error_at(4, What::Malformed("the length of a block is impossible")));
        }
        source.skip(u64::from(length), "the header of a section")
    }

    fn interface(&mut self, body: &[u8], interfaces: &mut Vec<Interface>) -> Result<(), What> {
        let order = self.order();
        let Some([a, b]) = body.first_chunk() else {
            return Err(What::Malformed("an interface is cut off"));
        };
        let number = order.u16([*a, *b]);
        let link = LinkType::of(number).ok_or(What::Link(number))?;
        if interfaces.len() >= INTERFACES {
            return Err(What::Malformed("there are too many interfaces"));
        }
        let snaplen = order.word(body, 1);
        let mut clock = ClockOf {
            power: 6,
            binary: false,
            offset_seconds: 0,
        };
        let mut name = None;
        for (code, value) in options(order, body.get(8..).unwrap_or_default()) {
            match (code, value) {
                (2, value) => name = Some(text(value)),
                (9, [resolution]) => {
                    clock.binary = resolution & 0x80 != 0;
                    clock.power = u32::from(resolution & 0x7f);
                }
                (14, value) => {
                    let offset = value.first_chunk().map(|bytes: &[u8; 8]| {
                        if self.little {
                            i64::from_le_bytes(*bytes)
                        } else {
                            i64::from_be_bytes(*bytes)
                        }
                    });
                    clock.offset_seconds = offset.unwrap_or(0);
                }
                _ => {}
            }
        }
        interfaces.push(Interface {
            link,
            snaplen: if (1..=LONGEST).contains(&snaplen) {
                snaplen
            } else {
                LONGEST
            },
            name,
            nanoseconds: clock.binary || clock.power > 6,
            swapped: order.is_swapped(),
        });
        self.clocks.push(clock);
        Ok(())
    }

    /// What is odd about it is no reason not to read the packets.
    fn process(&mut self, body: &[u8]) {
        let order = self.order();
        if body.len() < 4 || self.processes.len() >= processes::MOST {
            return;
        }
        let mut options = options(order, &body[4..]);
        let name = options.find(|(code, _)| *code == processes::NAME);
        let mut comm = Comm::default();
        for (to, from) in comm
            .0
            .iter_mut()
            .zip(name.map_or(&[][..], |(_, name)| name))
        {
            *to = *from;
        }
        let pid = order.word(body, 0);
        self.processes.push(Process { pid, comm });
    }

    fn packet(&self, kind: u32, body: &[u8], interfaces: &[Interface]) -> Result<Found, What> {
        const CUT: What = What::Malformed("a packet is longer than its block");
        let order = self.order();
        let word = |index| order.word(body, index);
        let (interface, header) = match kind {
            SIMPLE_PACKET => (0, 4),
            OLD_PACKET => {
                let id = body.first_chunk().map_or(0, |id: &[u8; 2]| order.u16(*id));
                (u32::from(id), 20)
            }
            _ => (word(0), 20),
        };
        if body.len() < header {
            return Err(CUT);
        }
        let clock = self.clocks.get(interface as usize);
        let clock = clock.ok_or(What::Malformed(
            "a packet names an interface that is not there",
        ))?;
        let interface = self.first + interface as usize;
        let snaplen = interfaces.get(interface).map_or(LONGEST, |i| i.snaplen);
        let (time_ns, length, wire) = if kind == SIMPLE_PACKET {
            (0, word(0).min(snaplen), word(0))
        } else {
            let ticks = u64::from(word(1)) << 32 | u64::from(word(2));
            (clock.ns(ticks), word(3), word(4))
        };
        if length > LONGEST {
            return Err(What::TooLong {
                of: "a packet",
                length: u64::from(length),
                most: u64::from(LONGEST),
            });
        }
        let length = length as usize;
        if body.len() - header < length {
            return Err(CUT);
        }
        let behind = header + length.next_multiple_of(4);
        let beside = if kind == PACKET && body.len() > behind {
            self.beside(body, behind)
        } else {
            Beside::default()
        };
        Ok(Found {
            time_ns,
            back: body.len() - header + 4,
            length,
            wire,
            interface,
            beside,
        })
    }

    fn beside(&self, body: &[u8], at: usize) -> Beside {
        let order = self.order();
        let mut beside = Beside::default();
        let mut at = at;
        while let Some([a, b, c, d]) = body.get(at..).and_then(<[u8]>::first_chunk) {
            let (code, length) = (order.u16([*a, *b]), usize::from(order.u16([*c, *d])));
            let value = body.get(at + 4..at + 4 + length);
            match (code, value) {
                (0, _) | (_, None) => break,
                (1, Some(_)) if beside.comment.1 == 0 => {
                    beside.comment = (body.len() - at, length);
                }
                (2, Some(flags)) if length == 4 => beside.way = Way::of(order.word(flags, 0)),
                (processes::OPTION, Some(number)) if length == 4 => {
                    let known = self.processes.get(order.word(number, 0) as usize);
                    beside.process = known.copied();
                }
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        beside
    }
}

fn text(value: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&value[..value.len().min(NAME)]).into_owned();
    text.truncate(text.floor_char_boundary(NAME));
    text
}

/// Code and value of each option; what is malformed ends them.
fn options(order: Order, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [a, b, c, d] = *bytes.first_chunk()?;
        let (code, length) = (order.u16([a, b]), usize::from(order.u16([c, d])));
        let value = bytes.get(4..4 + length).filter(|_| code != 0)?;
        bytes = bytes
            .get(4 + length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some((code, value))
    })
}
