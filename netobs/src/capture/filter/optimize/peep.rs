//! Statements that stand side by side and make one, comparisons of what is known, and stores that nobody reads.

use super::Optimizer;
use crate::capture::filter::{
    code::{
        A_ATOM, ADD, ALU, AND, ATOMS, B, IMM, IND, JEQ, JGE, JGT, JMP, JSET, K, LD, LDX, MEM, MISC,
        MSH, ST, SUB, Stmt, TAX, TXA, X, X_ATOM, class, mode, op, takes_x,
    },
    graph::{BlockId, NO, YES},
};

impl Optimizer {
    pub(super) fn peephole(&mut self, id: BlockId) {
        if self.blocks[id].stmts.is_empty() {
            return;
        }
        let last = self.pairs(id);
        self.comparison(id, last);
        self.decided(id);
    }

    fn after(&self, id: BlockId, at: usize) -> Option<usize> {
        let stmts = &self.blocks[id].stmts;
        (at..stmts.len()).find(|at| stmts[*at].code.is_some())
    }

    fn stmt(&mut self, id: BlockId, at: usize) -> &mut Stmt {
        &mut self.blocks[id].stmts[at]
    }

    /// Pairs of statements; where the last one stands, if there were two.
    fn pairs(&mut self, id: BlockId) -> usize {
        let (mut at, mut last) = (0, 0);
        while let Some(first) = self.after(id, at) {
            let Some(next) = self.after(id, first + 1) else {
                break;
            };
            last = next;
            at = next;
            let (s, n) = (self.blocks[id].stmts[first], self.blocks[id].stmts[next]);
            if s.is(ST) && n.is(LDX | MEM) && s.k == n.k {
                self.stmt(id, next).code = Some(MISC | TAX);
                self.progress();
            }
            if s.is(LD | IMM) && self.blocks[id].stmts[next].is(MISC | TAX) {
                self.stmt(id, first).code = Some(LDX | IMM);
                self.stmt(id, next).code = Some(MISC | TXA);
                self.progress();
            } else if s.is(LD | IMM) {
                self.index(id, first, next);
            }
        }
        last
    }

    /// `ld #k; add x; tax; ld [x + n]`: the constant goes into the load.
    fn index(&mut self, id: BlockId, first: usize, next: usize) -> Option<()> {
        if self.facts[id].out_use >> X_ATOM & 1 == 1 {
            return None;
        }
        let add = if self.stmt(id, next).is(LDX | MSH | B) {
            self.after(id, next + 1)?
        } else {
            next
        };
        self.stmt(id, add).is(ALU | ADD | X).then_some(())?;
        let tax = self.after(id, add + 1)?;
        self.stmt(id, tax).is(MISC | TAX).then_some(())?;
        let load = self.after(id, tax + 1)?;
        let code = self.stmt(id, load).code?;
        (class(code) == LD && mode(code) == IND).then_some(())?;
        let n = self.stmt(id, first).k;
        let load = self.stmt(id, load);
        load.k = load.k.wrapping_add(n);
        for at in [first, add, tax] {
            self.stmt(id, at).erase();
        }
        self.progress();
        Some(())
    }

    /// A subtraction or mask before a comparison with a constant becomes part of it.
    fn comparison(&mut self, id: BlockId, last: usize) {
        let compared = self.blocks[id].last;
        if !compared.is(JMP | JEQ | K) || self.facts[id].out_use >> A_ATOM & 1 == 1 {
            return;
        }
        let before = self.blocks[id].stmts[last];
        let x = self.values.known(self.facts[id].values[X_ATOM]);
        let block = &mut self.blocks[id];
        if before.is(ALU | SUB | X) {
            match x {
                Some(x) => block.last.k = compared.k.wrapping_add(x),
                None if compared.k == 0 => block.last.code = Some(JMP | JEQ | X),
                None => return,
            }
        } else if before.is(ALU | SUB | K) {
            block.last.k = compared.k.wrapping_add(before.k);
        } else if before.is(ALU | AND | K) && compared.k == 0 {
            block.last.k = before.k;
            block.last.code = Some(JMP | JSET | K);
            block.next.swap(YES, NO);
        } else {
            return;
        }
        block.stmts[last].erase();
        self.progress();
    }

    /// Comparisons whose outcome is known.
    fn decided(&mut self, id: BlockId) {
        let values = self.facts[id].values;
        let block = &mut self.blocks[id];
        if block.last.is(JMP | JSET | K) {
            match block.last.k {
                0 => block.next[YES] = block.next[NO],
                u32::MAX => block.next[NO] = block.next[YES],
                _ => {}
            }
        }
        let Some(code) = block.last.code else { return };
        if let Some(x) = self.values.known(values[X_ATOM])
            && takes_x(code)
        {
            block.last.code = Some(code & !X);
            block.last.k = x;
        }
        let Some(code) = block.last.code else { return };
        let Some(a) = self.values.known(values[A_ATOM]) else {
            return;
        };
        if takes_x(code) {
            return;
        }
        let k = block.last.k;
        let holds = match op(code) {
            JEQ => a == k,
            JGT => a > k,
            JGE => a >= k,
            JSET => a & k != 0,
            _ => return,
        };
        let differs = block.next[YES] != block.next[NO];
        if holds {
            block.next[NO] = block.next[YES];
        } else {
            block.next[YES] = block.next[NO];
        }
        if differs {
            self.progress();
        }
    }

    /// What is overwritten, or never read again, need not be made.
    pub(super) fn dead_stores(&mut self, id: BlockId) {
        let mut unread: [Option<usize>; ATOMS] = [None; ATOMS];
        let mut dead = Vec::new();
        let block = &self.blocks[id];
        for (at, stmt) in block.stmts.iter().enumerate() {
            forget(&mut unread, stmt.uses());
            if let Some(atom) = stmt.defines() {
                dead.extend(unread[atom].replace(at));
            }
        }
        forget(&mut unread, block.last.uses());
        let wanted = self.facts[id].out_use;
        let left = unread.into_iter().enumerate();
        dead.extend(left.filter_map(|(atom, at)| at.filter(|_| wanted >> atom & 1 == 0)));
        if dead.is_empty() {
            return;
        }
        for at in dead {
            self.stmt(id, at).erase();
        }
        self.progress();
    }
}

fn forget(unread: &mut [Option<usize>; ATOMS], used: u32) {
    for (atom, at) in unread.iter_mut().enumerate() {
        if used >> atom & 1 == 1 {
            *at = None;
        }
    }
}
