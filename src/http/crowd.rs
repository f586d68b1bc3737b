//! Who has to go when another comes and every place is taken: the connection that has waited longest for a request. So nobody keeps
//! others out by opening connections and saying nothing. Whoever has a request under way is never sent away.
//!
//! To wait and to work again cost a store each; only who sends away looks through all.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// All connections of a server.
#[derive(Debug, Default)]
pub struct Crowd {
    guests: Mutex<HashMap<u64, Arc<Guest>>>,
    /// Counts connections, and beginnings of waits: the smaller the number, the longer ago.
    moments: AtomicU64,
    /// Somebody stands outside and nobody could be sent away: the next one that would wait goes instead.
    full: AtomicBool,
}

#[derive(Debug, Default)]
struct Guest {
    /// Since which moment it waits; zero while a request is under way.
    since: AtomicU64,
    sent_away: AtomicBool,
    waker: AtomicWaker,
}

impl Guest {
    fn send_away(&self) {
        self.sent_away.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// One connection's place among them, which it leaves when this is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    guest: Arc<Guest>,
}

impl Crowd {
    /// A new connection, which waits for its first request.
    pub fn enter(self: &Arc<Self>) -> Arc<Place> {
        let number = self.moment();
        let guest = Arc::new(Guest { since: AtomicU64::new(number), ..Guest::default() });
        self.guests().insert(number, guest.clone());
        Arc::new(Place { crowd: self.clone(), number, guest })
    }

    /// Sends away whoever has waited longest; if nobody waits, the next one that would.
    pub fn make_room(&self) {
        // First: who begins to wait while nobody is found looks at it.
        self.full.store(true, Ordering::SeqCst);
        let guests = self.guests();
        let waiting = guests.values().filter(|guest| !guest.sent_away.load(Ordering::Acquire));
        let waiting = waiting.map(|guest| (guest.since.load(Ordering::SeqCst), guest)).filter(|(since, _)| *since != 0);
        if let Some((_, guest)) = waiting.min_by_key(|(since, _)| *since) {
            guest.send_away();
            self.full.store(false, Ordering::SeqCst);
        }
    }

    /// There is a place after all: nobody needs to go any more.
    pub fn has_room(&self) {
        self.full.store(false, Ordering::SeqCst);
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<u64, Arc<Guest>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Nothing is under way any more.
    pub fn waits(&self) {
        self.guest.since.store(self.crowd.moment(), Ordering::SeqCst);
        if self.crowd.full.load(Ordering::SeqCst) && self.crowd.full.swap(false, Ordering::SeqCst) {
            self.guest.send_away();
        }
    }

    /// A request has come.
    pub fn works(&self) {
        self.guest.since.store(0, Ordering::SeqCst);
    }

    /// Ready once it has to go, unless a request came first. One task may wait for this at a time.
    pub fn poll_sent_away(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.guest.waker.register(cx.waker());
        match self.guest.sent_away.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The same to be awaited.
    pub async fn sent_away(&self) {
        poll_fn(|cx| self.poll_sent_away(cx)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.guests().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn is_sent_away(place: &Place) -> bool {
        place.sent_away().now_or_never().is_some()
    }

    #[test]
    fn who_has_waited_longest_goes_first_and_who_works_stays() {
        let crowd = Arc::new(Crowd::default());
        let (first, second, third) = (crowd.enter(), crowd.enter(), crowd.enter());
        first.works();
        crowd.make_room();
        assert_eq!([&first, &second, &third].map(|place| is_sent_away(place)), [false, true, false]);
        first.waits();
        crowd.make_room();
        assert_eq!([&first, &third].map(|place| is_sent_away(place)), [false, true]);
        crowd.make_room();
        assert!(is_sent_away(&first));
    }

    #[test]
    fn who_was_chosen_and_works_after_all_is_passed_over_the_next_time() {
        let crowd = Arc::new(Crowd::default());
        let (first, second) = (crowd.enter(), crowd.enter());
        crowd.make_room();
        first.works();
        crowd.make_room();
        assert!(is_sent_away(&second));
    }

    #[test]
    fn while_all_work_the_next_one_that_would_wait_goes() {
        let crowd = Arc::new(Crowd::default());
        let (first, second) = (crowd.enter(), crowd.enter());
        first.works();
        second.works();
        crowd.make_room();
        second.waits();
        first.waits();
        assert!(is_sent_away(&second) && !is_sent_away(&first));
        first.works();
        crowd.make_room();
        crowd.has_room();
        first.waits();
        assert!(!is_sent_away(&first), "a place became free meanwhile");
        drop((first, second));
        assert!(crowd.guests().is_empty());
    }
}
