//! A connection's stream with the two things hyper does not do: it ends a connection whose client takes nothing of an answer,
//! and it tells the head timer that the client has begun to send.
//!
//! A time-out around a response's body cannot catch slow readers: while hyper's write buffer is full it does not poll the body.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::metrics::Metrics;

/// Bounds how long one thing may stay pending without progress.
#[derive(Debug)]
pub struct Stall {
    limit: Duration,
    /// Made at the first wait and reused: most connections never wait.
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Stall {
    /// Allows `limit` for each wait.
    pub fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, waiting: false }
    }

    /// Takes note of a poll; true if it has been pending for the limit. While it is pending, `cx` is woken at the limit.
    pub fn is_over(&mut self, cx: &mut Context<'_>, pending: bool) -> bool {
        let begins = pending && !self.waiting;
        self.waiting = pending;
        if !pending {
            return false;
        }
        match &mut self.sleep {
            Some(sleep) if begins => sleep.set(tokio::time::sleep(self.limit)),
            Some(_) => {}
            None => self.sleep = Some(Box::pin(tokio::time::sleep(self.limit))),
        }
        self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}

/// A stream that fails with `TimedOut` when writing makes no progress, notes when bytes arrive and counts those that go.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    received: Arc<AtomicBool>,
    stall: Stall,
    metrics: Arc<Metrics>,
}

impl<S> Socket<S> {
    /// Wraps `stream`; sets `received` whenever bytes arrive; fails when a write stays pending for `write_stall`.
    pub fn new(stream: S, received: Arc<AtomicBool>, write_stall: Duration, metrics: Arc<Metrics>) -> Self {
        Self { stream, received, stall: Stall::new(write_stall), metrics }
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.metrics.traffic.sent_bytes.add(*bytes as u64);
        }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.stall.is_over(cx, written.is_pending()) {
            true => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took nothing of the answer for too long")))
            }
            false => written,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.received.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(&written);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(&written);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, shut)
    }
}
