//! All that one run of netobs has said, and questions to ask of it.

use std::process::ExitStatus;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::collector_of;

/// Does `event` have every key of `wanted`, with these values?
pub fn subset(wanted: &Value, event: &Value) -> bool {
    match (wanted, event) {
        (Value::Object(wanted), Value::Object(event)) => wanted
            .iter()
            .all(|(key, value)| event.get(key).is_some_and(|have| subset(value, have))),
        (wanted, event) => wanted == event,
    }
}

/// A finished run.
#[derive(Debug)]
pub struct Record {
    /// The JSON lines, in order.
    pub events: Vec<Value>,
    /// Standard output as it was.
    pub text: String,
    pub stderr: String,
    pub status: ExitStatus,
}

impl Record {
    pub fn matching<'a>(&'a self, wanted: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| subset(wanted, event))
    }

    pub fn count(&self, wanted: &Value) -> u64 {
        self.matching(wanted).count() as u64
    }

    /// The sum of one key over the events that match; `null` and absent count as 0.
    pub fn sum(&self, wanted: &Value, key: &str) -> u64 {
        self.matching(wanted)
            .filter_map(|event| event[key].as_u64())
            .sum()
    }

    /// The last line: the summary.
    pub fn summary(&self) -> Result<&Value> {
        let last = self
            .events
            .last()
            .context("netobs printed no line at all")?;
        ensure!(
            last["event"] == "summary",
            "the last line is not the summary: {last}"
        );
        ensure!(
            last["hooks"].is_array(),
            "the summary has no list of hooks: {last}"
        );
        Ok(last)
    }

    /// A number of the summary (`seen`, `lost`), added up over the hooks that stand behind an event.
    pub fn hooks(&self, event: &str, key: &str) -> Result<u64> {
        let hooks = self.summary()?["hooks"].as_array();
        let hooks = hooks.context("hooks is a list")?;
        let name = collector_of(event);
        let ours: Vec<_> = hooks.iter().filter(|h| h["collector"] == name).collect();
        ensure!(
            !ours.is_empty(),
            "the summary knows no hook of {name}: {hooks:?}"
        );
        let number = |h: &&Value| {
            let value = h[key].as_u64();
            value.with_context(|| format!("{name}: {key} is no number: {h}"))
        };
        ours.iter().map(number).sum()
    }

    /// All losses of the summary.
    pub fn lost(&self) -> Result<u64> {
        let hooks = self.summary()?["hooks"]
            .as_array()
            .context("hooks is a list")?;
        Ok(hooks.iter().filter_map(|hook| hook["lost"].as_u64()).sum())
    }

    /// Runs that the kernel skipped of the hooks behind the wanted event: each may have been one (`skipped` in docs/events.md).
    pub fn skipped(&self, wanted: &Value) -> Result<u64> {
        let event = wanted["event"].as_str().context("which event?")?;
        self.hooks(event, "skipped")
    }

    /// Exactly `count` lines match, and nothing was lost; fewer only by runs that the kernel says it skipped.
    pub fn exactly(&self, count: u64, wanted: &Value) -> Result<()> {
        let seen = self.count(wanted);
        ensure!(
            seen == count || (seen < count && seen + self.skipped(wanted)? >= count),
            "{seen} lines instead of {count} match {wanted}\n{}",
            self.tail()
        );
        let lost = self.lost()?;
        ensure!(lost == 0, "{lost} events lost where none should be");
        Ok(())
    }

    /// The promise of every view: what was told and what was lost make up what happened.
    pub fn seen_plus_lost(&self, wanted: &Value, generated: u64) -> Result<(u64, u64)> {
        let (seen, lost, skipped) = (self.count(wanted), self.lost()?, self.skipped(wanted)?);
        let told_of = seen + lost;
        ensure!(
            told_of == generated || (told_of < generated && told_of + skipped >= generated),
            "seen {seen} + lost {lost} = {told_of}, not {generated} for {wanted}; {skipped} runs skipped"
        );
        let told: u64 = self
            .events
            .iter()
            .filter(|e| e["event"] == "lost")
            .filter_map(|e| e["count"].as_u64())
            .sum();
        ensure!(
            told == lost,
            "the `lost` lines add up to {told}, the summary says {lost}"
        );
        Ok((seen, lost))
    }

    /// The last lines and standard error, for messages.
    pub fn tail(&self) -> String {
        tail(&self.events, &self.stderr)
    }
}

pub(super) fn tail(events: &[Value], stderr: &str) -> String {
    let from = events.len().saturating_sub(40);
    let lines: Vec<_> = events[from..].iter().map(Value::to_string).collect();
    format!(
        "netobs said {} lines, the last ones:\n{}\nstderr:\n{stderr}",
        events.len(),
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subset_ignores_other_keys_only() {
        let event = json!({"event": "close", "pid": 7, "end": "local-fin"});
        assert!(subset(&json!({"event": "close", "pid": 7}), &event));
        assert!(!subset(&json!({"event": "close", "pid": 8}), &event));
        assert!(!subset(&json!({"event": "close", "uid": null}), &event));
    }
    fn record(lines: &[Value]) -> Record {
        use std::os::unix::process::ExitStatusExt;
        let (text, stderr) = (String::new(), String::new());
        let status = ExitStatus::from_raw(0);
        let events = lines.to_vec();
        Record {
            events,
            text,
            stderr,
            status,
        }
    }

    fn summary(lost: u64) -> Value {
        json!({"event": "summary", "hooks": [{"collector": "lifecycle", "seen": 2, "lost": lost, "skipped": 0}]})
    }

    #[test]
    fn what_is_neither_seen_nor_lost_is_an_error() {
        let close = json!({"event": "close"});
        let lost = json!({"event": "lost", "count": 3});
        let told = record(&[close.clone(), close.clone(), lost, summary(3)]);
        assert_eq!(told.seen_plus_lost(&close, 5).unwrap(), (2, 3));
        assert!(told.seen_plus_lost(&close, 6).is_err());
        assert!(told.exactly(2, &close).is_err(), "a loss is no exact count");
        assert_eq!(told.hooks("close", "lost").unwrap(), 3);
        let untold = record(&[close.clone(), close.clone(), summary(3)]);
        assert!(untold.seen_plus_lost(&close, 5).is_err());
    }

    #[test]
    fn the_summary_comes_last() {
        let close = json!({"event": "close"});
        assert!(record(&[summary(0), close.clone()]).summary().is_err());
        assert!(
            record(&[close.clone(), summary(0)])
                .exactly(1, &close)
                .is_ok()
        );
    }
}
