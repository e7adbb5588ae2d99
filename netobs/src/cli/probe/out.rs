//! Lines on their way out: written when the run waits.

use crate::sinks::stream::{SinkError, Stdout};
use serde_json::Value;

/// Lines waiting to be written.
#[derive(Default)]
pub struct Out {
    waiting: String,
}

impl Out {
    pub fn line(&mut self, line: &str) {
        self.waiting.push_str(line);
        self.waiting.push('\n');
    }

    /// Text that goes on in the same line.
    pub fn raw(&mut self, text: &str) {
        self.waiting.push_str(text);
    }

    pub fn json(&mut self, object: &Value) {
        self.line(&object.to_string());
    }

    pub fn flush(&mut self) -> Result<(), SinkError> {
        let written = Stdout.write(self.waiting.as_bytes());
        self.waiting.clear();
        written
    }
}
