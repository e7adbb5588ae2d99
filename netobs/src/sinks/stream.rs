//! Standard output and error: a closed pipe ends quietly, a full disk is an error that is told.

use std::io::{self, Write};

/// Why writing ended.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader went away: nothing more is wanted.
    #[error("the reader closed the pipe")]
    Closed,
    #[error("write output: {0}")]
    Io(io::Error),
}

impl From<io::Error> for SinkError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Io(error)
        }
    }
}

/// Standard output without the line buffering of `std::io::Stdout`: the caller decides what is a batch.
#[derive(Default)]
pub struct Stdout;

impl Stdout {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(rustix::stdio::stdout(), rest) {
                Ok(n) => rest = &rest[n..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }
}

/// One line to standard error; when even that is closed there is nobody to tell.
pub fn tell(line: &str) {
    let mut stderr = io::stderr().lock();
    if writeln!(stderr, "{line}").is_err() {
        // Nothing left to write to.
    }
}
