//! Jumps to comparisons whose outcome the way there has settled go on at once to where these lead.

use super::{Edge, Optimizer};
use crate::capture::filter::{
    code::{A_ATOM, ATOMS, JEQ, JMP, K},
    graph::{BlockId, NO, YES},
};

impl Optimizer {
    pub(super) fn thread(&mut self, edge: Edge) {
        let Some(next) = self.target(edge) else {
            return;
        };
        let [Some(yes), no] = self.blocks[next].next else {
            return;
        };
        if no == Some(yes) && !self.conflict(edge.0, yes) {
            self.progress();
            self.redirect(edge, yes);
        }
        while let Some(target) = self.settled(edge) {
            self.done = false;
            self.redirect(edge, target);
            if self.blocks[target].next[YES].is_none() {
                return;
            }
        }
    }

    fn redirect(&mut self, Edge(block, side): Edge, target: BlockId) {
        self.blocks[block].next[side] = Some(target);
    }

    /// Where the comparison at the end of `edge` must lead, by the first of the edges before it that settles it.
    fn settled(&self, edge: Edge) -> Option<BlockId> {
        let next = self.target(edge)?;
        let before = self.edge_dominators.members(self.edge_number(edge));
        let targets = before.filter_map(|number| {
            let before = (number < 2 * self.blocks.len()).then(|| self.edge_of(number))?;
            self.outcome(next, before)
        });
        let mut free = targets.filter(|target| !self.conflict(edge.0, *target));
        free.next()
    }

    /// Where `block` leads, given that `edge` was taken.
    fn outcome(&self, block: BlockId, edge: Edge) -> Option<BlockId> {
        let (here, there) = (&self.facts[block], &self.facts[edge.0]);
        let holds = edge.1 == YES;
        let same_code = self.blocks[block].last.code == Some(there.code);
        if !same_code || here.values[A_ATOM] != there.values[A_ATOM] {
            return None;
        }
        let side = if here.operand == there.operand {
            if holds { YES } else { NO }
        } else if holds && there.code == JMP | JEQ | K {
            NO // it equals another constant
        } else {
            return None;
        };
        self.blocks[block].next[side]
    }

    /// Does `target` need a value that `from` leaves otherwise?
    fn conflict(&self, from: BlockId, target: BlockId) -> bool {
        let (from, target) = (&self.facts[from], &self.facts[target]);
        (0..ATOMS)
            .any(|atom| target.out_use >> atom & 1 == 1 && from.values[atom] != target.values[atom])
    }
}
