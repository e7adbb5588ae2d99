//! Round-trip times added up: what ping and mtr tell of them.

use super::net::Stamped;

/// Samples kept for percentiles; more are thinned out evenly.
const MOST: usize = 1 << 16;

/// All round-trip times of one target, nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Rtts {
    count: u64,
    sum: f64,
    squares: f64,
    min: u64,
    max: u64,
    last: Option<u64>,
    /// Sum of the differences between one answer and the next.
    differences: f64,
    samples: Vec<u64>,
    /// Each how many-th sample is kept.
    each: u64,
}

impl Rtts {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a round trip is far below 2^52 ns"
    )]
    pub fn add(&mut self, ns: u64) {
        if let Some(last) = self.last {
            self.differences += ns.abs_diff(last) as f64;
        }
        self.last = Some(ns);
        self.min = if self.count == 0 {
            ns
        } else {
            self.min.min(ns)
        };
        self.max = self.max.max(ns);
        let each = self.each.max(1);
        if self.count.is_multiple_of(each) {
            self.samples.push(ns);
        }
        if self.samples.len() >= MOST {
            let mut nth = 0;
            self.samples.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.each = each * 2;
        }
        self.count += 1;
        self.sum += ns as f64;
        self.squares += ns as f64 * ns as f64;
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    pub const fn min(&self) -> u64 {
        self.min
    }

    pub const fn max(&self) -> u64 {
        self.max
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// Standard deviation of the whole population: ping's mdev, mtr's `StDev` but for one sample.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.squares / self.count.max(1) as f64 - mean * mean)
            .max(0.0)
            .sqrt()
    }

    /// Mean difference between one answer and the next.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn jitter(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        self.differences / (self.count - 1) as f64
    }

    /// The smallest sample that `percent` of all do not exceed.
    pub fn percentiles<const N: usize>(&self, percents: [u32; N]) -> [u64; N] {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        percents.map(|percent| {
            let rank = (sorted.len() * percent as usize).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        })
    }
}

/// What answers and their probes spent in this machine beside their round trips, where the edge of the stack was seen.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// From the call that sends to the edge.
    pub before: Rtts,
    /// From the edge until the answer was read.
    pub after: Rtts,
}

impl Beside {
    pub fn add(&mut self, stamped: Stamped) {
        if let (Some(before), Some(after)) = (stamped.before_ns, stamped.after_ns) {
            self.before.add(before);
            self.after.add(after);
        }
    }

    /// Both at the median.
    pub fn medians(&self) -> Option<[u64; 2]> {
        let median = |times: &Rtts| times.percentiles([50])[0];
        (self.before.count() > 0).then(|| [median(&self.before), median(&self.after)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred() {
        let mut rtts = Rtts::default();
        for n in 1..=100 {
            rtts.add(n);
        }
        assert_eq!((rtts.min(), rtts.max(), rtts.count()), (1, 100, 100));
        assert_eq!(rtts.percentiles([50, 95, 99]), [50, 95, 99]);
        assert!((rtts.mean() - 50.5).abs() < 1e-9);
        assert!((rtts.jitter() - 1.0).abs() < 1e-9);
        assert!((rtts.deviation() - 28.866).abs() < 1e-3);
    }

    #[test]
    fn nothing_and_very_many() {
        let mut rtts = Rtts::default();
        assert_eq!(rtts.percentiles([50]), [0]);
        for n in 0..300_000 {
            rtts.add(n);
        }
        assert!(rtts.samples.len() < MOST);
        let [half] = rtts.percentiles([50]);
        assert!((140_000..160_000).contains(&half), "{half}");
    }
}
