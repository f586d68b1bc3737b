//! Work that is done from time to time by one node for all: the runner, and what there is to do.
//!
//! A job is a row of `jobs`. Whoever does it moves its time on first, in one statement, so that only one node gets it, and goes on
//! moving it while the work lasts; a node that is killed leaves a job that is due again soon. Every job must bear being done
//! twice at once all the same: a node can stand still for longer than it holds a job.

mod blobs;
pub mod gc;
mod mirrors;
mod retention;
pub mod search;

use crate::clock::Timestamp;
use crate::db::{self, JobId};
use crate::error::{Error, Result};
use crate::index::Core;
use crate::limits;
use std::convert::Infallible;
use std::time::Duration;

/// A job that is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurring {
    /// [`gc::run`].
    Gc,
    /// [`search::mend`].
    Search,
}

impl Recurring {
    fn kind(self) -> &'static str {
        match self {
            Recurring::Gc => "gc",
            // As in the migration that makes the first one, due at once.
            Recurring::Search => "search",
        }
    }
}

/// A job that belongs to this node.
struct Held {
    id: JobId,
    until: Timestamp,
}

/// Makes sure that the job is there, and due in `every` at the latest.
pub async fn schedule(core: &Core, job: Recurring, every: Duration) -> Result<()> {
    let run = core.clock.now().plus(every);
    let due = db::jobs::due(&mut core.db.read().await?, job.kind(), "").await?;
    if due.is_some_and(|due| due <= run) {
        return Ok(());
    }
    let mut c = core.db.begin().await?;
    db::jobs::schedule(&mut c, job.kind(), "", run).await?;
    c.commit().await?;
    Ok(())
}

/// Does `work` if the job is due and nobody else is at it, and sets when it is due again. `None`: it was not.
pub async fn run_once<T, F>(core: &Core, job: Recurring, every: Duration, work: impl FnOnce() -> F) -> Result<Option<T>>
where
    F: Future<Output = Result<T>>,
{
    let Some(mut held) = claim(core, job).await? else { return Ok(None) };
    let done = hold_during(core, &mut held, work()).await;
    let now = core.clock.now();
    let (next, error) = match &done {
        Ok(_) => (now.plus(every), None),
        Err(Error::Internal(cause)) => (now.plus(limits::JOB_RETRY), Some(format!("{cause:#}"))),
        Err(error) => (now.plus(limits::JOB_RETRY), Some(error.to_string())),
    };
    let mut c = core.db.begin().await?;
    db::jobs::finish(&mut c, held.id, held.until, (now, next), error.as_deref()).await?;
    c.commit().await?;
    done.map(Some)
}

async fn claim(core: &Core, job: Recurring) -> Result<Option<Held>> {
    let now = core.clock.now();
    // Looked at first, so that nothing is written when nothing is due.
    let due = db::jobs::due(&mut core.db.read().await?, job.kind(), "").await?;
    if due.is_none_or(|due| due > now) {
        return Ok(None);
    }
    let until = now.plus(limits::JOB_LEASE);
    let mut c = core.db.begin().await?;
    let id = db::jobs::claim(&mut c, job.kind(), "", now, until).await?;
    c.commit().await?;
    Ok(id.map(|id| Held { id, until }))
}

/// Waits for `work` and holds the job as long as that takes. Both go on all the time: on SQLite the renewal waits for the one writer,
/// and that may be `work`.
async fn hold_during<T>(core: &Core, held: &mut Held, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = hold(core, held) => match never {},
    }
}

/// Renews the lease again and again.
async fn hold(core: &Core, held: &mut Held) -> Infallible {
    loop {
        tokio::time::sleep(limits::JOB_LEASE / 3).await;
        if let Err(error) = renew(core, held).await {
            tracing::warn!(%error, "a job could not be held longer; another node may begin it too");
        }
    }
}

async fn renew(core: &Core, held: &mut Held) -> Result<()> {
    let until = core.clock.now().plus(limits::JOB_LEASE);
    let mut c = core.db.begin().await?;
    let is_ours = db::jobs::renew(&mut c, held.id, held.until, until).await?;
    c.commit().await?;
    if is_ours {
        held.until = until;
    }
    Ok(())
}
