//! Pushing a release: from one index to another, which is how a tested release becomes a published one, or to another server.
//!
//! Within this server it is one transaction: a conflict changes nothing, and nobody ever sees half a release. Blobs are not
//! copied, the target's rows name the same ones.

pub mod outward;
mod source;

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::search::entry;
use super::store::{self, Incoming, Outcome};
use super::tree::Index;
use super::{file_log, follow, keep, publish};
use crate::blobs::Blobs;
use crate::clock::Timestamp;
use crate::db::attachments::{Attachment, Kind, NewAttachment};
use crate::db::blobs::BlobRow;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, FileId, ReleaseId};
use crate::error::{Error, Result};
use crate::fault::{self, Step as Fault};
use crate::names::IndexPath;
use serde_json::json;
use std::sync::Arc;

pub use source::{Parcel, ParcelFile, What, gather};

/// One thing that a push did, in the order in which it did them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The target knows the release.
    Registered,
    /// A release file is there: its name and SHA-256.
    File(String, crate::pypi::Sha256),
    /// A test result is there: its name, and the SHA-256 of the file that was tested.
    Result(String, crate::pypi::Sha256),
    /// The documentation is there.
    Docs,
}

/// A push under way.
struct Push<'a> {
    blobs: &'a Blobs,
    parcel: &'a Parcel,
    from: &'a IndexPath,
    to: &'a Index,
    actor: &'a str,
    now: Timestamp,
}

/// Puts a parcel into `target`, all of it or, with [`Error::Conflict`], nothing. The caller may upload there.
pub async fn push(core: &Arc<Core>, caller: &Caller, from: &IndexPath, target: &Arc<Index>, parcel: Parcel) -> Result<Vec<Step>> {
    if !access::may(caller, Wanted::Upload, target, Some(&parcel.project)) {
        return Err(Error::Forbidden(format!("no permission to upload '{}' to {}", parcel.project, target.path)));
    }
    let (task, from, target, actor) = (core.clone(), from.clone(), target.clone(), caller.actor());
    follow::change(core, async move {
        let (blobs, now) = (&task.blobs, task.clock.now());
        let push = Push { blobs, parcel: &parcel, from: &from, to: &target, actor: &actor, now };
        let mut c = task.db.begin().await?;
        publish::refuse_if_closed(&mut c, push.to, &parcel.project).await?;
        let (steps, changed) = write(&mut c, &push).await?;
        if changed {
            fault::at(Fault::PushWritten);
            c.commit().await?;
            fault::at(Fault::PushCommitted);
        }
        Ok(steps)
    })
    .await
}

/// Writes all rows; the journal's last. `false` if the target had everything already.
async fn write(c: &mut Conn, push: &Push<'_>) -> Result<(Vec<Step>, bool)> {
    let parcel = push.parcel;
    let mut stored = Vec::with_capacity(parcel.files.len());
    let project = db::projects::put(c, push.to.id, &parcel.project, &parcel.display_name, push.now).await?;
    for blob in blobs(parcel) {
        keep::note(c, push.blobs, &blob, push.now).await?;
    }
    let mut changed = false;
    for file in &parcel.files {
        let written = store::put(c, push.blobs, push.to, &incoming(push, file), push.now).await?;
        if written.outcome != Outcome::Identical {
            changed = true;
            // What was not to be installed from there is not to be installed from here.
            db::files::set_yanked(c, written.file, file.yanked.as_deref()).await?;
        }
        stored.push(written);
    }
    let mut steps = vec![Step::Registered];
    let release = release(c, push, project, stored.is_empty()).await?;
    for (file, written) in parcel.files.iter().zip(&stored) {
        steps.push(Step::File(file.filename.clone(), file.blob.sha256));
        for result in &file.results {
            changed |= attach(c, push, release, Some(written.file), result).await? != Outcome::Identical;
            steps.push(Step::Result(result.filename.clone(), file.blob.sha256));
        }
    }
    if let Some(docs) = &parcel.docs {
        changed |= attach(c, push, release, None, docs).await? != Outcome::Identical;
        steps.push(Step::Docs);
    }
    // Files that are there already change nothing, but the spelling of the name may be another.
    if stored.iter().all(|one| one.outcome == Outcome::Identical) {
        entry::renew(c, project).await?;
    }
    let change = Change {
        actor: push.actor,
        index: Some(push.to.id),
        project: Some(&parcel.project),
        action: Action::ReleasePush,
        detail: json!({"version": parcel.version, "from": push.from.to_string(), "filenames": filenames(parcel)}),
    };
    let serial = store::seal(c, &stored, &change, push.now).await?;
    db::projects::set_serial(c, project, serial).await?;
    Ok((steps, changed))
}

