//! Attachments: documentation of releases and test results of files.

use super::{AttachmentId, Conn, FileId, IndexId, ProjectId, ReleaseId, Result};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, ProjectStatus, Sha256};
use crate::{on, sql};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// What an attachment is: devpi's words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    /// A zip archive of a release's documentation; a release has one at most.
    DocZip,
    /// A JSON file with the results of testing a file.
    ToxResult,
}

/// One attachment.
#[derive(Debug, Clone, FromRow)]
pub struct Attachment {
    /// Key.
    pub id: AttachmentId,
    /// Whose it is.
    pub release_id: ReleaseId,
    /// The tested file; `None` for documentation.
    pub file_id: Option<FileId>,
    /// What it is.
    pub kind: Kind,
    /// Name.
    pub filename: String,
    /// The blob.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// Bytes.
    pub size: i64,
    /// When it was attached.
    pub uploaded: Timestamp,
    /// Who brought it.
    pub uploaded_by: Option<String>,
    /// As in `files`.
    pub log: Option<Json<Value>>,
}

/// An attachment about to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewAttachment<'a> {
    /// Release.
    pub release: ReleaseId,
    /// The tested file; `None` for documentation.
    pub file: Option<FileId>,
    /// What it is.
    pub kind: Kind,
    /// Name.
    pub filename: &'a str,
    /// Blob.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// When it was attached.
    pub uploaded: Timestamp,
    /// Who brings it.
    pub uploaded_by: Option<&'a str>,
    /// As in `files`.
    pub log: Option<&'a Value>,
}

/// Adds an attachment; `None` if the release has documentation already, or the file a result of this name.
pub async fn add(c: &mut Conn, attachment: &NewAttachment<'_>) -> Result<Option<AttachmentId>> {
    let size = i64::try_from(attachment.size).unwrap_or(i64::MAX);
    on!(c, c => query_scalar(sql!(
        "INSERT INTO attachments (release_id, file_id, kind, filename, sha256, size, uploaded, uploaded_by, log)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id"
    ))
    .bind(attachment.release).bind(attachment.file).bind(attachment.kind).bind(attachment.filename)
    .bind(attachment.sha256.as_bytes()).bind(size).bind(attachment.uploaded).bind(attachment.uploaded_by)
    .bind(attachment.log.map(Json))
    .fetch_optional(c).await)
}

/// All attachments of a project, the oldest first.
pub async fn of_project(c: &mut Conn, project: ProjectId) -> Result<Vec<Attachment>> {
    on!(c, c => query_as(sql!(
        "SELECT a.id, a.release_id, a.file_id, a.kind, a.filename, a.sha256, a.size, a.uploaded, a.uploaded_by, a.log
         FROM attachments a JOIN releases r ON r.id = a.release_id WHERE r.project_id = $1 ORDER BY a.id"
    )).bind(project).fetch_all(c).await)
}

/// The documentation of a release.
pub async fn docs(c: &mut Conn, release: ReleaseId) -> Result<Option<Attachment>> {
    on!(c, c => query_as(sql!(
        "SELECT id, release_id, file_id, kind, filename, sha256, size, uploaded, uploaded_by, log
         FROM attachments WHERE release_id = $1 AND kind = 'doczip'"
    )).bind(release).fetch_optional(c).await)
}

/// The test result of this name that the file has.
pub async fn result(c: &mut Conn, file: FileId, filename: &str) -> Result<Option<Attachment>> {
    on!(c, c => query_as(sql!(
        "SELECT id, release_id, file_id, kind, filename, sha256, size, uploaded, uploaded_by, log
         FROM attachments WHERE file_id = $1 AND filename = $2"
    )).bind(file).bind(filename).fetch_optional(c).await)
}

/// Documentation of some release in some stage.
#[derive(Debug, Clone, FromRow)]
pub struct Documented {
    /// The stage.
    pub index_id: IndexId,
    /// The status of the project there; `None`: active.
    pub status: Option<Json<ProjectStatus>>,
    /// The release's version as uploaded.
    pub version: String,
    /// The blob.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// When it was attached.
    pub uploaded: Timestamp,
}

/// The documentation of all releases of a project in all stages.
pub async fn documented(c: &mut Conn, project: &ProjectName) -> Result<Vec<Documented>> {
    on!(c, c => query_as(sql!(
        "SELECT p.index_id, p.status, r.version, a.sha256, a.uploaded
         FROM projects p JOIN releases r ON r.project_id = p.id JOIN attachments a ON a.release_id = r.id
         WHERE p.name = $1 AND a.kind = 'doczip'"
    )).bind(project).fetch_all(c).await)
}

/// An attachment with what is needed to find it by its link.
#[derive(Debug, Clone, FromRow)]
pub struct Placed {
    /// The stage.
    pub index_id: IndexId,
    /// The project.
    pub project: ProjectName,
    /// The status of the project there; `None`: active.
    pub status: Option<Json<ProjectStatus>>,
    /// The version of its release, as uploaded.
    pub version: String,
    /// The digest of the tested file.
    tested: Option<Vec<u8>>,
    /// The attachment.
    #[sqlx(flatten)]
    pub attachment: Attachment,
}

impl Placed {
    /// The digest in its link: that of the tested file, or its own.
    pub fn linked_by(&self) -> Sha256 {
        self.tested.clone().and_then(|bytes| Sha256::try_from(bytes).ok()).unwrap_or(self.attachment.sha256)
    }
}

/// The attachments of this name in all stages.
pub async fn named(c: &mut Conn, filename: &str) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT p.index_id, p.name AS project, p.status, r.version, f.sha256 AS tested, a.id, a.release_id, a.file_id, a.kind, a.filename,
                a.sha256, a.size, a.uploaded, a.uploaded_by, a.log
         FROM attachments a JOIN releases r ON r.id = a.release_id JOIN projects p ON p.id = r.project_id
              LEFT JOIN files f ON f.id = a.file_id
         WHERE a.filename = $1 ORDER BY a.id"
    )).bind(filename).fetch_all(c).await)
}

/// Removes one.
pub async fn remove(c: &mut Conn, id: AttachmentId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM attachments WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

/// Removes the test results of a file, whose row stays when the file goes.
pub async fn remove_results(c: &mut Conn, file: FileId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM attachments WHERE file_id = $1")).bind(file).execute(c).await.map(drop))
}

/// How many test results the file has: the number in the next one's name.
pub async fn results(c: &mut Conn, file: FileId) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM attachments WHERE file_id = $1")).bind(file).fetch_one(c).await)
}
