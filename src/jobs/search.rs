//! Entries of the search that are missing or not of their project's last change are made: all of them after an upgrade or a move from
//! elsewhere, later the few that a server of an older version beside this one has left behind.
//!
//! Some projects at a time, each locked against changes meanwhile. Broken off anywhere it goes on there: what is done is told by the
//! rows themselves.

use crate::db::search::Indexing;
use crate::db::{self, ProjectId};
use crate::error::Result;
use crate::index::Core;
use crate::index::search::entry;
use crate::limits;

/// Makes what is missing; returns how many entries that were.
pub async fn mend(core: &Core) -> Result<u64> {
    make_indexes(core).await?;
    let (mut mended, mut after) = (0, ProjectId(0));
    loop {
        let projects = db::search::outdated(&mut core.db.read().await?, after, limits::SEARCH_MEND_BATCH).await?;
        let Some(last) = projects.last() else { return Ok(mended) };
        after = *last;
        entry::mend(core, &projects).await?;
        mended += projects.len() as u64;
    }
}

/// Without them the search finds the same, only later.
async fn make_indexes(core: &Core) -> Result<()> {
    match db::search::make_indexes(&mut core.db.read().await?).await {
        Ok(Indexing::Ready) => {}
        Ok(Indexing::Made) => tracing::info!("PostgreSQL's indexes for the search are made"),
        Ok(Indexing::NoExtension) => tracing::warn!(
            "PostgreSQL's extension pg_trgm is missing, so each search reads every entry: let the database's owner run CREATE EXTENSION pg_trgm"
        ),
        Err(error) => tracing::warn!(%error, "PostgreSQL's indexes for the search could not be made; trying again later"),
    }
    Ok(())
}