/// Every blob that the target's rows will name, in one order, so that pushes of the same bytes at the same time do not wait for
/// each other.
fn blobs(parcel: &Parcel) -> Vec<BlobRow> {
    let files = parcel.files.iter().flat_map(|file| [Some(&file.blob), file.metadata_blob.as_ref()]).flatten().cloned();
    let attached = parcel.files.iter().flat_map(|file| &file.results).chain(&parcel.docs);
    let attached = attached.map(|one| BlobRow { sha256: one.sha256, size: one.size, md5: None, blake2: None });
    let mut blobs: Vec<BlobRow> = files.chain(attached).collect();
    blobs.sort_by_key(|blob| blob.sha256);
    blobs
}

fn filenames(parcel: &Parcel) -> Vec<&str> {
    let docs = parcel.docs.iter().map(|docs| docs.filename.as_str());
    parcel.files.iter().map(|file| file.filename.as_str()).chain(docs).collect()
}

/// The file as it enters the target: with the date that it had (devpi keeps Last-Modified) and the log of its life so far.
fn incoming<'a>(push: &Push<'a>, file: &'a ParcelFile) -> Incoming<'a> {
    let parcel = push.parcel;
    Incoming {
        project: &parcel.project,
        display_name: &parcel.display_name,
        version: &parcel.version,
        metadata: &parcel.metadata,
        filename: &file.filename,
        blob: file.blob.clone(),
        metadata_blob: file.metadata_blob.clone(),
        requires_python: file.requires_python.as_deref(),
        uploaded: file.uploaded,
        uploaded_by: file.uploaded_by.as_deref(),
        log: Some(file_log::pushed(&file.log, push.actor, push.now, push.from, &push.to.path)),
    }
}

/// The release in the target; with documentation alone it may have to be made.
async fn release(c: &mut Conn, push: &Push<'_>, project: db::ProjectId, docs_alone: bool) -> Result<ReleaseId> {
    let known = db::releases::by_canonical(c, project, &crate::pypi::version::canonical(&push.parcel.version)).await?;
    match known {
        Some(known) => Ok(known.id),
        None if docs_alone => store::put_release(c, project, &push.parcel.version, &push.parcel.metadata, push.now).await,
        None => Err(Error::Internal(anyhow::anyhow!("the release whose files were just stored is missing"))),
    }
}

async fn attach(
    c: &mut Conn,
    push: &Push<'_>,
    release: ReleaseId,
    file: Option<FileId>,
    attachment: &Attachment,
) -> Result<Outcome> {
    let before = file_log::of(
        attachment.log.as_ref().map(|log| &log.0),
        attachment.uploaded_by.as_deref(),
        attachment.uploaded,
        push.from,
    );
    let log = file_log::pushed(&before, push.actor, push.now, push.from, &push.to.path);
    let attached = NewAttachment {
        release,
        file,
        kind: if file.is_some() { Kind::ToxResult } else { Kind::DocZip },
        filename: &attachment.filename,
        sha256: attachment.sha256,
        size: u64::try_from(attachment.size).unwrap_or_default(),
        uploaded: attachment.uploaded,
        uploaded_by: attachment.uploaded_by.as_deref(),
        log: Some(&log),
    };
    store::attach(c, push.to, &attached).await
}
