//! The steps of a test run: a heading, a duration, and what became of each.

use std::process::ExitCode;

use anyhow::Result;

use crate::clock::Watch;
use crate::count::Count;

/// Collects results; a check that fails counts as one failure, one that passes is no test.
#[derive(Default)]
pub struct Steps {
    count: Count,
    failed: Vec<String>,
}

impl Steps {
    /// A step that is right or wrong. Returns whether it was right.
    pub fn check(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> bool {
        let watch = begin(name);
        let right = step().inspect_err(|error| println!("{error:#}")).is_ok();
        self.end(
            name,
            Count {
                passed: 0,
                failed: u64::from(!right),
            },
            "",
            watch,
        );
        right
    }

    /// A step that runs tests.
    pub fn test(&mut self, name: &str, step: impl FnOnce() -> Result<Count>) {
        let watch = begin(name);
        let count = step().unwrap_or_else(|error| {
            println!("{error:#}");
            Count::failure()
        });
        self.end(name, count, &format!("{count}, "), watch);
    }

    fn end(&mut self, name: &str, count: Count, counted: &str, watch: Watch) {
        let verdict = if count.failed == 0 { "ok" } else { "FAILED" };
        let seconds = watch.elapsed().as_secs_f32();
        println!("== {name}: {verdict} ({counted}{seconds:.1} s)");
        if count.failed > 0 {
            self.failed.push(name.to_owned());
        }
        self.count += count;
    }

    pub fn count(&self) -> Count {
        self.count
    }

    /// Prints the closing line, the last of all output.
    pub fn close(self) -> ExitCode {
        println!();
        if !self.failed.is_empty() {
            println!("failed: {}", self.failed.join(", "));
        }
        println!("{}", self.count);
        if self.count.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn begin(name: &str) -> Watch {
    println!("\n== {name}");
    Watch::start()
}
