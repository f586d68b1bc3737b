//! What mirrors keep goes when it was not used for long, or when there is too much of it, the longest unused first. The pages go on
//! listing such a file, and it is fetched again when somebody wants it. Stages are not touched: bytes that one of them names stay.

use super::gc::{Amount, Mode, Rules};
use crate::db::kept::{KeptFile, Page};
use crate::db::{self, FileId, IndexId};
use crate::error::Result;
use crate::fault::{self, Step};
use crate::index::Core;
use crate::index::downloads::day;
use crate::limits;
use std::time::Duration;

/// Forgets kept files. Both rules take those whose last use is longest ago, so one walk in that order does for both.
pub(super) async fn files(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let mut forgotten = Amount::default();
    // Who asks no upstream could not fetch them again.
    if core.rules.offline {
        return Ok(forgotten);
    }
    let before = rules.mirror_unused.map_or(i64::MIN, |unused| day(core.clock.now().minus(unused)));
    let mut excess = excess(core, rules).await?;
    let mut after = (i64::MIN, FileId(0));
    while rules.mirror_unused.is_some() || excess > 0 {
        let oldest = db::kept::oldest(&mut core.db.read().await?, after, limits::GC_BATCH).await?;
        let going = going(&oldest, before, excess);
        let Some(last) = going.last() else { break };
        after = (last.last, last.id);
        let bytes_before = forgotten.bytes;
        going.iter().for_each(|file| forgotten.add(file.size));
        excess = match mode {
            Mode::Do => forget(core, rules, going).await?,
            Mode::DryRun => excess.saturating_sub(forgotten.bytes - bytes_before),
        };
    }
    Ok(forgotten)
}

/// Bytes above the limit.
async fn excess(core: &Core, rules: &Rules) -> Result<u64> {
    let Some(limit) = rules.mirror_cache else { return Ok(0) };
    let kept = db::kept::bytes(&mut core.db.read().await?).await?;
    Ok(u64::try_from(kept).unwrap_or_default().saturating_sub(limit))
}

/// Forgets these; what is above the limit now. Two mirrors may have kept the same bytes, so that is counted anew.
async fn forget(core: &Core, rules: &Rules, files: &[KeptFile]) -> Result<u64> {
    let mut c = core.db.begin().await?;
    for file in files {
        db::kept::forget(&mut c, file.id).await?;
    }
    fault::at(Step::GcPruned);
    c.commit().await?;
    excess(core, rules).await
}

/// As many from the beginning as were last used before the day `before`, or make up `excess` bytes.
fn going(files: &[KeptFile], before: i64, excess: u64) -> &[KeptFile] {
    let mut bytes = 0_u64;
    let mut goes = |file: &KeptFile| {
        let goes = file.last < before || bytes < excess;
        bytes = bytes.saturating_add(u64::try_from(file.size).unwrap_or_default());
        goes
    };
    &files[..files.iter().take_while(|file| goes(file)).count()]
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
        let unused_by_rule = |page: &&Page| !outlives(core, page.index_id, unused);
        for page in found.iter().filter(unused_by_rule) {
            if mode == Mode::DryRun || db::kept::forget_page(&mut c, page, before).await? {
                forgotten.add(page.size);
            }
        }
        if mode == Mode::Do {
            fault::at(Step::GcPruned);
            c.commit().await?;
        }
    }
}

/// Whether pages of this mirror are good for longer than pages may be unused: one that was not checked may be in use all the time.
fn outlives(core: &Core, index: IndexId, unused: Duration) -> bool {
    core.tree.load().by_id(index).is_some_and(|index| index.settings.mirror_cache_expiry >= unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_than_must() {
        let file = |(last, size)| KeptFile { id: FileId(last), size, last };
        let files: Vec<KeptFile> = [(1, 5), (2, 3), (4, 7)].into_iter().map(file).collect();
        for (excess, count) in [(0, 0), (1, 1), (5, 1), (6, 2), (8, 2), (9, 3), (15, 3), (16, 3), (u64::MAX, 3)] {
            assert_eq!(going(&files, i64::MIN, excess).len(), count, "{excess}");
        }
        for (before, count) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3)] {
            assert_eq!(going(&files, before, 0).len(), count, "{before}");
        }
        assert_eq!(going(&files, 2, 8).len(), 2, "either rule");
        assert!(going(&[], 9, 9).is_empty());
    }
}
