//! The reading end of the ring: a wake-up costs a hundred events, so the kernel wakes only a reader that says it sleeps.

use aya::maps::{Array, MapData, RingBuf};
use netobs_ebpf::config::READER_SLEEPS;
use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};
use tokio::io::unix::AsyncFd;

/// The ring buffer, and the word that asks the kernel side for a wake-up.
pub struct Ring {
    ring: RingBuf<MapData>,
    runtime: Array<MapData, u32>,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>, runtime: Array<MapData, u32>) -> Self {
        Self { ring, runtime }
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
        let set = self.runtime.get(&word, 0).is_ok_and(|value| value != 0);
        if set {
            self.set(word, 0);
        }
        set
    }

    /// Writes a word of the `RUNTIME` map.
    pub(super) fn set(&mut self, word: u32, value: u32) {
        // The word exists: an update of an array cannot be refused.
        if self.runtime.set(word, value, 0).is_err() {
            debug_assert!(false, "RUNTIME has no word {word}");
        }
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
