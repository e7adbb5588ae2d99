//! One target run under libFuzzer's limits, its log read, and the input that broke it printed.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Target, build, seeds};
use crate::paths;

/// For all there is: what one input may take, the target limits itself.
const MEMORY_MB: u32 = 512;
/// For one input, seconds; on a machine that is busy with all targets a slow one takes a fifth of a second.
const SLOW: u32 = 20;
/// Fewer runs mean that the target is not what it should be.
const LEAST_RUNS: u64 = 1000;
/// Lines of the log that are shown of a failure.
const TAIL: usize = 40;

#[derive(Clone, Copy)]
pub struct Job {
    pub seconds: u32,
    pub seed: u32,
    pub corpus: Corpus,
}

/// What becomes of inputs that went new ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Corpus {
    Fresh,
    Kept,
}

/// What a run did.
pub struct Told {
    runs: u64,
    a_second: u64,
    places: u64,
    ways: u64,
    slowest: u64,
    memory_mb: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} inputs, {} a second; {} of {} places seen; slowest {} s, {} MB",
            self.runs, self.a_second, self.ways, self.places, self.slowest, self.memory_mb
        )
    }
}

/// Folders of a target below target/fuzz.
pub fn folder(kind: &str, target: &str) -> PathBuf {
    paths::target().join("fuzz").join(kind).join(target)
}

/// Runs a target to its end; an error holds the end of the log and the input.
pub fn target(target: Target, job: Job) -> Result<Told> {
    let corpus = match job.corpus {
        Corpus::Kept => folder("corpus", target.name),
        Corpus::Fresh => emptied(folder("fresh", target.name))?,
    };
    fs::create_dir_all(&corpus).with_context(|| format!("make {}", corpus.display()))?;
    let found = emptied(folder("found", target.name))?;
    let log = folder("log", target.name);
    fs::create_dir_all(paths::target().join("fuzz/log"))?;
    let output = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    let mut command = Command::new(build::binary(target));
    command
        .arg(format!("-max_total_time={}", job.seconds))
        .arg(format!("-seed={}", job.seed))
        .arg(format!("-max_len={}", target.max_len))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-timeout={SLOW}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-print_final_stats=1", "-report_slow_units=1"]);
    let words = paths::root().join(format!("tests/fuzz/{}.dict", target.name));
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    command
        .args([corpus, seeds::folder(target.name)])
        .current_dir(paths::target())
        // Frames of libFuzzer; `--input` shows all, and where it broke is in the message.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let status = command
        .status()
        .with_context(|| format!("start {}", build::binary(target).display()))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        bail!(
            "{tail}\nended with {status}; all it said: {}\n{}",
            log.display(),
            inputs(target, &found)?
        );
    }
    told(&said, target.least_places)
}

/// Gives a target one input.
pub fn once(target: Target, input: &Path) -> Result<ExitCode> {
    let status = Command::new(build::binary(target))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-timeout={SLOW}"))
        .arg(std::path::absolute(input)?)
        .stdin(Stdio::null())
        .current_dir(paths::target())
        .status()
        .with_context(|| format!("start {}", build::binary(target).display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn emptied(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Bytes of what was found, ready for a unit test.
fn inputs(target: Target, found: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(found)? {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        writeln!(
            text,
            "input of {} bytes: b\"{}\"\nagain: cargo xtask fuzz {} --input {}",
            bytes.len(),
            bytes.escape_ascii(),
            target.name,
            path.display()
        )?;
    }
    Ok(text)
}

/// Reads the log of a run that found nothing.
fn told(said: &str, least_places: u64) -> Result<Told> {
    let stat = |name: &str| {
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        let number = line.and_then(|line| line.trim_start_matches(':').trim().parse().ok());
        number.with_context(|| format!("the log does not tell {name}"))
    };
    let places = said
        .lines()
        .find(|line| line.starts_with("INFO: Loaded"))
        .and_then(|line| number_before(line, "inline"));
    let ways = said.lines().rev().find_map(|line| {
        let (_, ways) = line.split_once(" cov: ")?;
        ways.split_whitespace().next()?.parse().ok()
    });
    let told = Told {
        runs: stat("number_of_executed_units")?,
        a_second: stat("average_exec_per_sec")?,
        places: places.context("the log does not tell how many places are watched")?,
        ways: ways.context("the log does not tell what was seen")?,
        slowest: stat("slowest_unit_time_sec")?,
        memory_mb: stat("peak_rss_mb")?,
    };
    ensure!(
        told.runs >= LEAST_RUNS && told.places >= least_places,
        "{told}: at least {LEAST_RUNS} inputs and {least_places} places were to be expected"
    );
    Ok(told)
}

/// `(4711 inline 8-bit counters)`
fn number_before(line: &str, word: &str) -> Option<u64> {
    let (before, _) = line.split_once(word)?;
    before.trim_end().rsplit(['(', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::told;

    const LOG: &str = "INFO: Seed: 1
INFO: Loaded 1 modules   (4711 inline 8-bit counters): 4711 [0x55d, 0x55e), \n\
#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb
#90000\tDONE   cov: 345 ft: 678 corp: 90/1Kb lim: 1024 exec/s: 6000 rss: 80Mb
Done 90000 runs in 15 second(s)
stat::number_of_executed_units: 90000
stat::average_exec_per_sec:     6000
stat::new_units_added:          88
stat::slowest_unit_time_sec:    0
stat::peak_rss_mb:              81
";

    #[test]
    fn a_log_is_read() {
        let said = told(LOG, 2000).unwrap().to_string();
        assert_eq!(
            said,
            "90000 inputs, 6000 a second; 345 of 4711 places seen; slowest 0 s, 81 MB"
        );
    }

    #[test]
    fn a_target_that_does_nothing_fails() {
        assert!(told("", 2000).is_err());
        assert!(told(&LOG.replace("90000", "900"), 2000).is_err());
        assert!(told(LOG, 5000).is_err());
    }
}
