//! What a push takes along: a release of one index, with what belongs to it. Mirrored files are fetched first.

use crate::clock::Timestamp;
use crate::db;
use crate::db::attachments::{Attachment, Kind as AttachmentKind};
use crate::db::blobs::BlobRow;
use crate::db::projects::Project;
use crate::error::{Error, Result};
use crate::index::access::{self, Action, Caller, Sight};
use crate::index::core::Core;
use crate::index::inspect;
use crate::index::listing;
use crate::index::merge::Listed;
use crate::index::settings::Kind;
use crate::index::tree::{Index, Place};
use crate::index::{fetch, file_log, keep};
use crate::pypi::{DistFilename, ProjectName, Sha256, version};
use serde_json::{Value, json};
use std::sync::Arc;

/// Which parts of a release are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Files, their test results, and documentation.
    Everything,
    /// No documentation.
    NoDocs,
    /// Documentation alone.
    OnlyDocs,
}

/// A release ready to be pushed.
#[derive(Debug)]
pub struct Parcel {
    /// The project.
    pub project: ProjectName,
    /// Its name as its author writes it.
    pub display_name: String,
    /// The version as its author writes it.
    pub version: String,
    /// Core metadata (`CoreMetadata::to_json`).
    pub metadata: Value,
    /// Release files, by name.
    pub files: Vec<ParcelFile>,
    /// Documentation.
    pub docs: Option<Attachment>,
}

/// A release file ready to be pushed: its blobs are at rest.
#[derive(Debug)]
pub struct ParcelFile {
    /// Name.
    pub filename: String,
    /// Bytes.
    pub blob: BlobRow,
    /// METADATA or PKG-INFO as bytes.
    pub metadata_blob: Option<BlobRow>,
    /// Requires-Python.
    pub requires_python: Option<String>,
    /// Why it was yanked, if it was.
    pub yanked: Option<String>,
    /// When it entered the index that it comes from.
    pub uploaded: Timestamp,
    /// Who brought it there.
    pub uploaded_by: Option<String>,
    /// Its log as devpi shows it.
    pub log: Value,
    /// Test results.
    pub results: Vec<Attachment>,
}

/// Gathers a release of this very index, its bases left out. 400 if the index does not know it, 404 if it has nothing of what
/// is wanted, 502 if a mirrored file cannot be fetched; in devpi's words.
pub async fn gather(core: &Arc<Core>, caller: &Caller, place: &Place, name: &str, text: &str, what: What) -> Result<Parcel> {
    let unknown = || Error::BadRequest(format!("there are no files for {name} {text} on stage {}", place.index.path));
    let project = ProjectName::parse(name).map_err(|_| unknown())?;
    if !access::may(caller, Action::Read, &place.index, Some(&project)) {
        return Err(Error::Forbidden("package read forbidden".into()));
    }
    let parcel = match place.index.kind {
        Kind::Stage => of_stage(core, &place.index, &project, text, what).await?,
        Kind::Mirror => of_mirror(core, place, &project, text, what).await?,
    };
    let parcel = parcel.ok_or_else(unknown)?;
    match parcel.files.is_empty() && parcel.docs.is_none() {
        true => Err(Error::NotFound(format!("no release/files found for {name} {text}"))),
        false => Ok(parcel),
    }
}

async fn of_stage(core: &Core, index: &Index, name: &ProjectName, text: &str, what: What) -> Result<Option<Parcel>> {
    let mut c = core.db.read().await?;
    let known = db::projects::by_name(&mut c, index.id, name).await?.filter(|project| !project.reserved);
    // PEP 792: a quarantined project offers nothing, also not by way of another index.
    let quarantined = |project: &Project| project.status.as_ref().is_some_and(|status| status.status == "quarantined");
    let Some(project) = known.filter(|project| !quarantined(project)) else { return Ok(None) };
    let release = db::releases::by_canonical(&mut c, project.id, &version::canonical(text)).await?;
    let Some(release) = release else { return Ok(None) };
    let attachments = db::attachments::of_project(&mut c, project.id).await?;
    let mut rows = db::files::live(&mut c, project.id).await?;
    rows.retain(|file| file.release_id == Some(release.id) && what != What::OnlyDocs);
    let mut files = Vec::new();
    for file in rows {
        let metadata_blob = match file.metadata_sha256() {
            Some(sha256) => Some(blob(&mut c, &sha256).await?),
            None => None,
        };
        let log = file_log::of(file.log.as_ref().map(|log| &log.0), file.uploaded_by.as_deref(), file.uploaded, &index.path);
        files.push(ParcelFile {
            blob: blob(&mut c, &file.sha256).await?,
            metadata_blob,
            requires_python: file.requires_python,
            yanked: file.yanked,
            uploaded: file.uploaded,
            uploaded_by: file.uploaded_by,
            log,
            results: attachments.iter().filter(|result| result.file_id == Some(file.id)).cloned().collect(),
            filename: file.filename,
        });
    }
    let docs = attachments.into_iter().find(|docs| docs.kind == AttachmentKind::DocZip && docs.release_id == release.id);
    Ok(Some(Parcel {
        project: name.clone(),
        display_name: project.display_name,
        version: release.version,
        metadata: release.metadata.0,
        files,
        docs: docs.filter(|_| what != What::NoDocs),
    }))
}

