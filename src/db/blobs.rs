//! What is known of the bytes at rest. The bytes themselves are `crate::blobs`'.

use super::{Conn, IndexId, Result};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use sqlx::{FromRow, query, query_as};

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

/// Notes a blob that is at rest, or that one already noted is used again: whoever stores a reference calls this in the same
/// transaction, which takes back a deletion that has begun.
pub async fn put(c: &mut Conn, blob: &BlobRow, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO blobs (sha256, size, md5, blake2, created, used) VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT (sha256) DO UPDATE SET used = excluded.used, deleting = NULL,
            md5 = COALESCE(blobs.md5, excluded.md5), blake2 = COALESCE(blobs.blake2, excluded.blake2)"
    ))
    .bind(blob.sha256.as_bytes()).bind(blob.size).bind(&blob.md5).bind(&blob.blake2).bind(now)
    .execute(c).await.map(drop))
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

/// Key and size of all blobs whose digest begins with the byte `first`, in order: a 256th of all.
pub async fn beginning_with(c: &mut Conn, first: u8) -> Result<Vec<(Sha256, u64)>> {
    let (mut from, mut to) = ([0; 32], [u8::MAX; 32]);
    (from[0], to[0]) = (first, first);
    let rows: Vec<(Vec<u8>, i64)> = on!(c, c => query_as(sql!(
        "SELECT sha256, size FROM blobs WHERE sha256 >= $1 AND sha256 <= $2 ORDER BY sha256"
    )).bind(&from[..]).bind(&to[..]).fetch_all(c).await)?;
    let row = |(sha256, size): (Vec<u8>, i64)| {
        let sha256 = Sha256::try_from(sha256).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((sha256, size.unsigned_abs()))
    };
    rows.into_iter().map(row).collect()
}
