//! Passed and failed tests, read from the closing lines of the runners and summed into our own.

use std::fmt;
use std::ops::AddAssign;

/// Prints as the closing line, `12 passed, 0 failed`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
}

impl Count {
    /// One test that passed or not.
    pub fn one(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        }
    }

    pub fn failure() -> Self {
        Self::one(false)
    }

    /// `test result: ok. 5 passed; 0 failed; 1 ignored; ...`, summed over the executables; None without such a line.
    pub fn of_libtest(output: &str) -> Option<Self> {
        let lines = output
            .lines()
            .filter_map(|line| line.trim().strip_prefix("test result: "));
        sum(lines.map(|line| before_words(line, &["passed"], &["failed"])))
    }

    /// `Summary [ 0.01s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped`; None without such a line.
    pub fn of_nextest(output: &str) -> Option<Self> {
        let lines = output
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Summary [")?.split_once("run:"));
        sum(lines
            .map(|(_, counts)| before_words(counts, &["passed"], &["failed", "timed", "exec"])))
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn sum(counts: impl Iterator<Item = Count>) -> Option<Count> {
    counts.fold(None, |total, count| {
        let mut total = total.unwrap_or_default();
        total += count;
        Some(total)
    })
}

/// Adds the numbers that stand before the given words: `1 timed out` and `1 exec failed` are failures too.
fn before_words(line: &str, passed: &[&str], failed: &[&str]) -> Count {
    let words: Vec<&str> = line
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut count = Count::default();
    for pair in words.windows(2) {
        let [number, word] = pair else { continue };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        if passed.contains(word) {
            count.passed += number;
        } else if failed.contains(word) {
            count.failed += number;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_summed() {
        let output = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.21s\n";
        assert_eq!(
            Count::of_libtest(output),
            Some(Count {
                passed: 7,
                failed: 3
            })
        );
        assert_eq!(Count::of_libtest("running 3 tests"), None);
    }

    #[test]
    fn nextest_names_its_failures_in_many_ways() {
        let line =
            |counts: &str| Count::of_nextest(&format!("     Summary [   0.012s] {counts}\n"));
        assert_eq!(
            line("3 tests run: 3 passed, 0 skipped"),
            Some(Count {
                passed: 3,
                failed: 0
            })
        );
        assert_eq!(
            line("1 test run: 1 passed (1 slow, 1 leaky), 4 skipped"),
            Some(Count {
                passed: 1,
                failed: 0
            })
        );
        let mixed = "5/9 tests run: 1 passed, 2 failed, 1 timed out, 1 exec failed, 0 skipped";
        assert_eq!(
            line(mixed),
            Some(Count {
                passed: 1,
                failed: 4
            })
        );
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(
            Count {
                passed: 12,
                failed: 0
            }
            .to_string(),
            "12 passed, 0 failed"
        );
    }
}
