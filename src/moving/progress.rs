//! How far a move has come, told from time to time and never held up by whoever is told.

use crate::clock::{Clock, Timestamp};
use crate::render::words::size;
use std::time::Duration;

/// How far a move has come, for whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'a> {
    /// In words, one line.
    pub text: &'a str,
    /// So much of so much, if it is known how much there is.
    pub share: Option<(u64, u64)>,
}

/// Shows it.
pub type Show = Box<dyn Fn(Told<'_>) + Send + Sync>;

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
    /// Parts that are done, and how many there are, where nobody counts the files.
    parts: Option<(u64, u64)>,
}

impl Progress {
    /// Progress that is shown at most once in `every`.
    pub fn new(clock: Clock, every: Duration, show: Show) -> Self {
        let now = clock.now();
        Self { clock, show, every, begun: now, shown: now, files: 0, of: 0, bytes: 0, parts: None }
    }

    /// Progress that nobody sees.
    pub fn silent() -> Self {
        Self::new(Clock::System, Duration::MAX, Box::new(|_| ()))
    }

    /// How many files there are in all. The time begins now.
    pub fn set_total(&mut self, files: u64) {
        (self.of, self.begun) = (files, self.clock.now());
    }

    /// So many of equal parts are done: for moves that do not know how many files there are.
    pub fn set_parts(&mut self, done: u64, of: u64) {
        self.parts = Some((done, of));
    }

    /// Something takes long that is no file.
    pub fn say(&self, what: &str) {
        (self.show)(Told { text: what, share: self.share() });
    }

    fn share(&self) -> Option<(u64, u64)> {
        if self.of > 0 { Some((self.files.min(self.of), self.of)) } else { self.parts }
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
        let (files, bytes, speed) = (self.files, size(self.bytes), size(self.bytes / seconds));
        self.say(&format!("{files}{of} files, {bytes}, {speed} a second, {what}"));
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
            Box::new(move |told| hears.lock().unwrap().push((told.text.to_owned(), told.share))),
        );
        progress.set_total(3);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(6));
            progress.step(6 << 20, "a/b app");
        }
        let text = "2 of 3 files, 12.0 MiB, 1.0 MiB a second, a/b app".to_owned();
        assert_eq!(*told.lock().unwrap(), [(text, Some((2, 3)))]);
    }
}
