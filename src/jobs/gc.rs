//! Housekeeping: what is old goes, and what nothing needs any more is deleted. The rules are the operator's ([`Rules`]).
//!
//! First rows go (`retention`, `mirrors`), then the bytes that no row keeps (`blobs`). Every step goes through its table some rows
//! at a time, so memory and transactions stay small, and can be broken off anywhere. Published files go only where a rule of
//! their own index says so.

use super::{blobs, mirrors, retention};
use crate::error::{Error, Result};
use crate::index::{Core, owner};
use crate::limits;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// What is kept, and for how long; `None`: for ever.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a blob must be unused before it is marked, and marked before it is deleted.
    pub grace: Duration,
    /// Changes in the journal.
    pub journal: Option<Duration>,
    /// Counts of downloads.
    pub downloads: Option<Duration>,
    /// The bytes of removed files.
    pub removed: Option<Duration>,
    /// Tokens that have expired.
    pub expired: Option<Duration>,
    /// What mirrors keep and nobody uses.
    pub mirror_unused: Option<Duration>,
    /// Bytes of files that mirrors may keep; `None`: any number.
    pub mirror_cache: Option<u64>,
}

impl Default for Rules {
    /// Keeps all rows for ever.
    fn default() -> Self {
        Self {
            grace: limits::GC_GRACE,
            journal: None,
            downloads: None,
            removed: None,
            expired: None,
            mirror_unused: None,
            mirror_cache: None,
        }
    }
}

/// How much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Bytes of all together; 0 where rows have no size worth telling.
    pub bytes: u64,
}

impl Amount {
    /// One more.
    pub(super) fn add(&mut self, bytes: i64) {
        self.count += 1;
        self.bytes += u64::try_from(bytes).unwrap_or_default();
    }

    /// Rows without a size.
    pub(super) fn rows(count: u64) -> Self {
        Self { count, bytes: 0 }
    }
}

/// What a run did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Expired sessions forgotten.
    pub sessions: Amount,
    /// Expired tokens forgotten.
    pub tokens: Amount,
    /// Changes forgotten.
    pub journal: Amount,
    /// Counts of downloads forgotten.
    pub downloads: Amount,
    /// Development releases removed by a rule of their index; bytes of their files.
    pub dev_releases: Amount,
    /// Removed files that keep no bytes any more.
    pub removed_files: Amount,
    /// Files that mirrors forget.
    pub mirror_files: Amount,
    /// Pages that mirrors forget.
    pub mirror_pages: Amount,
    /// Blobs that no row keeps, marked for deletion.
    pub marked: Amount,
    /// Bytes in the store that no row knew, marked for deletion.
    pub strays: Amount,
    /// Blobs deleted.
    pub deleted: Amount,
    /// Uploads in parts that never ended, thrown away; what their parts weigh only the store knows.
    pub parts: Amount,
    /// What ended processes had left in the spool.
    pub spools: Amount,
}

impl Report {
    /// Each kind in words, with how much of it.
    pub fn lines(&self) -> [(&'static str, Amount); 13] {
        [
            ("expired sessions", self.sessions),
            ("expired tokens", self.tokens),
            ("journal entries", self.journal),
            ("download counts", self.downloads),
            ("development releases", self.dev_releases),
            ("removed files past their time", self.removed_files),
            ("mirrored files", self.mirror_files),
            ("mirrored pages", self.mirror_pages),
            ("blobs marked: nothing needs them", self.marked),
            ("blobs marked: nothing knows them", self.strays),
            ("blobs deleted", self.deleted),
            ("uploads in parts that never ended", self.parts),
            ("spool files of ended processes", self.spools),
        ]
    }
}

/// Whether a run changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Do,
    /// It only tells what it would do as things are now: what one step would free for a later one is not foreseen.
    DryRun,
}

/// One run. A step that fails keeps no later one from its work; the first failure is told at the end.
pub async fn run(core: &Arc<Core>, rules: &Rules, mode: Mode) -> Result<Report> {
    run_telling(core, rules, mode, &mut |_| ()).await
}

/// The same, and `tell` hears of each step when it begins.
pub async fn run_telling(core: &Arc<Core>, rules: &Rules, mode: Mode, tell: Tell<'_>) -> Result<Report> {
    owner::check(core).await?;
    let mut report = Report::default();
    let mut steps = Steps { begun: 0, first_failure: None, tell };
    steps.begin("expired sessions and tokens");
    let expired = retention::expired(core, rules, mode, &mut report).await;
    steps.took(expired);
    steps.begin("journal");
    report.journal = steps.took(retention::journal(core, rules, mode).await);
    steps.begin("download counts");
    report.downloads = steps.took(retention::downloads(core, rules, mode).await);
    steps.begin("development releases");
    report.dev_releases = steps.took(retention::dev_releases(core, mode).await);
    steps.begin("removed files");
    report.removed_files = steps.took(retention::removed_files(core, rules, mode).await);
    steps.begin("mirrored files");
    report.mirror_files = steps.took(mirrors::files(core, rules, mode).await);
    steps.begin("mirrored pages");
    report.mirror_pages = steps.took(mirrors::pages(core, rules, mode).await);
    steps.begin("blobs that nothing needs");
    report.marked = steps.took(blobs::mark_unreferenced(core, rules, mode).await);
    steps.begin("blobs that nothing knows");
    report.strays = steps.took(blobs::mark_strays(core, rules, mode).await);
    steps.begin("blobs whose time is over");
    report.deleted = steps.took(blobs::delete_marked(core, rules, mode).await);
    steps.begin("uploads that never ended");
    report.parts = steps.took(blobs::throw_away_parts(core, rules, mode).await);
    steps.begin("spool files");
    report.spools = steps.took(sweep_spools(core, mode).await);
    steps.begin("the database's file");
    if mode == Mode::Do {
        steps.took(core.db.shrink().await.map_err(Error::from));
    }
    steps.first_failure.map_or(Ok(report), Err)
}

/// Steps of a run.
pub const STEPS: u64 = 13;

/// A step that begins: how many were before it, and what it looks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begins {
    /// Of [`STEPS`].
    pub before: u64,
    /// In words.
    pub what: &'static str,
}

/// Whoever hears of the steps.
pub type Tell<'t> = &'t mut (dyn FnMut(Begins) + Send);

async fn sweep_spools(core: &Core, mode: Mode) -> Result<Amount> {
    let (count, bytes) = core.blobs.sweep_spools(mode == Mode::Do).await?;
    Ok(Amount { count, bytes })
}

/// How the steps of a run go.
struct Steps<'t> {
    begun: u64,
    first_failure: Option<Error>,
    tell: Tell<'t>,
}

impl Steps<'_> {
    fn begin(&mut self, what: &'static str) {
        (self.tell)(Begins { before: self.begun, what });
        self.begun += 1;
    }

    /// What the step did; nothing if it failed.
    fn took<T: Default>(&mut self, done: Result<T>) -> T {
        done.unwrap_or_else(|error| {
            tracing::warn!(%error, "a step of gc failed; the others go on");
            self.first_failure.get_or_insert(error);
            T::default()
        })
    }
}
