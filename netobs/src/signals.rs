//! Signals as something to wait for and read, beside sockets and timers.

pub use nix::sys::signal::Signal;
use nix::sys::{
    signal::SigSet,
    signalfd::{SfdFlags, SignalFd},
};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

/// What users want by signals, as far as it has come.
pub struct Inbox<T> {
    fd: SignalFd,
    meanings: Vec<(Signal, T)>,
}

impl<T: Copy> Inbox<T> {
    /// From now on these come here and do nothing else. To be called before any thread is made, which inherits that.
    pub fn of(meanings: impl Into<Vec<(Signal, T)>>) -> io::Result<Self> {
        let meanings = meanings.into();
        let set = meanings.iter().map(|(signal, _)| *signal);
        let set = set.collect::<SigSet>();
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, meanings })
    }

    pub fn next(&self) -> Option<T> {
        let signal = self.fd.read_signal().ok()??;
        let number = i32::try_from(signal.ssi_signo).ok()?;
        let mut meanings = self.meanings.iter();
        let meaning = meanings.find(|(signal, _)| *signal as i32 == number)?;
        Some(meaning.1)
    }

    /// Readable while one is there.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
