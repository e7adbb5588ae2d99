//! Numbers for values: what is computed alike from alike has the same number.

use crate::capture::filter::code::{IMM, LD, W};
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Values {
    numbers: HashMap<(u16, u32, u32), u32>,
    /// Of each number: the constant it is.
    constants: Vec<Option<u32>>,
}

impl Values {
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.constants.clear();
        self.constants.push(None); // 0: unknown
    }

    /// The number of `code` done with these two values.
    pub fn of(&mut self, code: u16, first: u32, second: u32) -> u32 {
        let key = (code, first, second);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = u32::try_from(self.constants.len()).unwrap_or(0);
        let constant = (code == LD | IMM | W).then_some(first);
        self.constants.push(constant);
        self.numbers.insert(key, number);
        number
    }

    pub fn constant(&mut self, n: u32) -> u32 {
        self.of(LD | IMM | W, n, 0)
    }

    /// The constant that a value is, if it is one.
    pub fn known(&self, number: u32) -> Option<u32> {
        self.constants.get(number as usize).copied().flatten()
    }
}
