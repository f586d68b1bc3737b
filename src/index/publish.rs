//! The upload, as named steps: claims -> digests -> inspect -> commit the blobs -> one transaction -> follow.
//!
//! The form is a hint; the archive is the truth. Nothing is visible before the transaction, and after it everything is. A step
//! that refuses leaves nothing behind.

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::inspect::{self, Inspected, Refused};
use super::store::{self, Incoming, Outcome};
use super::tree::Index;
use super::{fetch, follow};
use crate::blobs::{Spooled, StoredBlob};
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::pypi::{DistFilename, ProjectName, Version};
use serde_json::json;
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

/// What the form and the file's name say, as far as it was given and makes sense.
#[derive(Debug)]
struct Claims {
    file: DistFilename,
    sha256: Option<String>,
    md5: Option<String>,
    blake2: Option<String>,
}

/// Publishes an upload to `index`.
pub async fn publish(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, upload: Upload) -> Result<Outcome> {
    let claims = claims(&upload)?;
    if !access::may(caller, Wanted::Upload, index, Some(&claims.file.project)) {
        return Err(Error::Forbidden(format!("this token may not upload to project '{}'", claims.file.project)));
    }
    check_digests(&claims, &upload.spooled)?;
    let inspected = inspect(&claims, &upload.spooled).await?;
    let (actor, task, index) = (caller.actor(), core.clone(), index.clone());
    follow::change(core, async move {
        let blob = task.blobs.commit(upload.spooled).await?;
        let metadata = task.blobs.put_bytes(inspected.metadata_bytes.clone().into()).await?;
        let entry = Entry {
            index: &index,
            claims: &claims,
            inspected: &inspected,
            blob,
            metadata,
            filename: &upload.filename,
            actor: &actor,
        };
        record(&task, &entry).await
    })
    .await
}

/// The value of a text field; empty and `UNKNOWN` count as not given (old distutils, pdm).
fn field<'a>(upload: &'a Upload, name: &str) -> Option<&'a str> {
    let value = upload.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
    value.filter(|text| !text.is_empty() && *text != "UNKNOWN")
}

/// Step one: what the form says must agree with the file's name, as far as it says anything.
fn claims(upload: &Upload) -> Result<Claims> {
    let file = DistFilename::parse(&upload.filename).map_err(|e| Error::BadRequest(e.to_string()))?;
    if let Some(text) = field(upload, "name") {
        let name = ProjectName::parse(text).map_err(|e| Error::BadRequest(e.to_string()))?;
        if name != file.project {
            return Err(Error::BadRequest(format!("filename '{}' does not match project name '{text}'", upload.filename)));
        }
    }
    if let Some(text) = field(upload, "version") {
        let version = Version::parse(text).map_err(|e| Error::BadRequest(e.to_string()))?;
        if version != file.version {
            return Err(Error::BadRequest(format!("filename '{}' does not contain version '{text}'", upload.filename)));
        }
    }
    let wanted = if file.is_wheel() { "bdist_wheel" } else { "sdist" };
    if let Some(kind) = field(upload, "filetype").filter(|kind| *kind != wanted) {
        return Err(Error::BadRequest(format!("filetype '{kind}' does not fit filename '{}': use {wanted}", upload.filename)));
    }
    Ok(Claims {
        sha256: hex_field(upload, "sha256_digest", 64)?,
        md5: hex_field(upload, "md5_digest", 32)?,
        blake2: blake2_field(upload)?,
        file,
    })
}

fn hex_field(upload: &Upload, name: &str, digits: usize) -> Result<Option<String>> {
    let Some(text) = field(upload, name) else { return Ok(None) };
    match text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(Some(text.to_ascii_lowercase())),
        false => Err(Error::BadRequest(format!("{name} must have {digits} hex digits"))),
    }
}

/// The BLAKE2 digest. distutils of Python 3.6 to 3.11 sends BLAKE2b-512 in this field, which is not what its name says; that
/// one is passed over, because the other digests are there.
fn blake2_field(upload: &Upload) -> Result<Option<String>> {
    const BLAKE2B_512_DIGITS: usize = 128;
    match field(upload, "blake2_256_digest") {
        Some(text) if text.len() == BLAKE2B_512_DIGITS => Ok(None),
        _ => hex_field(upload, "blake2_256_digest", 64),
    }
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

/// Step three: the archive is what its name says. On the blocking pool, because a source distribution is read whole.
async fn inspect(claims: &Claims, spooled: &Spooled) -> Result<Inspected> {
    let (mut file, name) = (spooled.file()?, claims.file.clone());
    let inspected = tokio::task::spawn_blocking(move || inspect::inspect(&mut file, &name)).await?;
    inspected.map_err(|refused| match refused {
        Refused::Unreadable(error) => error.into(),
        refused => Error::BadRequest(format!("Invalid distribution file. {refused}")),
    })
}

/// What step five writes.
struct Entry<'a> {
    index: &'a Index,
    claims: &'a Claims,
    inspected: &'a Inspected,
    blob: StoredBlob,
    metadata: StoredBlob,
    filename: &'a str,
    actor: &'a str,
}

/// Step five: one transaction. Dropping it without a commit undoes all of it.
async fn record(core: &Core, entry: &Entry<'_>) -> Result<Outcome> {
    let now = core.clock.now();
    let (project, metadata) = (&entry.claims.file.project, &entry.inspected.metadata);
    let mut c = core.db.begin().await?;
    refuse_if_closed(&mut c, entry.index, project).await?;
    let file = Incoming {
        project,
        display_name: metadata.name(),
        version: metadata.version(),
        metadata: &metadata.to_json(),
        filename: entry.filename,
        blob: fetch::blob_row(&entry.blob),
        metadata_blob: Some(fetch::blob_row(&entry.metadata)),
        requires_python: metadata.requires_python(),
        uploaded: now,
        uploaded_by: Some(entry.actor),
        log: None,
    };
    let stored = store::put(&mut c, entry.index, &file, now).await?;
    let action = match stored.outcome {
        Outcome::Identical => return Ok(Outcome::Identical),
        Outcome::New => Action::FileAdd,
        Outcome::Replaced => Action::FileReplace,
    };
    let change = Change {
        actor: entry.actor,
        index: Some(entry.index.id),
        project: Some(project),
        action,
        detail: json!({"filename": entry.filename, "version": entry.claims.file.version.as_str(), "sha256": entry.blob.sha256}),
    };
    let outcome = stored.outcome;
    store::seal(&mut c, &[stored], &change, now).await?;
    c.commit().await?;
    Ok(outcome)
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
