//! Garbage collection of blobs, in two phases. The first marks what no row keeps; the second, a grace later, deletes what is
//! still marked and still kept by no row.
//!
//! Against uploads of the same bytes at the same moment: bytes are deleted only while their row is locked, and whoever stores a
//! reference takes the mark off in the same transaction, for which it needs that lock (`index::keep` is the other half). So either
//! the reference is there before the bytes go, and they stay; or the bytes are gone when the row is noted anew, and the
//! upload sees that. One blob a transaction: two rows locked at once could wait for an upload that wants them the other way round.

use super::gc::{Amount, Mode, Rules};
use crate::blobs::ListedBlob;
use crate::clock::Timestamp;
use crate::db::{self, blobs::Sized};
use crate::error::Result;
use crate::fault::{self, Step};
use crate::index::Core;
use crate::limits;
use crate::pypi::Sha256;
use std::collections::HashSet;

/// Marks rows that no other row names.
pub(super) async fn mark_unreferenced(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let now = core.clock.now();
    let unused_since = now.minus(rules.grace);
    let (mut marked, mut after) = (Amount::default(), Vec::new());
    loop {
        let found = db::blobs::unreferenced(&mut core.db.read().await?, &after, unused_since, limits::GC_BATCH).await?;
        let Some(last) = found.last() else { return Ok(marked) };
        after = last.sha256.as_bytes().to_vec();
        for blob in &found {
            if mode == Mode::DryRun || mark(core, &blob.sha256, unused_since, now).await? {
                marked.add(blob.size);
            }
        }
    }
}

async fn mark(core: &Core, sha256: &Sha256, unused_since: Timestamp, now: Timestamp) -> Result<bool> {
    let mut c = core.db.begin().await?;
    let marked = db::blobs::doom(&mut c, sha256, unused_since, now).await?;
    c.commit().await?;
    fault::at(Step::GcMarked);
    Ok(marked)
}

/// Marks bytes that have no row at all: a crash between the store and the database left them.
pub(super) async fn mark_strays(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let now = core.clock.now();
    let young = now.minus(rules.grace);
    let mut marked = Amount::default();
    for first in 0..=u8::MAX {
        let listed = core.blobs.list(first).await?;
        let rows = db::blobs::beginning_with(&mut core.db.read().await?, first).await?;
        let known: HashSet<Sha256> = rows.into_iter().map(|row| row.sha256).collect();
        for blob in listed.iter().filter(|blob| blob.committed <= young && !known.contains(&blob.sha256)) {
            if mode == Mode::DryRun || mark_stray(core, blob, now).await? {
                marked.add(size(blob));
            }
        }
    }
    Ok(marked)
}

fn size(blob: &ListedBlob) -> i64 {
    i64::try_from(blob.size).unwrap_or(i64::MAX)
}

/// The row comes marked, so that it is deleted as any other, and an upload that finds the bytes in the store sees the mark.
async fn mark_stray(core: &Core, blob: &ListedBlob, now: Timestamp) -> Result<bool> {
    let mut c = core.db.begin().await?;
    let marked = db::blobs::doom_stray(&mut c, &blob.sha256, size(blob), now).await?;
    c.commit().await?;
    Ok(marked)
}

/// Deletes what has been marked for long enough.
pub(super) async fn delete_marked(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let marked = core.clock.now().minus(rules.grace);
    let (mut deleted, mut after) = (Amount::default(), Vec::new());
    loop {
        let found = db::blobs::doomed(&mut core.db.read().await?, &after, marked, limits::GC_BATCH).await?;
        let Some(last) = found.last() else { return Ok(deleted) };
        after = last.sha256.as_bytes().to_vec();
        for blob in &found {
            let goes = match mode {
                Mode::Do => delete(core, blob, marked).await?,
                Mode::DryRun => !db::blobs::is_referenced(&mut core.db.read().await?, &blob.sha256).await?,
            };
            if goes {
                deleted.add(blob.size);
            }
        }
    }
}

/// Deletes one blob, unless somebody has come to need it. Killed half way it is done again: the row is still marked.
async fn delete(core: &Core, blob: &Sized, marked: Timestamp) -> Result<bool> {
    // The lock on the row has to outlast the store's answer, however long that takes: else an upload could count on these bytes.
    let mut c = core.db.begin_patient().await?;
    if !db::blobs::lock_doomed(&mut c, &blob.sha256, marked).await? {
        return Ok(false);
    }
    // Asked now that the row is locked: whoever stored a reference has committed it.
    let is_needed = db::blobs::is_referenced(&mut c, &blob.sha256).await?;
    if is_needed {
        db::blobs::rescue(&mut c, &blob.sha256, core.clock.now()).await?;
    } else {
        fault::at(Step::GcChecked);
        core.blobs.delete(&blob.sha256).await?;
        fault::at(Step::GcDeleted);
        db::blobs::forget(&mut c, &blob.sha256).await?;
    }
    c.commit().await?;
    Ok(!is_needed)
}

/// Throws away what uploads in parts have left in the store that were never ended. The grace is longer than any upload.
pub(super) async fn throw_away_parts(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let mut gone = 0;
    for abandoned in core.blobs.abandoned(core.clock.now().minus(rules.grace)).await? {
        if mode == Mode::DryRun || core.blobs.abort(&abandoned).await? {
            gone += 1;
        }
    }
    Ok(Amount::rows(gone))
}
