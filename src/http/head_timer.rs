//! Two time limits where hyper knows one. Its `header_read_timeout` runs from the moment it begins to wait for a request,
//! so one value would have to serve for idle connections and for clients that send a head byte by byte.
//!
//! hyper asks its timer for one [`Sleep`] per request head it waits for, polls it while the head is incomplete, and drops it
//! when the head is there. That sleep is given here: it lasts the idle limit until a byte arrives, and then the head limit. It ends at
//! once when the connection has to make room (`crowd`), which by its life knows whether one waits for a request.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant as Moment;

use super::crowd::Place;

/// The timer of one connection; hyper's own limit is to be set to the idle limit.
#[derive(Debug)]
pub struct HeadTimer(Arc<Waits>);

/// What the waits of one connection have in common.
#[derive(Debug)]
struct Waits {
    head: Duration,
    /// Whether no head has been waited for yet: a new connection has to speak within the head limit.
    is_new: AtomicBool,
    received: Arc<AtomicBool>,
    place: Arc<Place>,
    /// Rings at the limit of some wait, and stays set when that is over: whoever waits then looks at its own limit and sets it anew.
    /// To set and to stop it for each request would cost a lock and memory each.
    alarm: Mutex<Option<Pin<Box<tokio::time::Sleep>>>>,
}

impl HeadTimer {
    /// A timer that allows `head` for a head. `received` is set by the connection's stream whenever bytes arrive.
    pub fn new(head: Duration, received: Arc<AtomicBool>, place: Arc<Place>) -> Self {
        Self(Arc::new(Waits { head, is_new: AtomicBool::new(true), received, place, alarm: Mutex::default() }))
    }

    fn begin(&self, idle: Moment) -> Pin<Box<dyn Sleep>> {
        let waits = Arc::clone(&self.0);
        let is_new = waits.is_new.swap(false, Ordering::Relaxed);
        waits.received.store(is_new, Ordering::Relaxed);
        if !is_new {
            waits.place.waits();
        }
        Box::pin(HeadSleep { waits, limit: idle, has_begun: false })
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.begin(Moment::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.begin(deadline.into())
    }
}

impl Waits {
    /// Ready at `limit`.
    fn poll_until(&self, limit: Moment, cx: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit)));
        if limit < alarm.deadline() {
            alarm.as_mut().reset(limit);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if limit <= alarm.deadline() {
                return Poll::Ready(());
            }
            // It was set for a wait before this one.
            alarm.as_mut().reset(limit);
        }
    }
}

/// Ends at the idle limit, at the head limit after the first byte, or when there is no room.
struct HeadSleep {
    waits: Arc<Waits>,
    limit: Moment,
    has_begun: bool,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.waits.received.load(Ordering::Relaxed) {
            self.has_begun = true;
            self.limit = Moment::now() + self.waits.head;
        }
        if self.waits.place.poll_sent_away(cx).is_ready() {
            return Poll::Ready(());
        }
        self.waits.poll_until(self.limit, cx)
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.waits.place.works();
    }
}
