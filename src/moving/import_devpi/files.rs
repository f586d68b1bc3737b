//! Release files: read and checked some at a time, written one project after the other.

use super::Import;
use super::accounts::ACTOR;
use super::bring::{self, Brought, Problem, is_same};
use crate::db;
use crate::db::blobs::BlobRow;
use crate::db::journal::{Action, Change};
use crate::error::Error;
use crate::index::settings::Kind;
use crate::index::store::{self, Incoming, Outcome};
use crate::index::tree::Index;
use crate::index::{Core, fetch, file_log};
use crate::limits;
use crate::moving::dump::{self, FileEntry, FileKind};
use crate::moving::dump_reader::{Item, Items, Wanted};
use crate::moving::plain;
use crate::moving::report::Reason;
use crate::pypi::{ProjectName, Sha256, version};
use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Files of one project, in the dump's order.
pub struct Batch {
    pub index: Arc<Index>,
    pub project: ProjectName,
    pub files: Vec<(FileEntry, String)>,
}

/// A file whose bytes are at rest, on its way into the rows.
pub struct Ready {
    pub entry: FileEntry,
    pub version: String,
    pub brought: Brought,
    /// The reason for which a mirrored version was yanked.
    pub yanked: Option<Value>,
}

impl Import<'_> {
    /// Brings all release files.
    pub(super) async fn bring_files(&mut self) -> Result<()> {
        let mut items = Items::of(&self.index_file(), Wanted { files: true, ..Wanted::default() });
        let mut batch: Option<Batch> = None;
        while let Some(item) = items.next().await? {
            let Item::File(path, value) = item else { continue };
            let Some((index, project, version, entry)) = self.place(&path, value) else { continue };
            let fits = |batch: &Batch| {
                batch.index.path == index.path && batch.project == project && batch.files.len() < limits::IMPORT_ROWS_AT_ONCE
            };
            match batch.as_mut().filter(|batch| fits(batch)) {
                Some(batch) => batch.files.push((entry, version)),
                None => {
                    let next = Batch { index, project, files: vec![(entry, version)] };
                    if let Some(full) = batch.replace(next) {
                        self.bring_batch(full).await?;
                    }
                }
            }
        }
        match batch {
            Some(last) => self.bring_batch(last).await,
            None => Ok(()),
        }
    }

    /// Where a release file belongs; what belongs nowhere is told. `None` also for other kinds, which come later.
    fn place(&mut self, path: &str, value: Value) -> Option<(Arc<Index>, ProjectName, String, FileEntry)> {
        let name = value.get("relpath").and_then(Value::as_str).unwrap_or(path).to_owned();
        let entry: FileEntry = match serde_json::from_value(value) {
            Ok(entry) => entry,
            Err(why) => {
                self.report.skip(Reason::Unreadable, name, why);
                return None;
            }
        };
        if entry.kind != FileKind::ReleaseFile {
            return None;
        }
        let Some(index) = self.target(path) else {
            self.report.skip(Reason::NoIndex, name, "");
            return None;
        };
        let project = dump::project_name(&entry.projectname);
        let placed = project.and_then(|project| entry.version(&project).map(|version| (project, version)));
        match placed {
            Some((project, version)) => Some((index, project, version, entry)),
            None => {
                self.report.skip(Reason::NoPlace, name, "");
                None
            }
        }
    }

    async fn bring_batch(&mut self, batch: Batch) -> Result<()> {
        let Batch { index, project, files } = batch;
        let wanted = self.without_known(&index, &project, files).await?;
        let (core, options) = (self.core, self.options);
        let bringing = wanted.into_iter().map(|(entry, version)| async move {
            let brought = bring::bring(core, options, &entry).await?;
            Ok::<_, anyhow::Error>((entry, version, brought))
        });
        let all: Vec<_> = stream::iter(bringing).buffered(limits::IMPORT_FILES_AT_ONCE).try_collect().await?;
        let mut ready = Vec::new();
        for (entry, version, brought) in all {
            match brought {
                Ok(brought) => {
                    self.progress.step(brought.blob.size, &format!("{} {project}", index.path));
                    let yanked = self.yanked.get(&(index.path.clone(), project.clone(), version.clone())).cloned();
                    ready.push(Ready { entry, version, brought, yanked });
                }
                Err(problem) => self.left_out(&entry, &problem),
            }
        }
        match ready.is_empty() {
            true => Ok(()),
            false => self.write(&index, &project, ready).await,
        }
    }

    /// Notes that an entry is left out.
    pub(super) fn left_out(&mut self, entry: &FileEntry, problem: &Problem) {
        self.progress.step(0, &entry.relpath);
        self.report.skip(problem.reason, &entry.relpath, &problem.detail);
    }

    /// The files that are not here yet. Whatever stands under a name here is kept.
    async fn without_known(
        &mut self,
        index: &Index,
        project: &ProjectName,
        files: Vec<(FileEntry, String)>,
    ) -> Result<Vec<(FileEntry, String)>> {
        let Some(core) = self.core else { return Ok(files) };
        let known = known(core, index, project).await?;
        let mut wanted = Vec::new();
        for (entry, version) in files {
            let same = known.get(entry.filename()).and_then(|(sha256, row)| is_same(&entry, sha256, row.as_ref()));
            match same {
                Some(true) => {
                    self.progress.step(0, &entry.relpath);
                    self.count_there(index.kind);
                }
                Some(false) => self.left_out(&entry, &Problem::new(Reason::Conflict, "")),
                None => wanted.push((entry, version)),
            }
        }
        Ok(wanted)
    }

    fn count_there(&mut self, kind: Kind) {
        match kind {
            Kind::Stage => self.report.there.files += 1,
            Kind::Mirror => self.report.there.mirrored += 1,
        }
    }

    async fn write(&mut self, index: &Arc<Index>, project: &ProjectName, ready: Vec<Ready>) -> Result<()> {
        for file in ready.iter().filter(|file| file.brought.unverified) {
            self.report.warn(format!("{}: the export gives no digest that could be compared", file.entry.relpath));
        }
        let outcomes = match (self.core, index.kind) {
            (None, _) => ready.iter().map(|_| Some(Outcome::New)).collect(),
            (Some(core), Kind::Stage) => write_stage(core, index, project, &ready).await?,
            (Some(core), Kind::Mirror) => self.write_mirrored(core, index, project, &ready).await?,
        };
        for (file, outcome) in ready.iter().zip(outcomes) {
            match (outcome, index.kind) {
                (Some(Outcome::Identical), kind) => self.count_there(kind),
                (Some(_), kind) => {
                    let files = if kind == Kind::Stage { &mut self.report.came.files } else { &mut self.report.came.mirrored };
                    *files += 1;
                    self.report.came.bytes += file.brought.blob.size;
                }
                (None, _) => self.report.skip(Reason::Conflict, &file.entry.relpath, ""),
            }
        }
        Ok(())
    }
}

