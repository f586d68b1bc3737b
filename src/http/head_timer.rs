//! Two time limits where hyper knows one. Its `header_read_timeout` runs from the moment it begins to wait for a request,
//! so one value would have to serve for idle connections and for clients that send a head byte by byte.
//!
//! hyper asks its timer for one [`Sleep`] per request head it waits for, polls it while the head is incomplete, and drops it
//! when the head is there. That sleep is given here: it lasts the idle limit until a byte arrives, and then the head limit. It ends at
//! once when the connection has to make room (`crowd`), which by its life knows whether one waits for a request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use super::crowd::Place;

/// The timer of one connection; hyper's own limit is to be set to the idle limit.
#[derive(Debug)]
pub struct HeadTimer {
    head: Duration,
    /// Whether no head has been waited for yet: a new connection has to speak within the head limit.
    is_new: AtomicBool,
    received: Arc<AtomicBool>,
    place: Arc<Place>,
}

impl HeadTimer {
    /// A timer that allows `head` for a head. `received` is set by the connection's stream whenever bytes arrive.
    pub fn new(head: Duration, received: Arc<AtomicBool>, place: Arc<Place>) -> Self {
        Self { head, is_new: AtomicBool::new(true), received, place }
    }

    fn begin(&self, idle: tokio::time::Sleep) -> Pin<Box<dyn Sleep>> {
        let is_new = self.is_new.swap(false, Ordering::Relaxed);
        self.received.store(is_new, Ordering::Relaxed);
        if !is_new {
            self.place.waits();
        }
        let (received, place) = (Arc::clone(&self.received), Arc::clone(&self.place));
        Box::pin(HeadSleep { sleep: Box::pin(idle), head: self.head, received, has_begun: false, place })
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.begin(tokio::time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.begin(tokio::time::sleep_until(deadline.into()))
    }
}

/// Ends at the idle limit, at the head limit after the first byte, or when there is no room.
struct HeadSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    head: Duration,
    received: Arc<AtomicBool>,
    has_begun: bool,
    place: Arc<Place>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.received.load(Ordering::Relaxed) {
            self.has_begun = true;
            let head = tokio::time::sleep(self.head);
            self.sleep.set(head);
        }
        if self.place.poll_sent_away(cx).is_ready() {
            return Poll::Ready(());
        }
        self.sleep.as_mut().poll(cx)
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.place.works();
    }
}
