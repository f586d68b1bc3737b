//! What is known of the bytes at rest. The bytes themselves are `crate::blobs`'.

use super::{Conn, IndexId, Result};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// Digests and size of a blob.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct BlobRow {
    /// Key.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// Bytes.
    pub size: i64,
    /// MD5, where it was computed; mirrored files have none.
    pub md5: Option<Vec<u8>>,
    /// BLAKE2b-256, likewise.
    pub blake2: Option<Vec<u8>>,
}

/// Every column that holds the key of a blob: what garbage collection must look through. A test compares it with the schema.
pub const DIGEST_COLUMNS: &[(&str, &str)] = &[
    ("files", "sha256"),
    ("files", "metadata_sha256"),
    ("mirror_metadata", "sha256"),
    ("attachments", "sha256"),
    ("blobs", "sha256"),
];

/// What noting a blob tells of its bytes.
#[must_use = "bytes that were noted anew may have been deleted a moment ago"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The blob was known and not to be deleted, so its bytes are there, and stay.
    Held,
    /// Nothing said so before: garbage collection may have deleted them before this transaction got hold of the row.
    Anew,
}

/// Notes a blob that is at rest, or that one already noted is used again: whoever stores a reference calls this in the same
/// transaction, which takes back a deletion that has begun. `index::keep::note` is the way to call it.
///
/// The row stays locked until the transaction ends, and garbage collection deletes bytes only while it holds that lock.
pub async fn put(c: &mut Conn, blob: &BlobRow, now: Timestamp) -> Result<Noted> {
    let added = on!(&mut *c, c => query(sql!(
        "INSERT INTO blobs (sha256, size, md5, blake2, created, used) VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (sha256) DO NOTHING"
    ))
    .bind(blob.sha256.as_bytes()).bind(blob.size).bind(&blob.md5).bind(&blob.blake2).bind(now)
    .execute(c).await.map(|done| done.rows_affected()))?;
    if added > 0 {
        return Ok(Noted::Anew);
    }
    let held = on!(&mut *c, c => query(sql!(
        "UPDATE blobs SET used = $4, md5 = COALESCE(md5, $2), blake2 = COALESCE(blake2, $3)
         WHERE sha256 = $1 AND deleting IS NULL"
    ))
    .bind(blob.sha256.as_bytes()).bind(&blob.md5).bind(&blob.blake2).bind(now)
    .execute(c).await.map(|done| done.rows_affected()))?;
    if held > 0 {
        return Ok(Noted::Held);
    }
    // Marked, or gone since (PostgreSQL).
    on!(c, c => query(sql!(
        "INSERT INTO blobs (sha256, size, md5, blake2, created, used) VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT (sha256) DO UPDATE SET used = excluded.used, deleting = NULL,
            md5 = COALESCE(blobs.md5, excluded.md5), blake2 = COALESCE(blobs.blake2, excluded.blake2)"
    ))
    .bind(blob.sha256.as_bytes()).bind(blob.size).bind(&blob.md5).bind(&blob.blake2).bind(now)
    .execute(c).await.map(|_| Noted::Anew))
}

/// What is known of a blob.
pub async fn get(c: &mut Conn, sha256: &Sha256) -> Result<Option<BlobRow>> {
    on!(c, c => query_as(sql!("SELECT sha256, size, md5, blake2 FROM blobs WHERE sha256 = $1"))
        .bind(sha256.as_bytes()).fetch_optional(c).await)
}

/// The blobs of a project's live files.
pub async fn of_project(c: &mut Conn, index: IndexId, name: &ProjectName) -> Result<Vec<BlobRow>> {
    on!(c, c => query_as(sql!(
        "SELECT b.sha256, b.size, b.md5, b.blake2
         FROM projects p JOIN files f ON f.project_id = p.id JOIN blobs b ON b.sha256 = f.sha256
         WHERE p.index_id = $1 AND p.name = $2 AND f.removed_serial IS NULL"
    )).bind(index).bind(name).fetch_all(c).await)
}

/// Whether the blob is marked for deletion.
pub async fn is_doomed(c: &mut Conn, sha256: &Sha256) -> Result<bool> {
    on!(c, c => query_scalar(sql!("SELECT EXISTS (SELECT 1 FROM blobs WHERE sha256 = $1 AND deleting IS NOT NULL)"))
        .bind(sha256.as_bytes()).fetch_one(c).await)
}

/// Takes the mark for deletion off a blob that is about to be used. It is not marked again before a grace is over.
pub async fn rescue(c: &mut Conn, sha256: &Sha256, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE blobs SET deleting = NULL, used = $2 WHERE sha256 = $1 AND deleting IS NOT NULL"))
        .bind(sha256.as_bytes()).bind(now).execute(c).await.map(drop))
}

// Garbage collection. Which rows keep a blob is said twice below; a test compares both with `DIGEST_COLUMNS`.

/// A blob's key and size.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Sized {
    /// Key.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// Bytes.
    pub size: i64,
}

/// Blobs after `after` that no row keeps, that are not marked, and whose last use is not after `used`; by key.
pub async fn unreferenced(c: &mut Conn, after: &[u8], used: Timestamp, count: i64) -> Result<Vec<Sized>> {
    on!(c, c => query_as(sql!(
        "SELECT b.sha256, b.size FROM blobs b WHERE b.sha256 > $1 AND b.deleting IS NULL AND b.used <= $2
            AND NOT EXISTS (SELECT 1 FROM files r WHERE r.sha256 = b.sha256 AND r.purged IS NULL)
            AND NOT EXISTS (SELECT 1 FROM files r WHERE r.metadata_sha256 = b.sha256 AND r.purged IS NULL)
            AND NOT EXISTS (SELECT 1 FROM mirror_metadata r WHERE r.sha256 = b.sha256)
            AND NOT EXISTS (SELECT 1 FROM attachments r WHERE r.sha256 = b.sha256)
         ORDER BY b.sha256 LIMIT $3"
    )).bind(after).bind(used).bind(count).fetch_all(c).await)
}

