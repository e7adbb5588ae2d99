//! Packets that the kernel dropped, as packets of a capture: with the reason, and the place in its code.
//!
//! The hooks are those of `watch drop`; what they keep of a packet begins at the network header, so the link's is made up.

use super::{
    filter::{Beside, Program},
    link::LinkType,
    live::devices,
};
use crate::{
    bpf::{
        attach::{Climb, by_reason, in_one_line},
        filters::{Filter, Filters, Value},
        session::{Request, Session, SessionError},
        support,
    },
    clock,
    collectors::{self, drop::quiet},
    enrich::{namespaces, symbols},
    names::{Enumeration::DropReason, Names},
};
use netobs_ebpf::{
    config::Class,
    drop::event::{self as raw, NO_REASON},
    event::Kind,
    hook,
};
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
};
use zerocopy::FromBytes as _;

/// Bytes of the ring: some 17,000 drops.
const RING: u32 = 4 << 20;
/// Drops that wait for the packets before them; more wait in the ring, where what finds no room is counted.
const MOST: usize = 1 << 16;

/// Why no drops are told.
#[derive(Debug, thiserror::Error)]
pub enum DropsError {
    #[error("{0}")]
    Privilege(String),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("no hook on dropped packets: {0}")]
    Hooks(String),
}

/// A packet that was dropped.
pub struct Dropped {
    pub time_ns: u64,
    /// As on the link of the capture, without its addresses.
    pub frame: Vec<u8>,
    /// The packet's length on that link.
    pub wire: u32,
    /// Index of its interface; 0: none.
    pub device: u32,
    /// `dropped NETFILTER_DROP at nft_do_chain+0x3e8 [nf_tables]`
    pub why: String,
}

/// Which drops are told.
pub struct Wanted<'a> {
    /// Of this interface only.
    pub device: Option<&'a str>,
    pub link: LinkType,
    pub filter: &'a Program,
    pub snaplen: u32,
}

/// Hooks in place; dropping it takes them away.
pub struct Drops {
    session: Session,
    wall_offset_ns: u64,
    waiting: VecDeque<Dropped>,
    reader: Reader,
}

/// What makes a packet of an event.
struct Reader {
    only: Option<String>,
    link: LinkType,
    filter: Program,
    snaplen: usize,
    names: Names,
    /// Indices of interfaces by name.
    devices: HashMap<[u8; 16], u32>,
}

impl Drops {
    pub fn open(wanted: &Wanted<'_>) -> Result<Self, DropsError> {
        support::privileges().map_err(DropsError::Privilege)?;
        let hooks = (collectors::drop::COLLECTOR.hooks)(Kind::Drop.bit());
        let netns = Value::Number(Class::Netns, namespaces::own().into());
        let filters = Filters(vec![Filter {
            value: netns,
            negated: false,
        }]);
        let mut session = Session::open(&Request {
            hooks: &hooks,
            events: Kind::Drop.bit(),
            filters: &filters,
            all_drops: false,
            log: false,
            climb: Climb {
                only: None,
                all: false,
            },
            ring_bytes: RING,
            quiet_reasons: quiet::REASONS,
            btf: None,
        })?;
        while session.attach_next() {}
        if session.hooks.iter().all(|hook| hook.taken.is_none()) {
            let refused = session.hooks.iter().flat_map(|hook| &hook.refused);
            return Err(DropsError::Hooks(in_one_line(&by_reason(refused))));
        }
        let mut names = Names::new(true);
        if let Some(values) = session.types.enums.get(DropReason.name()) {
            names.add_enum(DropReason, values);
        }
        Ok(Self {
            session,
            wall_offset_ns: clock::wall_offset_ns(),
            waiting: VecDeque::new(),
            reader: Reader {
                only: wanted.device.map(str::to_owned),
                link: wanted.link,
                filter: wanted.filter.clone(),
                snaplen: wanted.snaplen as usize,
                names,
                devices: HashMap::new(),
            },
        })
    }

    /// Takes what was dropped up to now.
    pub fn collect(&mut self) {
        let Self {
            session,
            waiting,
            reader,
            ..
        } = self;
        let room = MOST.saturating_sub(waiting.len());
        let (ring, kernel) = (&mut session.ring, &mut session.symbols);
        let offset = self.wall_offset_ns;
        ring.drain(room, |bytes| {
            let print = |address| kernel.print(address);
            if let Some(mut dropped) = reader.read(bytes, print) {
                dropped.time_ns = dropped.time_ns.wrapping_add(offset);
                waiting.push_back(dropped);
            }
        });
    }

    /// The next one that was dropped before `time_ns`, of those that were collected.
    pub fn next(&mut self, time_ns: u64) -> Option<Dropped> {
        self.waiting.pop_front_if(|next| next.time_ns < time_ns)
    }

    /// Drops that found no room in the ring.
    pub fn lost(&self) -> u64 {
        self.session.count(hook::DROP).lost
    }

    /// From here on nothing more is told: what was dropped before waits to be collected.
    pub fn close(&mut self) {
        self.session.detach();
    }
}

