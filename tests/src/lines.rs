//! The lines of a stream, collected while somebody else works.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The lines of a stream, collected by a thread.
pub struct Lines {
    seen: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    pub fn read(stream: impl Read + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                lock(&into).push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self {
            seen,
            reader: Some(reader),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.seen)
    }

    pub fn text(&self) -> String {
        self.lock().join("\n")
    }

    /// Waits for the end of the stream.
    pub fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            // The thread only reads; if it had panicked, the lines so far are what there is.
            drop(reader.join());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
