//! Bytes of a file in large reads, without a copy for each packet.

use super::error::{FileError, What};
use std::io::{ErrorKind, Read};

/// Bytes asked of the kernel at once: few system calls, and it stays in the second-level cache.
const AT_ONCE: usize = 256 * 1024;

pub(super) struct Source {
    name: String,
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    /// What is read and not taken yet.
    start: usize,
    end: usize,
    /// Of `start` in the file.
    offset: u64,
}

impl Source {
    pub fn new(name: &str, input: Box<dyn Read>) -> Self {
        Self {
            name: name.to_owned(),
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    pub fn error(&self, what: What) -> FileError {
        self.error_at(0, what)
    }

    /// An error `ahead` bytes on from here.
    pub fn error_at(&self, ahead: usize, what: What) -> FileError {
        FileError {
            file: self.name.clone(),
            offset: self.offset + ahead as u64,
            what,
        }
    }

    /// How many of `wanted` bytes are there: fewer only at the end of the file. Callers bound `wanted`.
    #[inline]
    pub fn fill(&mut self, wanted: usize) -> Result<usize, FileError> {
        if self.end - self.start >= wanted {
            return Ok(wanted);
        }
        self.fill_slowly(wanted)
    }

    #[cold]
    fn fill_slowly(&mut self, wanted: usize) -> Result<usize, FileError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = wanted + AT_ONCE;
        if self.buffer.len() < room {
            // Zeros from the kernel, where `resize` would write them.
            let mut larger = vec![0; room];
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = larger;
        }
        while self.end < wanted {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(What::Io(error))),
            }
        }
        Ok(self.end.min(wanted))
    }

    /// The next `wanted` bytes, which stay.
    #[inline]
    pub fn peek(&mut self, wanted: usize, inside: &'static str) -> Result<&[u8], FileError> {
        let found = self.fill(wanted)?;
        if found < wanted {
            return Err(self.error(What::Truncated {
                inside,
                wanted,
                found,
            }));
        }
        Ok(&self.buffer[self.start..self.start + wanted])
    }

    pub fn chunk<const N: usize>(&mut self, inside: &'static str) -> Result<&[u8; N], FileError> {
        self.fill(N)?;
        let (start, end) = (self.start, self.end);
        match self.buffer[start..end].first_chunk() {
            Some(chunk) => Ok(chunk),
            None => Err(FileError {
                file: self.name.clone(),
                offset: self.offset,
                what: What::Truncated {
                    inside,
                    wanted: N,
                    found: end - start,
                },
            }),
        }
    }

    /// Goes on behind bytes that are there.
    #[inline]
    pub fn take(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.offset += n as u64;
    }

    /// Bytes that were taken last, up to `back` bytes before here.
    #[inline]
    pub fn taken(&self, back: usize, len: usize) -> &[u8] {
        let from = self.start.saturating_sub(back);
        self.buffer.get(from..from + len).unwrap_or_default()
    }

    /// Leaves bytes out, however many.
    pub fn skip(&mut self, mut n: u64, inside: &'static str) -> Result<(), FileError> {
        while n > 0 {
            let wanted = usize::try_from(n).unwrap_or(AT_ONCE).min(AT_ONCE);
            let found = self.fill(wanted)?;
            self.take(found);
            if found < wanted {
                return Err(self.error(What::Truncated {
                    inside,
                    wanted,
                    found,
                }));
            }
            n -= found as u64;
        }
        Ok(())
    }
}
