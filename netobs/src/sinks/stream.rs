//! Standard output and error: a closed pipe ends quietly, a full disk is an error that is told, a reader that sleeps holds nobody.

use crate::{clock, event::Mono};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, fstat},
};
use std::{
    io::{self, Write},
    os::fd::BorrowedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

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

/// When a stream is to end, whoever reads.
struct Ending {
    /// Set by signals.
    asked: Arc<AtomicBool>,
    at: Option<Mono>,
}

static ENDING: OnceLock<Ending> = OnceLock::new();

/// From now on writing waits for a reader only until `asked` is set or the time is `at`, and [`PATIENCE`] beyond.
pub fn end_when(asked: Arc<AtomicBool>, at: Option<Mono>) {
    ENDING.get_or_init(|| Ending { asked, at });
}

impl Ending {
    fn is_due(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.at.is_some_and(|at| clock::mono() >= at)
    }
}

/// Looks at a reader that takes nothing, a tenth of a second each.
const PATIENCE: u32 = 10;
/// A pipe that has room takes so much at once without making the writer wait.
const PIECE: usize = 4096;

/// Waits for room; `false`: there is none, and the end is due.
fn room(fd: BorrowedFd<'_>, ending: &Ending) -> io::Result<bool> {
    let tenth = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let mut in_vain = 0;
    while in_vain < PATIENCE {
        match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&tenth)) {
            Ok(0) if ending.is_due() => in_vain += 1,
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            // What is wrong with it, writing tells.
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn stuck(left: usize) -> io::Error {
    let words = format!("its reader takes nothing, and it is time to end; {left} bytes are left");
    io::Error::new(io::ErrorKind::TimedOut, words)
}

/// What has to be waited for before writing to `fd`: nothing unless a reader can keep us waiting.
fn waits(fd: BorrowedFd<'_>) -> Option<&'static Ending> {
    let ending = ENDING.get()?;
    let kind = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    (!matches!(kind, Ok(FileType::RegularFile))).then_some(ending)
}

/// Whether nobody will ever read what is written.
pub fn reader_is_gone() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok()
        && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Standard output without the line buffering of `std::io::Stdout`: the caller decides what is a batch.
#[derive(Default)]
pub struct Stdout;

impl Stdout {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let stdout = rustix::stdio::stdout();
        let ending = waits(stdout);
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut piece = rest;
            if let Some(ending) = ending {
                piece = &rest[..rest.len().min(PIECE)];
                if !room(stdout, ending)? {
                    return Err(stuck(rest.len()).into());
                }
            }
            match rustix::io::write(stdout, piece) {
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
    let fd = rustix::stdio::stderr();
    if waits(fd).is_some_and(|ending| !room(fd, ending).unwrap_or(false)) {
        return;
    }
    let mut stderr = io::stderr().lock();
    if writeln!(stderr, "{line}").is_err() {
        // Nothing left to write to.
    }
}
