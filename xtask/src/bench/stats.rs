//! Medians and spread of small samples.
use serde::Serialize;

/// What is said of a sample: the middle and how far it scatters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub median: f64,
    /// Half of the distance between the quartiles.
    pub spread: f64,
    pub p99: f64,
    pub count: usize,
}

pub fn summary(sample: &[f64]) -> Summary {
    Summary {
        median: median(sample),
        spread: (quantile(sample, 0.75) - quantile(sample, 0.25)) / 2.0,
        p99: quantile(sample, 0.99),
        count: sample.len(),
    }
}

pub fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

/// Linear between neighbours; 0 for an empty sample.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "samples are small and q is within 0..=1"
)]
fn quantile(sample: &[f64], q: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = q * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::{median, summary};

    #[test]
    fn the_middle_of_odd_even_and_empty() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn the_spread_is_half_the_quartile_distance() {
        let summary = summary(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((summary.spread - 1.0).abs() < 1e-9);
        assert_eq!(summary.count, 5);
    }
}
