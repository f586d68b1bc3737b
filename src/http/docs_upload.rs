//! Upload forms with documentation: `:action=doc_upload`.

use super::form::Form;
use super::reply::{self, Reply};
use super::{Call, Site};
use crate::error::{Error, Result};
use crate::index::publish::docs::{self, DocsUpload};
use crate::index::store::Outcome;
use crate::index::tree::Index;
use axum::http::StatusCode;
use std::sync::Arc;

/// Attaches the form's archive to the release that it names.
pub async fn doc_upload(site: &Arc<Site>, call: &Call<'_>, index: &Arc<Index>, form: Form) -> Result<Reply> {
    let field = |name: &str| form.field(name).map(str::to_owned);
    let name = field("name").ok_or_else(|| Error::BadRequest("invalid metadata: Missing required field \"name\"".into()))?;
    let version = field("version");
    let (filename, spooled) = form.content.ok_or_else(|| Error::BadRequest("content file field not found".into()))?;
    let upload = DocsUpload { name, version, filename, spooled };
    let attached = docs::attach(&site.core, call.caller, index, upload).await?;
    let reply = reply::text(StatusCode::OK, "");
    Ok(match attached {
        Outcome::New | Outcome::Replaced => reply,
        Outcome::Identical => reply::with_reason(reply, "Upload of identical file to non volatile index."),
    })
}
