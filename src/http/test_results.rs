//! `POST` to a file's address: devpi's client reports the results of testing it.

use super::form;
use super::reply::{self, Reply};
use super::{Call, Site};
use crate::blobs::{Digests, SpoolError};
use crate::error::{Error, Result};
use crate::index::results;
use crate::limits;
use axum::body::Body;
use axum::http::StatusCode;
use futures_util::StreamExt;
use std::sync::Arc;

/// Attaches the body to the file. Whoever may not is told so before it is read.
pub async fn attach(
    site: &Arc<Site>,
    call: &Call<'_>,
    (user, index): (&str, &str),
    folder: &str,
    filename: &str,
    body: Body,
) -> Result<Reply> {
    let tested = results::find(&site.core, call.caller, user, index, folder, filename).await?;
    let mut spool = site.core.blobs.spool(limits::RESULT_BYTES_MAX, Digests::Sha256).await?;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| form::broken(&error))?;
        spool.write(chunk).await.map_err(refused)?;
    }
    let result = spool.finish().await.map_err(refused)?;
    let path = results::attach(&site.core, call.caller, tested, result).await?;
    Ok(reply::result(StatusCode::OK, "toxresultpath", path.into(), None))
}

fn refused(error: SpoolError) -> Error {
    match error {
        SpoolError::TooLarge { limit } => Error::TooLarge(format!("a test result has at most {limit} bytes here")),
        SpoolError::Full => Error::NoRoom,
        SpoolError::Io(error) => error.into(),
    }
}
