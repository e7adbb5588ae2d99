//! Ctrl-C in the middle of a question: every wait also waits for it, so that what is known by then is told.

use crate::{
    clock,
    signals::{Inbox, Signal},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use std::{error::Error, fmt, io, os::fd::BorrowedFd, sync::OnceLock, time::Instant};

/// A signal is the whole process's, and so is this. It is never read: once asked to stop, every wait ends.
static SIGNALS: OnceLock<Inbox<()>> = OnceLock::new();

/// From now on Ctrl-C and SIGTERM end waits, not the process. To be called before any thread is made, which inherits that.
pub fn arm() -> io::Result<()> {
    let inbox = Inbox::of([(Signal::SIGINT, ()), (Signal::SIGTERM, ())])?;
    // Armed before: the first one sees the same signals.
    SIGNALS.get_or_init(|| inbox);
    Ok(())
}

/// Readable from the moment on when a stop was asked for; none: not armed.
pub fn fd() -> Option<BorrowedFd<'static>> {
    SIGNALS.get().map(Inbox::fd)
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    let Some(fd) = fd() else {
        return false;
    };
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    matches!(ppoll(&mut fds, Some(TimeSpec::new(0, 0)), None), Ok(n) if n > 0)
}

/// Waits for nothing but that: for ever where nothing is armed.
pub fn until_asked() {
    let mut fds: Vec<PollFd<'_>> = fd()
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .into_iter()
        .collect();
    while !matches!(ppoll(&mut fds, None, None), Ok(n) if n > 0) {}
}

/// A wait that was ended by a signal.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl Error for Stopped {}

pub fn is_stop(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn Error + Send + Sync>::is::<Stopped>)
}

/// Until `what` is ready: `TimedOut` when that takes longer than to `end`, an error of [`Stopped`] on a signal.
pub fn wait(what: BorrowedFd<'_>, ready: PollFlags, end: Instant) -> io::Result<()> {
    loop {
        let left = end.saturating_duration_since(clock::instant());
        let mut fds = vec![PollFd::new(what, ready)];
        fds.extend(fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) if fds.get(1).and_then(PollFd::any) == Some(true) => {
                return Err(io::Error::other(Stopped));
            }
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
