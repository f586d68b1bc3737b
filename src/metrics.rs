//! What the server counts of itself while it works: plain atomics, added to where something happens and read by `/metrics`.
//!
//! Nothing here has a user, a project or an index in it, and nothing here locks, allocates or waits.

pub mod process;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `by`, which may be negative.
    pub fn add(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The values of one label: few, and known beforehand.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All values.
    const ALL: &'static [Self];
    /// The value as it is shown.
    fn text(self) -> &'static str;
    /// Its place in [`Label::ALL`].
    fn place(self) -> usize;
}

/// Defines an enum of a label's values.
macro_rules! label {
    ($(#[$about:meta])* $name:ident, $label:literal, { $($(#[$each:meta])* $value:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$each])* $value),+
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text),+
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

/// One `T` for each value of a label.
#[derive(Debug)]
pub struct By<L, T = Counter>(Box<[T]>, PhantomData<L>);

impl<L: Label, T: Default> Default for By<L, T> {
    fn default() -> Self {
        Self(L::ALL.iter().map(|_| T::default()).collect(), PhantomData)
    }
}

impl<L: Label, T> By<L, T> {
    /// The one of this value.
    pub fn of(&self, value: L) -> &T {
        &self.0[value.place()]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (L, &T)> {
        L::ALL.iter().copied().zip(&self.0)
    }
}

/// The upper bounds of a [`Histogram`]'s buckets, in microseconds: from a page in memory to a mirror's patience.
pub const BUCKETS: [u64; 12] =
    [100, 250, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 15_000_000, 60_000_000];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, each without those before it, and one for what took longer.
    buckets: [Counter; BUCKETS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// Counts one that took `time`.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BUCKETS.partition_point(|bound| *bound < micros)].inc();
        self.micros.add(micros);
    }

    /// For each bound how many took no longer; then how many there were, and the microseconds of all of them together.
    pub fn read(&self) -> ([u64; BUCKETS.len()], u64, u64) {
        let mut sum = 0;
        let upto = std::array::from_fn(|at| {
            sum += self.buckets[at].get();
            sum
        });
        (upto, sum + self.buckets[BUCKETS.len()].get(), self.micros.get())
    }
}

label! {
    /// What a request was for.
    Route, "route", {
        /// A project's simple page.
        Page = "page",
        /// A list of projects.
        List = "list",
        /// A file.
        File = "file",
        /// A file's metadata (PEP 658).
        Metadata = "metadata",
        /// PyPI's JSON API.
        Json = "json",
        /// An upload of any kind.
        Upload = "upload",
        /// devpi's API.
        Api = "api",
        /// Documentation.
        Docs = "docs",
        /// Pages for people.
        Web = "web",
        /// `/health`, `/ready`, `/metrics`.
        Operations = "operations",
        /// No route.
        None = "none",
    }
}

label! {
    /// The first digit of a status.
    Status, "status", {
        /// 200 to 299, and what is below.
        Success = "2xx",
        /// 300 to 399.
        Redirect = "3xx",
        /// 400 to 499.
        Refused = "4xx",
        /// 500 and above.
        Failed = "5xx",
    }
}

label! {
    /// What became of an upload of a file.
    Uploaded, "outcome", {
        /// A new file.
        New = "new",
        /// It took another one's place.
        Replaced = "replaced",
        /// It was there already.
        Identical = "identical",
        /// It was not taken.
        Refused = "refused",
    }
}

label! {
    /// What upstream said of a page.
    Refreshed, "outcome", {
        /// It has changed, or was not known.
        Changed = "changed",
        /// Nothing has changed.
        Unchanged = "unchanged",
        /// There is no such project.
        Missing = "missing",
        /// Nothing that can be used.
        Failed = "failed",
    }
}

label! {
    /// What became of a file that was fetched from upstream.
    Fetched, "outcome", {
        /// It is whole, right and kept.
        Kept = "kept",
        /// It came to nothing.
        Failed = "failed",
    }
}

label! {
    /// What is asked of the store of files.
    StoreCall, "operation", {
        /// Bytes are kept.
        Commit = "commit",
        /// A blob is opened.
        Open = "open",
        /// Whether a blob is there.
        Contains = "contains",
        /// A blob is deleted.
        Delete = "delete",
        /// Blobs are listed.
        List = "list",
    }
}

/// Connections.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Open now.
    pub connections: Gauge,
    /// Accepted so far.
    pub accepted: Counter,
    /// Those that speak HTTP/2, so far.
    pub http2: Counter,
    /// Those whose TLS handshake failed or took too long.
    pub handshakes_failed: Counter,
    /// Bytes that clients took, before encryption.
    pub sent_bytes: Counter,
}

/// Requests of one route.
#[derive(Debug, Default)]
pub struct Requests {
    /// By status.
    pub status: By<Status>,
    /// From the request's head to the answer's.
    pub time: Histogram,
}

impl Requests {
    /// Counts one that was answered with `status` after `time`.
    pub fn count(&self, status: u16, time: Duration) {
        let status = match status {
            0..300 => Status::Success,
            300..400 => Status::Redirect,
            400..500 => Status::Refused,
            _ => Status::Failed,
        };
        self.status.of(status).inc();
        self.time.observe(time);
    }
}

/// The store of files.
#[derive(Debug, Default)]
pub struct Store {
    /// What was asked of it.
    pub calls: By<StoreCall>,
    /// What of that failed.
    pub failures: By<StoreCall>,
    /// Bytes of files that are coming in.
    pub spooled: Gauge,
    /// Bytes that came in so far.
    pub received_bytes: Counter,
}

/// Everything but what the store counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections.
    pub traffic: Traffic,
    /// Requests.
    pub requests: By<Route, Requests>,
    /// Pages that were in memory, and current.
    pub page_hits: Counter,
    /// Pages that were not.
    pub page_misses: Counter,
    /// Pages that were rendered.
    pub page_renders: Counter,
    /// Answers that were marked as possibly out of date.
    pub stale_answers: Counter,
    /// Uploads of files.
    pub uploads: By<Uploaded>,
    /// Questions to upstreams for pages.
    pub refreshes: By<Refreshed>,
    /// Files fetched from upstreams.
    pub fetches: By<Fetched>,
    /// Bytes of those that came.
    pub fetched_bytes: Counter,
    /// Credentials that were refused.
    pub sign_ins_refused: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_every_bucket_that_it_fits_into() {
        let times = Histogram::default();
        for micros in [0, 100, 101, 60_000_000, 60_000_001] {
            times.observe(Duration::from_micros(micros));
        }
        let (upto, count, sum) = times.read();
        assert_eq!((upto[0], upto[1], upto[10], upto[11], count), (2, 3, 3, 4, 5));
        assert_eq!(sum, 120_000_202);
    }

    #[test]
    fn labels_know_their_places() {
        fn right<L: Label>() {
            assert!(L::ALL.iter().enumerate().all(|(at, value)| value.place() == at));
            let mut texts: Vec<_> = L::ALL.iter().map(|value| value.text()).collect();
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), L::ALL.len());
        }
        right::<Route>();
        right::<Status>();
        right::<Uploaded>();
        right::<Refreshed>();
        right::<Fetched>();
        right::<StoreCall>();
        let requests = By::<Route, Requests>::default();
        for status in [101, 200, 299, 304, 404, 500, 599] {
            requests.of(Route::Page).count(status, Duration::ZERO);
        }
        let counted: Vec<u64> = requests.of(Route::Page).status.iter().map(|(_, count)| count.get()).collect();
        assert_eq!(counted, [3, 1, 1, 2]);
    }
}