async fn blob(c: &mut db::Conn, sha256: &Sha256) -> Result<BlobRow> {
    let row = db::blobs::get(c, sha256).await?;
    row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a file's blob {sha256} has no row")))
}

async fn of_mirror(core: &Arc<Core>, place: &Place, name: &ProjectName, text: &str, what: What) -> Result<Option<Parcel>> {
    let alone = Sight { place: place.clone(), visible: [place.index.clone()].into() };
    let listing = listing::listing(core, &alone, name).await?;
    let key = version::sort_key(text);
    let fits = |file: &&Listed| file.version.as_deref().is_some_and(|version| version::sort_key(version) == key);
    let wanted: Vec<&Listed> = listing.files.iter().filter(fits).collect();
    let Some(first) = wanted.first() else { return Ok(None) };
    let (written, requires) = (first.version.clone(), first.file.requires_python.clone());
    let written = written.unwrap_or_else(|| text.to_owned());
    let mut metadata = bare_metadata(name.as_str(), &written, requires.as_deref());
    let mut files = Vec::new();
    let wanted = if what == What::OnlyDocs { Vec::new() } else { wanted };
    for listed in wanted {
        let (file, said) = fetched(core, name, listed).await?;
        // The last file speaks for the release, as after uploads.
        metadata = said.unwrap_or(metadata);
        files.push(file);
    }
    files.sort_by(|a, b| a.filename.cmp(&b.filename));
    let said = |field: &str, other: &str| metadata.get(field).and_then(Value::as_str).unwrap_or(other).to_owned();
    let (display_name, version) = (said("name", name.as_str()), said("version", &written));
    Ok(Some(Parcel { project: name.clone(), display_name, version, metadata, files, docs: None }))
}

/// What a mirror's page tells of a release: less than an archive does.
fn bare_metadata(name: &str, version: &str, requires_python: Option<&str>) -> Value {
    let mut metadata = json!({"name": name, "version": version});
    if let Some(requires) = requires_python {
        metadata["requires_python"] = json!(requires);
    }
    metadata
}

/// A mirrored file, fetched if it is not kept, and what its archive says of the release.
async fn fetched(core: &Arc<Core>, name: &ProjectName, listed: &Listed) -> Result<(ParcelFile, Option<Value>)> {
    let kept = db::files::kept(&mut core.db.read().await?, listed.origin.id, name, &listed.file.filename).await?;
    let sha256 = match kept.filter(|sha256| listed.blob.is_none_or(|announced| announced == *sha256)) {
        Some(sha256) => sha256,
        None if core.rules.offline => {
            return Err(Error::BadGateway("the server is offline and has not kept this file".into()));
        }
        None => fetch::fetch(core, name, listed).await?.kept().await?,
    };
    let said = inspected(core, &listed.file.filename, &sha256).await?;
    let metadata_blob = match &said {
        Some(said) => Some(fetch::blob_row(&keep::put_bytes(core, said.metadata_bytes.clone().into()).await?)),
        None => None,
    };
    let file = ParcelFile {
        filename: listed.file.filename.clone(),
        blob: blob(&mut core.db.read().await?, &sha256).await?,
        metadata_blob,
        requires_python: listed.file.requires_python.clone(),
        yanked: listed.file.yanked.clone(),
        uploaded: listed.file.upload_time.unwrap_or_else(|| core.clock.now()),
        uploaded_by: None,
        log: Value::Array(Vec::new()),
        results: Vec::new(),
    };
    Ok((file, said.map(|said| said.metadata.to_json())))
}

/// What the archive says; nothing if it is of a kind that cannot be inspected, or would be refused as an upload: the mirror
/// has it, and so it may be pushed.
async fn inspected(core: &Core, filename: &str, sha256: &Sha256) -> Result<Option<inspect::Inspected>> {
    let Ok(name) = DistFilename::parse(filename) else { return Ok(None) };
    let Some(blob) = core.blobs.open(sha256).await? else { return Ok(None) };
    Ok(blob.read_with(move |file| inspect::inspect(file, &name)).await?.ok())
}
