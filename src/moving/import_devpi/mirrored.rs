//! Files that a mirror of the other server had kept: their bytes, and a record of the upstream page that lists them, so that they
//! are served also when upstream is gone. The next request asks upstream all the same.

use super::Import;
use super::accounts::ACTOR;
use super::files::Ready;
use crate::clock::Timestamp;
use crate::db::files::NewFile;
use crate::db::journal::{Action, Change};
use crate::db::mirrors::MirrorPage;
use crate::db::{self, Conn, ProjectId};
use crate::index::record::{Record, RecordedFile};
use crate::index::store::Outcome;
use crate::index::tree::Index;
use crate::index::{Core, fetch, keep};
use crate::moving::plain;
use crate::pypi::{PageFile, ProjectName, filename_guess};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::sync::Arc;

impl Import<'_> {
    /// Writes the rows of kept files and their place in the project's record.
    pub(super) async fn write_mirrored(
        &self,
        core: &Arc<Core>,
        index: &Arc<Index>,
        project: &ProjectName,
        ready: &[Ready],
    ) -> Result<Vec<Option<Outcome>>> {
        let now = core.clock.now();
        let mut c = core.db.begin().await?;
        let row = db::projects::put(&mut c, index.id, project, project.as_str(), now).await?;
        let mut outcomes = Vec::new();
        for file in ready {
            outcomes.push(keep_file(&mut c, core, (index, row), project, file, now).await?);
        }
        record(&mut c, index, project, ready, now).await?;
        let detail = json!({"files": ready.len()});
        let change = Change { actor: ACTOR, index: Some(index.id), project: Some(project), action: Action::Import, detail };
        let serial = db::journal::append(&mut c, &change, now).await?;
        db::projects::set_serial(&mut c, row, serial).await?;
        db::mirrors::set_serial(&mut c, index.id, project.as_str(), serial).await?;
        c.commit().await?;
        Ok(outcomes)
    }
}

/// Notes that the bytes of a file are kept, and what its metadata are.
async fn keep_file(
    c: &mut Conn,
    core: &Core,
    (index, row): (&Index, ProjectId),
    project: &ProjectName,
    file: &Ready,
    now: Timestamp,
) -> Result<Option<Outcome>> {
    let (blob, filename) = (&file.brought.blob, file.entry.filename());
    keep::note(c, &core.blobs, &fetch::blob_row(blob), now).await.map_err(plain)?;
    if let Some(metadata) = &file.brought.metadata_blob {
        keep::note(c, &core.blobs, &fetch::blob_row(metadata), now).await.map_err(plain)?;
        if filename_guess::is_wheel(filename) {
            db::mirrors::learn(c, index.id, project, filename, Some(metadata.sha256), now).await?;
        }
    }
    let origin = json!({"url": file.entry.entrymapping.url});
    let new = NewFile {
        project: row,
        release: None,
        filename,
        kind: filename_guess::packagetype(filename),
        sha256: blob.sha256,
        metadata_sha256: None,
        size: blob.size,
        requires_python: None,
        uploaded: file.entry.uploaded().unwrap_or(now),
        uploaded_by: None,
        origin: Some(&origin),
        log: None,
    };
    Ok(db::files::add(c, &new).await?.map(|_| Outcome::New))
}

/// Adds the files to what is known of upstream's page. It counts as never asked for.
async fn record(c: &mut Conn, index: &Index, project: &ProjectName, ready: &[Ready], now: Timestamp) -> Result<()> {
    let before = db::mirrors::page(c, index.id, project.as_str()).await?;
    let mut record = before.as_ref().map(|row| Record::unpack(&row.body)).transpose()?.unwrap_or_default();
    for file in ready {
        if record.files.iter().all(|known| known.file.filename != file.entry.filename()) {
            record.files.push(recorded(file, now));
        }
        if !record.versions.contains(&file.version) {
            record.versions.push(file.version.clone());
        }
    }
    let page = MirrorPage {
        etag: before.as_ref().and_then(|row| row.etag.clone()),
        digest: before.as_ref().and_then(|row| row.digest.clone()),
        serial: before.as_ref().and_then(|row| row.serial),
        checked: before.as_ref().map_or(Timestamp::EPOCH, |row| row.checked),
        changed: now,
        failures: before.as_ref().map_or(0, |row| row.failures),
        body: record.pack()?,
    };
    match db::mirrors::put_page(c, index.id, project.as_str(), before.as_ref(), &page).await? {
        true => Ok(()),
        false => bail!("the mirrored page of {project} was changed meanwhile: start the import again"),
    }
}

fn recorded(file: &Ready, now: Timestamp) -> RecordedFile {
    let (entry, brought) = (&file.entry, &file.brought);
    let metadata = brought.inspected.as_ref().map(|inspected| &inspected.metadata);
    // A mirror's fragment names the digest, which is told in its own field.
    let url = entry.entrymapping.url.as_deref().unwrap_or_default();
    let url = url.split('#').next().unwrap_or(url);
    let listed = PageFile {
        hashes: vec![("sha256".into(), brought.blob.sha256.hex())],
        size: Some(brought.blob.size),
        requires_python: metadata.and_then(|metadata| metadata.requires_python()).map(str::to_owned),
        yanked: file.yanked.as_ref().map(|reason| reason.as_str().unwrap_or_default().to_owned()),
        ..PageFile::bare(entry.filename(), url)
    };
    RecordedFile { file: listed, first_seen: entry.uploaded().unwrap_or(now), gone: None }
}

/// Whether devpi's fields of a version say that it was yanked: a reason, or `true`.
pub(super) fn yanked(fields: &Value) -> Option<Value> {
    fields.get("yanked").filter(|value| value.is_string() || **value == true).cloned()
}
