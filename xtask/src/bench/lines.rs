//! Lines of a tool's output with the moment they became readable.
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::clock::{Deadline, mono_ns};

/// The reader's end of a pipe or terminal.
pub struct Lines {
    file: File,
    held: Vec<u8>,
    /// When the last bytes were read.
    at: u64,
}

impl Lines {
    pub fn pipe() -> Result<(Self, Stdio)> {
        let (reader, writer) = std::io::pipe()?;
        Ok((Self::new(OwnedFd::from(reader)), writer.into()))
    }

    /// A terminal: programs that fill a buffer before they write to a pipe write each line to it.
    pub fn terminal() -> Result<(Self, Stdio)> {
        let pty = openpty(None, None)?;
        let mut mode = tcgetattr(&pty.slave)?;
        cfmakeraw(&mut mode);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &mode)?;
        Ok((Self::new(pty.master), pty.slave.into()))
    }

    fn new(end: OwnedFd) -> Self {
        Self {
            file: end.into(),
            held: Vec::new(),
            at: 0,
        }
    }

    /// The first line for which `wanted` says yes, and when it came; none at the deadline or the end of the output.
    pub fn find(
        &mut self,
        deadline: Deadline,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<(u64, String)>> {
        loop {
            while let Some(end) = self.held.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if wanted(&line) {
                    return Ok(Some((self.at, line)));
                }
            }
            if !self.fill(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Throws away what is there now.
    pub fn drain(&mut self) -> Result<()> {
        self.held.clear();
        while self.fill(Deadline::after(std::time::Duration::ZERO))? {
            self.held.clear();
        }
        Ok(())
    }

    fn fill(&mut self, deadline: Deadline) -> Result<bool> {
        let mut wait = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wait, deadline.left_ms())? == 0 {
            return Ok(false);
        }
        let at = mono_ns();
        let mut bytes = [0; 8192];
        let count = match self.file.read(&mut bytes) {
            Ok(count) => count,
            // A terminal whose other end is closed.
            Err(error)
                if error.kind() == ErrorKind::Other
                    || error.raw_os_error() == Some(nix::libc::EIO) =>
            {
                0
            }
            Err(error) => return Err(error.into()),
        };
        self.held.write_all(&bytes[..count])?;
        self.at = at;
        Ok(count > 0)
    }
}
