//! What `netobs doctor --json` says this kernel can show: a lab may leave out only what doctor admits.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{binary, collector_of};
use std::sync::OnceLock;

/// The answer of `netobs doctor --json`: one object with `hooks`, a list of
/// `{"collector", "hook", "rung", "refused": [{"rung", "target", "reason"}], "todo"}`.
pub struct Doctor(Value);

impl Doctor {
    /// Asks once: what a kernel allows does not change, and in a virtual machine the answer takes long.
    pub fn ask() -> Result<&'static Self> {
        static ANSWER: OnceLock<std::result::Result<Doctor, String>> = OnceLock::new();
        let answer = ANSWER.get_or_init(|| Self::run().map_err(|error| format!("{error:#}")));
        answer.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn run() -> Result<Self> {
        let rung = std::env::var("NETOBS_RUNG").unwrap_or_default();
        let forced: &[&str] = match rung.as_str() {
            "" => &[],
            rung => &["--rung", rung],
        };
        let output = binary::run(&[&["doctor", "--json"], forced].concat())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let answer = serde_json::from_str(&said)
            .with_context(|| format!("doctor --json is not one object: {said}"))?;
        Ok(Self(answer))
    }

    pub fn answer(&self) -> &Value {
        &self.0
    }

    /// The hooks that stand behind an event.
    pub fn hooks(&self, event: &str) -> Result<Vec<&Value>> {
        let all = self.0["hooks"].as_array();
        let all = all.with_context(|| format!("doctor lists no hooks: {}", self.0))?;
        let name = collector_of(event);
        let ours: Vec<_> = all.iter().filter(|h| h["collector"] == name).collect();
        ensure!(
            !ours.is_empty(),
            "doctor knows no hook of {name}: {}",
            self.0
        );
        Ok(ours)
    }

    /// Whether a hook of the event is only asked at intervals: it sees numbers, not causes.
    pub fn polls(&self, event: &str) -> Result<bool> {
        Ok(self.hooks(event)?.iter().any(|hook| hook["rung"] == "poll"))
    }

    /// The hooks of an event that could not take any rung, in doctor's words; each must have a reason.
    pub fn missing(&self, event: &str) -> Result<Vec<String>> {
        let hooks = self.hooks(event)?;
        let without_rung = hooks.into_iter().filter(|hook| hook["rung"].is_null());
        without_rung
            .map(|hook| {
                let refused = hook["refused"].as_array().map_or(0, Vec::len);
                ensure!(refused > 0, "no rung and no reason: {hook}");
                Ok(hook.to_string())
            })
            .collect()
    }
}
