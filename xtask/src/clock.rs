//! The one place where tasks read a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "durations of build steps and age of caches; netobs itself has its own clock"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A running stopwatch.
#[derive(Clone, Copy)]
pub struct Watch(Instant);

impl Watch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Time since `path` was last written; None when it does not exist.
pub fn age(path: &Path) -> Option<Duration> {
    let written = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    SystemTime::now().duration_since(written).ok()
}
