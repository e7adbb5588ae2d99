//! The table of collectors: which hooks each wants, which events it makes, and how their bytes are read.

pub mod drop;
#[cfg(test)]
mod golden;
pub mod icmp;
pub mod lifecycle;
pub mod listen_overflow;
pub mod neigh;
pub mod reset;
pub mod retransmit;
pub mod route;
pub mod udp_drop;

use crate::{
    bpf::spec::Hook,
    event::{Common, Ends, Event},
    fields::Fields,
    line::Line,
    names::Names,
};
use netobs_ebpf::event::{Header, Kind};
use zerocopy::FromBytes as _;

/// One observation and all that belongs to it.
pub struct Collector {
    pub name: &'static str,
    pub about: &'static str,
    /// The events it makes.
    pub kinds: &'static [Kind],
    /// The hooks that a set of wanted events (bits of [`Kind`]) needs.
    pub hooks: fn(u32) -> Vec<Hook>,
    /// Reads an event of one of its kinds; `None`: not the bytes it should be.
    pub decode: fn(Kind, &[u8]) -> Option<Body>,
}

/// All collectors.
pub const ALL: &[Collector] = &[
    lifecycle::COLLECTOR,
    retransmit::COLLECTOR,
    drop::COLLECTOR,
    reset::COLLECTOR,
    icmp::COLLECTOR,
    route::COLLECTOR,
    neigh::COLLECTOR,
    udp_drop::COLLECTOR,
    listen_overflow::COLLECTOR,
];

/// What is particular to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Opened(lifecycle::Opened),
    Closed(lifecycle::Closed),
    Retransmit(retransmit::Retransmit),
    Reset(reset::Reset),
    Icmp(icmp::Icmp),
    Route(route::Route),
    Neigh(neigh::Neigh),
    Dropped(drop::Dropped),
    Refused(udp_drop::Refused),
    Overflowed(listen_overflow::Overflowed),
}

/// How an event is told.
pub trait Detail {
    /// Its name, the `event` key.
    fn name(&self) -> &'static str;
    /// The ends of its socket.
    fn ends(&self) -> Option<Ends> {
        None
    }
    /// Index of the interface it has to do with.
    fn ifindex(&self) -> Option<u32> {
        None
    }
    /// Sockets of which one may be its own, the likeliest first: looked for when the kernel side does not know it.
    fn searches(&self) -> Vec<Ends> {
        Vec::new()
    }
    /// Whether filters on its owner are left to userspace.
    fn owner_is_late(&self) -> bool {
        false
    }
    /// A place in the kernel's code that wants a name.
    fn location(&self) -> Option<u64> {
        None
    }
    /// Normal life, as only the name of its place tells.
    fn is_quiet(&self, _names: &Names) -> bool {
        false
    }
    /// For people: everything right of the process; by default the two ends.
    fn subject(&self, line: &mut Line, names: &Names) {
        if let Some(ends) = self.ends() {
            line.ends(&ends, self.arrow(), names);
        }
    }
    /// Between local and remote end.
    fn arrow(&self) -> &'static str {
        "->"
    }
    /// For people: what is particular to it, after the subject.
    fn text(&self, line: &mut Line, names: &Names);
    /// For programs: its own keys.
    fn json(&self, fields: &mut Fields<'_>, names: &Names);
}

impl Body {
    pub fn detail(&self) -> &dyn Detail {
        match self {
            Self::Opened(body) => body,
            Self::Closed(body) => body,
            Self::Retransmit(body) => body,
            Self::Reset(body) => body,
            Self::Icmp(body) => body,
            Self::Route(body) => body,
            Self::Neigh(body) => body,
            Self::Dropped(body) => body,
            Self::Refused(body) => body,
            Self::Overflowed(body) => body,
        }
    }
}

/// The name of the collector that a hook belongs to.
pub fn of_hook(number: u32) -> &'static str {
    let wants = |c: &&Collector| (c.hooks)(u32::MAX).iter().any(|hook| hook.number == number);
    ALL.iter()
        .find(wants)
        .map_or("?", |collector| collector.name)
}

/// Reads the bytes of one ring record.
pub fn decode(bytes: &[u8]) -> Option<Event> {
    let (header, _) = Header::ref_from_prefix(bytes).ok()?;
    let (kind, _) = crate::event::KINDS.get(usize::from(header.kind))?;
    let collector = ALL.iter().find(|c| c.kinds.contains(kind))?;
    Some(Event {
        common: Common::from(header),
        body: (collector.decode)(*kind, bytes)?,
    })
}
