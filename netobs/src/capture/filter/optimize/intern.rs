//! Blocks that are the same become one.

use super::Optimizer;
use crate::capture::filter::graph::{Block, BlockId};

impl Optimizer {
    pub(super) fn intern(&mut self) {
        while self.intern_once() {}
    }

    /// Whether a branch was turned to another block.
    fn intern_once(&mut self) -> bool {
        let mut reachable = vec![false; self.blocks.len()];
        for id in self.postorder() {
            reachable[id] = true;
        }
        let mut link: Vec<Option<BlockId>> = vec![None; self.blocks.len()];
        for id in (0..self.blocks.len().saturating_sub(1)).rev() {
            let later = id + 1..self.blocks.len();
            let mut twins = later
                .filter(|other| reachable[id] && reachable[*other])
                .filter(|other| same(&self.blocks[id], &self.blocks[*other]));
            link[id] = twins.next().map(|twin| link[twin].unwrap_or(twin));
        }
        let mut turned = false;
        for block in &mut self.blocks {
            for next in block.next.iter_mut().flatten() {
                if let Some(twin) = link[*next] {
                    *next = twin;
                    turned = true;
                }
            }
        }
        turned
    }
}

fn same(a: &Block, b: &Block) -> bool {
    let code = |block: &Block| (block.last.code, block.last.k, block.next);
    let stmts = |block: &Block| -> Vec<(Option<u16>, u32)> {
        let kept = block.stmts.iter().filter(|stmt| stmt.code.is_some());
        kept.map(|stmt| (stmt.code, stmt.k)).collect()
    };
    code(a) == code(b) && stmts(a) == stmts(b)
}
