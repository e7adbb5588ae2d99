//! What the shape of the graph says: levels, dominators, and which values are still needed.

use super::{Edge, Optimizer};
use crate::capture::filter::{
    code::{JMP, class},
    graph::{Block, BlockId, Graph, NO, YES},
};

/// Sets of numbers, one a row.
pub(super) struct Bits {
    words: Vec<u64>,
    width: usize,
}

const WORD: usize = 64;

impl Bits {
    pub fn new(rows: usize, columns: usize) -> Self {
        let width = columns / WORD + 1;
        Self {
            words: vec![0; rows * width],
            width,
        }
    }

    pub fn fill(&mut self) {
        self.words.fill(u64::MAX);
    }

    fn row(&self, row: usize) -> &[u64] {
        &self.words[row * self.width..(row + 1) * self.width]
    }

    pub fn empty(&mut self, row: usize) {
        self.words[row * self.width..(row + 1) * self.width].fill(0);
    }

    pub fn insert(&mut self, row: usize, n: usize) {
        self.words[row * self.width + n / WORD] |= 1 << (n % WORD);
    }

    pub fn has(&self, row: usize, n: usize) -> bool {
        self.words[row * self.width + n / WORD] >> (n % WORD) & 1 == 1
    }

    /// What is in both stays in `row`.
    pub fn intersect(&mut self, row: usize, with: usize) {
        for word in 0..self.width {
            let other = self.words[with * self.width + word];
            self.words[row * self.width + word] &= other;
        }
    }

    /// The numbers of a row, ascending.
    pub fn members(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let words = self.row(row).iter().enumerate();
        words.flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                (bit < WORD).then_some(index * WORD + bit)
            })
        })
    }
}

/// The reachable blocks, numbered as they are met: the block itself, then all behind its yes, then behind its no.
pub(super) fn numbered(graph: &Graph) -> (Vec<Block>, BlockId) {
    let mut order = Vec::new();
    let mut number = vec![None; graph.blocks.len()];
    let mut waiting = vec![graph.root];
    while let Some(id) = waiting.pop() {
        if number[id].is_some() {
            continue;
        }
        number[id] = Some(order.len());
        order.push(id);
        let [yes, no] = graph.blocks[id].next;
        waiting.extend(no);
        waiting.extend(yes);
    }
    let blocks = order.iter().map(|id| {
        let block = &graph.blocks[*id];
        Block {
            next: block.next.map(|next| next.and_then(|next| number[next])),
            ..block.clone()
        }
    });
    (blocks.collect(), 0)
}

impl Optimizer {
    /// Blocks in the order in which they are left: first all behind the yes, then behind the no, then the block.
    pub(super) fn postorder(&self) -> Vec<BlockId> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.blocks.len()];
        let mut waiting = vec![(self.root, false)];
        while let Some((id, left)) = waiting.pop() {
            if left {
                order.push(id);
            } else if !std::mem::replace(&mut seen[id], true) {
                waiting.push((id, true));
                let [yes, no] = self.blocks[id].next;
                waiting.extend(no.map(|id| (id, false)));
                waiting.extend(yes.map(|id| (id, false)));
            }
        }
        order
    }

    pub(super) fn find_levels(&mut self) {
        for level in &mut self.levels {
            level.clear();
        }
        for id in self.postorder() {
            let below = self.blocks[id].next.iter().flatten();
            let level = below.map(|next| self.facts[*next].level + 1).max();
            let level = level.unwrap_or(0);
            self.facts[id].level = level;
            self.levels[level].push(id);
        }
    }

    /// Which blocks every way to a block passes.
    pub(super) fn find_dominators(&mut self) {
        self.dominators.fill();
        self.dominators.empty(self.root);
        for id in self.downwards(self.facts[self.root].level) {
            self.dominators.insert(id, id);
            for next in self.blocks[id].next.iter().flatten() {
                self.dominators.intersect(*next, id);
            }
        }
    }

    /// The number of an edge: all that lead to yes come first.
    pub(super) fn edge_number(&self, Edge(block, side): Edge) -> usize {
        block + side * self.blocks.len()
    }

    pub(super) fn edge_of(&self, number: usize) -> Edge {
        let n = self.blocks.len();
        if number < n {
            Edge(number, YES)
        } else {
            Edge(number - n, NO)
        }
    }

    /// Which edges every way over an edge passes.
    pub(super) fn find_edge_dominators(&mut self) {
        self.edge_dominators.fill();
        for side in [YES, NO] {
            let number = self.edge_number(Edge(self.root, side));
            self.edge_dominators.empty(number);
        }
        for id in self.downwards(self.facts[self.root].level) {
            for side in [YES, NO] {
                let number = self.edge_number(Edge(id, side));
                self.edge_dominators.insert(number, number);
                if let Some(next) = self.blocks[id].next[side] {
                    for side in [YES, NO] {
                        let after = self.edge_number(Edge(next, side));
                        self.edge_dominators.intersect(after, number);
                    }
                }
            }
        }
    }

    /// Which atoms a block needs from before, and which are needed after it.
    pub(super) fn find_uses(&mut self) {
        let highest = self.facts[self.root].level;
        for id in self.downwards(highest) {
            self.local_uses(id);
        }
        for id in self.upwards(highest) {
            let below = self.blocks[id].next.iter().flatten();
            let used = below
                .map(|next| self.facts[*next].in_use)
                .fold(0, |a, b| a | b);
            let facts = &mut self.facts[id];
            facts.out_use |= used;
            facts.in_use |= facts.out_use & !facts.kills;
        }
    }

    fn local_uses(&mut self, id: BlockId) {
        let (mut defined, mut used, mut killed) = (0, 0, 0);
        let block = &self.blocks[id];
        for stmt in &block.stmts {
            used |= stmt.uses() & !defined;
            if let Some(atom) = stmt.defines() {
                killed |= (1 << atom) & !used;
                defined |= 1 << atom;
            }
        }
        if block.last.code.is_some_and(|code| class(code) == JMP) {
            used |= block.last.uses() & !defined;
        }
        let facts = &mut self.facts[id];
        facts.defines = defined;
        facts.kills = killed;
        facts.in_use = used;
        facts.out_use = 0;
    }

    pub(super) fn find_incoming(&mut self) {
        for facts in &mut self.facts {
            facts.incoming.clear();
        }
        let highest = self.facts[self.root].level;
        for id in self.downwards(highest) {
            for side in [YES, NO] {
                if let Some(next) = self.blocks[id].next[side] {
                    self.facts[next].incoming.push(Edge(id, side));
                }
            }
        }
    }
}
