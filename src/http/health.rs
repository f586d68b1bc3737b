//! What load balancers and orchestrators ask.

use super::Site;
use super::reply::{self, Reply};
use crate::db;
use crate::error::{Error, Result};
use crate::index::{cut_off, store_try};
use crate::limits;
use axum::http::StatusCode;
use std::time::Duration;
use tokio::time::timeout;

/// The process lives and answers.
pub fn health() -> Reply {
    reply::text(StatusCode::OK, "ok\n")
}

/// It can do its work: the database answers, what is in memory is current, and the store of files took a file when it was last
/// tried. 503 if not; for how long, if that is known.
pub async fn ready(site: &Site, cut_off: Option<Duration>) -> Result<Reply> {
    if let Some(age) = cut_off {
        return Err(cut_off::error(age));
    }
    let asked = async { Ok::<_, Error>(db::journal::last(&mut site.core.db.read().await?).await?) };
    timeout(limits::CUT_OFF_LOOK_WAIT, asked).await.map_err(|_| Error::no_database())??;
    store_try::store(&site.core).await?;
    Ok(reply::text(StatusCode::OK, "ready\n"))
}
