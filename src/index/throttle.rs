//! How often passwords may be guessed: counts of failures by address and by user, in memory, each for a while.
//!
//! Only passwords are counted, since tokens and sessions cannot be guessed. A user whose password somebody else guesses at can still
//! sign in from where they did before. Each server counts for itself: two servers allow twice as many guesses, which are few.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::limits;
use moka::sync::Cache;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Failed sign-ins of a while.
#[derive(Debug)]
pub struct Throttle {
    by_address: Cache<IpAddr, Window>,
    by_user: Cache<String, Window>,
    /// What was wrong already: a job that sends the same stale password all day guesses at nothing.
    stale: Cache<[u8; 32], ()>,
    /// Who signed in from where.
    known: Cache<(String, IpAddr), ()>,
}

/// How many, and since when.
type Window = Arc<Mutex<(u32, Timestamp)>>;

impl Default for Throttle {
    fn default() -> Self {
        let kept = limits::SIGN_IN_ADDRESSES_KEPT;
        Self {
            by_address: Cache::new(kept),
            by_user: Cache::new(kept),
            stale: Cache::builder().max_capacity(kept).time_to_live(limits::SIGN_IN_WINDOW).build(),
            known: Cache::builder().max_capacity(kept).time_to_idle(limits::SIGN_IN_KNOWN_FOR).build(),
        }
    }
}

impl Throttle {
    /// Whether this password may be looked at; [`Error::TooManyRequests`] if there were too many wrong ones. `from` is unknown only
    /// to the command line, which is not counted.
    pub fn admit(&self, user: &str, from: Option<IpAddr>, now: Timestamp) -> Result<()> {
        let Some(from) = from.map(network) else { return Ok(()) };
        let by_address = self.by_address.get(&from).filter(|w| is_over(w, limits::SIGN_IN_FAILURES_PER_ADDRESS, now));
        let by_user = || {
            let window = self.by_user.get(user).filter(|w| is_over(w, limits::SIGN_IN_FAILURES_PER_USER, now))?;
            (!self.known.contains_key(&(user.to_owned(), from))).then_some(window)
        };
        match by_address.or_else(by_user) {
            None => Ok(()),
            Some(window) => {
                let (_, since) = *window.lock().unwrap_or_else(PoisonError::into_inner);
                let left = limits::SIGN_IN_WINDOW.saturating_sub(now.since(since));
                Err(Error::TooManyRequests { message: "too many wrong passwords; try again in a few minutes", retry_after: left })
            }
        }
    }

    /// Notes a wrong password, or a name that nobody has. `guess` stands for both together: the same one counts once.
    pub fn failed(&self, user: &str, guess: [u8; 32], from: Option<IpAddr>, now: Timestamp) {
        let Some(from) = from.map(network) else { return };
        if self.stale.contains_key(&guess) {
            return;
        }
        self.stale.insert(guess, ());
        count(&self.by_address.get_with(from, || Arc::new(Mutex::new((0, now)))), now);
        let name: String = user.chars().take(limits::SIGN_IN_NAME_CHARS_KEPT).collect();
        count(&self.by_user.get_with(name, || Arc::new(Mutex::new((0, now)))), now);
    }

    /// Notes a right password. The address's failures stay: somebody with an account must not guess others' passwords for ever.
    pub fn succeeded(&self, user: &str, from: Option<IpAddr>) {
        if let Some(from) = from.map(network) {
            self.known.insert((user.to_owned(), from), ());
        }
    }
}

fn is_over(window: &Window, most: u32, now: Timestamp) -> bool {
    let (failures, since) = *window.lock().unwrap_or_else(PoisonError::into_inner);
    failures >= most && now.since(since) < limits::SIGN_IN_WINDOW
}

fn count(window: &Window, now: Timestamp) {
    let mut held = window.lock().unwrap_or_else(PoisonError::into_inner);
    let (failures, since) = *held;
    *held = if now.since(since) < limits::SIGN_IN_WINDOW { (failures.saturating_add(1), since) } else { (1, now) };
}

/// Whoever has one IPv6 address has the 2^64 beside it too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn guess(n: u32) -> [u8; 32] {
        let mut guess = [0; 32];
        guess[..4].copy_from_slice(&n.to_le_bytes());
        guess
    }

    #[test]
    fn the_same_wrong_password_counts_once() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_seconds(1_000));
        for _ in 0..2 * limits::SIGN_IN_FAILURES_PER_ADDRESS {
            throttle.failed("alice", guess(1), address("192.0.2.1"), now);
        }
        throttle.admit("alice", address("192.0.2.1"), now).unwrap();
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_may_guess_so_often() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_seconds(1_000));
        for n in 0..limits::SIGN_IN_FAILURES_PER_ADDRESS {
            throttle.admit(&format!("user{n}"), address("192.0.2.1"), now).unwrap();
            throttle.failed(&format!("user{n}"), guess(n), address("192.0.2.1"), now);
        }
        let refused = throttle.admit("alice", address("192.0.2.1"), now);
        assert!(matches!(refused, Err(Error::TooManyRequests { retry_after, .. }) if retry_after == limits::SIGN_IN_WINDOW));
        throttle.admit("alice", address("192.0.2.2"), now).unwrap();
        throttle.admit("alice", address("192.0.2.1"), now.plus(limits::SIGN_IN_WINDOW)).unwrap();
    }

    #[test]
    fn a_user_may_be_guessed_at_so_often_and_is_not_locked_out() {
        let (throttle, now) = (Throttle::default(), Timestamp::from_seconds(1_000));
        throttle.succeeded("alice", address("192.0.2.99"));
        for n in 0..limits::SIGN_IN_FAILURES_PER_USER {
            let from = address(&format!("198.51.100.{n}"));
            throttle.admit("alice", from, now).unwrap();
            throttle.failed("alice", guess(n), from, now);
        }
        assert!(throttle.admit("alice", address("203.0.113.5"), now).is_err());
        throttle.admit("bob", address("203.0.113.5"), now).unwrap();
        throttle.admit("alice", address("192.0.2.99"), now.plus(Duration::from_secs(1))).unwrap();
        throttle.admit("alice", None, now).unwrap();
    }

    #[test]
    fn a_network_is_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), network("2001:db8:1:2::1".parse::<IpAddr>().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
