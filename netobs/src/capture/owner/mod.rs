//! Whose packets they are: the processes at both ends, found once for each flow.
//!
//! Every socket is either open, and a walk over all processes finds it, or was told when it was closed. So a packet whose
//! ends are not known asks for a walk, after which they are, for as long as walks cost little. Where no eBPF is to be had
//! walks are those over /proc, nobody tells what was closed, and so what they found is only believed for a while.

mod budget;
mod ends;
mod files;
mod filter;
mod flow;
mod label;
mod places;
mod source;
mod table;
#[cfg(test)]
mod tests;

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
use ends::{End, is_guess, is_sure};
use flow::Flow;
use foldhash::fast::RandomState;
use label::Labels;
use places::Places;
use source::Source;
use std::{collections::HashMap, time::Duration};
use table::Table;

/// Flows whose ends are remembered.
const FLOWS: usize = 262_144;
/// Ends that nobody has are looked for again after so long, and those that may have changed hands untold.
const AGAIN_NS: u64 = 1_000_000_000;
/// The same, if there was no time to look.
const SOON_NS: u64 = 100_000_000;

/// So long the sockets of a process that is ending are waited for, in steps.
const ENDING_NS: u64 = 5_000_000;
const STEP: Duration = Duration::from_micros(200);

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
    /// Nobody was the only one that could be.
    sure: bool,
    /// Later packets are not its holders'.
    until: Mono,
    /// When to look for it again, if nobody has it.
    again: Mono,
}

const NEVER: Mono = Mono(u64::MAX);

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
    /// When the packets at hand were taken from the kernel.
    now: Mono,
    /// When the last walk began.
    looked: Mono,
    budget: Budget,
    /// The same of waits.
    patience: Budget,
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
            table: Table::new(std::process::id()),
            places: Places::default(),
            labels: Labels::new(wanted, own),
            flows: HashMap::default(),
            last: None,
            own,
            generation: 0,
            now,
            looked: now,
            budget: Budget::new(now),
            patience: Budget::new(now),
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
        self.closed();
        self.now = clock::mono();
    }

    fn closed(&mut self) {
        let any = self.source.closed(&mut self.table);
        self.generation = self.generation.wrapping_add(u32::from(any));
    }

    /// What is told of a packet of that time, and whether it is wanted.
    #[inline]
    pub fn of(&mut self, link: LinkType, data: &[u8], at: Mono) -> &Label {
        let Some((flow, first)) = flow::of(link, data) else {
            return self.labels.none();
        };
        let known = match self.last {
            Some((last, known)) if last == flow && !first && self.is_settled(&known, at) => known,
            _ => self.find(flow, first, at),
        };
        self.labels.get(known.label)
    }

    #[inline]
    fn is_settled(&self, known: &Known, at: Mono) -> bool {
        known.whole
            || (known.generation == self.generation && self.now < known.again && at <= known.until)
    }

    fn find(&mut self, flow: Flow, first: bool, at: Mono) -> Known {
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
            Some(known) if !first && self.is_settled(&known, at) => known,
            kept => self.look(flow, first, at, kept),
        };
        if self.flows.len() >= FLOWS {
            self.flows.clear();
        }
        self.flows.insert(flow, known);
        self.last = Some((flow, known));
        known
    }

    fn look(&mut self, flow: Flow, first: bool, at: Mono, kept: Option<Known>) -> Known {
        let by_files = self.source.is_files();
        if first && !by_files {
            self.table.begins(&flow, at);
        }
        let mut ends = self.all_ends(flow, at);
        let lacks = self.lacks(&flow, ends);
        let stale = by_files && first && self.was_connected(&flow);
        let old = by_files && self.now.0.saturating_sub(self.looked.0) >= AGAIN_NS;
        let aged = old && !is_sure(&flow, ends);
        let guessed = kept.is_none_or(|known| known.sure) && is_guess(ends);
        // Whoever had it until now has it no more, or it was not looked for lately.
        let is_due =
            kept.is_none_or(|known| first || known.again == NEVER || self.now >= known.again);
        let mut refused = false;
        // What was looked for after it came is known.
        if (lacks || stale || aged || guessed) && is_due && self.looked < at {
            if self.budget.allows(clock::mono()) {
                // One that fails leaves what was known.
                drop(self.walk());
            } else {
                refused = true;
                self.unsought += u64::from(lacks || stale || guessed);
                if stale {
                    // Nobody rather than who had the same ports before.
                    self.table.forget(&flow);
                    self.table.forget(&flow.back());
                }
            }
            ends = self.all_ends(flow, at);
            if kept.is_none() && !refused && !by_files {
                ends = self.wait(&flow, at, ends);
            }
        }
        let wait = match (self.lacks(&flow, ends), refused) {
            (_, true) => SOON_NS,
            (true, false) => AGAIN_NS,
            (false, false) if by_files && !is_sure(&flow, ends) => AGAIN_NS,
            (false, false) => u64::MAX,
        };
        let mut again = Mono(self.now.0.saturating_add(wait));
        if let Some(due) = kept.map(|known| known.again)
            && !is_due
            && wait < u64::MAX
        {
            // Sockets that are closed meanwhile do not put it off.
            again = again.min(due);
        }
        self.known(&flow, ends, again)
    }

    fn known(&mut self, flow: &Flow, ends: [End; 2], again: Mono) -> Known {
        let found = ends.iter().filter_map(|end| end.holder);
        Known {
            label: self
                .labels
                .of(ends.map(|end| end.holder.map(|found| found.holder))),
            generation: self.generation,
            whole: flow.proto == flow::TCP && ends.iter().all(|end| end.connected),
            sure: !is_guess(ends),
            until: found.map(|found| found.until).min().unwrap_or(NEVER),
            again,
        }
    }

    /// A walk does not see the files of a process that is ending, a moment before its sockets are told closed.
    fn wait(&mut self, flow: &Flow, at: Mono, mut ends: [End; 2]) -> [End; 2] {
        let begun = clock::mono();
        let mut waited = 0;
        while (self.misses(flow, ends) || is_guess(ends))
            && waited < ENDING_NS
            && self.patience.allows(begun)
        {
            std::thread::sleep(STEP);
            self.closed();
            ends = self.all_ends(*flow, at);
            waited = clock::mono().0.saturating_sub(begun.0);
        }
        self.patience.spend(waited);
        ends
    }

    /// Whether a connection that begins has the ends of one that was there.
    fn was_connected(&self, flow: &Flow) -> bool {
        self.table.is_connected(flow) || self.table.is_connected(&flow.back())
    }

    fn walk(&mut self) -> Result<(), OwnerError> {
        let (begun, used_ns) = (clock::mono(), clock::thread_cpu_ns());
        let outcome = self.source.walk(&mut self.table, begun);
        let namespaces = self.table.namespaces();
        self.places.look(namespaces, self.own, begun);
        self.places.translations();
        self.generation = self.generation.wrapping_add(1);
        self.looked = begun;
        let took = clock::thread_cpu_ns().saturating_sub(used_ns);
        self.budget.spend(took);
        outcome
    }
}
