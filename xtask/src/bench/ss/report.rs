//! Results of `bench ss` as a table for people and as JSON for programs.
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::super::stats::Summary;

#[derive(Default, Serialize)]
pub struct Report {
    pub kernel: String,
    pub rounds: usize,
    pub parts: Vec<Part>,
}

#[derive(Serialize)]
pub struct Part {
    pub name: String,
    pub rows: Vec<Row>,
    /// What else was looked at.
    pub notes: Vec<String>,
}

#[derive(Serialize)]
pub struct Row {
    pub command: String,
    pub cpu_ms: Summary,
    pub wall_ms: Summary,
    pub rss_kib: i64,
    /// The bench's own: what is not above it may be anything below.
    pub rss_floor_kib: i64,
    /// Bytes of its output.
    pub bytes: u64,
    /// The command it is measured against, and its CPU time as a multiple of that one's.
    pub against: Option<String>,
    pub ratio: Option<f64>,
}

impl Row {
    fn rss(&self) -> String {
        // Pages of the starter that are counted between two readings.
        const NOISE_KIB: i64 = 512;
        if self.rss_kib <= self.rss_floor_kib + NOISE_KIB {
            format!("<{}", self.rss_kib)
        } else {
            self.rss_kib.to_string()
        }
    }
}

impl Report {
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "kernel {}, medians of {} rounds",
            self.kernel, self.rounds
        )?;
        for part in &self.parts {
            writeln!(
                out,
                "\n{:36} {:>9} {:>6} {:>9} {:>8} {:>10}  ratio",
                part.name, "CPU ms", "+-", "wall ms", "RSS KiB", "output"
            )?;
            for row in &part.rows {
                write!(
                    out,
                    "{:36} {:>9.1} {:>6.1} {:>9.1} {:>8} {:>10}",
                    row.command,
                    row.cpu_ms.median,
                    row.cpu_ms.spread,
                    row.wall_ms.median,
                    row.rss(),
                    row.bytes
                )?;
                match (row.ratio, &row.against) {
                    (Some(ratio), Some(peer)) => writeln!(out, "  {ratio:.2} x {peer}")?,
                    _ => writeln!(out)?,
                }
            }
            for note in &part.notes {
                writeln!(out, "{note}")?;
            }
        }
        writeln!(out)?;
        Ok(())
    }
}
