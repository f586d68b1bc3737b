//! Files into a stage's rows, inside somebody's transaction: what an upload, a push and an import have in common.
//!
//! It asks nobody whether the caller may; that was decided before. Nothing is visible until the caller commits, and the
//! journal row, which [`seal`] writes, is the last statement before that.

use super::search::entry;
use super::tree::Index;
use super::{file_log, keep};
use crate::blobs::Blobs;
use crate::clock::Timestamp;
use crate::db::attachments::NewAttachment;
use crate::db::blobs::BlobRow;
use crate::db::journal::Change;
use crate::db::{self, Conn, FileId, ProjectId, ReleaseId, Serial};
use crate::error::{Error, Result};
use crate::pypi::{ProjectName, filename_guess, version};
use serde_json::Value;
use std::collections::BTreeSet;

/// A file on its way into a stage. Its blobs are at rest already.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// The project's name as the file writes it.
    pub display_name: &'a str,
    /// The version as the file writes it; any text, if the index is lenient.
    pub version: &'a str,
    /// Core metadata (`CoreMetadata::to_json`): the last file speaks for the release.
    pub metadata: &'a Value,
    /// Its name.
    pub filename: &'a str,
    /// Its bytes.
    pub blob: BlobRow,
    /// Its METADATA or PKG-INFO as bytes, if it has one that can be read.
    pub metadata_blob: Option<BlobRow>,
    /// Requires-Python.
    pub requires_python: Option<&'a str>,
    /// When it entered the index.
    pub uploaded: Timestamp,
    /// The actor who brings it.
    pub uploaded_by: Option<&'a str>,
    /// What happened to it before, as devpi lists it; `None`: nothing but this upload.
    pub log: Option<Value>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new file.
    New,
    /// The index had these very bytes under this name; nothing changed.
    Identical,
    /// It took the place of other bytes (volatile indexes only).
    Replaced,
}

/// A file that was written and waits for its serial.
#[derive(Debug)]
pub struct Stored {
    /// What became of it.
    pub outcome: Outcome,
    /// Its project.
    pub project: ProjectId,
    /// The file's row; the one that was there already, if it is identical.
    pub file: FileId,
    replaced: Option<FileId>,
}

/// Writes one file. [`Error::Conflict`] if other bytes stand, or ever stood, under its name on an index that is not volatile.
pub async fn put(c: &mut Conn, blobs: &Blobs, index: &Index, file: &Incoming<'_>, now: Timestamp) -> Result<Stored> {
    let wanted = file.blob.sha256;
    // The project's row first: whoever holds it while they wait for a blob's row must not be waited for by us, who hold that.
    let project = db::projects::put(c, index.id, file.project, file.display_name, now).await?;
    keep::note(c, blobs, &file.blob, now).await?;
    if let Some(metadata) = &file.metadata_blob {
        keep::note(c, blobs, metadata, now).await?;
    }
    let old = db::files::by_name(c, project, file.filename).await?;
    let old = match old {
        Some(old) if old.sha256 == wanted => return Ok(identical(project, old.id)),
        Some(_) if !index.settings.volatile => return Err(conflict(file.filename)),
        old => old,
    };
    refuse_if_burnt(c, index, project, file).await?;
    if let Some(old) = &old {
        take_away(c, old.id, Serial::NONE, now).await?;
    }
    let release = put_release(c, project, file.version, file.metadata, now).await?;
    let log = log(index, file, old.as_ref());
    match insert(c, project, release, file, log.as_ref()).await? {
        Some(id) => {
            let outcome = if old.is_some() { Outcome::Replaced } else { Outcome::New };
            Ok(Stored { outcome, project, file: id, replaced: old.map(|old| old.id) })
        }
        // PostgreSQL: another upload of the name was committed between the look and the insert.
        None => match db::files::by_name(c, project, file.filename).await?.filter(|other| other.sha256 == wanted) {
            Some(other) => Ok(identical(project, other.id)),
            None => Err(conflict(file.filename)),
        },
    }
}

/// Writes the journal row and, with its serial, ends what [`put`] began. Commit next.
pub async fn seal(c: &mut Conn, stored: &[Stored], change: &Change<'_>, now: Timestamp) -> Result<Serial> {
    let changed = stored.iter().filter(|one| one.outcome != Outcome::Identical).map(|one| one.project);
    for project in changed.collect::<BTreeSet<_>>() {
        entry::renew(c, project).await?;
    }
    let serial = db::journal::append(c, change, now).await?;
    for one in stored.iter().filter(|one| one.outcome != Outcome::Identical) {
        db::files::set_added(c, one.file, serial).await?;
        if let Some(old) = one.replaced {
            db::files::set_removed(c, old, serial, now).await?;
        }
        db::projects::set_serial(c, one.project, serial).await?;
    }
    Ok(serial)
}

