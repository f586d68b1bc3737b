//! How much there is. These walk through whole tables: for what is counted now and then and kept, not for requests.

use super::{Conn, IndexId, Result};
use crate::clock::Timestamp;
use crate::{on, sql};
use sqlx::{FromRow, query_as, query_scalar};

/// All blobs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromRow)]
pub struct Blobs {
    /// How many.
    pub count: i64,
    /// Their bytes.
    pub bytes: i64,
    /// How many of them are marked for deletion.
    pub doomed: i64,
    /// Bytes of those.
    pub doomed_bytes: i64,
}

/// Counts the blobs that the database knows.
pub async fn blobs(c: &mut Conn) -> Result<Blobs> {
    on!(c, c => query_as(sql!(
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes, COUNT(deleting) AS doomed,
                CAST(COALESCE(SUM(CASE WHEN deleting IS NULL THEN 0 ELSE size END), 0) AS BIGINT) AS doomed_bytes
         FROM blobs"
    )).fetch_one(c).await)
}

/// The live files of one index: of a mirror those that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Files {
    /// The index.
    pub index_id: IndexId,
    /// How many.
    pub count: i64,
    /// Their bytes; the same bytes in two files count twice.
    pub bytes: i64,
}

/// Counts the live files of every index that has some.
pub async fn files(c: &mut Conn) -> Result<Vec<Files>> {
    on!(c, c => query_as(sql!(
        "SELECT p.index_id, COUNT(*) AS count, CAST(COALESCE(SUM(f.size), 0) AS BIGINT) AS bytes
         FROM files f JOIN projects p ON p.id = f.project_id WHERE f.removed_serial IS NULL GROUP BY p.index_id"
    )).fetch_all(c).await)
}

/// The pages that one mirror remembers, its list of projects aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Pages {
    /// The mirror.
    pub index_id: IndexId,
    /// How many.
    pub count: i64,
    /// How many of them upstream last failed to give.
    pub failing: i64,
    /// When upstream last gave one, or said that it has not changed.
    pub checked: Timestamp,
}

/// Counts the remembered pages of every mirror that has some.
pub async fn pages(c: &mut Conn) -> Result<Vec<Pages>> {
    on!(c, c => query_as(sql!(
        "SELECT index_id, COUNT(*) AS count, COUNT(CASE WHEN failures > 0 THEN 1 END) AS failing, MAX(checked) AS checked
         FROM mirror_pages WHERE name <> '' GROUP BY index_id"
    )).fetch_all(c).await)
}

/// Bytes of the database on disk, without its write-ahead log.
pub async fn database_bytes(c: &mut Conn) -> Result<i64> {
    let text = sql!(c,
        sqlite: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        postgres: "SELECT pg_database_size(current_database())");
    on!(c, c => query_scalar(text).fetch_one(c).await)
}

/// The version of the database's program.
pub async fn engine_version(c: &mut Conn) -> Result<String> {
    let text = sql!(c, sqlite: "SELECT sqlite_version()", postgres: "SELECT current_setting('server_version')");
    on!(c, c => query_scalar(text).fetch_one(c).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;
    use crate::db::blobs as rows;
    use crate::pypi::Sha256;

    both! {
        async fn blobs_are_counted_with_those_that_go(db: Db) {
            let mut c = db.begin().await.unwrap();
            assert_eq!(blobs(&mut c).await.unwrap(), Blobs::default());
            for (name, size) in [("a", 5), ("b", 7)] {
                let row = rows::BlobRow { sha256: Sha256::of(name.as_bytes()), size, md5: None, blake2: None };
                let _ = rows::put(&mut c, &row, Timestamp(1)).await.unwrap();
            }
            assert!(rows::doom(&mut c, &Sha256::of(b"b"), Timestamp(1), Timestamp(2)).await.unwrap());
            assert_eq!(blobs(&mut c).await.unwrap(), Blobs { count: 2, bytes: 12, doomed: 1, doomed_bytes: 7 });
            assert!(database_bytes(&mut c).await.unwrap() > 10_000);
            assert!(engine_version(&mut c).await.unwrap().contains('.'));
        }
    }
}
