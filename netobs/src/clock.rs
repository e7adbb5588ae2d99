//! The only file that reads the time.
#![expect(clippy::disallowed_methods, reason = "everyone else is told the time")]

use crate::event::Mono;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, on the clock that events carry.
pub fn mono() -> Mono {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Mono(now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned())
}

/// Time of a processor that this thread has used, nanoseconds: what our own work costs, however busy the machine is.
pub fn thread_cpu_ns() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec.cast_unsigned() * 1_000_000_000 + used.tv_nsec.cast_unsigned()
}

/// Nanoseconds of a jiffy: the coarse clocks of every kernel advance by it (`TICK_NSEC`).
pub fn tick_ns() -> u32 {
    let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    u32::try_from(tick.tv_nsec).unwrap_or(0)
}

/// Now, for measuring our own work.
pub fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds to add to a monotonic time to get wall-clock time since 1970.
///
/// Both clocks cannot be read at once: the closest of some tries is taken, since the processor may be lost in between.
pub fn wall_offset_ns() -> u64 {
    const TRIES: u32 = 5;
    const CLOSE_NS: u64 = 150;
    let (mut offset, mut closest) = (0, u64::MAX);
    for _ in 0..TRIES {
        let before = mono().0;
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let apart = mono().0 - before;
        if apart < closest {
            let wall = u64::try_from(wall.as_nanos()).unwrap_or(0);
            (offset, closest) = (wall.wrapping_sub(before + apart / 2), apart);
        }
        if closest < CLOSE_NS {
            break;
        }
    }
    offset
}

/// Seconds since 1970: what certificates are judged by.
pub fn wall_seconds() -> i64 {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(wall.as_secs()).unwrap_or(i64::MAX)
}
