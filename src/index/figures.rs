//! How much the server holds: blobs, files, what mirrors keep, room on the disk.
//!
//! Counting takes longer than a page may once there is much. So it is done beside requests, when somebody wants to know and the last
//! count is old; how old it may get depends on how long it takes. Whoever asks gets the last count at once.

use super::core::Core;
use super::store_try;
use crate::clock::Timestamp;
use crate::db::figures::{self as rows, Blobs, Files, Pages};
use crate::db::{self, IndexId};
use crate::error::Result;
use crate::limits;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A count.
#[derive(Debug)]
pub struct Figures {
    /// When it was made.
    pub at: Timestamp,
    /// All blobs.
    pub blobs: Blobs,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// The version of the database's program.
    pub engine_version: String,
    /// The number of the newest migration.
    pub schema: i64,
    /// Why the store of files could not be used when it was last tried.
    pub store_failure: Option<String>,
    /// Bytes that are free where files come in, and all bytes there.
    pub room: Option<(u64, u64)>,
    files: HashMap<IndexId, Files>,
    pages: HashMap<IndexId, Pages>,
    /// How long it may be used.
    good_for: Duration,
}

impl Figures {
    /// The live files of an index, and their bytes; of a mirror what it keeps.
    pub fn files(&self, index: IndexId) -> (u64, u64) {
        let of = |number: i64| u64::try_from(number).unwrap_or_default();
        self.files.get(&index).map_or((0, 0), |files| (of(files.count), of(files.bytes)))
    }

    /// The pages that a mirror remembers; `None` if there are none.
    pub fn pages(&self, mirror: IndexId) -> Option<Pages> {
        self.pages.get(&mirror).copied()
    }
}

/// The last count, and whose turn it is to make the next one.
#[derive(Debug, Default)]
pub struct Counted {
    last: ArcSwapOption<Figures>,
    turn: Arc<Mutex<()>>,
}

/// The last count, which may be some minutes old; `None` if the first one is not done yet. Begins a new one if it is time, and waits for
/// it only as long as a page can wait.
pub async fn figures(core: &Arc<Core>) -> Option<Arc<Figures>> {
    let good = |figures: &Arc<Figures>| core.clock.now() < figures.at.plus(figures.good_for);
    if let Some(figures) = core.figures.last.load_full().filter(good) {
        return Some(figures);
    }
    if let Ok(turn) = core.figures.turn.clone().try_lock_owned() {
        let task = core.clone();
        let counting = core.tasks.spawn(async move {
            let _turn = turn;
            match count(&task).await {
                Ok(figures) => task.figures.last.store(Some(figures.into())),
                Err(error) => tracing::warn!(%error, "the figures of this server could not be counted"),
            }
        });
        let patience = match core.figures.last.load().is_some() {
            true => limits::FIGURES_WAIT,
            false => limits::FIGURES_FIRST_WAIT,
        };
        // Goes on if it takes longer.
        let _ = timeout(patience, counting).await;
    }
    core.figures.last.load_full()
}

async fn count(core: &Core) -> Result<Figures> {
    let (at, begun) = (core.clock.now(), core.clock.uptime());
    let mut c = core.db.read().await?;
    let database_bytes = u64::try_from(rows::database_bytes(&mut c).await?).unwrap_or_default();
    let (engine_version, schema) = (rows::engine_version(&mut c).await?, db::dump::schema_version(&mut c).await?);
    let blobs = rows::blobs(&mut c).await?;
    let files = rows::files(&mut c).await?.into_iter().map(|files| (files.index_id, files)).collect();
    let pages = rows::pages(&mut c).await?.into_iter().map(|pages| (pages.index_id, pages)).collect();
    drop(c);
    let (store, room) = tokio::join!(store_try::store(core), core.blobs.room());
    let store_failure = store.err().map(|error| error.to_string());
    let room = match room {
        Ok(room) => Some(room),
        Err(error) => {
            tracing::debug!(%error, "it is not known how much room is left");
            None
        }
    };
    let took = core.clock.uptime().saturating_sub(begun);
    // So counting takes a hundredth of the time at most.
    let good_for = (took * 100).max(limits::FIGURES_KEPT);
    Ok(Figures { at, blobs, database_bytes, engine_version, schema, store_failure, room, files, pages, good_for })
}
