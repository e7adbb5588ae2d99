//! Where head and body go: raw to files and pipes, made harmless for a terminal.

use super::{Failure, Http, Status};
use crate::{
    probes::http::{Head, Sink},
    sinks::stream::{SinkError, Stdout},
    views::ask::http as view,
};
use std::{
    fs::File,
    io::{self, Write as _},
};

/// Of a character cut by the end of a part, so many bytes wait.
const MOST_WAITING: usize = 3;

enum To {
    File(File),
    Pipe,
    Terminal,
    Nowhere,
}

pub struct Output {
    to: To,
    /// `-I`, `-i`: the head belongs to standard output.
    heads: bool,
    waiting: Vec<u8>,
    /// The reader went away: nothing more is wanted.
    closed: bool,
}

impl Output {
    pub fn new(args: &Http) -> Result<Self, Failure> {
        let to = match &args.output {
            Some(path) => To::File(File::create(path).map_err(|error| {
                let text = format!("create {}: {error}", path.display());
                Failure::new(Status::Usage, text)
            })?),
            None if args.net.json => To::Nowhere,
            None if rustix::termios::isatty(rustix::stdio::stdout()) => To::Terminal,
            None => To::Pipe,
        };
        Ok(Self {
            to,
            heads: (args.head || args.include) && !args.net.json,
            waiting: Vec::new(),
            closed: false,
        })
    }

    /// What still waits.
    pub fn finish(&mut self) -> Result<(), Failure> {
        if let To::Terminal = self.to {
            let rest = std::mem::take(&mut self.waiting);
            self.stdout(view::harmless(&rest).as_bytes())?;
        }
        Ok(())
    }

    fn stdout(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match Stdout.write(bytes) {
            Ok(()) => Ok(()),
            Err(SinkError::Closed) => {
                self.closed = true;
                Ok(())
            }
            Err(SinkError::Io(error)) => Err(error),
        }
    }
}

impl Sink for Output {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        if !self.heads {
            return Ok(());
        }
        let raw = !matches!(self.to, To::Terminal);
        let text = view::head(head, raw);
        self.stdout(&text)
    }

    fn body(&mut self, part: &[u8]) -> io::Result<()> {
        match &mut self.to {
            To::Nowhere => Ok(()),
            To::File(file) => file.write_all(part),
            To::Pipe => self.stdout(part),
            To::Terminal => {
                self.waiting.extend_from_slice(part);
                let cut = match std::str::from_utf8(&self.waiting) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => self.waiting.len(),
                };
                let cut = cut.max(self.waiting.len().saturating_sub(MOST_WAITING));
                let rest = self.waiting.split_off(cut);
                let whole = std::mem::replace(&mut self.waiting, rest);
                self.stdout(view::harmless(&whole).as_bytes())
            }
        }
    }
}
