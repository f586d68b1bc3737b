//! What load balancers and orchestrators ask.

use super::Site;
use super::reply::{self, Reply};
use crate::db;
use crate::error::Result;
use crate::limits;
use axum::http::StatusCode;

/// The process lives and answers.
pub fn health() -> Reply {
    reply::text(StatusCode::OK, "ok\n")
}

/// It can do its work: the database answers, and so does the object store, if blobs lie in one. 503 if not.
pub async fn ready(site: &Site) -> Result<Reply> {
    db::journal::last(&mut site.core.db.read().await?).await?;
    let reached = tokio::time::timeout(limits::OBJECT_READY_WAIT, site.core.blobs.reach()).await;
    reached.unwrap_or_else(|late| Err(std::io::Error::from(late)))?;
    Ok(reply::text(StatusCode::OK, "ready\n"))
}
