//! Whether the store of files can do its work, for those who ask again and again (`/ready`). It is tried now and then, and all who
//! ask meanwhile are told what came of it: a hundred questions a second cost the store no more than one.

use super::core::Core;
use crate::error::{Error, Result};
use crate::limits;
use std::io;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The last try.
#[derive(Debug, Default)]
pub struct StoreTry(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    at: Option<Duration>,
    failed: bool,
    /// One that has not ended in time: a folder on a network drive may hang for ever, and then nothing else is begun.
    hanging: Option<JoinHandle<io::Result<()>>>,
}

/// [`Error::Unavailable`] unless the store takes and gives files. Tries it if the last try lies back far enough.
pub async fn store(core: &Core) -> Result<()> {
    let mut last = core.store_try.0.lock().await;
    let is_due = last.at.is_none_or(|at| core.clock.uptime().saturating_sub(at) >= limits::STORE_TRY_EVERY);
    if is_due {
        let outcome = attempt(core, &mut last).await;
        match &outcome {
            Ok(()) if last.failed => tracing::info!("the store of files can be used again"),
            Err(error) if !last.failed => tracing::error!(%error, "the store of files cannot be used"),
            _ => {}
        }
        (last.at, last.failed) = (Some(core.clock.uptime()), outcome.is_err());
    }
    match last.failed {
        true => Err(Error::no_store()),
        false => Ok(()),
    }
}

async fn attempt(core: &Core, last: &mut Last) -> io::Result<()> {
    let mut work = last.hanging.take().unwrap_or_else(|| {
        let blobs = core.blobs.clone();
        tokio::spawn(async move { blobs.attempt().await })
    });
    match timeout(limits::STORE_TRY_WAIT, &mut work).await {
        Ok(done) => done.unwrap_or_else(|failed| Err(io::Error::other(failed))),
        Err(late) => {
            last.hanging = Some(work);
            Err(late.into())
        }
    }
}
