//! Rows whose time is over. Each rule is a setting; none of them touches a published file but that of development releases,
//! which their own index sets.

use super::gc::{Amount, Mode, Report, Rules};
use crate::clock::Timestamp;
use crate::db::{self, Conn, FileId, ProjectId, UserId};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::index::caveats::Bounds;
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::index::{Core, dev_releases as rule, downloads as counts, release};
use crate::limits;
use std::sync::Arc;

/// Forgets sessions that have expired, and tokens that expired long ago. Nobody could use them any more.
pub(super) async fn expired(core: &Core, rules: &Rules, mode: Mode, report: &mut Report) -> Result<()> {
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    report.sessions = match mode {
        Mode::DryRun => rows(db::sessions::count_expired(&mut c, now).await?),
        Mode::Do => Amount::rows(db::sessions::prune(&mut c, now).await?),
    };
    if let Some(keep) = rules.expired {
        let at = now.minus(keep);
        report.tokens = match mode {
            Mode::DryRun => rows(db::tokens::count_expired(&mut c, at).await?),
            Mode::Do => Amount::rows(db::tokens::prune(&mut c, at).await?),
        };
        report.tokens.count += devpi_tokens(&mut c, at, mode).await?;
    }
    end(c, mode).await
}

/// The end of a devpi token stands among its caveats.
async fn devpi_tokens(c: &mut Conn, at: Timestamp, mode: Mode) -> Result<u64> {
    let (mut count, mut after) = (0, (UserId(0), String::new()));
    loop {
        let page = db::devpi_tokens::page(c, (after.0, &after.1), limits::GC_BATCH).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = (last.user_id, last.id.clone());
        for token in page {
            let end = Bounds::read(&token.restrictions.0).and_then(|bounds| bounds.end());
            if end.is_some_and(|end| end <= at) {
                count += 1;
                if mode == Mode::Do {
                    db::devpi_tokens::remove(c, token.user_id, &token.id).await?;
                }
            }
        }
    }
}

/// Forgets old changes; the newest stays.
pub(super) async fn journal(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let Some(keep) = rules.journal else { return Ok(Amount::default()) };
    let before = core.clock.now().minus(keep);
    if mode == Mode::DryRun {
        return Ok(rows(db::journal::count_old(&mut core.db.read().await?, before).await?));
    }
    let mut pruned = 0;
    loop {
        let mut c = core.db.begin().await?;
        let now = match db::journal::old(&mut c, before, limits::GC_BATCH).await? {
            Some(upto) => db::journal::prune(&mut c, upto).await?,
            None => 0,
        };
        end(c, mode).await?;
        pruned += now;
        if now == 0 {
            return Ok(Amount::rows(pruned));
        }
    }
}

/// Forgets old counts. What tells how long a mirrored file was not used is kept as long as that is wanted.
pub(super) async fn downloads(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let Some(keep) = rules.downloads else { return Ok(Amount::default()) };
    let keep = keep.max(rules.mirror_unused.unwrap_or_default());
    let before = counts::day(core.clock.now().minus(keep));
    if mode == Mode::DryRun {
        return Ok(rows(db::downloads::count_before(&mut core.db.read().await?, before).await?));
    }
    let mut pruned = 0;
    loop {
        let mut c = core.db.begin().await?;
        let now = db::downloads::prune(&mut c, before, 1).await?;
        end(c, mode).await?;
        pruned += now;
        if now == 0 {
            return Ok(Amount::rows(pruned));
        }
    }
}

/// Lets removed files go for good: their rows stay and say that they were there, but keep no bytes. What a mirror has removed,
/// because its upstream replaced it, is forgotten altogether.
pub(super) async fn removed_files(core: &Core, rules: &Rules, mode: Mode) -> Result<Amount> {
    let Some(keep) = rules.removed else { return Ok(Amount::default()) };
    let now = core.clock.now();
    let (mut purged, mut after) = (Amount::default(), FileId(0));
    loop {
        let mut c = core.db.begin().await?;
        let page = db::files::unpurged(&mut c, after, now.minus(keep), limits::GC_BATCH).await?;
        let Some(last) = page.last() else { return Ok(purged) };
        after = last.id;
        for file in &page {
            match (mode, Kind::parse(&file.kind)) {
                (Mode::DryRun, _) => {}
                (Mode::Do, Ok(Kind::Mirror)) => db::kept::forget(&mut c, file.id).await?,
                (Mode::Do, _) => db::files::purge(&mut c, file.id, now).await?,
            }
            purged.add(file.size);
        }
        end(c, mode).await?;
    }
}

/// Removes development releases where an index has a rule for them.
pub(super) async fn dev_releases(core: &Arc<Core>, mode: Mode) -> Result<Amount> {
    let mut removed = Amount::default();
    let tree = core.tree.load_full();
    for place in tree.all() {
        if place.index.kind == Kind::Stage && rule::is_set(&place.index.settings) {
            of_index(core, &place.index, mode, &mut removed).await?;
        }
    }
    Ok(removed)
}

async fn of_index(core: &Arc<Core>, index: &Arc<Index>, mode: Mode, removed: &mut Amount) -> Result<()> {
    let mut after = ProjectId(0);
    loop {
        let projects = db::projects::page(&mut core.db.read().await?, index.id, after, limits::GC_BATCH).await?;
        let Some((last, _)) = projects.last() else { return Ok(()) };
        after = *last;
        for (id, project) in &projects {
            let releases = db::releases::aged(&mut core.db.read().await?, *id).await?;
            for release in rule::going(&index.settings, &releases, core.clock.now()) {
                if mode == Mode::Do {
                    match release::remove_by_rule(core, index, project, &release.version).await {
                        // Its owner was faster.
                        Err(Error::NotFound(_)) => continue,
                        other => other?,
                    }
                }
                removed.add(release.size);
            }
        }
    }
}

fn rows(count: i64) -> Amount {
    Amount::rows(u64::try_from(count).unwrap_or_default())
}

/// Ends a transaction: a dry run has written nothing.
async fn end(c: Conn, mode: Mode) -> Result<()> {
    if mode == Mode::Do {
        fault::at(Step::GcPruned);
        c.commit().await?;
    }
    Ok(())
}
