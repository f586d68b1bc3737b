//! One at a time for each key: the first does the work, the others wait for it and then find it done.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by key. A key that nobody holds or waits for takes no memory.
#[derive(Debug)]
pub struct Flights<K>(Mutex<HashMap<K, Weak<AsyncMutex<()>>>>);

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone> Flights<K> {
    /// Waits for this key's turn; the turn ends when the guard is dropped. Whoever gets it looks first whether the work is done.
    pub async fn turn(&self, key: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let held = locks.get(&key).and_then(Weak::upgrade);
            held.unwrap_or_else(|| {
                let lock = Arc::new(AsyncMutex::new(()));
                locks.insert(key, Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn one_at_a_time_for_a_key_and_keys_do_not_wait_for_each_other() {
        let flights = Arc::new(Flights::default());
        let running = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (flights, running) = (flights.clone(), running.clone());
                tokio::spawn(async move {
                    let _turn = flights.turn("a").await;
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let _held = flights.turn("b").await;
        for task in tasks {
            task.await.unwrap();
        }
        drop(flights.turn("c").await);
        drop(flights.turn("d").await);
        assert_eq!(flights.0.lock().unwrap().len(), 2, "b, which is held, and d, swept by the next");
    }
}
