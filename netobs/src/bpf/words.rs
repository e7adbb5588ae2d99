//! An array map of 64-bit words as memory of ours (5.5).

use aya::maps::MapData;
use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    sync::atomic::{AtomicU64, Ordering},
};

/// One word each; programs go on writing them.
pub struct Words(*const AtomicU64, usize);

// SAFETY: the mapping belongs to the process, not to a thread of it, and is read and written word by word.
unsafe impl Send for Words {}
// SAFETY: as above; what another writes there is read whole or not at all.
unsafe impl Sync for Words {}

impl Words {
    pub fn new(map: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        Self::mapped(map, words, libc::PROT_READ)
    }

    /// Words that both sides write. A system call on a map holds off all programs on its CPU that kprobes and classic
    /// tracepoints call (`bpf_disable_instrumentation`), for as long as it is preempted; memory holds off nobody.
    pub fn writable(map: MapData, words: usize) -> io::Result<WritableWords> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Ok(WritableWords {
            words: Self::mapped(map.fd().as_fd(), words, protection)?,
            _map: map,
        })
    }

    fn mapped(map: BorrowedFd<'_>, words: usize, protection: i32) -> io::Result<Self> {
        let (null, bytes) = (std::ptr::null_mut(), words * size_of::<u64>());
        let fd = map.as_raw_fd();
        // SAFETY: a new mapping at an address the kernel chooses touches no memory of ours.
        let at = unsafe { libc::mmap(null, bytes, protection, libc::MAP_SHARED, fd, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(at.cast(), words))
    }

    pub fn get(&self, place: usize) -> Option<u64> {
        self.at(place).map(|word| word.load(Ordering::Relaxed))
    }

    /// A record of `N` words: the one at `place` of many.
    pub fn words<const N: usize>(&self, place: usize) -> Option<[u64; N]> {
        let mut words = [0; N];
        for (n, word) in words.iter_mut().enumerate() {
            *word = self.get(place.checked_mul(N)?.checked_add(n)?)?;
        }
        Some(words)
    }

    fn at(&self, place: usize) -> Option<&AtomicU64> {
        if place >= self.1 {
            return None;
        }
        // SAFETY: the mapping has so many words.
        let at = unsafe { self.0.add(place) };
        // SAFETY: it lives until drop, words are aligned in it.
        Some(unsafe { &*at })
    }
}

/// Words that were mapped to be written too.
pub struct WritableWords {
    words: Words,
    // What programs use stays open until they are loaded.
    _map: MapData,
}

impl WritableWords {
    /// Writes a word, and returns what stood there. What is read after this was written after it.
    pub fn swap(&self, place: usize, value: u64) -> Option<u64> {
        Some(self.words.at(place)?.swap(value, Ordering::SeqCst))
    }

    pub fn get(&self, place: usize) -> Option<u64> {
        self.words.get(place)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let bytes = self.1 * size_of::<u64>();
        // SAFETY: unmaps what `new` mapped, once; no reference into it is left.
        unsafe { libc::munmap(self.0.cast_mut().cast(), bytes) };
    }
}
