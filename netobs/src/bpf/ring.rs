//! The reading end of the ring: a wake-up costs a hundred events, so the kernel wakes only a reader that says it sleeps.

use super::words::{Words, WritableWords};
use aya::maps::{MapData, RingBuf};
use netobs_ebpf::config::{READER_SLEEPS, RUNTIME_WORDS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};
use tokio::io::unix::AsyncFd;

/// The ring buffer, and the word that asks the kernel side for a wake-up.
pub struct Ring {
    ring: RingBuf<MapData>,
    /// The `RUNTIME` map.
    runtime: WritableWords,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>, runtime: MapData) -> io::Result<Self> {
        let runtime = Words::writable(runtime, RUNTIME_WORDS as usize)?;
        Ok(Self { ring, runtime })
    }

    /// Hands up to `max` waiting events to `take`; returns how many.
    pub fn drain(&mut self, max: usize, mut take: impl FnMut(&[u8])) -> usize {
        let mut n = 0;
        while n < max
            && let Some(item) = self.ring.next()
        {
            take(&item);
            n += 1;
        }
        n
    }

    /// Hands up to `max` waiting records to `take`, until it says to stop; none: none waited.
    #[inline]
    pub fn drain_until<E>(
        &mut self,
        max: usize,
        mut take: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<Option<bool>, E> {
        let mut more = None;
        for _ in 0..max {
            let Some(item) = self.ring.next() else {
                break;
            };
            more = Some(take(&item)?);
            if more == Some(false) {
                break;
            }
        }
        Ok(more)
    }

    /// Whether a record waits.
    pub fn waits(&self) -> bool {
        let ring = self.ring.as_fd();
        let mut fds = [PollFd::new(&ring, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Readable while records wait.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// From now on the next event makes the descriptor readable. What came before has to be drained once more.
    pub fn ask_for_wakeup(&mut self) {
        self.set(READER_SLEEPS, 1);
    }

    /// The reader looks by itself: events cost no wake-up.
    pub fn polls(&mut self) {
        self.set(READER_SLEEPS, 0);
    }

    /// Reads a word of the `RUNTIME` map, and sets it to 0.
    pub fn take_word(&mut self, word: u32) -> bool {
        let word = word as usize;
        let is_set = |value: Option<u64>| value.is_some_and(|value| value != 0);
        is_set(self.runtime.get(word)) && is_set(self.runtime.swap(word, 0))
    }

    /// Writes a word of the `RUNTIME` map.
    pub(super) fn set(&mut self, word: u32, value: u32) {
        let was = self.runtime.swap(word as usize, u64::from(value));
        debug_assert!(was.is_some(), "RUNTIME has no word {word}");
    }
}

impl Ring {
    /// Tells when the kernel woke us; call within a tokio runtime.
    pub fn ready(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.ring.as_fd().try_clone_to_owned()?;
        // SAFETY: an OwnedFd names one open descriptor for as long as it lives.
        let registered = unsafe { AsyncFd::register(descriptor) };
        Ok(registered?)
    }
}
