//! The upload, as named steps: claims -> digests -> inspect -> commit the blobs -> one transaction -> follow.
//!
//! The form is a hint; the archive is the truth. Where an index is lenient and the archive says nothing, the form is believed. Nothing is visible before the transaction, and after it everything is. A step
//! that refuses leaves nothing behind.

mod claims;
pub mod docs;
pub mod register;

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::inspect::{self, Inspected, Refused};
use super::settings::UploadChecks;
use super::store::{self, Incoming, Outcome};
use super::tree::Index;
use super::{fetch, follow, keep};
use crate::blobs::{Spooled, StoredBlob};
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, Serial};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::pypi::{ProjectName, metadata_form, version};
use bytes::Bytes;
use claims::Claims;
pub use claims::check_version;
use serde_json::{Value, json};
use std::sync::Arc;

/// What came with an upload form.
#[derive(Debug)]
pub struct Upload {
    /// The text fields, in the order sent.
    pub fields: Vec<(String, String)>,
    /// The file's name as sent.
    pub filename: String,
    /// The file's bytes.
    pub spooled: Spooled,
}

impl Upload {
    /// The value of a text field; empty and `UNKNOWN` count as not given (old distutils, pdm).
    fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        value.filter(|text| !text.is_empty() && *text != "UNKNOWN")
    }
}

/// What a release's pages show of it: said by the archive, or, where that says nothing, by the form.
struct Said {
    display_name: String,
    version: String,
    metadata: Value,
    requires_python: Option<String>,
    /// The bytes of METADATA or PKG-INFO, if the archive has it.
    bytes: Option<Vec<u8>>,
}

/// Publishes an upload to `index`.
pub async fn publish(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, upload: Upload) -> Result<Outcome> {
    let claims = claims::read(&upload, index.settings.upload_checks)?;
    if !access::may(caller, Wanted::Upload, index, Some(&claims.project)) {
        return Err(Error::Forbidden(format!("this token may not upload to project '{}'", claims.project)));
    }
    carry_out(core, caller.actor(), index, upload, claims).await
}

/// The same for whoever has the database in their hands and need not ask: the command line. `actor` is for the journal.
pub async fn publish_as(core: &Arc<Core>, actor: &str, index: &Arc<Index>, upload: Upload) -> Result<Outcome> {
    let claims = claims::read(&upload, index.settings.upload_checks)?;
    carry_out(core, actor.to_owned(), index, upload, claims).await
}

async fn carry_out(core: &Arc<Core>, actor: String, index: &Arc<Index>, upload: Upload, claims: Claims) -> Result<Outcome> {
    check_digests(&claims, &upload.spooled)?;
    let said = match inspect(&claims, &upload.spooled, index.settings.upload_checks).await? {
        Some(inspected) => said_by_archive(inspected),
        None => said_by_form(&claims, &upload),
    };
    let (task, index) = (core.clone(), index.clone());
    fault::at(Step::UploadSpooled);
    follow::change(core, async move {
        let metadata = said.bytes.clone().map(Bytes::from);
        let (blob, metadata_blob) = keep::commit_with(&task, upload.spooled, metadata).await?;
        fault::at(Step::UploadBlobKept);
        let entry =
            Entry { index: &index, claims: &claims, said, blob, metadata_blob, filename: &upload.filename, actor: &actor };
        let (outcome, serial) = record(&task, entry).await?;
        let (index, file, serial) = (&index.path, &upload.filename, serial.map(|serial| serial.0));
        tracing::info!(%index, file, by = actor, serial, ?outcome, "upload");
        Ok(outcome)
    })
    .await
}

/// Step two: the bytes that came are the bytes that were sent.
fn check_digests(claims: &Claims, spooled: &Spooled) -> Result<()> {
    let found = [
        ("SHA-256", &claims.sha256, Some(spooled.sha256.hex())),
        ("MD5", &claims.md5, spooled.md5.map(hex::encode)),
        ("BLAKE2b-256", &claims.blake2, spooled.blake2.map(hex::encode)),
    ];
    for (name, claimed, found) in found {
        if let (Some(claimed), Some(found)) = (claimed, found)
            && *claimed != found
        {
            return Err(Error::BadRequest(format!(
                "The digest supplied does not match a digest calculated from the uploaded file ({name} is {found}, not {claimed})"
            )));
        }
    }
    Ok(())
}

/// Step three: the archive is what its name says; `None` if it says nothing and need not. On the blocking pool, because a source
/// distribution is read whole.
async fn inspect(claims: &Claims, spooled: &Spooled, checks: UploadChecks) -> Result<Option<Inspected>> {
    let Some(name) = claims.dist.clone() else { return Ok(None) };
    let mut file = spooled.file()?;
    let inspected = tokio::task::spawn_blocking(move || inspect::inspect(&mut file, &name)).await?;
    match inspected {
        Ok(inspected) => Ok(Some(inspected)),
        Err(Refused::Unreadable(error)) => Err(error.into()),
        Err(_) if checks == UploadChecks::Lenient => Ok(None),
        Err(refused) => Err(Error::BadRequest(format!("Invalid distribution file. {refused}"))),
    }
}

