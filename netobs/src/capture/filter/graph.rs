//! The flow graph under construction: blocks of statements that end in a comparison, and tests made of them.

use super::code::{JMP, RET, Stmt};

pub type BlockId = usize;

/// Straight code with one decision at its end.
#[derive(Clone, Debug)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    /// The comparison, or the return.
    pub last: Stmt,
    /// Where it goes on when the comparison holds, and when not; none of a return.
    pub next: [Option<BlockId>; 2],
}

/// Index of the edges in [`Block::next`].
pub const YES: usize = 0;
pub const NO: usize = 1;

/// A way out of a test that leads nowhere yet.
type Exit = (BlockId, usize);

/// A condition: enter at `head`, leave by one of two lists of exits.
#[derive(Clone, Debug)]
pub struct Test {
    pub head: BlockId,
    /// The block that was made last: the one that closes the condition.
    exits: [Vec<Exit>; 2],
}

#[derive(Default)]
pub struct Graph {
    pub blocks: Vec<Block>,
    pub root: BlockId,
}

impl Graph {
    /// A test of one comparison after `stmts`.
    pub fn test(&mut self, stmts: Vec<Stmt>, code: u16, k: u32) -> Test {
        let id = self.add(stmts, Stmt::new(JMP | code, k));
        Test {
            head: id,
            exits: [vec![(id, YES)], vec![(id, NO)]],
        }
    }

    fn add(&mut self, stmts: Vec<Stmt>, last: Stmt) -> BlockId {
        self.blocks.push(Block {
            stmts,
            last,
            next: [None, None],
        });
        self.blocks.len() - 1
    }

    fn patch(&mut self, exits: &[Exit], target: BlockId) {
        for (block, side) in exits {
            self.blocks[*block].next[*side] = Some(target);
        }
    }

    /// Both must hold; `first` is asked first.
    pub fn and(&mut self, first: Test, then: Test) -> Test {
        self.chain(first, then, YES)
    }

    /// One must hold; `first` is asked first.
    pub fn or(&mut self, first: Test, then: Test) -> Test {
        self.chain(first, then, NO)
    }

    fn chain(&mut self, mut first: Test, mut then: Test, goes_on: usize) -> Test {
        let leaves = 1 - goes_on;
        self.patch(&first.exits[goes_on], then.head);
        first.exits[leaves].append(&mut then.exits[leaves]);
        then.exits[leaves] = std::mem::take(&mut first.exits[leaves]);
        Test {
            head: first.head,
            exits: then.exits,
        }
    }

    /// Puts statements before all others of a test.
    pub fn prepend(&mut self, test: &Test, mut stmts: Vec<Stmt>) {
        let block = &mut self.blocks[test.head];
        stmts.append(&mut block.stmts);
        block.stmts = stmts;
    }

    /// The whole filter: what matches returns `snaplen`, the rest 0.
    pub fn finish(&mut self, whole: &Test, snaplen: u32) {
        let take = self.add(Vec::new(), Stmt::new(RET, snaplen));
        let refuse = self.add(Vec::new(), Stmt::new(RET, 0));
        self.patch(&whole.exits[YES], take);
        self.patch(&whole.exits[NO], refuse);
        self.root = whole.head;
    }

    /// A filter that takes everything.
    pub fn finish_empty(&mut self, snaplen: u32) {
        self.root = self.add(Vec::new(), Stmt::new(RET, snaplen));
    }
}

impl Test {
    #[must_use]
    pub fn not(mut self) -> Self {
        self.exits.swap(YES, NO);
        self
    }
}
