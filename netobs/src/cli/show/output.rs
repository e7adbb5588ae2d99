//! Where the answer goes: a table or JSON lines, and to standard error what could not be seen.

use super::{Failure, Status};
use crate::{
    netlink::socket::{Dump, Error},
    sinks::stream::{SinkError, Stdout, tell},
    views::{
        show::{Row, json, table},
        table::terminal_width,
    },
};

/// JSON lines are written when this many bytes wait.
const BATCH: usize = 1 << 16;

pub struct Output {
    pub json: bool,
    netns: u32,
    pub width: Option<usize>,
    waiting: Vec<u8>,
    /// The reader went away: nothing more is wanted.
    pub closed: bool,
}

impl Output {
    pub fn new(json: bool, netns: u32) -> Self {
        Self {
            json,
            netns,
            width: terminal_width(),
            waiting: Vec::new(),
            closed: false,
        }
    }

    /// All rows of a dump; says when the table changed under our hands.
    pub fn dump<R: Row>(&mut self, dump: &Dump<R>) -> Result<Status, Failure> {
        self.rows(&dump.rows)?;
        if dump.torn {
            tell("netobs: the table changed each time it was read: rows may be missing or old");
        }
        Ok(Status::Done)
    }

    pub fn rows<R: Row>(&mut self, rows: &[R]) -> Result<(), Failure> {
        if self.json {
            for row in rows {
                self.row(row)?;
            }
        } else {
            self.waiting.extend(table(rows, self.width).into_bytes());
        }
        self.flush()
    }

    /// One JSON line, written when enough are waiting.
    pub fn row<R: Row>(&mut self, row: &R) -> Result<(), Failure> {
        json(&mut self.waiting, self.netns, row);
        if self.waiting.len() >= BATCH {
            return self.flush();
        }
        Ok(())
    }

    /// Text for people, which JSON readers do not get.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        if !self.json {
            self.waiting.extend(text.as_bytes());
        }
        self.flush()
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = if self.closed {
            Ok(())
        } else {
            Stdout.write(&self.waiting)
        };
        self.waiting.clear();
        match written {
            Err(SinkError::Closed) => self.closed = true,
            other => other?,
        }
        Ok(())
    }
}

/// A refusal for want of privilege or of a kernel feature has its own exit status.
pub fn refused(error: Error) -> Failure {
    let status = if error.is_refused() || error.is_unsupported() {
        Status::Missing
    } else {
        Status::Other
    };
    Failure {
        status,
        error: error.into(),
    }
}