/// What the index has of the project, by file name.
async fn known(core: &Core, index: &Index, project: &ProjectName) -> Result<HashMap<String, (Sha256, Option<BlobRow>)>> {
    let mut c = core.db.read().await?;
    let Some(row) = db::projects::by_name(&mut c, index.id, project).await? else { return Ok(HashMap::new()) };
    let blobs = db::blobs::of_project(&mut c, index.id, project).await?;
    let blobs: HashMap<Sha256, BlobRow> = blobs.into_iter().map(|blob| (blob.sha256, blob)).collect();
    let files = db::files::live(&mut c, row.id).await?;
    Ok(files.into_iter().map(|file| (file.filename, (file.sha256, blobs.get(&file.sha256).cloned()))).collect())
}

/// Writes the rows of a stage's files in one transaction. `None`: other bytes stand under the name.
async fn write_stage(core: &Core, index: &Index, project: &ProjectName, ready: &[Ready]) -> Result<Vec<Option<Outcome>>> {
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    let row = db::projects::by_name(&mut c, index.id, project).await?;
    let releases = match &row {
        Some(row) => db::releases::of_project(&mut c, row.id).await?,
        None => Vec::new(),
    };
    let dumped: HashMap<String, Value> = releases.into_iter().map(|release| (release.canonical, release.metadata.0)).collect();
    let display = row.as_ref().map(|row| row.display_name.as_str());
    let (mut stored, mut outcomes) = (Vec::new(), Vec::new());
    for file in ready {
        let metadata = metadata(file, display.unwrap_or(project.as_str()), &dumped);
        let uploaded_by = file.entry.uploaded_by();
        let uploaded = file.entry.uploaded().unwrap_or(now);
        let log = file.entry.log().filter(|log| *log != file_log::of(None, uploaded_by.as_deref(), uploaded, &index.path));
        let incoming = Incoming {
            project,
            display_name: display.unwrap_or(&file.entry.projectname),
            version: &file.version,
            metadata: &metadata,
            filename: file.entry.filename(),
            blob: fetch::blob_row(&file.brought.blob),
            metadata_blob: file.brought.metadata_blob.as_ref().map(fetch::blob_row),
            requires_python: metadata.get("requires_python").and_then(Value::as_str),
            uploaded,
            uploaded_by: uploaded_by.as_deref(),
            log,
        };
        match store::put(&mut c, &core.blobs, index, &incoming, now).await {
            Ok(one) => {
                outcomes.push(Some(one.outcome));
                stored.push(one);
            }
            Err(Error::Conflict(_)) => outcomes.push(None),
            Err(error) => return Err(plain(error)),
        }
    }
    if stored.iter().any(|one| one.outcome != Outcome::Identical) {
        let detail = json!({"files": stored.len()});
        let change = Change { actor: ACTOR, index: Some(index.id), project: Some(project), action: Action::Import, detail };
        store::seal(&mut c, &stored, &change, now).await.map_err(plain)?;
        c.commit().await?;
    }
    Ok(outcomes)
}

/// What the archive says about itself; if it cannot be read, what the dump says of the release.
fn metadata(file: &Ready, display: &str, dumped: &HashMap<String, Value>) -> Value {
    match &file.brought.inspected {
        Some(inspected) => inspected.metadata.to_json(),
        None => {
            let of_release = dumped.get(&version::canonical(&file.version)).cloned();
            of_release.unwrap_or_else(|| json!({"name": display, "version": file.version}))
        }
    }
}
