//! Comparisons of the same value are brought together, so that it is loaded once.

use super::{Edge, Optimizer};
use crate::capture::filter::{
    code::A_ATOM,
    graph::{BlockId, NO, YES},
};

impl Optimizer {
    /// Along a chain of comparisons that all leave by `side` to the same place, one of the value that is at hand already is
    /// asked before those that load another.
    pub(super) fn pull_up(&mut self, id: BlockId, side: usize) -> Option<()> {
        let incoming = self.facts[id].incoming.clone();
        let first = incoming.last()?;
        let value = |block: BlockId| self.facts[block].values[A_ATOM];
        let at_hand = value(first.0);
        if incoming.iter().any(|edge| value(edge.0) != at_hand) {
            return None;
        }
        let on = 1 - side;
        let exit = self.blocks[id].next[side];
        let alike = |slot: Edge| {
            let block = self.target(slot)?;
            let fits = self.blocks[block].next[side] == exit && self.dominators.has(block, id);
            fits.then_some(block)
        };
        let taken = self.blocks[first.0].next[YES] == Some(id);
        let mut differs = Edge(first.0, if taken { YES } else { NO });
        let mut at_top = true;
        let mut block = alike(differs)?;
        while value(block) == at_hand {
            differs = Edge(block, on);
            at_top = false;
            block = alike(differs)?;
        }
        let mut same = Edge(block, on);
        let mut pulled = alike(same)?;
        while value(pulled) != at_hand {
            same = Edge(pulled, on);
            pulled = alike(same)?;
        }
        self.blocks[same.0].next[same.1] = self.blocks[pulled].next[on];
        self.blocks[pulled].next[on] = self.target(differs);
        if at_top {
            for Edge(before, _) in incoming.into_iter().rev() {
                let taken = self.blocks[before].next[YES] == Some(id);
                self.blocks[before].next[if taken { YES } else { NO }] = Some(pulled);
            }
        } else {
            self.blocks[differs.0].next[differs.1] = Some(pulled);
        }
        self.done = false;
        Some(())
    }
}
