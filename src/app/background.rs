//! What happens by itself while the server runs. Each task does one small thing from time to time and survives its failures.

use crate::db;
use crate::db::listen::Listener;
use crate::error::Result;
use crate::index::{Core, downloads, follow, nodes};
use crate::jobs::gc::{self, Mode, Rules};
use crate::jobs::{self, Recurring};
use crate::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often `gc` runs, and what it keeps.
#[derive(Debug, Clone)]
pub struct Gc {
    /// From the end of one run to the next.
    pub every: Duration,
    /// What it keeps.
    pub rules: Rules,
}

/// The running background tasks.
#[derive(Debug)]
pub struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Background {
    /// Starts them all.
    pub fn start(core: &Arc<Core>, gc: Option<Gc>) -> Self {
        let background = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        background.every(limits::JOURNAL_POLL, "follow the journal", core, follow_journal);
        background.until_stopped(listen(core.clone()));
        background.every(limits::SESSION_PRUNING, "forget expired sessions", core, prune_sessions);
        background.every(limits::DOWNLOADS_FLUSH, "write the counts of downloads", core, count_downloads);
        let stop = background.stop.clone();
        background.every(limits::JOB_POLL, "keep the search complete", core, move |core| mend_search(core, stop.clone()));
        if let Some(gc) = gc {
            let stop = background.stop.clone();
            background.every(limits::JOB_POLL, "tidy up", core, move |core| tidy(core, gc.clone(), stop.clone()));
        }
        background
    }

    /// Ends them between two rounds, and waits for that.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does `work`, which may be dropped wherever it waits, until the end.
    pub fn until_stopped(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// Does `work` now and then every `period`. The first of several failures in a row is logged, and their end.
    fn every<F>(&self, period: Duration, what: &'static str, core: &Arc<Core>, work: impl Fn(Arc<Core>) -> F + Send + 'static)
    where
        F: Future<Output = Result<()>> + Send,
    {
        let (core, stop) = (core.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let mut rounds = interval(period);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            while stop.run_until_cancelled(rounds.tick()).await.is_some() {
                let done = work(core.clone()).await;
                match &done {
                    Ok(()) if failing => tracing::info!("could {what} again"),
                    Ok(()) => {}
                    Err(error) if failing => tracing::debug!(%error, "still could not {what}"),
                    Err(error) => tracing::error!(error = ?error, "could not {what}; trying again and again"),
                }
                failing = done.is_err();
            }
        });
    }
}

async fn follow_journal(core: Arc<Core>) -> Result<()> {
    follow::catch_up(&core).await?;
    nodes::beat(&core).await
}

/// Listens to what other processes announce. Whatever becomes of the connection, the journal is looked at from where it was left; and
/// the poll goes on.
async fn listen(core: Arc<Core>) {
    loop {
        match Listener::open(&core.db).await {
            Ok(None) => return,
            Ok(Some(listener)) => {
                hear(&core, listener).await;
                tracing::info!("the connection that hears of other nodes' changes was lost; opening it again");
            }
            Err(error) => tracing::debug!(%error, "cannot listen to the database"),
        }
        tokio::time::sleep(limits::LISTENER_PAUSE).await;
    }
}

/// Until the connection is lost.
async fn hear(core: &Core, mut listener: Listener) {
    // What was announced before anybody listened.
    let mut outcome = follow::catch_up(core).await.map(drop);
    loop {
        if let Err(error) = outcome {
            tracing::debug!(%error, "could not follow an announcement; the poll will");
        }
        let Some(heard) = listener.next().await else { return };
        outcome = follow::hear(core, heard).await;
    }
}

async fn count_downloads(core: Arc<Core>) -> Result<()> {
    downloads::flush(&core).await
}

/// Broken off when the server stops: what it has done stays done, and the job is due again soon.
async fn tidy(core: Arc<Core>, gc: Gc, stop: CancellationToken) -> Result<()> {
    jobs::schedule(&core, Recurring::Gc, gc.every).await?;
    let work = jobs::run_once(&core, Recurring::Gc, gc.every, || gc::run(&core, &gc.rules, Mode::Do));
    if let Some(Some(report)) = stop.run_until_cancelled(work).await.transpose()? {
        for (what, amount) in report.lines().into_iter().filter(|(_, amount)| amount.count > 0) {
            tracing::info!(count = amount.count, bytes = amount.bytes, "gc: {what}");
        }
    }
    Ok(())
}

/// The same.
async fn mend_search(core: Arc<Core>, stop: CancellationToken) -> Result<()> {
    jobs::schedule(&core, Recurring::Search, limits::SEARCH_MEND_EVERY).await?;
    let work = jobs::run_once(&core, Recurring::Search, limits::SEARCH_MEND_EVERY, || jobs::search::mend(&core));
    if let Some(Some(mended @ 1..)) = stop.run_until_cancelled(work).await.transpose()? {
        tracing::info!(projects = mended, "made missing entries of the search");
    }
    Ok(())
}

async fn prune_sessions(core: Arc<Core>) -> Result<()> {
    let mut c = core.db.begin().await?;
    let pruned = db::sessions::prune(&mut c, core.clock.now()).await?;
    c.commit().await?;
    tracing::debug!(pruned, "forgot expired sessions");
    Ok(())
}
