//! Files. A removed file keeps its row: that is what later answers 410 and tells what an index held at some time.

use super::{Conn, FileId, IndexId, ProjectId, ReleaseId, Result, Serial};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// A file as a page lists it.
#[derive(Debug, Clone, FromRow)]
pub struct File {
    /// Key.
    pub id: FileId,
    /// Its release, if it belongs to one (a mirrored file does not).
    pub release_id: Option<ReleaseId>,
    /// Name.
    pub filename: String,
    /// The blob.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// The blob that holds its METADATA or PKG-INFO.
    metadata_sha256: Option<Vec<u8>>,
    /// Bytes.
    pub size: i64,
    /// Requires-Python.
    pub requires_python: Option<String>,
    /// `None`: not yanked; `Some("")`: no reason given.
    pub yanked: Option<String>,
    /// When it entered this index.
    pub uploaded: Timestamp,
    /// Who brought it.
    pub uploaded_by: Option<String>,
    /// What happened to it, as devpi lists it; `None`: the upload that the fields above tell of.
    pub log: Option<Json<Value>>,
}

impl File {
    /// The blob that holds the file's METADATA or PKG-INFO.
    pub fn metadata_sha256(&self) -> Option<Sha256> {
        self.metadata_sha256.clone().and_then(|bytes| Sha256::try_from(bytes).ok())
    }
}

/// A file about to be stored.
#[derive(Debug)]
pub struct NewFile<'a> {
    /// Project.
    pub project: ProjectId,
    /// Release; `None` for a mirrored file.
    pub release: Option<ReleaseId>,
    /// Name.
    pub filename: &'a str,
    /// `bdist_wheel`, `sdist`, …
    pub kind: &'a str,
    /// Blob.
    pub sha256: Sha256,
    /// Blob of its METADATA or PKG-INFO.
    pub metadata_sha256: Option<Sha256>,
    /// Bytes.
    pub size: u64,
    /// Requires-Python.
    pub requires_python: Option<&'a str>,
    /// When it enters the index; earlier than now for what moves in from elsewhere.
    pub uploaded: Timestamp,
    /// Who brings it.
    pub uploaded_by: Option<&'a str>,
    /// Where the bytes came from, for a mirrored or promoted file.
    pub origin: Option<&'a Value>,
    /// As in [`File::log`].
    pub log: Option<&'a Value>,
}

/// Adds a file; `None` if the project has a live file of this name, which the caller then compares.
///
/// The serial is not known yet (the journal row comes last): [`set_added`] writes it.
pub async fn add(c: &mut Conn, file: &NewFile<'_>) -> Result<Option<FileId>> {
    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
    on!(c, c => query_scalar(sql!(
        "INSERT INTO files (project_id, release_id, filename, kind, sha256, metadata_sha256, size, requires_python,
                            uploaded, uploaded_by, origin, log, state, added_serial)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'published', 0)
         ON CONFLICT (project_id, filename) WHERE removed_serial IS NULL DO NOTHING
         RETURNING id"
    ))
    .bind(file.project).bind(file.release).bind(file.filename).bind(file.kind).bind(file.sha256.as_bytes())
    .bind(file.metadata_sha256.as_ref().map(Sha256::as_bytes)).bind(size).bind(file.requires_python)
    .bind(file.uploaded).bind(file.uploaded_by).bind(file.origin.map(Json)).bind(file.log.map(Json))
    .fetch_optional(c).await)
}

/// The live files of a project, by name.
pub async fn live(c: &mut Conn, project: ProjectId) -> Result<Vec<File>> {
    on!(c, c => query_as(sql!(
        "SELECT id, release_id, filename, sha256, metadata_sha256, size, requires_python, yanked, uploaded, uploaded_by, log
         FROM files WHERE project_id = $1 AND removed_serial IS NULL ORDER BY filename"
    )).bind(project).fetch_all(c).await)
}

/// The live file of this name.
pub async fn by_name(c: &mut Conn, project: ProjectId, filename: &str) -> Result<Option<File>> {
    on!(c, c => query_as(sql!(
        "SELECT id, release_id, filename, sha256, metadata_sha256, size, requires_python, yanked, uploaded, uploaded_by, log
         FROM files WHERE project_id = $1 AND filename = $2 AND removed_serial IS NULL"
    )).bind(project).bind(filename).fetch_optional(c).await)
}

