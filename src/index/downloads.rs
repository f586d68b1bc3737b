//! How often files are downloaded: counted in memory, and written from time to time. An exact figure is not promised: a node
//! that is killed loses what it has counted since.
//!
//! A download is an answer that begins with a file's first byte, whole or a part; whether the client reads to the end is not
//! known. Not one: `HEAD`, "not modified", later parts, metadata, documentation.

use super::core::Core;
use crate::clock::Timestamp;
use crate::db::{self, IndexId};
use crate::error::Result;
use crate::limits;
use crate::pypi::ProjectName;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Independent parts of the counts: as many downloads can be counted at the same moment.
const PARTS: usize = 16;

/// A file: its index, project and name.
type File = (IndexId, ProjectName, String);

/// Downloads that are not written yet.
#[derive(Debug, Default)]
pub struct Counts {
    parts: [Mutex<HashMap<File, i64>>; PARTS],
    hasher: RandomState,
    /// Downloads of more different files than are counted between two writes.
    left_out: AtomicU64,
}

impl Counts {
    /// Counts one download.
    pub fn count(&self, index: IndexId, project: &ProjectName, filename: &str) {
        self.add((index, project.clone(), filename.to_owned()), 1);
    }

    fn add(&self, file: File, count: i64) {
        let mut part = lock(&self.parts[self.hasher.hash_one(&file) as usize % PARTS]);
        if part.len() < limits::DOWNLOADS_COUNTED_MAX / PARTS || part.contains_key(&file) {
            *part.entry(file).or_default() += count;
        } else {
            self.left_out.fetch_add(count.unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// Files that were downloaded since the last writing.
    pub fn pending(&self) -> usize {
        self.parts.iter().map(|part| lock(part).len()).sum()
    }

    /// What was counted, in one order on all nodes.
    fn take(&self) -> Vec<(File, i64)> {
        let mut all: Vec<_> = self.parts.iter().flat_map(|part| std::mem::take(&mut *lock(part))).collect();
        all.sort();
        all
    }
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Days since 1970 UTC.
pub fn day(at: Timestamp) -> i64 {
    at.seconds().div_euclid(86_400)
}

/// Writes what was counted, to the day of the writing. If that fails it stays counted.
pub async fn flush(core: &Core) -> Result<()> {
    let left_out = core.downloads.left_out.swap(0, Ordering::Relaxed);
    if left_out > 0 {
        tracing::warn!(left_out, "downloads of too many different files at once were not counted");
    }
    let counted = core.downloads.take();
    let written = write(core, &counted).await;
    if written.is_err() {
        counted.into_iter().for_each(|(file, count)| core.downloads.add(file, count));
    }
    written
}

async fn write(core: &Core, counted: &[(File, i64)]) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let today = day(core.clock.now());
    let mut c = core.db.begin().await?;
    for ((index, project, filename), count) in counted {
        db::downloads::add(&mut c, *index, project.as_str(), filename, today, *count).await?;
    }
    c.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_are_taken_once() {
        let (counts, app) = (Counts::default(), ProjectName::parse("app").unwrap());
        for filename in ["b", "a", "b"] {
            counts.count(IndexId(1), &app, filename);
        }
        counts.count(IndexId(2), &app, "a");
        let taken: Vec<_> = counts.take().into_iter().map(|((index, _, name), count)| (index.0, name, count)).collect();
        assert_eq!(taken, [(1, "a".into(), 1), (1, "b".into(), 2), (2, "a".into(), 1)]);
        assert!(counts.take().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (counts, app) = (Counts::default(), ProjectName::parse("app").unwrap());
        for n in 0..2 * limits::DOWNLOADS_COUNTED_MAX {
            counts.count(IndexId(1), &app, &n.to_string());
        }
        let held = counts.take().len();
        assert_eq!(held, limits::DOWNLOADS_COUNTED_MAX / PARTS * PARTS);
        assert_eq!(counts.left_out.load(Ordering::Relaxed), 2 * limits::DOWNLOADS_COUNTED_MAX as u64 - held as u64);
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        let of = |text| day(Timestamp::parse(text).unwrap());
        assert_eq!((of("1970-01-01T23:59:59.9Z"), of("1970-01-02T00:00:00Z"), of("2026-03-01T00:30:00+01:00")), (0, 1, 20_512));
    }
}
