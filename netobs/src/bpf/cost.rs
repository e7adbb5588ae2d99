//! What our programs cost: the kernel times them always while little happens, in short samples while much does.

use super::{
    attach::Taken,
    session::{Count, Session},
    sys::RunStats,
};
use crate::event::Mono;
use std::os::fd::OwnedFd;

/// Runs per second above which timing each one (about 50 ns) is felt.
const BUSY_RUNS: u64 = 20_000;
const SAMPLE_NS: u64 = 30_000_000;
const PERIOD_NS: u64 = 1_000_000_000;
/// While every run is timed, how soon it is seen that there are too many.
const LOOK_NS: u64 = 100_000_000;

/// Switches the kernel's timing on and off.
pub struct Timing {
    guard: Option<OwnedFd>,
    sample_until: Option<Mono>,
    next: Mono,
    /// The last look, and how many runs there were; 0: none yet.
    at: Mono,
    runs: u64,
    allowed: bool,
}

impl Timing {
    /// Nothing is timed before the first `turn`.
    pub fn new(now: Mono) -> Self {
        Self {
            guard: None,
            sample_until: None,
            next: now,
            at: Mono(0),
            runs: 0,
            allowed: true,
        }
    }

    /// When `turn` wants to be called next.
    pub fn deadline(&self) -> Mono {
        self.sample_until
            .map_or(self.next, |until| until.min(self.next))
    }

    pub fn turn(&mut self, session: &Session, now: Mono) {
        if self.sample_until.is_some_and(|until| now >= until) {
            self.sample_until = None;
            self.guard = None;
        }
        if now < self.next || !self.allowed {
            return;
        }
        let runs: u64 = session
            .hooks
            .iter()
            .map(|h| session.count(h.hook.number).runs)
            .sum();
        let passed = now.0.saturating_sub(self.at.0).max(1);
        let first = self.at == Mono(0);
        let busy = !first && (runs - self.runs) * PERIOD_NS / passed > BUSY_RUNS;
        (self.runs, self.at) = (runs, now);
        self.next = Mono(now.0 + if busy { PERIOD_NS } else { LOOK_NS });
        if self.guard.is_none() {
            self.guard = Session::time_programs().ok();
            self.allowed = self.guard.is_some();
        }
        self.sample_until = busy.then_some(Mono(now.0 + SAMPLE_NS));
    }
}

/// What one hook did and cost over a time.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct HookCost {
    pub collector: &'static str,
    pub hook: &'static str,
    /// `None`: not attached.
    pub rung: Option<&'static str>,
    pub seen: u64,
    pub lost: u64,
    /// Runs the kernel left out because the hook was running on that CPU already: each may have been an event.
    pub skipped: u64,
    /// Mean run time of its programs; `None`: they never ran while timed.
    pub run_ns: Option<u64>,
    /// Share of one CPU, in percent.
    pub cpu_pct: Option<f64>,
}

/// The account of all hooks since `started`.
pub fn account(
    session: &Session,
    collector_of: impl Fn(u32) -> &'static str,
    elapsed_ns: u64,
) -> Vec<HookCost> {
    session
        .hooks
        .iter()
        .map(|attached| {
            let Count { runs, seen, lost } = session.count(attached.hook.number);
            let timed = attached
                .taken
                .as_ref()
                .map_or_else(RunStats::default, Taken::run_stats);
            let run_ns = timed.ns.checked_div(timed.runs);
            HookCost {
                collector: collector_of(attached.hook.number),
                hook: attached.hook.name,
                rung: attached.taken.as_ref().map(|taken| taken.rung.name()),
                seen,
                lost,
                skipped: timed.skipped,
                run_ns,
                cpu_pct: run_ns.map(|ns| percent(ns.saturating_mul(runs), elapsed_ns)),
            }
        })
        .collect()
}

/// Two decimals.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no 52 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 10_000.0 / whole.max(1) as f64).round() / 100.0
}
