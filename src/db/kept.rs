//! What mirrors have kept of their upstream's files, and what of it may go: it can be fetched again.

use super::{Conn, FileId, IndexId, Result};
use crate::clock::Timestamp;
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// A file that a mirror keeps.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptFile {
    /// Key.
    pub id: FileId,
    /// Bytes.
    pub size: i64,
    /// The day on which it was last used, since 1970 UTC: downloaded, or fetched if it was not downloaded since.
    pub last: i64,
}

/// Kept files in the order of their last use, the oldest first; after (`last`, `id`).
pub async fn oldest(c: &mut Conn, after: (i64, FileId), count: i64) -> Result<Vec<KeptFile>> {
    on!(c, c => query_as(sql!(
        "SELECT * FROM (
            SELECT f.id, f.size,
                   COALESCE((SELECT MAX(d.day) FROM downloads d WHERE d.file_id = f.id), b.used / 86400000000) AS last
            FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id
                 JOIN blobs b ON b.sha256 = f.sha256
            WHERE i.kind = 'mirror' AND f.removed_serial IS NULL
         ) AS uses WHERE last > $1 OR (last = $1 AND id > $2) ORDER BY last, id LIMIT $3"
    )).bind(after.0).bind(after.1).bind(count).fetch_all(c).await)
}

/// Bytes of all kept files together; the same bytes are counted once.
pub async fn bytes(c: &mut Conn) -> Result<i64> {
    on!(c, c => query_scalar(sql!(
        "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM (
            SELECT DISTINCT f.sha256, f.size FROM files f JOIN projects p ON p.id = f.project_id JOIN indexes i ON i.id = p.index_id
            WHERE i.kind = 'mirror' AND f.removed_serial IS NULL
         ) AS kept"
    )).fetch_one(c).await)
}

/// Forgets that a mirror keeps a file. Its page goes on listing it.
pub async fn forget(c: &mut Conn, id: FileId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM files WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

/// A remembered page.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Page {
    /// The mirror.
    pub index_id: IndexId,
    /// The project.
    pub name: String,
    /// Bytes of its record.
    pub size: i64,
}

/// Remembered pages that upstream was last asked for before `checked`, and of which no file is kept; after (`index`, `name`).
/// A page whose upstream fails is not among them: it may be all that is left.
pub async fn unused_pages(c: &mut Conn, checked: Timestamp, after: (IndexId, &str), count: i64) -> Result<Vec<Page>> {
    on!(c, c => query_as(sql!(
        "SELECT m.index_id, m.name, CAST(length(m.body) AS BIGINT) AS size FROM mirror_pages m
         WHERE m.checked < $1 AND m.failures = 0 AND m.name <> '' AND (m.index_id > $2 OR (m.index_id = $2 AND m.name > $3))
            AND NOT EXISTS (SELECT 1 FROM projects p JOIN files f ON f.project_id = p.id
                            WHERE p.index_id = m.index_id AND p.name = m.name AND f.removed_serial IS NULL)
         ORDER BY m.index_id, m.name LIMIT $4"
    )).bind(checked).bind(after.0).bind(after.1).bind(count).fetch_all(c).await)
}

/// Forgets a page and what was learnt of its files; `false` if somebody has asked upstream for it meanwhile, as `checked` was before.
pub async fn forget_page(c: &mut Conn, page: &Page, checked: Timestamp) -> Result<bool> {
    let text = sql!("DELETE FROM mirror_pages WHERE index_id = $1 AND name = $2 AND checked < $3 AND failures = 0");
    let gone = on!(&mut *c, c => query(text).bind(page.index_id).bind(&page.name).bind(checked).execute(c).await.map(|done| done.rows_affected()))?;
    if gone == 0 {
        return Ok(false);
    }
    on!(c, c => query(sql!("DELETE FROM mirror_metadata WHERE index_id = $1 AND name = $2"))
        .bind(page.index_id).bind(&page.name).execute(c).await.map(|_| true))
}
