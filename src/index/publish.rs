//! The upload, as named steps: claims -> digests -> inspect -> commit the blobs -> one transaction -> follow.
//!
//! The form is a hint; the archive is the truth. Nothing is visible before the transaction, and after it everything is. A step
//! that refuses leaves nothing behind.

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::inspect::{self, Inspected, Refused};
use super::tree::Index;
use super::{fetch, follow};
use crate::blobs::{Spooled, StoredBlob};
use crate::clock::Timestamp;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, ProjectId};
use crate::error::{Error, Result};
use crate::pypi::{DistFilename, ProjectName, Sha256, Version, filename_guess};
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

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// A new file.
    New,
    /// The index had these very bytes under this name; nothing changed.
    Identical,
    /// It took the place of other bytes (volatile indexes only).
    Replaced,
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
pub async fn publish(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, upload: Upload) -> Result<Published> {
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
async fn record(core: &Core, entry: &Entry<'_>) -> Result<Published> {
    let now = core.clock.now();
    let project_name = &entry.claims.file.project;
    let mut c = core.db.begin().await?;
    db::blobs::put(&mut c, &fetch::blob_row(&entry.blob), now).await?;
    db::blobs::put(&mut c, &fetch::blob_row(&entry.metadata), now).await?;
    refuse_if_closed(&mut c, entry).await?;
    let project = db::projects::put(&mut c, entry.index.id, project_name, entry.inspected.metadata.name(), now).await?;
    let (published, replaced) = match db::files::by_name(&mut c, project, entry.filename).await? {
        Some(old) if old.sha256 == entry.blob.sha256 => return Ok(Published::Identical),
        Some(old) if entry.index.settings.volatile => (Published::Replaced, Some(old.id)),
        Some(_) => return Err(conflict(entry.filename)),
        None => (Published::New, None),
    };
    refuse_if_burnt(&mut c, entry, project).await?;
    if let Some(old) = replaced {
        db::files::set_removed(&mut c, old, db::Serial::NONE, now).await?;
    }
    let Some(file) = insert(&mut c, entry, project, now).await? else {
        // PostgreSQL: another upload of the name was committed between the look and the insert.
        return lost_race(&mut c, entry, project).await;
    };
    let change = Change {
        actor: entry.actor,
        index: Some(entry.index.id),
        project: Some(project_name),
        action: if published == Published::New { Action::FileAdd } else { Action::FileReplace },
        detail: json!({"filename": entry.filename, "version": entry.claims.file.version.as_str(), "sha256": entry.blob.sha256}),
    };
    let serial = db::journal::append(&mut c, &change, now).await?;
    db::files::set_added(&mut c, file, serial).await?;
    if let Some(old) = replaced {
        db::files::set_removed(&mut c, old, serial, now).await?;
    }
    db::projects::set_serial(&mut c, project, serial).await?;
    c.commit().await?;
    Ok(published)
}

/// The 409, in the words that devpi's clients (the reason phrase) and everybody else's (the second sentence) look for.
pub fn conflict(filename: &str) -> Error {
    Error::Conflict(format!("{filename} already exists in non-volatile index"))
}

/// PEP 792: an archived or quarantined project takes no uploads.
async fn refuse_if_closed(c: &mut Conn, entry: &Entry<'_>) -> Result<()> {
    let project = db::projects::by_name(c, entry.index.id, &entry.claims.file.project).await?;
    let status = project.and_then(|p| p.status).map(|json| json.0.status);
    match status.as_deref() {
        Some(word @ ("archived" | "quarantined")) => {
            Err(Error::Forbidden(format!("project '{}' is {word} and takes no uploads", entry.claims.file.project)))
        }
        _ => Ok(()),
    }
}

/// On a non-volatile index a name stands for the same bytes for ever, also after the file was removed.
async fn refuse_if_burnt(c: &mut Conn, entry: &Entry<'_>, project: ProjectId) -> Result<()> {
    if entry.index.settings.volatile {
        return Ok(());
    }
    let before = db::files::removed_digests(c, project, entry.filename).await?;
    match before.iter().any(|sha256| *sha256 != entry.blob.sha256) {
        true => Err(Error::Conflict(format!(
            "{} already exists in non-volatile index: it was removed, but other bytes stood under this name; use another version",
            entry.filename
        ))),
        false => Ok(()),
    }
}

async fn insert(c: &mut Conn, entry: &Entry<'_>, project: ProjectId, now: Timestamp) -> Result<Option<db::FileId>> {
    let (claims, metadata) = (entry.claims, &entry.inspected.metadata);
    let version = &claims.file.version;
    let release = db::releases::NewRelease {
        version: metadata.version(),
        canonical: &version.canonical(),
        sort_key: &version.sort_key(),
        metadata: &metadata.to_json(),
    };
    let release = db::releases::put(c, project, &release, now).await?;
    let file = db::files::NewFile {
        project,
        release: Some(release),
        filename: entry.filename,
        kind: filename_guess::packagetype(entry.filename),
        sha256: entry.blob.sha256,
        metadata_sha256: Some(entry.metadata.sha256),
        size: entry.blob.size,
        requires_python: metadata.requires_python(),
        uploaded_by: entry.actor,
        origin: None,
    };
    Ok(db::files::add(c, &file, now).await?)
}

async fn lost_race(c: &mut Conn, entry: &Entry<'_>, project: ProjectId) -> Result<Published> {
    let other: Option<Sha256> = db::files::by_name(c, project, entry.filename).await?.map(|file| file.sha256);
    match other == Some(entry.blob.sha256) {
        true => Ok(Published::Identical),
        false => Err(conflict(entry.filename)),
    }
}
