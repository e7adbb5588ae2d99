//! When to look at the ring: at once while little happens, in batches while much does.

use std::time::Duration;

/// How the reader waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For the kernel's wake-up: an event arrives within microseconds, at the price of a wake-up each.
    Wakeup,
    /// For a while: events cost no wake-up and come in batches.
    Batch(Duration),
}

/// A batch's length: at 100,000 events a second it holds 500 events.
const BATCH: Duration = Duration::from_millis(5);
/// Wake-ups closer together than this are too many.
const BUSY: Duration = Duration::from_micros(500);
/// A batch with fewer events than this was not worth its delay.
const FEW: usize = 5;

/// Decides from what the last look found.
#[derive(Debug, Default)]
pub struct Pace {
    batching: bool,
}

impl Pace {
    /// `events` were found, `since` the look before.
    pub fn next(&mut self, events: usize, since: Duration) -> Wait {
        self.batching = if self.batching {
            events >= FEW
        } else {
            events > 0 && since < BUSY
        };
        if self.batching {
            Wait::Batch(BATCH)
        } else {
            Wait::Wakeup
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_only_while_busy() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(1, Duration::from_secs(1)), Wait::Wakeup);
        assert_eq!(pace.next(1, Duration::from_micros(100)), Wait::Batch(BATCH));
        assert_eq!(pace.next(100, BATCH), Wait::Batch(BATCH));
        assert_eq!(pace.next(2, BATCH), Wait::Wakeup);
        assert_eq!(pace.next(0, Duration::from_micros(1)), Wait::Wakeup);
    }
}