/// Whether a row keeps the blob.
pub async fn is_referenced(c: &mut Conn, sha256: &Sha256) -> Result<bool> {
    on!(c, c => query_scalar(sql!(
        "SELECT EXISTS (SELECT 1 FROM files r WHERE r.sha256 = $1 AND r.purged IS NULL)
             OR EXISTS (SELECT 1 FROM files r WHERE r.metadata_sha256 = $1 AND r.purged IS NULL)
             OR EXISTS (SELECT 1 FROM mirror_metadata r WHERE r.sha256 = $1)
             OR EXISTS (SELECT 1 FROM attachments r WHERE r.sha256 = $1) AS referenced"
    )).bind(sha256.as_bytes()).fetch_one(c).await)
}

/// Marks a blob for deletion, unless it was used after `used` or is marked already.
pub async fn doom(c: &mut Conn, sha256: &Sha256, used: Timestamp, now: Timestamp) -> Result<bool> {
    on!(c, c => query(sql!("UPDATE blobs SET deleting = $3 WHERE sha256 = $1 AND deleting IS NULL AND used <= $2"))
        .bind(sha256.as_bytes()).bind(used).bind(now).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Gives bytes that no row knows a row that is marked for deletion; `false` if they have a row by now.
pub async fn doom_stray(c: &mut Conn, sha256: &Sha256, size: i64, now: Timestamp) -> Result<bool> {
    on!(c, c => query(sql!(
        "INSERT INTO blobs (sha256, size, created, used, deleting) VALUES ($1, $2, $3, $3, $3) ON CONFLICT (sha256) DO NOTHING"
    )).bind(sha256.as_bytes()).bind(size).bind(now).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Blobs after `after` that were marked for deletion at `marked` or before; by key.
pub async fn doomed(c: &mut Conn, after: &[u8], marked: Timestamp, count: i64) -> Result<Vec<Sized>> {
    on!(c, c => query_as(sql!("SELECT sha256, size FROM blobs WHERE sha256 > $1 AND deleting <= $2 ORDER BY sha256 LIMIT $3"))
        .bind(after).bind(marked).bind(count).fetch_all(c).await)
}

/// Locks the row of a blob that was marked at `marked` or before; `false` if it is not, or not any more. Nobody can store a
/// reference to the blob before the transaction ends.
pub async fn lock_doomed(c: &mut Conn, sha256: &Sha256, marked: Timestamp) -> Result<bool> {
    let text = sql!(c,
        sqlite: "SELECT size FROM blobs WHERE sha256 = $1 AND deleting <= $2",
        postgres: "SELECT size FROM blobs WHERE sha256 = $1 AND deleting <= $2 FOR UPDATE");
    let found: Option<i64> = on!(c, c => query_scalar(text).bind(sha256.as_bytes()).bind(marked).fetch_optional(c).await)?;
    Ok(found.is_some())
}

/// Deletes the row.
pub async fn forget(c: &mut Conn, sha256: &Sha256) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM blobs WHERE sha256 = $1")).bind(sha256.as_bytes()).execute(c).await.map(drop))
}

/// What the rows say of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Known {
    /// Key.
    #[sqlx(try_from = "Vec<u8>")]
    pub sha256: Sha256,
    /// Bytes.
    pub size: i64,
    /// When it was marked for deletion.
    pub deleting: Option<Timestamp>,
}

/// The rows of the blobs whose key begins with this byte: what `Blobs::list` is compared with.
pub async fn beginning_with(c: &mut Conn, first: u8) -> Result<Vec<Known>> {
    let (low, high) = range(first);
    on!(c, c => query_as(sql!("SELECT sha256, size, deleting FROM blobs WHERE sha256 >= $1 AND sha256 <= $2 ORDER BY sha256"))
        .bind(low).bind(high).fetch_all(c).await)
}

/// The lowest and the highest key that begin with this byte.
pub(super) fn range(first: u8) -> (Vec<u8>, Vec<u8>) {
    let filled = |with: u8| std::iter::once(first).chain(std::iter::repeat_n(with, 31)).collect();
    (filled(0), filled(0xff))
}

#[cfg(test)]
mod tests {
    use super::super::testing::STATEMENTS;
    use super::*;
    use std::collections::BTreeSet;

    /// A digest column that these two did not look through would lose blobs.
    #[test]
    fn garbage_collection_looks_through_every_digest_column() {
        // A statement is enrolled once for each engine.
        let texts: BTreeSet<&str> =
            STATEMENTS.iter().map(|(text, _)| *text).filter(|text| text.contains("FROM attachments r")).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        for (table, column) in DIGEST_COLUMNS.iter().filter(|(table, _)| *table != "blobs") {
            for text in &texts {
                assert!(text.contains(&format!("FROM {table} r WHERE r.{column} = ")), "{table}.{column} in {text}");
            }
        }
    }

    #[test]
    fn keys_of_one_first_byte() {
        let (low, high) = range(0xab);
        assert_eq!((low.len(), high.len(), low[0], high[0], low[31], high[31]), (32, 32, 0xab, 0xab, 0, 0xff));
    }
}
