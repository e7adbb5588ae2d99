//! Signals as tcpdump takes them: an end with the figures, or the figures alone.

use crate::signals::{Inbox, Signal};
use std::io;

/// What a user wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Quit,
    /// The figures so far.
    Figures,
    /// What waits in memory goes to the file.
    Flush,
}

pub type Signals = Inbox<Asked>;

/// To be called before any thread is made, which inherits that they come here.
pub fn take() -> io::Result<Signals> {
    Inbox::of([
        (Signal::SIGINT, Asked::Quit),
        (Signal::SIGTERM, Asked::Quit),
        (Signal::SIGHUP, Asked::Quit),
        (Signal::SIGUSR1, Asked::Figures),
        (Signal::SIGUSR2, Asked::Flush),
    ])
}
