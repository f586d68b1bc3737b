//! Questions that only the doctor asks: what names a blob, and which rows contradict one another. Each is one statement, so that
//! what changes meanwhile is seen whole or not at all.

use super::blobs::range;
use super::{Conn, IndexId, Result};
use crate::names::{IndexName, IndexPath, UserName};
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// The keys of all blobs that a row names and keeps, and that begin with this byte.
pub async fn named(c: &mut Conn, first: u8) -> Result<Vec<Sha256>> {
    let (low, high) = range(first);
    let keys: Vec<Vec<u8>> = on!(c, c => query_scalar(sql!(
        "SELECT sha256 FROM files WHERE sha256 >= $1 AND sha256 <= $2 AND purged IS NULL
         UNION SELECT metadata_sha256 FROM files WHERE metadata_sha256 >= $1 AND metadata_sha256 <= $2 AND purged IS NULL
         UNION SELECT sha256 FROM mirror_metadata WHERE sha256 >= $1 AND sha256 <= $2
         UNION SELECT sha256 FROM attachments WHERE sha256 >= $1 AND sha256 <= $2"
    )).bind(low).bind(high).fetch_all(c).await)?;
    Ok(keys.into_iter().filter_map(|key| Sha256::try_from(key).ok()).collect())
}

/// A row of a project, and where it is.
#[derive(Debug, Clone, FromRow)]
pub struct Placed {
    /// Key in its own table.
    pub id: i64,
    /// The index.
    pub index_id: IndexId,
    /// `stage` or `mirror`.
    pub kind: String,
    user_name: UserName,
    index_name: IndexName,
    /// The project.
    pub project: ProjectName,
    /// The file, if the row is of one.
    pub filename: Option<String>,
    /// Whether it is a file that was removed.
    pub removed: bool,
}

impl Placed {
    /// The index.
    pub fn index(&self) -> IndexPath {
        IndexPath { user: self.user_name.clone(), index: self.index_name.clone() }
    }
}

/// The files whose bytes the blob is.
pub async fn files_of(c: &mut Conn, sha256: &Sha256) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, f.filename,
                f.removed_serial IS NOT NULL AS removed
         FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE f.sha256 = $1 AND f.purged IS NULL ORDER BY f.id"
    )).bind(sha256.as_bytes()).fetch_all(c).await)
}

/// The files whose metadata the blob is.
pub async fn described_by(c: &mut Conn, sha256: &Sha256) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, f.filename,
                f.removed_serial IS NOT NULL AS removed
         FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE f.metadata_sha256 = $1 AND f.purged IS NULL ORDER BY f.id"
    )).bind(sha256.as_bytes()).fetch_all(c).await)
}

/// The mirrored files whose metadata the blob is.
pub async fn learnt_from(c: &mut Conn, sha256: &Sha256) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT i.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, m.name AS project, m.filename,
                m.sha256 IS NULL AS removed
         FROM mirror_metadata m JOIN indexes i ON i.id = m.index_id JOIN users u ON u.id = i.user_id
         WHERE m.sha256 = $1 ORDER BY m.index_id, m.name, m.filename"
    )).bind(sha256.as_bytes()).fetch_all(c).await)
}

/// The documentation and test results that the blob is.
pub async fn attached_as(c: &mut Conn, sha256: &Sha256) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT a.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, a.filename,
                a.sha256 IS NULL AS removed
         FROM attachments a JOIN releases r ON r.id = a.release_id JOIN projects p ON p.id = r.project_id
              JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE a.sha256 = $1 ORDER BY a.id"
    )).bind(sha256.as_bytes()).fetch_all(c).await)
}