/// Writes one attachment, whose release is there and whose blob is noted. [`Error::Conflict`] if the release has other documentation, or the file another result of the name,
/// on an index that is not volatile.
pub async fn attach(c: &mut Conn, index: &Index, attached: &NewAttachment<'_>) -> Result<Outcome> {
    let old = match attached.file {
        Some(file) => db::attachments::result(c, file, attached.filename).await?,
        None => db::attachments::docs(c, attached.release).await?,
    };
    match &old {
        Some(old) if old.sha256 == attached.sha256 => return Ok(Outcome::Identical),
        Some(_) if !index.settings.volatile => return Err(conflict(attached.filename)),
        Some(old) => db::attachments::remove(c, old.id).await?,
        None => {}
    }
    let log = old.as_ref().map(|old| {
        let new = file_log::of(attached.log, attached.uploaded_by, attached.uploaded, &index.path);
        file_log::overwritten(old.log.as_ref().map(|log| &log.0), new, attached.uploaded)
    });
    let row = NewAttachment { log: log.as_ref().or(attached.log), ..*attached };
    db::attachments::add(c, &row).await?.ok_or_else(|| conflict(attached.filename))?;
    Ok(if old.is_some() { Outcome::Replaced } else { Outcome::New })
}

/// Adds a release, or replaces its metadata.
pub async fn put_release(c: &mut Conn, project: ProjectId, text: &str, metadata: &Value, now: Timestamp) -> Result<ReleaseId> {
    let release = db::releases::NewRelease {
        version: text,
        canonical: &version::canonical(text),
        sort_key: &version::sort_key(text),
        metadata,
    };
    Ok(db::releases::put(c, project, &release, now).await?)
}

/// Takes a file out of its index, with its test results. Its row stays.
pub async fn take_away(c: &mut Conn, file: FileId, serial: Serial, now: Timestamp) -> Result<()> {
    db::attachments::remove_results(c, file).await?;
    Ok(db::files::set_removed(c, file, serial, now).await?)
}

/// The 409, in the words that devpi's clients (the reason phrase) and everybody else's (the second sentence) look for.
pub fn conflict(filename: &str) -> Error {
    Error::Conflict(format!("{filename} already exists in non-volatile index"))
}

fn identical(project: ProjectId, file: FileId) -> Stored {
    Stored { outcome: Outcome::Identical, project, file, replaced: None }
}

/// On a non-volatile index a name stands for the same bytes for ever, also after the file was removed.
async fn refuse_if_burnt(c: &mut Conn, index: &Index, project: ProjectId, file: &Incoming<'_>) -> Result<()> {
    if index.settings.volatile {
        return Ok(());
    }
    let before = db::files::removed_digests(c, project, file.filename).await?;
    match before.iter().any(|sha256| *sha256 != file.blob.sha256) {
        true => Err(Error::Conflict(format!(
            "{} already exists in non-volatile index: it was removed, but other bytes stood under this name; use another version",
            file.filename
        ))),
        false => Ok(()),
    }
}

/// The log that is stored with the file: none, if its row says the same.
fn log(index: &Index, file: &Incoming<'_>, old: Option<&db::files::File>) -> Option<Value> {
    let Some(old) = old else { return file.log.clone() };
    let new = file_log::of(file.log.as_ref(), file.uploaded_by, file.uploaded, &index.path);
    Some(file_log::overwritten(old.log.as_ref().map(|log| &log.0), new, file.uploaded))
}

async fn insert(
    c: &mut Conn,
    project: ProjectId,
    release: ReleaseId,
    file: &Incoming<'_>,
    log: Option<&Value>,
) -> Result<Option<FileId>> {
    let row = db::files::NewFile {
        project,
        release: Some(release),
        filename: file.filename,
        kind: filename_guess::packagetype(file.filename),
        sha256: file.blob.sha256,
        metadata_sha256: file.metadata_blob.as_ref().map(|blob| blob.sha256),
        size: u64::try_from(file.blob.size).unwrap_or_default(),
        requires_python: file.requires_python,
        uploaded: file.uploaded,
        uploaded_by: file.uploaded_by,
        origin: None,
        log,
    };
    Ok(db::files::add(c, &row).await?)
}
