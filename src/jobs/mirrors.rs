//! What mirrors keep goes when it was not used for long, or when there is too much of it, the longest unused first. The pages go on
//! listing such a file, and it is fetched again when somebody wants it. Stages are not touched: bytes that one of them names stay.

use super::gc::{Amount, Mode, Rules};
use crate::db::kept::KeptFile;
use crate::db::{self, IndexId};
use crate::error::Result;
use crate::fault::{self, Step};
use crate::index::Core;
use crate::index::downloads::day;
use crate::limits;

/// Forgets kept files.
pub(super) async fn files(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let mut forgotten = Amount::default();
    if let Some(unused) = rules.mirror_unused {
        let before = day(core.clock.now().minus(unused));
        while forget(core, before, u64::MAX, mode, &mut forgotten).await? && mode == Mode::Do {}
    }
    if let Some(limit) = rules.mirror_cache {
        while let Some(excess) = excess(core, limit, mode, &forgotten).await? {
            if !forget(core, i64::MAX, excess, mode, &mut forgotten).await? || mode == Mode::DryRun {
                break;
            }
        }
    }
    Ok(forgotten)
}

/// Bytes above the limit.
async fn excess(core: &Core, limit: u64, mode: Mode, forgotten: &Amount) -> Result<Option<u64>> {
    let kept = u64::try_from(db::kept::bytes(&mut core.db.read().await?).await?).unwrap_or_default();
    let foreseen = if mode == Mode::DryRun { forgotten.bytes } else { 0 };
    Ok(kept.saturating_sub(foreseen).checked_sub(limit).filter(|bytes| *bytes > 0))
}

/// Forgets some of the files whose last use is longest ago and before the day `before`, until they make up `bytes`; `false` if
/// there are none.
async fn forget(core: &Core, before: i64, bytes: u64, mode: Mode, forgotten: &mut Amount) -> Result<bool> {
    let count = if mode == Mode::DryRun { i64::MAX } else { limits::GC_BATCH };
    let oldest = db::kept::oldest(&mut core.db.read().await?, before, count).await?;
    if oldest.is_empty() {
        return Ok(false);
    }
    let going = up_to(&oldest, bytes);
    if mode == Mode::Do {
        let mut c = core.db.begin().await?;
        for file in going {
            db::kept::forget(&mut c, file.id).await?;
        }
        fault::at(Step::GcPruned);
        c.commit().await?;
    }
    going.iter().for_each(|file| forgotten.add(file.size));
    Ok(true)
}

/// As many from the beginning as make up `bytes`.
fn up_to(files: &[KeptFile], bytes: u64) -> &[KeptFile] {
    let mut sum = 0_u64;
    let enough = files.iter().position(|file| {
        sum = sum.saturating_add(u64::try_from(file.size).unwrap_or_default());
        sum >= bytes
    });
    &files[..enough.map_or(files.len(), |last| last + 1)]
}

/// Forgets pages that nobody asked for, with what was learnt of their files.
pub(super) async fn pages(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let mut forgotten = Amount::default();
    // Who asks no upstream never checks a page, however often it is used.
    let Some(unused) = rules.mirror_unused.filter(|_| !core.rules.offline) else { return Ok(forgotten) };
    let before = core.clock.now().minus(unused);
    let mut after = (IndexId(0), String::new());
    loop {
        let mut c = core.db.begin().await?;
        let found = db::kept::unused_pages(&mut c, before, (after.0, &after.1), limits::GC_BATCH).await?;
        let Some(last) = found.last() else { return Ok(forgotten) };
        after = (last.index_id, last.name.clone());
        for page in &found {
            if mode == Mode::Do {
                db::kept::forget_page(&mut c, page).await?;
            }
            forgotten.add(page.size);
        }
        if mode == Mode::Do {
            fault::at(Step::GcPruned);
            c.commit().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::FileId;

    #[test]
    fn no_more_goes_than_must() {
        let files: Vec<KeptFile> = [5, 3, 7].iter().map(|size| KeptFile { id: FileId(*size), size: *size, last: 0 }).collect();
        for (bytes, count) in [(1, 1), (5, 1), (6, 2), (8, 2), (9, 3), (15, 3), (16, 3), (u64::MAX, 3)] {
            assert_eq!(up_to(&files, bytes).len(), count, "{bytes}");
        }
        assert!(up_to(&[], 1).is_empty());
    }
}
