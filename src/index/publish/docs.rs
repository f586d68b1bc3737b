//! Uploading documentation (`doc_upload`, which setuptools and devpi's client send): claims -> look into the archive -> commit
//! the blob -> one transaction -> follow. A release has one archive of documentation; uploading it may make the release.

use super::claims;
use crate::blobs::{Spooled, StoredBlob};
use crate::clock::Timestamp;
use crate::db::attachments::{Kind, NewAttachment};
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, ProjectId, ReleaseId};
use crate::error::{Error, Result};
use crate::index::access::{self, Action as Wanted, Caller};
use crate::index::core::Core;
use crate::index::inspect::{DocsZip, Refused};
use crate::index::store::{self, Outcome};
use crate::index::tree::Index;
use crate::index::{fetch, follow, keep, search};
use crate::pypi::{ProjectName, version};
use serde_json::json;
use std::sync::Arc;

/// What came with a form of documentation.
#[derive(Debug)]
pub struct DocsUpload {
    /// The project as the form writes it.
    pub name: String,
    /// The version; `None` if the form does not name one: the newest release is meant.
    pub version: Option<String>,
    /// The archive's name as sent; it is stored under another one.
    pub filename: String,
    /// The archive.
    pub spooled: Spooled,
}

/// Attaches documentation to a release of `index`. [`Error::Conflict`] if the release has other documentation and the index is
/// not volatile.
pub async fn attach(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, upload: DocsUpload) -> Result<Outcome> {
    let project = claims::project(&upload.name)?;
    if !access::may(caller, Wanted::Upload, index, Some(&project)) {
        return Err(Error::Forbidden(format!("this token may not upload to project '{project}'")));
    }
    let version = named_version(upload.version.as_deref())?;
    check(&upload.spooled).await?;
    let (task, index, actor) = (core.clone(), index.clone(), caller.actor());
    follow::change(core, async move {
        let blob = keep::commit(&task, upload.spooled).await?;
        let (name, filename) = (&upload.name, &upload.filename);
        let entry = Entry { index: &index, project: &project, name, version: version.as_deref(), filename, blob, actor: &actor };
        record(&task, &entry).await
    })
    .await
}

/// The version that the form names, if it names one. devpi's client leaves the field out where it knows none.
fn named_version(text: Option<&str>) -> Result<Option<String>> {
    match text.map(str::trim) {
        None => Ok(None),
        Some("") => Err(Error::BadRequest("invalid metadata: Missing required field \"version\"".into())),
        Some(text) => claims::check_version(text).map(|()| Some(text.to_owned())),
    }
}

/// The archive must be one that can be given out, file by file. On the blocking pool, because it is unpacked once.
async fn check(spooled: &Spooled) -> Result<()> {
    let file = spooled.file()?;
    let checked = tokio::task::spawn_blocking(move || DocsZip::check(file).map(drop)).await?;
    checked.map_err(|refused| match refused {
        Refused::Unreadable(error) => error.into(),
        refused => Error::BadRequest(format!("Invalid documentation archive. {refused}")),
    })
}

/// What the transaction writes.
struct Entry<'a> {
    index: &'a Index,
    project: &'a ProjectName,
    name: &'a str,
    version: Option<&'a str>,
    filename: &'a str,
    blob: StoredBlob,
    actor: &'a str,
}

async fn record(core: &Core, entry: &Entry<'_>) -> Result<Outcome> {
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    super::refuse_if_closed(&mut c, entry.index, entry.project).await?;
    let project = put_project(&mut c, entry, now).await?;
    keep::note(&mut c, &core.blobs, &fetch::blob_row(&entry.blob), now).await?;
    let (release, version) = put_release(&mut c, project, entry, now).await?;
    let filename = format!("{}-{version}.doc.zip", entry.project);
    let attached = NewAttachment {
        release,
        file: None,
        kind: Kind::DocZip,
        filename: &filename,
        sha256: entry.blob.sha256,
        size: entry.blob.size,
        uploaded: now,
        uploaded_by: Some(entry.actor),
        log: None,
    };
    let outcome = store::attach(&mut c, entry.index, &attached).await.map_err(|error| match error {
        // In devpi's words, which name the file as it was sent.
        Error::Conflict(_) => store::conflict(entry.filename),
        other => other,
    })?;
    if outcome == Outcome::Identical {
        return Ok(outcome);
    }
    search::entry::renew(&mut c, project).await?;
    let change = Change {
        actor: entry.actor,
        index: Some(entry.index.id),
        project: Some(entry.project),
        action: Action::DocsAdd,
        detail: json!({"filename": filename, "version": version, "sha256": entry.blob.sha256, "replaced": outcome == Outcome::Replaced}),
    };
    let serial = db::journal::append(&mut c, &change, now).await?;
    db::projects::set_serial(&mut c, project, serial).await?;
    c.commit().await?;
    Ok(outcome)
}

/// The project, locked. Documentation does not change how it is spelled.
async fn put_project(c: &mut Conn, entry: &Entry<'_>, now: Timestamp) -> Result<ProjectId> {
    let known = db::projects::by_name(c, entry.index.id, entry.project).await?;
    let spelling = known.as_ref().filter(|known| !known.reserved).map_or(entry.name, |known| &known.display_name);
    Ok(db::projects::put(c, entry.index.id, entry.project, spelling, now).await?)
}

/// The release and its version as it is written there. One that is not there yet is made.
async fn put_release(c: &mut Conn, project: ProjectId, entry: &Entry<'_>, now: Timestamp) -> Result<(ReleaseId, String)> {
    let Some(version) = entry.version else {
        let newest = db::releases::versions(c, project).await?.pop();
        return newest.ok_or_else(|| {
            let words = format!("doczip has no version and '{}' has no releases to derive one from", entry.project);
            Error::BadRequest(words)
        });
    };
    if let Some(release) = db::releases::by_canonical(c, project, &version::canonical(version)).await? {
        return Ok((release.id, release.version));
    }
    let metadata = json!({"name": entry.name, "version": version});
    Ok((store::put_release(c, project, version, &metadata, now).await?, version.to_owned()))
}
