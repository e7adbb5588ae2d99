//! Time of a processor that looking for owners may take: a small part of all time, some of it saved up.

use crate::event::Mono;

/// One part of so many of the time, and how much of it may be saved up.
const SHARE: i64 = 25;
const SAVED_NS: i64 = 100_000_000;

pub struct Budget {
    /// Below 0: the last walk took more than was saved.
    left_ns: i64,
    counted: Mono,
}

impl Budget {
    pub fn new(now: Mono) -> Self {
        Self {
            left_ns: SAVED_NS,
            counted: now,
        }
    }

    /// Whether there is time for a walk.
    pub fn allows(&mut self, now: Mono) -> bool {
        let passed = now.0.saturating_sub(self.counted.0);
        let earned = i64::try_from(passed).unwrap_or(i64::MAX) / SHARE;
        self.counted = now;
        self.left_ns = self.left_ns.saturating_add(earned).min(SAVED_NS);
        self.left_ns > 0
    }

    /// A walk took so much of a processor.
    pub fn spend(&mut self, took_ns: u64) {
        let took = i64::try_from(took_ns).unwrap_or(i64::MAX);
        self.left_ns = self.left_ns.saturating_sub(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However long one takes: of 100 s they have 4 and what was saved, and the last one may go over.
    #[test]
    fn walks_take_no_more_than_their_share() {
        const STEP_NS: u64 = 1_000_000;
        for took_ns in [200_000, 45_000_000, 400_000_000] {
            let mut budget = Budget::new(Mono(0));
            let (mut now, mut spent) = (0, 0);
            while now < 100_000_000_000 {
                now += STEP_NS;
                if budget.allows(Mono(now)) {
                    budget.spend(took_ns);
                    (now, spent) = (now + took_ns, spent + took_ns);
                }
            }
            let most = 4_000_000_000 + 100_000_000 + 2 * took_ns;
            assert!(spent <= most, "{spent} of {most} by walks of {took_ns}");
            // Short ones are held back by the steps of this test.
            assert!(spent >= 3_900_000_000.min(100_000 * took_ns), "{spent}");
        }
    }
}
