//! Documentation and test results: what hangs on releases and files that are there by now.

use super::Import;
use super::accounts::ACTOR;
use super::bring::{self, Brought, Problem};
use crate::db::attachments::{Kind as What, NewAttachment};
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, FileId, ProjectId, ReleaseId};
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::index::{Core, fetch, file_log, keep, search, store};
use crate::moving::dump::{self, FileEntry, FileKind};
use crate::moving::dump_reader::{Item, Items, Wanted};
use crate::moving::plain;
use crate::moving::report::Reason;
use crate::pypi::{ProjectName, version};
use anyhow::Result;
use serde_json::json;
use std::sync::Arc;

/// What became of an attachment.
enum Attached {
    New,
    There,
    Left(Problem),
}

/// An attachment with its place.
struct Place<'a> {
    index: &'a Index,
    project: ProjectName,
    version: String,
    filename: String,
    entry: &'a FileEntry,
}

impl Import<'_> {
    /// Brings all documentation and test results.
    pub(super) async fn bring_attachments(&mut self) -> Result<()> {
        let mut items = Items::of(&self.index_file(), Wanted { files: true, ..Wanted::default() });
        while let Some(item) = items.next().await? {
            let Item::File(path, value) = item else { continue };
            // What cannot be read was told when the release files came.
            let Ok(entry) = serde_json::from_value::<FileEntry>(value) else { continue };
            if entry.kind == FileKind::ReleaseFile {
                continue;
            }
            let Some(index) = self.target(&path).filter(|index| index.kind == Kind::Stage) else {
                self.left_out(&entry, &Problem::new(Reason::NoIndex, ""));
                continue;
            };
            self.bring_attachment(&index, &entry).await?;
        }
        Ok(())
    }

    async fn bring_attachment(&mut self, index: &Arc<Index>, entry: &FileEntry) -> Result<()> {
        let Some(place) = place(index, entry) else {
            self.left_out(entry, &Problem::new(Reason::NoPlace, ""));
            return Ok(());
        };
        let attached = match self.core {
            Some(core) if is_there(core, &place).await? => (Attached::There, 0),
            core => match bring::bring(core, self.options, entry).await? {
                Err(problem) => (Attached::Left(problem), 0),
                Ok(brought) => match core {
                    Some(core) => (write(core, &place, &brought).await?, brought.blob.size),
                    None => (Attached::New, brought.blob.size),
                },
            },
        };
        self.count(entry, attached);
        Ok(())
    }

    fn count(&mut self, entry: &FileEntry, (attached, bytes): (Attached, u64)) {
        let counts = match attached {
            Attached::Left(problem) => return self.left_out(entry, &problem),
            Attached::New => &mut self.report.came,
            Attached::There => &mut self.report.there,
        };
        match entry.kind {
            FileKind::DocZip => counts.docs += 1,
            _ => counts.results += 1,
        }
        if matches!(attached, Attached::New) {
            counts.bytes += bytes;
        }
        self.progress.step(bytes, &entry.relpath);
    }
}

fn place<'a>(index: &'a Index, entry: &'a FileEntry) -> Option<Place<'a>> {
    let project = dump::project_name(&entry.projectname)?;
    let version = entry.version(&project)?;
    let filename = match entry.kind {
        FileKind::DocZip => format!("{project}-{version}.doc.zip"),
        _ => entry.filename().to_owned(),
    };
    Some(Place { index, project, version, filename, entry })
}

/// Whether these very bytes are attached under this name.
async fn is_there(core: &Core, place: &Place<'_>) -> Result<bool> {
    let mut c = core.db.read().await?;
    // By name: all of a project's would be read again for each of its thousands of results.
    let named = db::attachments::named(&mut c, &place.filename).await?;
    let here = named.iter().filter(|one| one.index_id == place.index.id && one.project == place.project);
    let same = place.entry.sha256();
    Ok(here.into_iter().any(|one| same == Some(one.attachment.sha256)))
}

async fn write(core: &Core, place: &Place<'_>, brought: &Brought) -> Result<Attached> {
    let (now, entry) = (core.clock.now(), place.entry);
    let mut c = core.db.begin().await?;
    keep::note(&mut c, &core.blobs, &fetch::blob_row(&brought.blob), now).await.map_err(plain)?;
    let Some((project, release, file)) = find(&mut c, place, now).await? else {
        return Ok(Attached::Left(Problem::new(Reason::NoPlace, "the file that was tested is not here")));
    };
    let (uploaded, uploaded_by) = (entry.uploaded().unwrap_or(now), entry.uploaded_by());
    let log = entry.log().filter(|log| *log != file_log::of(None, uploaded_by.as_deref(), uploaded, &place.index.path));
    let attachment = NewAttachment {
        release,
        file,
        kind: if file.is_some() { What::ToxResult } else { What::DocZip },
        filename: &place.filename,
        sha256: brought.blob.sha256,
        size: brought.blob.size,
        uploaded,
        uploaded_by: uploaded_by.as_deref(),
        log: log.as_ref(),
    };
    if db::attachments::add(&mut c, &attachment).await?.is_none() {
        let known = db::attachments::of_project(&mut c, project).await?;
        let same = known.iter().any(|one| one.filename == place.filename && one.sha256 == brought.blob.sha256);
        return Ok(if same { Attached::There } else { Attached::Left(Problem::new(Reason::Conflict, "")) });
    }
    search::entry::renew(&mut c, project).await.map_err(plain)?;
    let detail = json!({"attachment": place.filename});
    let change =
        Change { actor: ACTOR, index: Some(place.index.id), project: Some(&place.project), action: Action::Import, detail };
    let serial = db::journal::append(&mut c, &change, now).await?;
    db::projects::set_serial(&mut c, project, serial).await?;
    c.commit().await?;
    Ok(Attached::New)
}

/// The rows that the attachment hangs on. Documentation makes its release if need be; a result does not make its file.
async fn find(
    c: &mut Conn,
    place: &Place<'_>,
    now: crate::clock::Timestamp,
) -> Result<Option<(ProjectId, ReleaseId, Option<FileId>)>> {
    let known = db::projects::by_name(c, place.index.id, &place.project).await?;
    if place.entry.kind == FileKind::ToxResult {
        let (Some(project), Some(tested)) = (known, place.entry.tested_filename()) else { return Ok(None) };
        let file = db::files::by_name(c, project.id, tested).await?;
        return Ok(file.and_then(|file| Some((project.id, file.release_id?, Some(file.id)))));
    }
    let project = match known {
        Some(project) => project.id,
        None => db::projects::put(c, place.index.id, &place.project, &place.entry.projectname, now).await?,
    };
    let release = match db::releases::by_canonical(c, project, &version::canonical(&place.version)).await? {
        Some(release) => release.id,
        None => {
            let metadata = json!({"name": place.entry.projectname, "version": place.version});
            store::put_release(c, project, &place.version, &metadata, now).await.map_err(plain)?
        }
    };
    Ok(Some((project, release, None)))
}
