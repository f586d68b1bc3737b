//! What mirrors remember of their upstream.

use super::{Conn, IndexId, Result, Serial};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// One remembered page, its record still packed.
#[derive(Debug, Clone, FromRow)]
pub struct MirrorPage {
    /// Upstream's validator of the page as last fetched.
    pub etag: Option<String>,
    /// SHA-256 of the body as upstream sent it.
    pub digest: Option<Vec<u8>>,
    /// Our serial of the last change.
    pub serial: Option<i64>,
    /// When upstream last gave an answer that could be used.
    pub checked: Timestamp,
    /// When the record last changed.
    pub changed: Timestamp,
    /// Failed attempts since `checked`.
    pub failures: i64,
    /// zstd of the record's JSON.
    pub body: Vec<u8>,
}

/// The remembered page.
pub async fn page(c: &mut Conn, index: IndexId, name: &str) -> Result<Option<MirrorPage>> {
    on!(c, c => query_as(sql!(
        "SELECT etag, digest, serial, checked, changed, failures, body FROM mirror_pages WHERE index_id = $1 AND name = $2"
    )).bind(index).bind(name).fetch_optional(c).await)
}

/// Remembers a page that is new or has changed; `false` if it is no longer what it was made from, `before`: another process has asked
/// upstream meanwhile, or somebody wants it to be asked again.
pub async fn put_page(c: &mut Conn, index: IndexId, name: &str, before: Option<&MirrorPage>, page: &MirrorPage) -> Result<bool> {
    let text = match before {
        None => sql!(
            "INSERT INTO mirror_pages (index_id, name, etag, digest, serial, checked, changed, failures, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (index_id, name) DO NOTHING"
        ),
        Some(_) => sql!(
            "UPDATE mirror_pages SET etag = $3, digest = $4, serial = $5, checked = $6, changed = $7, failures = $8, body = $9
             WHERE index_id = $1 AND name = $2 AND checked = $10 AND changed = $11"
        ),
    };
    on!(c, c => {
        let write = query(text)
            .bind(index).bind(name).bind(&page.etag).bind(&page.digest).bind(page.serial).bind(page.checked).bind(page.changed)
            .bind(page.failures).bind(&page.body);
        match before {
            None => write.execute(c).await,
            Some(before) => write.bind(before.checked).bind(before.changed).execute(c).await,
        }
        .map(|done| done.rows_affected() > 0)
    })
}

