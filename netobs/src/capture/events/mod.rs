//! What the kernel does with packets, as packets of a capture: drops, resets, segments sent again, each with the reason.
//!
//! The hooks are those of `watch`.

mod frame;
mod reader;

use super::{filter::Program, link::LinkType};
use crate::{
    bpf::{
        attach::{Climb, by_reason, in_one_line},
        filters::{Filter, Filters, Value},
        session::{Request, Session, SessionError},
        spec::Hook,
        support,
    },
    collectors::{self, drop::quiet},
    enrich::namespaces,
    event::Mono,
    wall::Wall,
};
use netobs_ebpf::{config::Class, event::Kind};
use reader::Reader;
use std::collections::VecDeque;

/// Bytes of the ring: some 17,000 drops.
const RING: u32 = 4 << 20;
/// Events that wait for the packets before them; more wait in the ring, where what finds no room is counted.
const MOST: usize = 1 << 16;

/// Why no events are told.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    #[error("{0}")]
    Privilege(String),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("no hook: {0}")]
    Hooks(String),
}

/// A packet that something happened to.
pub struct Happened {
    pub at: Mono,
    /// The same on the wall clock.
    pub time_ns: u64,
    /// As on the link of the capture, without its addresses.
    pub frame: Vec<u8>,
    /// The packet's length on that link.
    pub wire: u32,
    /// Index of its interface; 0: none, or not known.
    pub device: u32,
    /// `dropped NETFILTER_DROP at nft_do_chain+0x3e8 [nf_tables]`
    pub why: String,
    /// `10.0.0.1:40000 -> 10.0.0.2:80`, as far as it has ends.
    pub ends: String,
}

/// Which events are told, of this network namespace.
pub struct Wanted<'a> {
    pub kind: Kind,
    /// Of this interface only, where they know theirs.
    pub device: Option<&'a str>,
    pub link: LinkType,
    pub filter: &'a Program,
    pub snaplen: u32,
}

/// Hooks in place; dropping it takes them away.
pub struct Events {
    session: Session,
    waiting: VecDeque<Happened>,
    reader: Reader,
}

impl Events {
    pub fn open(wanted: &Wanted<'_>) -> Result<Self, EventsError> {
        support::privileges().map_err(EventsError::Privilege)?;
        let mut session = Session::open(&Request {
            hooks: &hooks(wanted.kind),
            events: wanted.kind.bit(),
            filters: &Filters(vec![Filter {
                value: Value::Number(Class::Netns, namespaces::own().into()),
                negated: false,
            }]),
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
            return Err(EventsError::Hooks(in_one_line(&by_reason(refused))));
        }
        Ok(Self {
            waiting: VecDeque::new(),
            reader: Reader::new(wanted, &session.types),
            session,
        })
    }

    /// Takes what happened up to now.
    pub fn collect(&mut self, wall: &Wall) {
        let Self {
            session,
            waiting,
            reader,
            ..
        } = self;
        let room = MOST.saturating_sub(waiting.len());
        let (ring, kernel) = (&mut session.ring, &mut session.symbols);
        ring.drain(room, |bytes| {
            if let Some(mut happened) = reader.read(bytes, |address| kernel.print(address)) {
                happened.time_ns = wall.wall(happened.at);
                waiting.push_back(happened);
            }
        });
    }

    /// The next one that happened before `until`, of those that were collected.
    pub fn next(&mut self, until: Mono) -> Option<Happened> {
        self.waiting.pop_front_if(|next| next.at < until)
    }

    /// Events that found no room in the ring.
    pub fn lost(&self) -> u64 {
        let hooks = self.session.hooks.iter();
        let lost = hooks.map(|attached| self.session.count(attached.hook.number).lost);
        lost.sum()
    }

    /// From here on nothing more is told: what happened before waits to be collected.
    pub fn close(&mut self) {
        self.session.detach();
    }
}

fn hooks(kind: Kind) -> Vec<Hook> {
    let wanted = collectors::ALL.iter().filter(|c| c.kinds.contains(&kind));
    wanted.flat_map(|c| (c.hooks)(kind.bit())).collect()
}
