//! Whose packets they are: the processes at both ends, found once for each flow.
//!
//! Every socket is either open, and a walk over all processes finds it, or was told when it was closed. So a packet whose
//! ends are not known asks for a walk, after which they are, for as long as walks cost little. Where no eBPF is to be had
//! walks are those over /proc, nobody tells what was closed, and so what they found is only believed for a while.

mod budget;
mod files;
mod filter;
mod flow;
mod label;
mod places;
mod source;
mod table;

pub use filter::Wanted;
pub use label::Label;

use super::link::LinkType;
use crate::{
    bpf::holders::HoldersError,
    clock,
    enrich::cgroup,
    event::Mono,
    netns::{Netns, NetnsError},
    sockets::SourceError,
};
use budget::Budget;
use flow::Flow;
use foldhash::fast::RandomState;
use label::Labels;
use places::Places;
use source::Source;
use std::collections::HashMap;
use table::{Holder, Table};

/// Flows whose ends are remembered.
const FLOWS: usize = 262_144;
/// Ends that nobody has are looked for again after so long, and those that may have changed hands untold.
const AGAIN_NS: u64 = 1_000_000_000;
/// The same, if there was no time to look.
const SOON_NS: u64 = 100_000_000;

/// Why packets have no owner.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error(transparent)]
    Holders(#[from] HoldersError),
    #[error(transparent)]
    Files(#[from] SourceError),
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
    source: Source,
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
    /// When the last walk began.
    looked: Mono,
    budget: Budget,
    /// Packets that would have wanted a walk, when there was no time for one.
    pub unsought: u64,
}

impl Owners {
    pub fn open(wanted: Wanted) -> Result<Self, OwnerError> {
        let root = cgroup::mount();
        let own = Netns::own()?.inode();
        let now = clock::mono();
        let mut owners = Self {
            source: Source::open(root.as_deref()),
            table: Table::default(),
            places: Places::default(),
            labels: Labels::new(wanted, own),
            flows: HashMap::default(),
            last: None,
            own,
            generation: 0,
            now,
            walked: false,
            looked: now,
            budget: Budget::new(now),
            unsought: 0,
        };
        owners.walk()?;
        // The first look is the capture's, not its packets'.
        owners.budget = Budget::new(clock::mono());
        Ok(owners)
    }

    /// What will not be told, and why, if so.
    pub fn refusal(&self) -> Option<String> {
        self.source.refusal()
    }

    /// Sockets whose closing found no room to be told.
    pub fn untold(&self) -> u64 {
        self.source.untold()
    }

    /// Packets were taken from the kernel: what was closed before is known now.
    pub fn refresh(&mut self) {
        let any = self.source.closed(&mut self.table);
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
        if first {
            // What comes back is the new connection's, too.
            self.flows.remove(&flow.back());
        }
        let kept = self.flows.get(&flow).copied();
        let known = match kept {
            // What is remembered of the first segment of a connection is of an earlier one, unless it is sent again.
            Some(known) if !first && self.is_settled(&known) => known,
            kept => self.look(flow, first, kept.map(|known| known.again)),
        };
        if self.flows.len() >= FLOWS {
            self.flows.clear();
        }
        self.flows.insert(flow, known);
        self.last = Some((flow, known));
        known
    }

    /// `due`: when nobody was to be looked for again.
    fn look(&mut self, flow: Flow, first: bool, due: Option<Mono>) -> Known {
        let is_due = due.is_none_or(|due| first || self.now >= due);
        let mut ends = self.all_ends(flow);
        let by_files = self.source.is_files();
        let stale = first && self.is_stale(&flow, by_files);
        let lacks = self.lacks(&flow, ends);
        let old = by_files && self.now.0.saturating_sub(self.looked.0) >= AGAIN_NS;
        let aged = old && !is_sure(&flow, ends);
        let mut refused = false;
        if (lacks || stale || aged) && is_due && !self.walked {
            if self.budget.allows(clock::mono()) {
                // One that fails leaves what was known.
                drop(self.walk());
            } else {
                refused = true;
                self.unsought += u64::from(lacks || stale);
                if stale && by_files {
                    // Nobody rather than who had the same ports before.
                    self.table.forget(&flow);
                    self.table.forget(&flow.back());
                }
            }
            ends = self.all_ends(flow);
        }
        let wait = match (self.lacks(&flow, ends), refused) {
            (_, true) => SOON_NS,
            (true, false) => AGAIN_NS,
            (false, false) if by_files && !is_sure(&flow, ends) => AGAIN_NS,
            (false, false) => u64::MAX,
        };
        let mut again = Mono(self.now.0.saturating_add(wait));
        if let Some(due) = due.filter(|_| !is_due && wait < u64::MAX) {
            // Sockets that are closed meanwhile do not put it off.
            again = again.min(due);
        }
        let connected = ends.iter().all(|end| end.connected);
        Known {
            label: self.labels.of(ends.map(|end| end.holder)),
            generation: self.generation,
            whole: connected && (!by_files || flow.proto == flow::TCP),
            again,
        }
    }

    /// Whether what is known of a connection that begins may be of one before it.
    fn is_stale(&self, flow: &Flow, by_files: bool) -> bool {
        if by_files {
            self.table.is_connected(flow) || self.table.is_connected(&flow.back())
        } else {
            self.table.is_closed(flow)
        }
    }

    /// Whether an end has no holder that could have one: nobody is known at all, or nobody at an address of this machine.
    fn lacks(&self, flow: &Flow, ends: [End; 2]) -> bool {
        let nobody = ends.iter().all(|end| end.holder.is_none());
        let mut both = ends.iter().zip([flow.from, flow.to]);
        nobody || both.any(|(end, addr)| end.holder.is_none() && self.places.is_local(addr))
    }

    /// The holders of both ends; of the ends on the other side of a translation, where nobody has those on this one.
    fn all_ends(&self, flow: Flow) -> [End; 2] {
        let mut ends = self.ends(flow);
        if ends.iter().any(|end| end.holder.is_none())
            && let Some(other) = self.places.translated(&flow)
        {
            for (end, other) in ends.iter_mut().zip(self.ends(other)) {
                if end.holder.is_none() {
                    *end = other;
                }
            }
        }
        ends
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

    fn walk(&mut self) -> Result<(), OwnerError> {
        let (begun, used_ns) = (clock::mono(), clock::thread_cpu_ns());
        let outcome = self.source.walk(&mut self.table);
        let namespaces = self.table.namespaces();
        self.places.look(namespaces, self.own, begun);
        self.places.translations();
        self.generation = self.generation.wrapping_add(1);
        (self.walked, self.looked) = (true, begun);
        let took = clock::thread_cpu_ns().saturating_sub(used_ns);
        self.budget.spend(took);
        outcome
    }
}

/// Whether nobody else can have the ends before the connection is over: a new one begins with a segment that shows it.
fn is_sure(flow: &Flow, ends: [End; 2]) -> bool {
    let held = |end: &End| end.connected || end.holder.is_none();
    flow.proto == flow::TCP && ends.iter().all(held)
}
