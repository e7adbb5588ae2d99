//! A link with a delay, for kernels without netem: two TAP devices, and frames of one leave the other some time after.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::netns::Netns;
use crate::{tap, wait};

/// The largest frame that passes.
const FRAME: usize = 1 << 16;
/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// Carries frames until dropped.
pub struct Delay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Delay {
    /// Joins `left` and `right` by devices of these names, `one_way` apart.
    pub fn link(left: (&Netns, &str), right: (&Netns, &str), one_way: Duration) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(2, Ordering::Relaxed);
        let end = |(ns, name): (&Netns, &str), number: u32| -> Result<File> {
            // Its name is its own until it is where it belongs: labs run side by side.
            let first = format!("tap{}-{number}", std::process::id() % 100_000);
            let path = ns.path();
            let file =
                ns.run(|| tap::open(&CString::new(first.clone())?).context("make a TAP device"));
            let file = file.with_context(|| path)?;
            ns.ip(&format!(
                "link set dev {first} name {name}\nlink set dev {name} up\n"
            ))?;
            Ok(file)
        };
        let ends = [end(left, number)?, end(right, number + 1)?];
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("delay".to_owned())
            .spawn(move || carry(ends, one_way, &seen))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the carrier is told by the lab that misses its frames.
            drop(thread.join());
        }
    }
}

struct Frame {
    due: Instant,
    to: usize,
    bytes: Vec<u8>,
}

fn carry(mut ends: [File; 2], one_way: Duration, stop: &AtomicBool) {
    let mut waiting: VecDeque<Frame> = VecDeque::new();
    let mut buffer = vec![0; FRAME];
    while !stop.load(Ordering::Relaxed) {
        let now = wait::now();
        let due = waiting
            .front()
            .map(|frame| frame.due.saturating_duration_since(now));
        let fds = [ends[0].as_fd(), ends[1].as_fd()];
        let Ok(ready) = tap::poll_readable(fds, due.unwrap_or(LOOK).min(LOOK)) else {
            continue;
        };
        for from in [0, 1] {
            if !ready[from] {
                continue;
            }
            // One frame per look: reading blocks when there is no second.
            let Ok(n) = ends[from].read(&mut buffer) else {
                continue;
            };
            waiting.push_back(Frame {
                due: wait::now() + one_way,
                to: 1 - from,
                bytes: buffer[..n].to_vec(),
            });
        }
        while waiting
            .front()
            .is_some_and(|frame| frame.due <= wait::now())
        {
            if let Some(frame) = waiting.pop_front() {
                // A device that is down takes no frames.
                drop(ends[frame.to].write(&frame.bytes));
            }
        }
    }
}