/// Notes that upstream was asked and the record stands as it is: nothing that a page shows changes, so nothing is journalled. A record
/// that somebody wants to be asked for again since it was read stays so; `false`: that, or it is gone, or another process was faster.
pub async fn touch_page(c: &mut Conn, index: IndexId, name: &str, before: &MirrorPage, checked: Timestamp) -> Result<bool> {
    on!(c, c => query(sql!(
        "UPDATE mirror_pages SET checked = $3, failures = 0 WHERE index_id = $1 AND name = $2 AND checked = $4 AND changed = $5"
    ))
    .bind(index).bind(name).bind(checked).bind(before.checked).bind(before.changed)
    .execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Notes that upstream was asked for its list of projects, and whether it failed: either way it is left alone for a while.
pub async fn touch_list(c: &mut Conn, index: IndexId, name: &str, checked: Timestamp, failures: i64) -> Result<()> {
    on!(c, c => query(sql!("UPDATE mirror_pages SET checked = $3, failures = $4 WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).bind(checked).bind(failures).execute(c).await.map(drop))
}

/// Notes that upstream did not answer; `false` if the page is no longer remembered.
pub async fn note_failure(c: &mut Conn, index: IndexId, name: &str) -> Result<bool> {
    on!(c, c => query(sql!("UPDATE mirror_pages SET failures = failures + 1 WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Notes the serial of the page's last change.
pub async fn set_serial(c: &mut Conn, index: IndexId, name: &str, serial: Serial) -> Result<()> {
    on!(c, c => query(sql!("UPDATE mirror_pages SET serial = $3 WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).bind(serial).execute(c).await.map(drop))
}

/// Makes a page count as never checked, so that the next request asks upstream, without a validator.
pub async fn expire_page(c: &mut Conn, index: IndexId, name: &str) -> Result<()> {
    on!(c, c => query(sql!("UPDATE mirror_pages SET checked = 0, etag = NULL WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).execute(c).await.map(drop))
}

/// Forgets every page, the list of projects, and what was learnt: another upstream speaks from now on.
pub async fn forget_all(c: &mut Conn, index: IndexId) -> Result<()> {
    on!(&mut *c, c => query(sql!("DELETE FROM mirror_pages WHERE index_id = $1")).bind(index).execute(c).await.map(drop))?;
    on!(c, c => query(sql!("DELETE FROM mirror_metadata WHERE index_id = $1")).bind(index).execute(c).await.map(drop))
}

/// Names of the projects whose pages are remembered, sorted.
pub async fn page_names(c: &mut Conn, index: IndexId) -> Result<Vec<(ProjectName, Serial)>> {
    on!(c, c => query_as(sql!(
        "SELECT name, COALESCE(serial, 0) FROM mirror_pages WHERE index_id = $1 AND name <> '' ORDER BY name"
    )).bind(index).fetch_all(c).await)
}

/// A mirrored project on the page of its index.
#[derive(Debug, Clone, FromRow)]
pub struct Shelved {
    /// Name.
    pub name: ProjectName,
    /// When upstream last answered for it.
    pub checked: Timestamp,
    /// How often it has failed to since.
    pub failures: i64,
}

/// At most `count` projects whose pages are remembered and whose names come after `after`, by name.
pub async fn shelf(c: &mut Conn, index: IndexId, after: &str, count: i64) -> Result<Vec<Shelved>> {
    on!(c, c => query_as(sql!(
        "SELECT name, checked, failures FROM mirror_pages WHERE index_id = $1 AND name > $2 ORDER BY name LIMIT $3"
    )).bind(index).bind(after).bind(count).fetch_all(c).await)
}

/// The same without serials: read off the key alone, whatever the pages weigh.
pub async fn names(c: &mut Conn, index: IndexId) -> Result<Vec<String>> {
    on!(c, c => query_scalar(sql!("SELECT name FROM mirror_pages WHERE index_id = $1 AND name <> '' ORDER BY name"))
        .bind(index).fetch_all(c).await)
}

/// When what is remembered under this name last changed.
pub async fn changed(c: &mut Conn, index: IndexId, name: &str) -> Result<Option<Timestamp>> {
    on!(c, c => query_scalar(sql!("SELECT changed FROM mirror_pages WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).fetch_optional(c).await)
}

/// What was learnt of a mirrored wheel's METADATA.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Learnt {
    /// The wheel.
    pub filename: String,
    /// The blob that holds its METADATA; `None`: the wheel has none that can be read.
    sha256: Option<Vec<u8>>,
}

impl Learnt {
    /// The blob that holds the METADATA; `None`: the wheel has none that can be read.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256.clone().and_then(|bytes| Sha256::try_from(bytes).ok())
    }
}

/// What was learnt of all wheels of a project.
pub async fn learnt(c: &mut Conn, index: IndexId, name: &ProjectName) -> Result<Vec<Learnt>> {
    on!(c, c => query_as(sql!("SELECT filename, sha256 FROM mirror_metadata WHERE index_id = $1 AND name = $2 ORDER BY filename"))
        .bind(index).bind(name).fetch_all(c).await)
}

/// What was learnt of one wheel.
pub async fn learnt_of(c: &mut Conn, index: IndexId, name: &ProjectName, filename: &str) -> Result<Option<Learnt>> {
    on!(c, c => query_as(sql!("SELECT filename, sha256 FROM mirror_metadata WHERE index_id = $1 AND name = $2 AND filename = $3"))
        .bind(index).bind(name).bind(filename).fetch_optional(c).await)
}

/// Remembers what a wheel's METADATA is, or that it has none.
pub async fn learn(
    c: &mut Conn,
    index: IndexId,
    name: &ProjectName,
    filename: &str,
    sha256: Option<Sha256>,
    now: Timestamp,
) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO mirror_metadata (index_id, name, filename, sha256, learnt) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (index_id, name, filename) DO UPDATE SET sha256 = excluded.sha256, learnt = excluded.learnt"
    ))
    .bind(index).bind(name).bind(filename).bind(sha256.as_ref().map(Sha256::as_bytes)).bind(now)
    .execute(c).await.map(drop))
}
