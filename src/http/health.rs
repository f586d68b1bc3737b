//! What load balancers and orchestrators ask.

use super::Site;
use super::reply::{self, Reply};
use crate::db;
use crate::error::Result;
use axum::http::StatusCode;

/// The process lives and answers.
pub fn health() -> Reply {
    reply::text(StatusCode::OK, "ok\n")
}

/// It can do its work: the database answers. 503 if not.
pub async fn ready(site: &Site) -> Result<Reply> {
    db::journal::last(&mut site.core.db.read().await?).await?;
    Ok(reply::text(StatusCode::OK, "ready\n"))
}
