//! Waiting for a condition with a deadline: the labs' only clock.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a lab waits for what must come; a virtual machine without KVM is ten times slower.
pub fn patience() -> Duration {
    let seconds = std::env::var("NETOBS_LAB_PATIENCE")
        .ok()
        .and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

#[expect(
    clippy::disallowed_methods,
    reason = "deadlines and benches need the clock; it is read here only"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks `condition` until it gives a value; after [`patience`] the error names `what`.
pub fn until<T>(what: &str, condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_for(patience(), what, condition)
}

/// [`until`] with another limit.
pub fn until_for<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = now() + limit;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if now() >= end {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