impl Reader {
    /// None: nothing that was asked for. The time is the monotonic clock's.
    fn read(&mut self, bytes: &[u8], print: impl FnOnce(u64) -> Option<String>) -> Option<Dropped> {
        let raw = raw::Dropped::ref_from_bytes(bytes).ok()?;
        let name = raw.ifname.split(|byte| *byte == 0).next()?;
        if self
            .only
            .as_ref()
            .is_some_and(|only| only.as_bytes() != name)
        {
            return None;
        }
        let device = self.device(&raw.ifname);
        let tag = (raw.vlan_proto != 0).then_some([raw.vlan_proto, raw.vlan_tci]);
        let start = raw.start.get(..usize::from(raw.start_len))?;
        let mut frame = frame(self.link, device, raw.ethertype, None, start)?;
        let mut wire = frame.len() - start.len() + length(raw.ethertype, start, raw.len);
        let beside = Beside {
            protocol: raw.ethertype,
            kind: 0,
            interface: device,
            tag: tag.map(|[_, tci]| tci),
        };
        let on_wire = u32::try_from(wire).unwrap_or(u32::MAX);
        if !self.filter.matches_live(&frame, on_wire, beside) {
            return None;
        }
        let event = collectors::decode(bytes)?;
        let detail = event.body.detail();
        symbols::learn(&mut self.names, raw.location, print);
        if detail.is_quiet(&self.names) {
            return None;
        }
        if tag.is_some() {
            frame = self::frame(self.link, device, raw.ethertype, tag, start)?;
            wire += TAG;
        }
        frame.truncate(wire.min(self.snaplen));
        Some(Dropped {
            time_ns: raw.header.time_ns,
            frame,
            wire: u32::try_from(wire).unwrap_or(u32::MAX),
            device,
            why: self.why(raw),
        })
    }

    fn why(&self, raw: &raw::Dropped) -> String {
        let mut why = "dropped".to_owned();
        if raw.reason != NO_REASON {
            why.push(' ');
            match self.names.enumerator(DropReason, raw.reason) {
                Some(name) => why.push_str(name),
                None => _ = write!(why, "reason {:#x}", raw.reason),
            }
        }
        if let Some(place) = self.names.symbols.get(&raw.location) {
            why.push_str(" at ");
            why.push_str(place);
        }
        why
    }

    fn device(&mut self, name: &[u8; 16]) -> u32 {
        if let Some(index) = self.devices.get(name) {
            return *index;
        }
        let trimmed = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let found = devices::all().ok().and_then(|all| {
            let found = all.into_iter().find(|it| it.name.as_bytes() == trimmed)?;
            found.index
        });
        let index = found.unwrap_or(0);
        self.devices.insert(*name, index);
        index
    }
}

/// Bytes of a tag.
const TAG: usize = 4;
/// No kind of packet that the kernel knows: whether it came or was to leave is not told.
const NO_KIND: u8 = 0xff;
/// `ARPHRD_NONE`
const NO_HARDWARE: u16 = 0xfffe;

/// A packet of the link, with the network header and what follows; none: the link cannot carry it.
fn frame(
    link: LinkType,
    device: u32,
    ethertype: u16,
    tag: Option<[u16; 2]>,
    start: &[u8],
) -> Option<Vec<u8>> {
    const IP: [u16; 2] = [0x0800, 0x86dd];
    let outer = tag.map_or(ethertype, |[protocol, _]| protocol);
    let mut bytes = Vec::with_capacity(24 + start.len());
    match link {
        LinkType::Ethernet => {
            bytes.extend([0; 12]);
            bytes.extend(outer.to_be_bytes());
        }
        LinkType::Sll2 => {
            bytes.extend(outer.to_be_bytes());
            bytes.extend([0; 2]);
            bytes.extend(device.to_be_bytes());
            bytes.extend(NO_HARDWARE.to_be_bytes());
            bytes.extend([NO_KIND, 0]);
            bytes.extend([0; 8]);
        }
        LinkType::Raw | LinkType::RawV4 | LinkType::RawV6 => {
            bytes.extend(start);
            return IP.contains(&ethertype).then_some(bytes);
        }
        // No interface of Linux is one of these.
        LinkType::Sll | LinkType::Null | LinkType::Loop | LinkType::Ppp => return None,
    }
    if let Some([_, tci]) = tag {
        bytes.extend(tci.to_be_bytes());
        bytes.extend(ethertype.to_be_bytes());
    }
    bytes.extend(start);
    Some(bytes)
}

/// From the network header on: IP says it itself, since the kernel's length begins at the header that it had come to.
fn length(ethertype: u16, start: &[u8], len: u32) -> usize {
    let word = |at: usize| {
        let word = start.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_be_bytes(*word))).filter(|word| *word != 0)
    };
    let told = match ethertype {
        0x0800 => word(2),
        0x86dd => word(4).map(|payload| payload + 40),
        _ => None,
    };
    told.unwrap_or(len as usize).max(start.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: [u8; 28] = [
        0x45, 0, 0, 200, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9, 0, 180, 0,
        0,
    ];

    #[test]
    fn frames_of_each_link() {
        let ether = frame(LinkType::Ethernet, 3, 0x0800, None, &UDP).unwrap();
        assert_eq!((ether.len(), &ether[12..14]), (42, &[8, 0][..]));
        let tagged = frame(LinkType::Ethernet, 3, 0x0800, Some([0x8100, 5]), &UDP).unwrap();
        assert_eq!(tagged[12..18], [0x81, 0, 0, 5, 8, 0]);
        let cooked = frame(LinkType::Sll2, 3, 0x0800, Some([0x8100, 5]), &UDP).unwrap();
        assert_eq!(cooked[..8], [0x81, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(cooked[20..24], [0, 5, 8, 0]);
        assert_eq!(
            frame(LinkType::Raw, 3, 0x0800, None, &UDP).unwrap(),
            UDP.to_vec()
        );
        assert!(frame(LinkType::Raw, 3, 0x0806, None, &UDP).is_none());
    }

    #[test]
    fn lengths_are_those_of_the_header() {
        assert_eq!(length(0x0800, &UDP, 8), 200);
        assert_eq!(length(0x0806, &UDP, 46), 46);
        // A packet of several segments may say nothing.
        let mut big = UDP;
        big[2..4].fill(0);
        assert_eq!(length(0x0800, &big, 70_000), 70_000);
        assert_eq!(length(0x0800, &UDP[..2], 9), 9);
    }
}
