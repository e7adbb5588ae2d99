//! Signals as tcpdump takes them: an end with the figures, or the figures alone.

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

/// What a user wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Quit,
    /// The figures so far: SIGUSR1.
    Figures,
    /// What waits in memory goes to the file: SIGUSR2.
    Flush,
}

/// Signals as something to read. They must be taken before any thread is made, which inherits that.
pub struct Signals(SignalFd);

impl Signals {
    pub fn take() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
        ] {
            set.add(signal);
        }
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self(fd))
    }

    pub fn next(&self) -> Option<Asked> {
        let signal = self.0.read_signal().ok()??;
        let number = i32::try_from(signal.ssi_signo).ok()?;
        let signal = Signal::try_from(number).ok()?;
        Some(if signal == Signal::SIGUSR1 {
            Asked::Figures
        } else if signal == Signal::SIGUSR2 {
            Asked::Flush
        } else {
            Asked::Quit
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
