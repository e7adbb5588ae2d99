//! Whose packets they are: the processes at both ends, found once for each flow.
//!
//! Every socket is either open, and a walk over all processes finds it, or was told when it was closed. So a packet whose
//! ends are not known asks for a walk, after which they are, for as long as walks cost little.

mod filter;
mod flow;
mod label;
mod places;
mod table;

pub use filter::Wanted;
pub use label::Label;

use super::link::LinkType;
use crate::{
    bpf::holders::{Holders, HoldersError},
    clock,
    enrich::cgroup,
    event::Mono,
    netns::{Netns, NetnsError},
};
use flow::Flow;
use foldhash::fast::RandomState;
use label::Labels;
use places::Places;
use std::collections::HashMap;
use table::{Holder, Table};

/// Flows whose ends are remembered.
const FLOWS: usize = 262_144;
/// The part of the time that walks may take, and how much of it may be saved up.
const SHARE: u64 = 25;
const SAVED_NS: u64 = 100_000_000;
/// Ends that nobody has are looked for again after so long.
const AGAIN_NS: u64 = 1_000_000_000;

/// Why packets have no owner.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error(transparent)]
    Holders(#[from] HoldersError),
    #[error(transparent)]
    Netns(#[from] NetnsError),
}

/// What is known of a flow.
#[derive(Clone, Copy)]
struct Known {
    label: u32,
    /// The state of the table that it was looked up in; anything newer may know more.
    generation: u32,
    /// Both ends are connected to each other: nothing more can be found.
    whole: bool,
    /// When to look for it again, if nobody has it.
    again: Mono,
}

/// One end of a flow.
#[derive(Clone, Copy)]
struct End {
    holder: Option<Holder>,
    /// By a socket that is connected to the other end: no other will be found.
    connected: bool,
}

/// The owners of packets.
pub struct Owners {
    holders: Holders,
    table: Table,
    places: Places,
    labels: Labels,
    flows: HashMap<Flow, Known, RandomState>,
    last: Option<(Flow, Known)>,
    own: u32,
    generation: u32,
    /// When the packets at hand were taken from the kernel, and whether a walk was made since.
    now: Mono,
    walked: bool,
    /// Time that walks may still take, and when that was counted.
    budget_ns: u64,
    counted: Mono,
    /// Packets that would have wanted a walk, when there was no time for one.
    pub unsought: u64,
}

impl Owners {
    pub fn open(wanted: Wanted) -> Result<Self, OwnerError> {
        let root = cgroup::mount();
        let own = Netns::own()?.inode();
        let mut owners = Self {
            holders: Holders::load(root.as_deref())?,
            table: Table::default(),
            places: Places::default(),
            labels: Labels::new(wanted, own),
            flows: HashMap::default(),
            last: None,
            own,
            generation: 0,
            now: clock::mono(),
            walked: false,
            budget_ns: SAVED_NS,
            counted: clock::mono(),
            unsought: 0,
        };
        owners.walk()?;
        Ok(owners)
    }

    /// Why sockets that live shortly may be missed, if so.
    pub fn refusal(&self) -> Option<&str> {
        self.holders.refusal()
    }

    /// Sockets whose closing found no room to be told.
    pub fn untold(&self) -> u64 {
        self.holders.untold()
    }

    /// Packets were taken from the kernel: what was closed before is known now.
    pub fn refresh(&mut self) {
        let (table, mut any) = (&mut self.table, false);
        self.holders.closed(|holding| {
            table.close(holding);
            any = true;
        });
        self.generation = self.generation.wrapping_add(u32::from(any));
        (self.now, self.walked) = (clock::mono(), false);
    }

    /// What is told of a packet, and whether it is wanted.
    #[inline]
    pub fn of(&mut self, link: LinkType, data: &[u8]) -> &Label {
        let Some((flow, first)) = flow::of(link, data) else {
            return self.labels.none();
        };
        let known = match self.last {
            Some((last, known)) if last == flow && !first && self.is_settled(&known) => known,
            _ => self.find(flow, first),
        };
        self.labels.get(known.label)
    }

    #[inline]
    fn is_settled(&self, known: &Known) -> bool {
        known.whole || (known.generation == self.generation && self.now < known.again)
    }

    fn find(&mut self, flow: Flow, first: bool) -> Known {
        if self.labels.is_full() {
            self.labels.forget();
            self.flows.clear();
        }
        let kept = self.flows.get(&flow).copied();
        let known = match kept {
            // What is remembered of the first segment of a connection is of an earlier one, unless it is sent again.
            Some(known) if !first && self.is_settled(&known) => known,
            kept => {
                let is_due = kept.is_none_or(|known| first || self.now >= known.again);
                self.look(flow, first, is_due)
            }
        };
        if self.flows.len() >= FLOWS {
            self.flows.clear();
        }
        self.flows.insert(flow, known);
        self.last = Some((flow, known));
        known
    }

    fn look(&mut self, flow: Flow, first: bool, is_due: bool) -> Known {
        let mut ends = self.ends(flow);
        let stale = first && self.table.is_closed(&flow);
        let nobody = ends.iter().all(|end| end.holder.is_none());
        if (nobody || stale) && is_due && !self.walked && self.may_walk() {
            // One that fails leaves what was known.
            drop(self.walk());
            ends = self.ends(flow);
        }
        if ends.iter().any(|end| end.holder.is_none())
            && let Some(other) = self.places.translated(&flow)
        {
            for (end, other) in ends.iter_mut().zip(self.ends(other)) {
                if end.holder.is_none() {
                    *end = other;
                }
            }
        }
        let nobody = ends.iter().all(|end| end.holder.is_none());
        Known {
            label: self.labels.of(ends.map(|end| end.holder)),
            generation: self.generation,
            whole: ends.iter().all(|end| end.connected),
            again: Mono(if nobody {
                self.now.0 + AGAIN_NS
            } else {
                u64::MAX
            }),
        }
    }

    /// The holders of the sockets at both ends.
    fn ends(&self, flow: Flow) -> [End; 2] {
        [flow, flow.back()].map(|own_end_first| {
            if let Some(holder) = self.table.connected(&own_end_first, self.own) {
                return End {
                    holder: Some(holder),
                    connected: true,
                };
            }
            let addr = own_end_first.from;
            let is_at = |netns| self.places.has(netns, addr, self.own);
            End {
                holder: self.table.bound(&own_end_first, &is_at),
                connected: false,
            }
        })
    }

    /// Whether there is time for a walk: they take a small part of all time.
    fn may_walk(&mut self) -> bool {
        let now = clock::mono();
        let passed = now.0.saturating_sub(self.counted.0);
        self.counted = now;
        self.budget_ns = (self.budget_ns + passed / SHARE).min(SAVED_NS);
        let may = self.budget_ns > 0;
        self.unsought += u64::from(!may);
        may
    }

    fn walk(&mut self) -> Result<(), HoldersError> {
        let begun = clock::mono();
        self.table.begin();
        let table = &mut self.table;
        let outcome = self.holders.open(|holding| table.open(holding));
        // What was closed during the walk may have been told open before.
        self.holders.closed(|holding| table.close(holding));
        self.places.look(table.namespaces(), self.own, begun);
        self.places.translations();
        self.generation = self.generation.wrapping_add(1);
        self.walked = true;
        let took = clock::mono().0.saturating_sub(begun.0);
        self.budget_ns = self.budget_ns.saturating_sub(took);
        outcome
    }
}
