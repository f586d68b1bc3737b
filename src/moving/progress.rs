//! How far a move has come, told from time to time and never held up by whoever is told.

use super::report::size;
use crate::clock::{Clock, Timestamp};
use std::time::Duration;

/// Shows one line of progress; nothing is shown through the default.
pub type Show = Box<dyn Fn(&str) + Send + Sync>;

/// How far a move has come.
pub struct Progress {
    clock: Clock,
    show: Show,
    every: Duration,
    begun: Timestamp,
    shown: Timestamp,
    files: u64,
    of: u64,
    bytes: u64,
}

impl Progress {
    /// Progress that is shown at most once in `every`.
    pub fn new(clock: Clock, every: Duration, show: Show) -> Self {
        let now = clock.now();
        Self { clock, show, every, begun: now, shown: now, files: 0, of: 0, bytes: 0 }
    }

    /// Progress that nobody sees.
    pub fn silent() -> Self {
        Self::new(Clock::System, Duration::MAX, Box::new(|_| ()))
    }

    /// How many files there are in all. The time begins now.
    pub fn set_total(&mut self, files: u64) {
        (self.of, self.begun) = (files, self.clock.now());
    }

    /// Something takes long that is no file.
    pub fn say(&self, what: &str) {
        (self.show)(what);
    }

    /// A file is done; `what` is where the move is now.
    pub fn step(&mut self, bytes: u64, what: &str) {
        self.files += 1;
        self.bytes += bytes;
        let now = self.clock.now();
        if now.since(self.shown) < self.every {
            return;
        }
        self.shown = now;
        let seconds = now.since(self.begun).as_secs().max(1);
        let of = if self.of > 0 { format!(" of {}", self.of) } else { String::new() };
        (self.show)(&format!("{}{of} files, {}, {} a second, {what}", self.files, size(self.bytes), size(self.bytes / seconds)));
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} files", self.files, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn it_is_told_from_time_to_time() {
        let (clock, told) = (Clock::manual(Timestamp(0)), Arc::new(Mutex::new(Vec::new())));
        let hears = told.clone();
        let mut progress = Progress::new(
            clock.clone(),
            Duration::from_secs(10),
            Box::new(move |line| hears.lock().unwrap().push(line.to_owned())),
        );
        progress.set_total(3);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(6));
            progress.step(6 << 20, "a/b app");
        }
        assert_eq!(*told.lock().unwrap(), ["2 of 3 files, 12.0 MiB, 1.0 MiB a second, a/b app"]);
    }
}
