//! Documentation archives and test results at their addresses: as they came, for devpi's client and for those who push them on.

use super::files::{self, About};
use super::reply::{self, Reply};
use super::{Call, Site, accept};
use crate::error::{Error, Result};
use crate::index::attachments::{self, Found};
use crate::index::release::{self, Target};
use crate::pypi::filename_guess;
use axum::http::header::ACCEPT;
use axum::http::{Method, StatusCode};
use std::sync::Arc;

/// Answers an address with a name that attachments have. If there is none, it is a file's.
pub async fn attachment(
    site: &Arc<Site>,
    call: &Call<'_>,
    user: &str,
    index: &str,
    folder: &str,
    filename: &str,
) -> Result<Reply> {
    match attachments::find(&site.core, call.caller, user, index, folder, filename).await? {
        Some(found) if *call.method == Method::GET => content(site, call, &found).await,
        Some(found) if *call.method == Method::DELETE => {
            delete(site, call, &found, &format!("{user}/{index}"), &format!("{folder}/{filename}")).await
        }
        _ => files::file(site, call, user, index, folder, filename).await,
    }
}

async fn content(site: &Site, call: &Call<'_>, found: &Found) -> Result<Reply> {
    if accept::names_json(files::header(call, ACCEPT)) {
        let hashes = [("sha256".to_owned(), found.attachment.sha256.hex())];
        let told = files::meta_of(&hashes, Some(found.attachment.uploaded), &found.project, Some(&found.version));
        return Ok(reply::result(StatusCode::OK, "releasefilemeta", told, None));
    }
    let about = About {
        sha256: Some(found.attachment.sha256),
        content_type: filename_guess::content_type(&found.attachment.filename),
        modified: Some(found.attachment.uploaded),
        public: found.public,
    };
    let blob = attachments::open(&site.core, found).await?;
    Ok(files::kept(call, blob, about))
}

/// Deletes an attachment of this very index; `?force` also where things are kept for good.
async fn delete(site: &Arc<Site>, call: &Call<'_>, found: &Found, index: &str, path: &str) -> Result<Reply> {
    if found.index.path.to_string() != index {
        return Err(Error::NotFound(format!("package '{index}/{path}' doesn't exist")));
    }
    let force = call.query_value("force").is_some();
    let target = Target::Attachment(found.attachment.id);
    release::remove(&site.core, call.caller, &found.index, &found.project, target, force).await?;
    Ok(reply::message(StatusCode::OK, &format!("package '{index}/{path}' deleted")))
}
