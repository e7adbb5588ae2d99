//! The bench's results as tables for people and as JSON for programs.
use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use super::{cost, latency, startup};

#[derive(Default, Serialize)]
pub struct Report {
    /// Kernel release, CPUs: figures travel only as ratios.
    pub kernel: String,
    pub cpus: usize,
    pub pairs: usize,
    pub seconds: f64,
    pub connections: Vec<cost::Row>,
    pub drops: Vec<cost::Row>,
    pub startup: Vec<startup::Row>,
    pub latency: Vec<latency::Row>,
    /// Tools and parts that did not run, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// What does not add up; empty when all events are accounted for.
    pub fn problems(&self) -> Vec<&str> {
        let rows = self.connections.iter().chain(&self.drops);
        rows.flat_map(|row| row.account.problems.iter().map(String::as_str))
            .collect()
    }

    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "kernel {}, {} CPUs, {} pairs of {} s, medians\n",
            self.kernel, self.cpus, self.pairs, self.seconds
        )?;
        costs(out, "connection", &self.connections)?;
        costs(out, "drop", &self.drops)?;
        self.print_startup(out)?;
        self.print_latency(out)?;
        for line in &self.left_out {
            writeln!(out, "left out: {line}")?;
        }
        for problem in self.problems() {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        Ok(())
    }

    fn print_startup(&self, out: &mut impl Write) -> io::Result<()> {
        if self.startup.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "{:36} {:>10} {:>8}",
            "startup: exec to first event, ms", "median", "p99"
        )?;
        for row in &self.startup {
            writeln!(
                out,
                "{:36} {:>10.1} {:>8.1}",
                row.tool, row.first_event_ms.median, row.first_event_ms.p99
            )?;
        }
        writeln!(out)
    }

    fn print_latency(&self, out: &mut impl Write) -> io::Result<()> {
        if self.latency.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "{:36} {:>10} {:>8} {:>7}",
            "idle: close to line, ms", "median", "p99", "missed"
        )?;
        for row in &self.latency {
            let time = row.delivery_ms;
            writeln!(
                out,
                "{:36} {:>10.3} {:>8.3} {:>7}",
                row.tool, time.median, time.p99, row.missed
            )?;
        }
        writeln!(out)
    }
}

fn costs(out: &mut impl Write, unit: &str, rows: &[cost::Row]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{:36} {:4} {:>8} {:>9} {:>9} {:>8} {:>6} {:>7} {:>7} {:>7} {:>9} {:>8} {:>9}",
        format!("CPU ns per {unit}"),
        "mode",
        "alone",
        "+kernel",
        "+tool",
        "total %",
        "+-",
        "run_ns",
        "RSS",
        "peak",
        "seen",
        "lost",
        "expected"
    )?;
    for row in rows {
        let account = &row.account;
        writeln!(
            out,
            "{:36} {:4} {:>8.0} {:>9.0} {:>9.0} {:>8.1} {:>6.1} {:>7} {:>7.1} {:>7.1} {:>9} {:>8} {:>9}",
            row.tool,
            row.mode,
            row.base_ns.median,
            row.kernel_ns.median,
            row.tool_ns.median,
            row.total_pct.median,
            row.total_pct.spread,
            run_ns(row),
            mib(row.memory.now_kib),
            mib(row.memory.peak_kib),
            account.seen,
            account.lost,
            account.expected,
        )?;
    }
    writeln!(out)
}

/// The busiest hook's mean run time by the tool's own account.
fn run_ns(row: &cost::Row) -> String {
    let busiest = row.account.hooks.iter().max_by_key(|hook| hook.seen);
    busiest
        .and_then(|hook| hook.run_ns)
        .map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"))
}

#[expect(clippy::cast_precision_loss, reason = "memory of a process")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
