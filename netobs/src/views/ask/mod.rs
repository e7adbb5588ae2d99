//! What measurements found, as text for people and as JSON lines: one file per command.

pub mod dns;
pub mod http;
pub mod tls;

use super::table::escape;
use crate::line::Line;
use serde::Serialize;
use std::time::Duration;

/// Text under construction.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// A line that may hold foreign bytes.
    pub fn line(&mut self, text: &str) {
        self.0.push_str(&escape(text));
        self.0.push('\n');
    }

    /// A line of which we know that no terminal acts on it: records in the escapes of zone files.
    pub fn safe(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub fn text(self) -> String {
        self.0
    }
}

/// Appends one JSON object and a newline.
pub fn object(into: &mut Vec<u8>, object: &impl Serialize) {
    serde_json::to_writer(&mut *into, object).expect("plain rows are JSON, and memory takes them");
    into.push(b'\n');
}

/// `1.23ms`
pub fn time(time: Duration) -> String {
    let mut line = Line::default();
    line.begin();
    line.duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    String::from_utf8_lossy(line.as_bytes()).into_owned()
}

/// Microseconds, for JSON.
pub fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
