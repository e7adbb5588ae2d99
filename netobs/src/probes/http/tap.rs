//! A stream that notes when bytes pass.

use crate::clock;
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// When what passed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// The last write before anything was read.
    pub asked: Option<Instant>,
    pub last_write: Option<Instant>,
    pub first_read: Option<Instant>,
}

/// Shared with whoever wants to know.
pub type Shared = Arc<Mutex<Marks>>;

pub fn marks(shared: &Shared) -> Marks {
    *shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Tap<T> {
    inner: T,
    marks: Shared,
}

impl<T> Tap<T> {
    pub fn new(inner: T) -> (Self, Shared) {
        let marks = Shared::default();
        let shared = Arc::clone(&marks);
        (Self { inner, marks }, shared)
    }

    fn note(&self, change: impl FnOnce(&mut Marks, Instant)) {
        let now = clock::instant();
        change(
            &mut self.marks.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        );
    }

    fn wrote(&self) {
        self.note(|marks, now| {
            marks.last_write = Some(now);
            if marks.first_read.is_none() {
                marks.asked = Some(now);
            }
        });
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.note(|marks, now| _ = marks.first_read.get_or_insert(now));
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.wrote();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
