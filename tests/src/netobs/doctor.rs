//! What `netobs doctor --json` says this kernel can show: a lab may leave out only what doctor admits.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::binary;

/// The answer of `netobs doctor --json`: one object with `collectors`, a list of
/// `{"collector", "status": "ok"|"partial"|"unavailable", "reason", "hooks": [{"hook", "rung", "reason"}]}`.
pub struct Doctor(Value);

impl Doctor {
    pub fn ask() -> Result<Self> {
        let output = binary::run(&["doctor", "--json"])?;
        let said = String::from_utf8_lossy(&output.stdout);
        let answer = serde_json::from_str(&said)
            .with_context(|| format!("doctor --json is not one object: {said}"))?;
        Ok(Self(answer))
    }

    pub fn answer(&self) -> &Value {
        &self.0
    }

    pub fn collector(&self, name: &str) -> Result<&Value> {
        let all = self.0["collectors"]
            .as_array()
            .with_context(|| format!("doctor lists no collectors: {}", self.0))?;
        all.iter()
            .find(|c| c["collector"] == name)
            .with_context(|| format!("doctor knows no collector {name}: {}", self.0))
    }

    /// True when every hook of the collector has a rung; otherwise doctor must give reasons, which are returned as text.
    pub fn can(&self, name: &str) -> Result<Result<(), String>> {
        let collector = self.collector(name)?;
        if collector["status"] == "ok" {
            return Ok(Ok(()));
        }
        let reason = collector["reason"].as_str().unwrap_or_default();
        ensure!(
            !reason.is_empty(),
            "doctor says {name} is not ok and gives no reason: {collector}"
        );
        Ok(Err(reason.to_owned()))
    }
}
