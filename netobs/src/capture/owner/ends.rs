//! The ends of a flow, and how well they are known.

use super::{
    Owners,
    flow::{self, Flow},
    table::Found,
};
use crate::event::Mono;

/// One end of a flow.
#[derive(Clone, Copy)]
pub struct End {
    pub holder: Option<Found>,
    /// By a socket that is connected to the other end: no other will be found.
    pub connected: bool,
}

impl Owners {
    /// Whether an end has no holder that could have one: nobody is known at all, or nobody at an address of this machine.
    pub(super) fn lacks(&self, flow: &Flow, ends: [End; 2]) -> bool {
        let nobody = ends.iter().all(|end| end.holder.is_none());
        nobody || self.misses(flow, ends)
    }

    /// Whether an end at an address of this machine has no holder.
    pub(super) fn misses(&self, flow: &Flow, ends: [End; 2]) -> bool {
        let mut both = ends.iter().zip([*flow, flow.back()]);
        both.any(|(end, own_end_first)| {
            let is_local = self.places.is_local(own_end_first.from);
            end.holder.is_none() && own_end_first.is_somebodys() && is_local
        })
    }

    /// The holders of both ends; of the ends on the other side of a translation, where nobody has those on this one.
    pub(super) fn all_ends(&self, flow: Flow, at: Mono) -> [End; 2] {
        let mut ends = self.ends(flow, at);
        if ends.iter().any(|end| end.holder.is_none())
            && let Some(other) = self.places.translated(&flow)
        {
            for (end, other) in ends.iter_mut().zip(self.ends(other, at)) {
                if end.holder.is_none() {
                    *end = other;
                }
            }
        }
        ends
    }

    /// The holders of the sockets at both ends, at that time.
    pub(super) fn ends(&self, flow: Flow, at: Mono) -> [End; 2] {
        [flow, flow.back()].map(|own_end_first| {
            if !own_end_first.is_somebodys() {
                return End {
                    holder: None,
                    connected: false,
                };
            }
            if let Some(holder) = self.table.connected(&own_end_first, self.own, at) {
                return End {
                    holder: Some(holder),
                    connected: true,
                };
            }
            let addr = own_end_first.from;
            let is_at = |netns| self.places.has(netns, addr, self.own);
            End {
                holder: self.table.bound(&own_end_first, at, &is_at),
                connected: false,
            }
        })
    }
}

/// Whether an end is told to be of somebody for want of another.
pub fn is_guess(ends: [End; 2]) -> bool {
    let mut holders = ends.iter().filter_map(|end| end.holder);
    holders.any(|found| !found.sure)
}

/// Whether nobody else can have the ends before the connection is over: a new one begins with a segment that shows it.
pub fn is_sure(flow: &Flow, ends: [End; 2]) -> bool {
    let held = |end: &End| end.connected || end.holder.is_none();
    flow.proto == flow::TCP && ends.iter().all(held)
}