fn said_by_archive(inspected: Inspected) -> Said {
    let metadata = &inspected.metadata;
    Said {
        display_name: metadata.name().to_owned(),
        version: metadata.version().to_owned(),
        metadata: metadata.to_json(),
        requires_python: metadata.requires_python().map(str::to_owned),
        bytes: Some(inspected.metadata_bytes),
    }
}

fn said_by_form(claims: &Claims, upload: &Upload) -> Said {
    let fields = upload.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let metadata = metadata_form::from_form(fields);
    Said {
        display_name: claims.display_name.clone(),
        version: claims.version.clone(),
        metadata: metadata.to_json(),
        requires_python: metadata.requires_python().map(str::to_owned),
        bytes: None,
    }
}

/// What step five writes.
struct Entry<'a> {
    index: &'a Index,
    claims: &'a Claims,
    said: Said,
    blob: StoredBlob,
    metadata_blob: Option<StoredBlob>,
    filename: &'a str,
    actor: &'a str,
}

/// Step five: one transaction; its serial, if it changed anything. On SQLite others may share its commit.
async fn record(core: &Core, entry: Entry<'_>) -> Result<(Outcome, Option<Serial>)> {
    let mut c = core.db.begin_together().await?;
    let written = write(&mut c, core, &entry).await;
    match &written {
        Ok((_, Some(_))) => {
            fault::at(Step::UploadWritten);
            c.commit().await?;
            fault::at(Step::UploadCommitted);
        }
        // That the file is there, or is another one, is told when it is sure.
        Ok((_, None)) | Err(Error::Conflict(_)) => c.undo().await?,
        // Whatever went wrong may have ended the transaction already.
        Err(_) => drop(c),
    }
    written
}

/// Writes the rows. Committing or undoing it is the caller's.
async fn write(c: &mut Conn, core: &Core, entry: &Entry<'_>) -> Result<(Outcome, Option<Serial>)> {
    let now = core.clock.now();
    let (project, said) = (&entry.claims.project, &entry.said);
    refuse_if_closed(c, entry.index, project).await?;
    let metadata = with_what_is_known(c, entry.index, project, said).await?;
    let file = Incoming {
        project,
        display_name: &said.display_name,
        version: &said.version,
        metadata: &metadata,
        filename: entry.filename,
        blob: fetch::blob_row(&entry.blob),
        metadata_blob: entry.metadata_blob.as_ref().map(fetch::blob_row),
        requires_python: said.requires_python.as_deref(),
        uploaded: now,
        uploaded_by: Some(entry.actor),
        log: None,
    };
    let stored = store::put(c, &core.blobs, entry.index, &file, now).await?;
    let action = match stored.outcome {
        Outcome::Identical => return Ok((Outcome::Identical, None)),
        Outcome::New => Action::FileAdd,
        Outcome::Replaced => Action::FileReplace,
    };
    let change = Change {
        actor: entry.actor,
        index: Some(entry.index.id),
        project: Some(project),
        action,
        detail: json!({"filename": entry.filename, "version": said.version, "sha256": entry.blob.sha256}),
    };
    let outcome = stored.outcome;
    let serial = store::seal(c, &[stored], &change, now).await?;
    Ok((outcome, Some(serial)))
}

/// The metadata of the release. A form lays itself over what an earlier one said (devpi's `submit`, then `file_upload`); an
/// archive speaks for itself.
async fn with_what_is_known(c: &mut Conn, index: &Index, name: &ProjectName, said: &Said) -> Result<Value> {
    let by_archive = said.bytes.is_some();
    let project = if by_archive { None } else { db::projects::by_name(c, index.id, name).await? };
    let Some(project) = project else { return Ok(said.metadata.clone()) };
    let known = db::releases::by_canonical(c, project.id, &version::canonical(&said.version)).await?;
    Ok(known.map_or_else(|| said.metadata.clone(), |known| metadata_form::overlaid(&known.metadata.0, said.metadata.clone())))
}

/// PEP 792: an archived or quarantined project takes no uploads.
pub(super) async fn refuse_if_closed(c: &mut Conn, index: &Index, name: &ProjectName) -> Result<()> {
    let project = db::projects::by_name(c, index.id, name).await?;
    let status = project.and_then(|p| p.status).map(|json| json.0.status);
    match status.as_deref() {
        Some(word @ ("archived" | "quarantined")) => {
            Err(Error::Forbidden(format!("project '{name}' is {word} and takes no uploads")))
        }
        _ => Ok(()),
    }
}
