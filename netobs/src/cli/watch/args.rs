//! Arguments of `netobs watch`.

use super::super::{Failure, Status, filters::FilterArgs};
use crate::{bpf::spec::Rung, event::KINDS};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag of the command line each"
)]
pub struct Watch {
    /// Events to watch; all of them if none is named
    #[arg(value_name = "EVENT")]
    pub events: Vec<String>,

    #[command(flatten)]
    pub filters: FilterArgs,

    /// Stop after this time, as 10, 10s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration, allow_negative_numbers = true)]
    pub duration: Option<Duration>,

    /// Stop after this many events
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub count: Option<u64>,

    /// Numbers only: ports are not turned into service names
    #[arg(short = 'n', long)]
    pub numeric: bool,

    /// One JSON object per line
    #[arg(long)]
    pub json: bool,

    /// Tell what was seen, lost and spent every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = duration, allow_negative_numbers = true)]
    pub stats: Option<Duration>,

    /// Show harmless drops too (packets consumed, duplicates, sockets being closed)
    #[arg(long)]
    pub all: bool,

    /// Attach only by this rung: tp, fentry, kprobe, or one by name as `doctor` lists them
    #[arg(long, value_name = "RUNG", value_parser = rung)]
    pub rung: Option<String>,

    /// Size of the event buffer: bytes, or 512k, 4M
    #[arg(long, value_name = "SIZE", default_value = "2M", value_parser = size)]
    pub buffer: u32,

    /// Kernel BTF to use instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<String>,

    /// Show the log lines of the BPF programs, for debugging netobs
    #[arg(long)]
    pub bpf_log: bool,
}

impl Watch {
    /// Bits of the events asked for, and whether they were named.
    pub fn kinds(&self) -> Result<u32, Failure> {
        if self.events.is_empty() {
            return Ok(KINDS.iter().fold(0, |bits, (kind, _)| bits | kind.bit()));
        }
        let mut bits = 0;
        for name in self.events.iter().flat_map(|names| names.split(',')) {
            match KINDS.iter().find(|(_, known)| *known == name) {
                Some((kind, _)) => bits |= kind.bit(),
                None => return Err(unknown_event(name)),
            }
        }
        Ok(bits)
    }
}

fn unknown_event(name: &str) -> Failure {
    let near = nearest(&name.to_lowercase(), KINDS.iter().map(|(_, known)| *known));
    let all: Vec<_> = KINDS.iter().map(|(_, known)| *known).collect();
    Failure::new(
        Status::Usage,
        format!(
            "unknown event '{name}': did you mean '{near}'? events are {}",
            all.join(" ")
        ),
    )
}

/// A rung, or a family of them.
pub fn rung(text: &str) -> Result<String, String> {
    let known = Rung::FAMILIES
        .into_iter()
        .chain(Rung::ALL.map(Rung::name))
        .collect::<Vec<_>>();
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    let near = nearest(text, known.iter().copied());
    Err(format!(
        "did you mean '{near}'? rungs are {}",
        known.join(" ")
    ))
}

/// The candidate that needs the fewest edits.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates
        .min_by_key(|candidate| edits(word, candidate))
        .unwrap_or_default()
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// `10`, `10s`, `1.5s`, `500ms`, `5m`, `1h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit '{unit}': use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "expected a number such as 10 or 1.5s")?;
    if number <= 0.0 {
        return Err("must be more than 0".to_owned());
    }
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|e| e.to_string())?;
    if time.is_zero() {
        Err("must be more than 0".to_owned())
    } else {
        Ok(time)
    }
}

/// A ring size: a power of two of at least a page, rounded up.
fn size(text: &str) -> Result<u32, String> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        _ => return Err(format!("unknown unit '{unit}': use k or M")),
    };
    let number: u32 = number
        .parse()
        .map_err(|_| "expected a number such as 4096 or 2M")?;
    let page = u32::try_from(rustix::param::page_size()).unwrap_or(4096);
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes <= 1 << 30 => Ok(bytes.max(page).next_power_of_two()),
        _ => Err("at most 1024M".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_event_is_named() {
        let names = || KINDS.iter().map(|(_, name)| *name);
        assert_eq!(nearest("retrans", names()), "retransmit");
        assert_eq!(nearest("conect", names()), "connect");
        assert_eq!(nearest("udpdrop", names()), "udp-drop");
    }

    #[test]
    fn times_and_sizes() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert!(duration("0").is_err() && duration("-1").is_err() && duration("1d").is_err());
        assert_eq!(size("4k"), Ok(4096));
        assert_eq!(size("5000"), Ok(8192));
        assert!(size("4G").is_err() && size("2000M").is_err());
    }
}
