//! The bench's clocks: monotonic time, and CPU time of this process or of another.
use std::time::Duration;

use anyhow::Result;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Monotonic time, nanoseconds.
pub fn mono_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux")
}

/// User and system CPU time of this process, all threads, nanoseconds.
pub fn own_cpu_ns() -> u64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("CLOCK_PROCESS_CPUTIME_ID exists on every Linux")
}

/// User and system CPU time of the calling thread, nanoseconds.
pub fn thread_cpu_ns() -> Result<u64> {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// User and system CPU time of another process, exited threads included, nanoseconds.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    read(clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))?)
}

fn read(clock: ClockId) -> Result<u64> {
    let time = Duration::from(clock_gettime(clock)?);
    Ok(u64::try_from(time.as_nanos())?)
}

/// A point in time after which waiting is an error.
#[derive(Clone, Copy)]
pub struct Deadline(u64);

impl Deadline {
    pub fn after(wait: Duration) -> Self {
        Self(mono_ns().saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub fn passed(self) -> bool {
        mono_ns() >= self.0
    }

    /// What is left, in milliseconds, for poll(2).
    pub fn left_ms(self) -> u16 {
        u16::try_from(self.0.saturating_sub(mono_ns()).div_ceil(1_000_000)).unwrap_or(u16::MAX)
    }

    /// Asks every `step` until there is an answer; none when the deadline passes.
    pub fn until<T>(
        self,
        step: Duration,
        mut ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        loop {
            let answer = ask()?;
            if answer.is_some() || self.passed() {
                return Ok(answer);
            }
            std::thread::sleep(step);
        }
    }

    /// Asks `done` every `step` until it says yes (true) or the deadline passes (false).
    pub fn poll(self, step: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
        Ok(self.until(step, || Ok(done()?.then_some(())))?.is_some())
    }
}
