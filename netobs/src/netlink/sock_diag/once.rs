//! No socket twice: the kernel resumes a dump by counting sockets in a hash chain, and repeats some when the chain grew meanwhile.

/// Slots of the two tables; an answer of 32 KiB holds some 300 sockets.
const SLOTS: usize = 1024;
/// Looked at from where a key belongs; beyond, it is forgotten.
const REACH: usize = 16;

/// Keys of the sockets of this batch of answers and of the one before, from which repeats come.
pub struct Once {
    last: Box<[u64; SLOTS]>,
    this: Box<[u64; SLOTS]>,
    /// Sockets left out because they were told before.
    pub repeated: u64,
}

impl Default for Once {
    fn default() -> Self {
        Self {
            last: Box::new([0; SLOTS]),
            this: Box::new([0; SLOTS]),
            repeated: 0,
        }
    }
}

impl Once {
    /// Another table begins: an MPTCP socket and its first subflow have the same addresses, and are two.
    pub fn begin(&mut self) {
        self.last.fill(0);
        self.this.fill(0);
    }

    /// A further answer of the kernel begins.
    pub fn next_batch(&mut self) {
        std::mem::swap(&mut self.last, &mut self.this);
        self.this.fill(0);
    }

    /// Whether the socket of this key is new; `key` is never 0.
    #[inline]
    pub fn is_new(&mut self, key: u64) -> bool {
        if find(&self.last, key) || !insert(&mut self.this, key) {
            self.repeated += 1;
            return false;
        }
        true
    }
}

fn place(key: u64) -> usize {
    // Fibonacci hashing: cookies count up.
    usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54).unwrap_or(0)
}

fn find(table: &[u64; SLOTS], key: u64) -> bool {
    let start = place(key);
    for step in 0..REACH {
        match table[(start + step) % SLOTS] {
            0 => return false,
            found if found == key => return true,
            _ => {}
        }
    }
    false
}

/// False: it is there already.
fn insert(table: &mut [u64; SLOTS], key: u64) -> bool {
    let start = place(key);
    for step in 0..REACH {
        let slot = &mut table[(start + step) % SLOTS];
        if *slot == key {
            return false;
        }
        if *slot == 0 {
            *slot = key;
            return true;
        }
    }
    table[start] = key;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_of_the_last_batch_are_left_out() {
        let mut once = Once::default();
        once.next_batch();
        assert!((1..300).all(|key| once.is_new(key)));
        once.next_batch();
        assert!((290..300).all(|key| !once.is_new(key)));
        assert!((300..600).all(|key| once.is_new(key)));
        assert_eq!(once.repeated, 10);
        once.begin();
        assert!(once.is_new(300));
    }
}
