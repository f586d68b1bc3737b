//! `POST /{user}/{index}/` and `/legacy/`: judge the headers, read the form, publish.
//!
//! Who may not upload and what is too large is told before the body is read. The steps of publishing are `index::publish`.

use super::form::{self, Form};
use super::reply::{self, Reply};
use super::router::At;
use super::{Call, Site};
use crate::error::{Error, Result};
use crate::index::access;
use crate::index::publish::{self, Upload, register};
use crate::index::settings::Kind;
use crate::index::store::Outcome;
use crate::index::tree::Index;
use crate::limits;
use crate::metrics::Uploaded;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use std::sync::Arc;

/// Answers an upload form.
pub async fn upload(site: &Arc<Site>, call: &Call<'_>, at: At<'_>, body: Body) -> Result<Reply> {
    take(site, call, at, body).await.inspect_err(|_| site.core.metrics.uploads.of(Uploaded::Refused).inc())
}

async fn take(site: &Arc<Site>, call: &Call<'_>, at: At<'_>, body: Body) -> Result<Reply> {
    let index = index(site, call, at)?;
    let limit = site.core.rules.max_file_size;
    if announced_length(call).is_some_and(|length| length > limit.saturating_add(limits::FORM_TEXT_BYTES_MAX)) {
        return Err(form::too_large(limit));
    }
    let form = form::read(&site.core.blobs, call.headers, body, limit).await?;
    let action = form.field(":action").map(str::to_owned).or_else(|| call.query_value(":action"));
    match action.as_deref() {
        Some("file_upload") => file_upload(site, call, &index, form).await,
        Some("doc_upload") => super::docs_upload::doc_upload(site, call, &index, form).await,
        Some("submit") => {
            register::register(&site.core, call.caller, &index, &form.fields).await?;
            Ok(reply::text(StatusCode::OK, ""))
        }
        Some("submit_pkg_info" | "verify") => {
            Err(Error::Gone("Projects need no registration here: upload the files instead".into()))
        }
        Some(other) => Err(Error::BadRequest(format!("action '{other}' not supported"))),
        None => Err(Error::BadRequest("the form has no ':action' field; uploads have 'file_upload' in it".into())),
    }
}

/// The index, if the caller may upload something to it. Whoever may neither upload to it nor read it is told what they are
/// told of an index that does not exist.
fn index(site: &Site, call: &Call<'_>, at: At<'_>) -> Result<Arc<Index>> {
    let tree = site.core.tree.load();
    let place = match at {
        At::Index(user, index) => tree.find(user, index),
        At::Default => tree.default.as_ref().and_then(|path| tree.at(path)),
    };
    let path = match at {
        At::Index(user, index) => format!("{user}/{index}"),
        At::Default => "behind /legacy/".into(),
    };
    let hidden = || access::hidden(&tree, call.caller, &path);
    let place = place.ok_or_else(hidden)?;
    let index = &place.index;
    if index.kind == Kind::Stage && access::may_upload_something(call.caller, index) {
        return Ok(index.clone());
    }
    access::see(place, call.caller, call.caller.one_project()).ok_or_else(hidden)?;
    match index.kind {
        Kind::Mirror => Err(Error::NotFound("cannot submit to mirror index".into())),
        Kind::Stage if call.caller.is_anonymous() => Err(Error::Unauthorized("Sign in to upload to this index")),
        Kind::Stage => Err(Error::Forbidden("no permission to submit".into())),
    }
}

fn announced_length(call: &Call<'_>) -> Option<u64> {
    call.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn file_upload(site: &Arc<Site>, call: &Call<'_>, index: &Arc<Index>, form: Form) -> Result<Reply> {
    if form.field("protocol_version").is_some_and(|version| !matches!(version.trim(), "" | "1")) {
        return Err(Error::BadRequest("Unknown protocol version.".into()));
    }
    let (filename, spooled) = form.content.ok_or_else(|| Error::BadRequest("content file field not found".into()))?;
    let upload = Upload { fields: form.fields, filename, spooled };
    let published = publish::publish(&site.core, call.caller, index, upload).await?;
    site.core.metrics.uploads.of(counted(published)).inc();
    Ok(match published {
        Outcome::New | Outcome::Replaced => reply::text(StatusCode::OK, ""),
        Outcome::Identical => {
            reply::with_reason(reply::text(StatusCode::OK, ""), "Upload of identical file to non volatile index.")
        }
    })
}

fn counted(outcome: Outcome) -> Uploaded {
    match outcome {
        Outcome::New => Uploaded::New,
        Outcome::Replaced => Uploaded::Replaced,
        Outcome::Identical => Uploaded::Identical,
    }
}
