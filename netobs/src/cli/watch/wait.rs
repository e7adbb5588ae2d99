//! What the loop waits for: events, signals, time; and why it ends.

use super::pace::Wait;
use crate::{event::Mono, sinks::stream::SinkError};
use std::{
    os::fd::OwnedFd,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
};

/// Why the loop ended.
pub enum End {
    Asked,
    Sink(SinkError),
}

impl From<SinkError> for End {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

/// What ended a wait.
pub enum Woken {
    Ring,
    Time,
    Quit,
    Report,
}

/// The signals that mean something to us.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal is gone; `None`: under nohup, which wants us to go on.
    hangup: Option<Signal>,
    user: Signal,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// A flag that the signals to end set at once, for who waits elsewhere.
    pub fn flag(&self) -> std::io::Result<Arc<AtomicBool>> {
        let flag = Arc::new(AtomicBool::new(false));
        let hangup = self.hangup.as_ref().map(|_| SignalKind::hangup());
        let others = [SignalKind::interrupt(), SignalKind::terminate()];
        for kind in others.into_iter().chain(hangup) {
            signal_hook::flag::register(kind.as_raw_value(), Arc::clone(&flag))?;
        }
        Ok(flag)
    }

    /// Waits for events as `wait` says, at most until something is due.
    pub async fn or_event(&mut self, wait: Wait, due: Duration, ready: &AsyncFd<OwnedFd>) -> Woken {
        let (time, ring) = match wait {
            Wait::Batch(length) => (due.min(length), false),
            Wait::Wakeup => (due, true),
        };
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Woken::Quit,
            _ = self.terminate.recv() => Woken::Quit,
            _ = next(self.hangup.as_mut()) => Woken::Quit,
            _ = self.user.recv() => Woken::Report,
            guard = ready.readable(), if ring => {
                if let Ok(mut guard) = guard {
                    guard.clear_ready();
                }
                Woken::Ring
            }
            () = tokio::time::sleep(time) => Woken::Time,
        }
    }
}

async fn next(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// As nohup(1) sets it.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|ignored| ignored & 1 == 1)
}

/// A moment, and some time on.
pub fn after(at: Mono, time: Duration) -> Mono {
    Mono(at.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}

/// A reader that waits for a processor loses events while others make them. Without the privilege all stays as it is.
pub fn ahead_of_others() {
    const NICE: i32 = -10;
    rustix::process::setpriority_process(None, NICE).unwrap_or_default();
}