/// Takes a file's link to its metadata away, if it is still this one.
pub async fn unlink_metadata(c: &mut Conn, file: i64, sha256: &Sha256) -> Result<bool> {
    on!(c, c => query(sql!("UPDATE files SET metadata_sha256 = NULL WHERE id = $1 AND metadata_sha256 = $2"))
        .bind(file).bind(sha256.as_bytes()).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Forgets what was learnt of a mirrored file, if it is still this.
pub async fn unlearn(c: &mut Conn, index: IndexId, project: &ProjectName, filename: &str, sha256: &Sha256) -> Result<bool> {
    on!(c, c => query(sql!("DELETE FROM mirror_metadata WHERE index_id = $1 AND name = $2 AND filename = $3 AND sha256 = $4"))
        .bind(index).bind(project).bind(filename).bind(sha256.as_bytes())
        .execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Corrects the size of a blob.
pub async fn set_size(c: &mut Conn, sha256: &Sha256, size: i64) -> Result<()> {
    on!(c, c => query(sql!("UPDATE blobs SET size = $2 WHERE sha256 = $1")).bind(sha256.as_bytes()).bind(size).execute(c).await.map(drop))
}

/// Projects after `after` whose last change is one that the journal has not come to.
pub async fn projects_ahead(c: &mut Conn, after: i64, count: i64) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT p.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, NULL AS filename,
                p.reserved AS removed
         FROM projects p JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE p.id > $1 AND p.serial > (SELECT COALESCE(MAX(serial), 0) FROM journal) ORDER BY p.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Projects after `after` whose name is reserved because they have nothing, and which have something.
pub async fn projects_reserved_in_use(c: &mut Conn, after: i64, count: i64) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT p.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, NULL AS filename,
                p.reserved AS removed
         FROM projects p JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE p.id > $1 AND p.reserved AND (EXISTS (SELECT 1 FROM releases r WHERE r.project_id = p.id)
            OR EXISTS (SELECT 1 FROM files f WHERE f.project_id = p.id AND f.removed_serial IS NULL))
         ORDER BY p.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Files after `after` that came or went with a change that the journal cannot have, or of stages and without one.
pub async fn files_out_of_order(c: &mut Conn, after: i64, count: i64) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, f.filename,
                f.removed_serial IS NOT NULL AS removed
         FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
         WHERE f.id > $1 AND (f.added_serial > (SELECT COALESCE(MAX(serial), 0) FROM journal)
            OR f.removed_serial > (SELECT COALESCE(MAX(serial), 0) FROM journal)
            OR (i.kind = 'stage' AND f.state = 'published' AND (f.added_serial <= 0 OR f.removed_serial < f.added_serial)))
         ORDER BY f.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Live files of stages after `after` that belong to no release, or to one of another project.
pub async fn files_without_release(c: &mut Conn, after: i64, count: i64) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, f.filename,
                f.removed_serial IS NOT NULL AS removed
         FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
              LEFT JOIN releases r ON r.id = f.release_id
         WHERE f.id > $1 AND i.kind = 'stage' AND f.removed_serial IS NULL AND (r.id IS NULL OR r.project_id <> f.project_id)
         ORDER BY f.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Files after `after` that are of another size than their blob.
pub async fn files_of_another_size(c: &mut Conn, after: i64, count: i64) -> Result<Vec<Placed>> {
    on!(c, c => query_as(sql!(
        "SELECT f.id, i.id AS index_id, i.kind, u.name AS user_name, i.name AS index_name, p.name AS project, f.filename,
                f.removed_serial IS NOT NULL AS removed
         FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id JOIN users u ON u.id = i.user_id
              JOIN blobs b ON b.sha256 = f.sha256
         WHERE f.id > $1 AND f.purged IS NULL AND f.size <> b.size ORDER BY f.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Whether the journal has changes that it says it has forgotten.
pub async fn journal_reaches_below(c: &mut Conn, floor: super::Serial) -> Result<bool> {
    on!(c, c => query_scalar(sql!("SELECT EXISTS (SELECT 1 FROM journal WHERE serial <= $1)")).bind(floor).fetch_one(c).await)
}