/// The blob of a mirror's kept file.
pub async fn kept(c: &mut Conn, index: IndexId, project: &ProjectName, filename: &str) -> Result<Option<Sha256>> {
    let digest: Option<Vec<u8>> = on!(c, c => query_scalar(sql!(
        "SELECT f.sha256 FROM files f JOIN projects p ON p.id = f.project_id
         WHERE p.index_id = $1 AND p.name = $2 AND f.filename = $3 AND f.removed_serial IS NULL"
    )).bind(index).bind(project).bind(filename).fetch_optional(c).await)?;
    Ok(digest.and_then(|digest| Sha256::try_from(digest).ok()))
}

/// Whether a file of this name and digest was here and was removed: the difference between 410 and 404.
pub async fn was_removed(
    c: &mut Conn,
    index: IndexId,
    project: &ProjectName,
    filename: &str,
    sha256_prefix: &str,
) -> Result<bool> {
    let digests: Vec<Vec<u8>> = on!(c, c => query_scalar(sql!(
        "SELECT f.sha256 FROM files f JOIN projects p ON p.id = f.project_id
         WHERE p.index_id = $1 AND p.name = $2 AND f.filename = $3 AND f.removed_serial IS NOT NULL"
    )).bind(index).bind(project).bind(filename).fetch_all(c).await)?;
    Ok(digests.into_iter().filter_map(|d| Sha256::try_from(d).ok()).any(|d| d.hex().starts_with(sha256_prefix)))
}

/// The projects of stages that have a file of this name, removed or not, whose digest begins with `prefix`.
pub async fn holders(c: &mut Conn, prefix: &[u8], filename: &str) -> Result<Vec<ProjectName>> {
    let filled = |with: u8| -> Vec<u8> { prefix.iter().copied().chain(std::iter::repeat(with)).take(32).collect() };
    on!(c, c => query_scalar(sql!(
        "SELECT DISTINCT p.name FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id
         WHERE f.sha256 >= $1 AND f.sha256 <= $2 AND f.filename = $3 AND i.kind = 'stage'"
    )).bind(filled(0)).bind(filled(0xff)).bind(filename).fetch_all(c).await)
}

/// What stood under a file name before it was removed.
pub async fn removed_digests(c: &mut Conn, project: ProjectId, filename: &str) -> Result<Vec<Sha256>> {
    let digests: Vec<Vec<u8>> = on!(c, c => query_scalar(sql!(
        "SELECT sha256 FROM files WHERE project_id = $1 AND filename = $2 AND removed_serial IS NOT NULL"
    )).bind(project).bind(filename).fetch_all(c).await)?;
    Ok(digests.into_iter().filter_map(|digest| Sha256::try_from(digest).ok()).collect())
}

/// Writes the serial of the change that brought the file.
pub async fn set_added(c: &mut Conn, id: FileId, serial: Serial) -> Result<()> {
    on!(c, c => query(sql!("UPDATE files SET added_serial = $2 WHERE id = $1")).bind(id).bind(serial).execute(c).await.map(drop))
}

/// Removes a file; its row stays. Called with a serial of 0 where the journal row still has to come, and again with the real one.
pub async fn set_removed(c: &mut Conn, id: FileId, serial: Serial, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE files SET removed_serial = $2, removed = $3 WHERE id = $1"))
        .bind(id).bind(serial).bind(now).execute(c).await.map(drop))
}

/// Yanks (with a reason, which may be empty) or un-yanks.
pub async fn set_yanked(c: &mut Conn, id: FileId, yanked: Option<&str>) -> Result<()> {
    on!(c, c => query(sql!("UPDATE files SET yanked = $2 WHERE id = $1")).bind(id).bind(yanked).execute(c).await.map(drop))
}

/// A removed file whose row still keeps its blobs.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Removed {
    /// Key.
    pub id: FileId,
    /// Bytes.
    pub size: i64,
    /// `stage` or `mirror`.
    pub kind: String,
}

/// The files after `after` that were removed at `removed` or before and still keep their blobs; by key.
pub async fn unpurged(c: &mut Conn, after: FileId, removed: Timestamp, count: i64) -> Result<Vec<Removed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, f.size, i.kind FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id
         WHERE f.id > $1 AND f.removed IS NOT NULL AND f.removed <= $2 AND f.purged IS NULL ORDER BY f.id LIMIT $3"
    )).bind(after).bind(removed).bind(count).fetch_all(c).await)
}

/// From now on a removed file's row keeps no blob. The row itself stays: it says that the file was here.
pub async fn purge(c: &mut Conn, id: FileId, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE files SET purged = $2 WHERE id = $1 AND removed IS NOT NULL"))
        .bind(id).bind(now).execute(c).await.map(drop))
}
