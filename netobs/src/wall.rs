//! From the monotonic clock to the wall clock and back, while somebody sets the wall clock or makes it run faster or slower.

use crate::{clock, event::Mono};
use std::collections::VecDeque;

/// How far apart two readings of the same offset may be.
const CLOSE_NS: u64 = 200;
/// Offsets that are remembered: events are told some 100 ms after they happened at most.
const MOST: usize = 256;
/// Stamps may be so much younger than the last look.
const AHEAD_NS: u64 = 1_000_000;

/// How long after it was seen last an offset may have held: looks are that far apart at most, while packets come.
const LONGER_NS: u64 = 1_000_000_000;

/// What is to be added to the monotonic clock, from when on.
#[derive(Clone, Copy)]
struct Offset {
    since: Mono,
    ns: u64,
}

/// The offsets between the two clocks, in the order of time.
pub struct Wall {
    last: Offset,
    before: VecDeque<Offset>,
    /// When the last one was seen last: a new one holds from then on, at the latest.
    looked: Mono,
}

impl Wall {
    pub fn new(now: Mono, offset_ns: u64) -> Self {
        Self {
            last: Offset {
                since: now,
                ns: offset_ns,
            },
            before: VecDeque::new(),
            looked: now,
        }
    }

    /// As the clocks of this machine are.
    pub fn start() -> Self {
        Self::new(clock::mono(), clock::wall_offset_ns())
    }

    /// Looks at the clocks again: to be done whenever events are taken from the kernel.
    pub fn look(&mut self) {
        let offset_ns = clock::wall_offset_ns();
        self.learn(clock::mono(), offset_ns);
    }

    /// The offset is `offset_ns` now.
    fn learn(&mut self, now: Mono, offset_ns: u64) {
        let apart = offset_ns.wrapping_sub(self.last.ns).cast_signed();
        if apart.unsigned_abs() > CLOSE_NS {
            if self.before.len() >= MOST {
                self.before.pop_front();
            }
            self.before.push_back(self.last);
            self.last = Offset {
                since: self.looked,
                ns: offset_ns,
            };
        }
        self.looked = now;
    }

    /// Nanoseconds since 1970, as the wall clock showed them at that time.
    #[inline]
    pub fn wall(&self, at: Mono) -> u64 {
        let offset = if at >= self.last.since {
            self.last
        } else {
            self.held(at)
        };
        at.0.wrapping_add(offset.ns)
    }

    /// What held before; of what was before all looks the first one is as good as any.
    fn held(&self, at: Mono) -> Offset {
        let mut before = self.before.iter().rev();
        let held = before.find(|offset| at >= offset.since);
        *held.or(self.before.front()).unwrap_or(&self.last)
    }

    /// When the wall clock showed `wall_ns`, not long ago: the last time if it showed it twice.
    #[inline]
    pub fn mono(&self, wall_ns: u64) -> Mono {
        let at = |offset: &Offset| Mono(wall_ns.wrapping_sub(offset.ns));
        let newest = at(&self.last);
        let most = self.looked.0.saturating_add(AHEAD_NS);
        if self.before.is_empty() || (newest >= self.last.since && newest.0 <= most) {
            return newest;
        }
        let mut until = self.last.since;
        for offset in self.before.iter().rev() {
            let found = at(offset);
            // It may have held a while longer than it was seen.
            if found >= offset.since && found.0 <= until.0.saturating_add(LONGER_NS) {
                return found;
            }
            until = offset.since;
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    const BEGIN: u64 = 1_700_000_000 * SECOND;

    /// Looked at every 10 ms from 1 s on, stepped at 1.995 s, looked at for the last time at 2 s.
    fn stepped(to: u64) -> Wall {
        let mut wall = Wall::new(Mono(SECOND), BEGIN);
        for look in 1..100 {
            wall.learn(Mono(SECOND + look * SECOND / 100), BEGIN);
        }
        wall.learn(Mono(2 * SECOND), to);
        wall
    }

    #[test]
    fn each_time_has_the_offset_that_held_then() {
        for to in [BEGIN + HOUR, BEGIN - HOUR, BEGIN + SECOND, BEGIN - SECOND] {
            let wall = stepped(to);
            for ns in [0, SECOND, SECOND * 3 / 2, 1_989_999_999] {
                assert_eq!(wall.wall(Mono(ns)), BEGIN + ns, "before it, to {to}");
            }
            for ns in [1_995_000_000, 2 * SECOND, 3 * SECOND] {
                assert_eq!(wall.wall(Mono(ns)), to + ns, "after it, to {to}");
            }
        }
    }

    /// Stamps of packets from before and after a step, taken from the ring after it.
    #[test]
    fn stamps_keep_their_order_over_a_step() {
        for to in [BEGIN + HOUR, BEGIN - HOUR, BEGIN + SECOND, BEGIN - SECOND] {
            let wall = stepped(to);
            let moments = (1_900_u64..2_000).map(|ms| ms * 1_000_000);
            for ns in moments {
                let offset = if ns < 1_995_000_000 { BEGIN } else { to };
                assert_eq!(wall.mono(offset + ns), Mono(ns), "to {to}");
            }
        }
    }

    #[test]
    fn a_clock_that_runs_too_fast_is_followed() {
        let mut wall = Wall::new(Mono(0), BEGIN);
        // 500 parts in a million, the most that NTP asks for, and readings that differ.
        let offset = |ns: u64| BEGIN + ns / 2_000;
        for ms in 1..100_000_u64 {
            let now = ms * 1_000_000;
            let noise = (ms % 7) * 20;
            wall.learn(Mono(now), offset(now) + noise);
            let told = wall.wall(Mono(now));
            assert!(told.abs_diff(now + offset(now)) <= 2 * CLOSE_NS, "{ms} ms");
            assert!(wall.mono(told).0.abs_diff(now) <= CLOSE_NS, "{ms} ms");
        }
        assert!(wall.before.len() <= MOST);
        // 100 ms ago it was behind by what it gained.
        let ago = 99_999_000_000 - 100_000_000;
        assert!(wall.wall(Mono(ago)).abs_diff(ago + offset(ago)) <= 3 * CLOSE_NS + 500);
    }

    #[test]
    fn several_steps_and_readings_that_differ() {
        let mut wall = Wall::new(Mono(0), BEGIN);
        for second in 1..=2_000 {
            wall.learn(Mono(second * SECOND), BEGIN + second * HOUR + second % 3);
        }
        assert_eq!(wall.before.len(), MOST);
        for second in 1_900..1_999 {
            let middle = second * SECOND + SECOND / 2;
            let offset = BEGIN + (second + 1) * HOUR + (second + 1) % 3;
            assert_eq!(wall.wall(Mono(middle)), middle + offset);
            assert_eq!(wall.mono(middle + offset), Mono(middle));
        }
        let mut calm = Wall::new(Mono(0), BEGIN);
        for look in 1..1_000 {
            calm.learn(Mono(look), BEGIN + look % CLOSE_NS);
        }
        assert!(calm.before.is_empty());
        assert_eq!(calm.wall(Mono(5)), BEGIN + 5);
    }
}
