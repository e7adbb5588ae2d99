//! The optimizer: jumps that are decided already are threaded, statements without use go.
//!
//! It follows libpcap's step by step, for what it takes away matters: a load beyond the end of a packet refuses the packet,
//! so a filter that keeps a load that libpcap drops would refuse cut-off packets that tcpdump takes.

mod flow;
mod intern;
mod jumps;
mod peep;
mod pullup;
mod stmts;
mod values;

use super::{
    code::{A_ATOM, ATOMS, Atoms, JMP, RET, X_ATOM, class, takes_x},
    error::FilterError,
    graph::{Block, BlockId, Graph, NO, YES},
};
use flow::Bits;
use values::Values;

/// Rounds that only move branches before it ends: they can go round in circles.
const CIRCLES: usize = 100;

/// What is known of a block beside its code.
#[derive(Clone)]
struct Facts {
    /// Longest way to the end.
    level: usize,
    defines: Atoms,
    kills: Atoms,
    in_use: Atoms,
    out_use: Atoms,
    /// Values of all atoms at its end; 0 is unknown.
    values: [u32; ATOMS],
    /// Value of the operand of its comparison.
    operand: u32,
    /// The comparison when the edges were looked at.
    code: u16,
    /// Edges that lead here; the last one came first in libpcap's list.
    incoming: Vec<Edge>,
}

/// An edge, by the block it leaves and the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edge(BlockId, usize);

struct Optimizer {
    /// Numbered from the root, depth first.
    blocks: Vec<Block>,
    facts: Vec<Facts>,
    root: BlockId,
    /// Reachable blocks by level; each list is walked from its end.
    levels: Vec<Vec<BlockId>>,
    dominators: Bits,
    edge_dominators: Bits,
    values: Values,
    done: bool,
    /// Something but the target of a branch changed.
    changed: bool,
}

type Outcome = Result<(), FilterError>;

pub fn optimize(graph: &Graph) -> Result<Graph, FilterError> {
    let mut optimizer = Optimizer::new(graph);
    optimizer.rounds(false)?;
    optimizer.rounds(true)?;
    optimizer.intern();
    optimizer.shorten_root();
    Ok(Graph {
        blocks: optimizer.blocks,
        root: optimizer.root,
    })
}

impl Optimizer {
    fn new(graph: &Graph) -> Self {
        let (blocks, root) = flow::numbered(graph);
        let n = blocks.len();
        let facts = Facts {
            level: 0,
            defines: 0,
            kills: 0,
            in_use: 0,
            out_use: 0,
            values: [0; ATOMS],
            operand: 0,
            code: 0,
            incoming: Vec::new(),
        };
        Self {
            facts: vec![facts; n],
            levels: vec![Vec::new(); n],
            dominators: Bits::new(n, n),
            edge_dominators: Bits::new(2 * n, 2 * n),
            values: Values::default(),
            done: false,
            changed: false,
            blocks,
            root,
        }
    }

    /// Rounds until nothing changes.
    fn rounds(&mut self, statements: bool) -> Outcome {
        let mut circles = 0;
        loop {
            self.done = true;
            self.changed = false;
            self.find_levels();
            self.find_dominators();
            self.find_uses();
            self.find_edge_dominators();
            self.round(statements)?;
            circles = if self.changed { 0 } else { circles + 1 };
            if self.done || circles >= CIRCLES {
                return Ok(());
            }
        }
    }

    fn round(&mut self, statements: bool) -> Outcome {
        self.values.clear();
        let highest = self.facts[self.root].level;
        self.find_incoming();
        for block in self.downwards(highest) {
            self.block(block, statements)?;
        }
        if statements {
            return Ok(());
        }
        let upwards = self.upwards(highest);
        for block in &upwards {
            self.thread(Edge(*block, YES));
            self.thread(Edge(*block, NO));
        }
        self.find_incoming();
        for block in &upwards {
            self.pull_up(*block, YES);
            self.pull_up(*block, NO);
        }
        Ok(())
    }

    /// From the root to the end.
    fn downwards(&self, highest: usize) -> Vec<BlockId> {
        let levels = self.levels[..=highest].iter().rev();
        levels
            .flat_map(|level| level.iter().rev().copied())
            .collect()
    }

    /// From what stands before the end to the root.
    fn upwards(&self, highest: usize) -> Vec<BlockId> {
        let levels = self.levels.iter().take(highest + 1).skip(1);
        levels
            .flat_map(|level| level.iter().rev().copied())
            .collect()
    }

    fn target(&self, Edge(block, side): Edge) -> Option<BlockId> {
        self.blocks[block].next[side]
    }

    /// Statements of one block, with what is known when it begins.
    fn block(&mut self, id: BlockId, alter: bool) -> Outcome {
        let mut values = self.entry_values(id);
        let (a, x) = (values[A_ATOM], values[X_ATOM]);
        let mut stmts = std::mem::take(&mut self.blocks[id].stmts);
        for stmt in &mut stmts {
            self.statement(stmt, &mut values, alter)?;
        }
        self.blocks[id].stmts = stmts;
        self.facts[id].values = values;
        let last = self.blocks[id].last;
        let code = last.code.unwrap_or(RET);
        let same = |before: u32, after: u32| before != 0 && before == after;
        let idle =
            self.facts[id].out_use == 0 && same(a, values[A_ATOM]) && same(x, values[X_ATOM]);
        if alter && (idle || class(code) == RET) {
            if !self.blocks[id].stmts.is_empty() {
                self.blocks[id].stmts.clear();
                self.progress();
            }
        } else {
            self.peephole(id);
            self.dead_stores(id);
        }
        let last = self.blocks[id].last;
        let code = last.code.unwrap_or(RET);
        self.facts[id].operand = if takes_x(code) {
            values[X_ATOM]
        } else {
            self.values.constant(last.k)
        };
        self.facts[id].code = code;
        Ok(())
    }

    /// What all ways into a block agree on.
    fn entry_values(&self, id: BlockId) -> [u32; ATOMS] {
        let mut ways = self.facts[id]
            .incoming
            .iter()
            .map(|edge| self.facts[edge.0].values);
        let Some(mut values) = ways.next() else {
            return [0; ATOMS];
        };
        for way in ways {
            for (value, other) in values.iter_mut().zip(way) {
                if *value != other {
                    *value = 0;
                }
            }
        }
        values
    }

    fn progress(&mut self) {
        self.changed = true;
        self.done = false;
    }

    /// A root that decides nothing gives way to what follows.
    fn shorten_root(&mut self) {
        let mut stmts = std::mem::take(&mut self.blocks[self.root].stmts);
        loop {
            let block = &self.blocks[self.root];
            let decides = block.next[YES] != block.next[NO];
            match block.next[YES] {
                Some(next)
                    if !decides && block.last.code.is_some_and(|code| class(code) == JMP) =>
                {
                    self.root = next;
                }
                _ => break,
            }
        }
        let root = &mut self.blocks[self.root];
        stmts.append(&mut root.stmts);
        if root.last.code.is_some_and(|code| class(code) == RET) {
            stmts.clear();
        }
        root.stmts = stmts;
    }
}
