//! The entries that search looks through, one for each project of a stage: what they are made of, and how they are written, found to be
//! old, and indexed.

use super::mark;
use crate::clock::Timestamp;
use crate::db::{Conn, IndexId, ProjectId, ReleaseId, Result, Serial};
use crate::pypi::{ProjectName, Sha256};
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// An entry about to be written. `head` and `body` are folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The project.
    pub project: ProjectId,
    /// Its index, a stage.
    pub index: IndexId,
    /// Its normalized name.
    pub name: ProjectName,
    /// Its name as written.
    pub display_name: String,
    /// The latest release, as uploaded.
    pub version: String,
    /// That release's summary.
    pub summary: Option<String>,
    /// That release's keywords.
    pub keywords: Option<String>,
    /// Name, summary and keywords.
    pub head: String,
    /// The same and the beginning of the description.
    pub body: String,
    /// When the first file of that release came.
    pub released: Timestamp,
}

impl Entry {
    /// Tells whether the words are the same.
    pub fn digest(&self) -> Sha256 {
        Sha256::of([self.head.as_str(), &self.body].join("\0").as_bytes())
    }
}

/// A project of a stage, of which an entry is to be made.
#[derive(Debug, Clone, FromRow)]
pub struct Subject {
    /// Key.
    pub id: ProjectId,
    /// The stage.
    pub index_id: IndexId,
    /// Normalized.
    pub name: ProjectName,
    /// As written.
    pub display_name: String,
    /// The last change.
    pub serial: Serial,
}

/// The project; `None` if a mirror has it, or nobody.
pub async fn subject(c: &mut Conn, project: ProjectId) -> Result<Option<Subject>> {
    on!(c, c => query_as(sql!(
        "SELECT p.id, p.index_id, p.name, p.display_name, p.serial FROM projects p JOIN indexes i ON i.id = p.index_id
         WHERE p.id = $1 AND i.kind = 'stage'"
    )).bind(project).fetch_optional(c).await)
}

/// Keeps others from changing the project before this transaction ends, as `projects::lock` does.
pub async fn lock(c: &mut Conn, project: ProjectId) -> Result<()> {
    on!(c, c => query(sql!("UPDATE projects SET serial = serial WHERE id = $1")).bind(project).execute(c).await.map(drop))
}

/// A release, as far as it matters which is the latest.
#[derive(Debug, Clone, FromRow)]
pub struct Candidate {
    /// Key.
    pub id: ReleaseId,
    /// As uploaded.
    pub version: String,
    /// When the first file came.
    pub created: Timestamp,
    /// Its files.
    pub files: i64,
    /// Those that are yanked.
    pub yanked: i64,
}

/// A project's releases, the oldest version first.
pub async fn candidates(c: &mut Conn, project: ProjectId) -> Result<Vec<Candidate>> {
    on!(c, c => query_as(sql!(
        "SELECT r.id, r.version, r.created, COUNT(f.id) AS files, COUNT(f.yanked) AS yanked
         FROM releases r LEFT JOIN files f ON f.release_id = r.id AND f.removed_serial IS NULL
         WHERE r.project_id = $1 GROUP BY r.id, r.version, r.created, r.sort_key ORDER BY r.sort_key"
    )).bind(project).fetch_all(c).await)
}

/// Writes an entry in the place of the one that is there. The serial comes with [`super::projects::set_serial`].
pub async fn put(c: &mut Conn, entry: &Entry) -> Result<()> {
    let digest = entry.digest();
    let words_are_there = is_there(c, entry.project, &digest).await?;
    let texts = if matches!(c, Conn::Postgres(_)) { (Some(&entry.head), Some(&entry.body)) } else { (None, None) };
    on!(&mut *c, c => query(sql!(
        "INSERT INTO search_entries (project_id, index_id, name, display_name, version, summary, keywords, head, body, digest, released, serial)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)
         ON CONFLICT (project_id) DO UPDATE SET display_name = excluded.display_name, version = excluded.version,
             summary = excluded.summary, keywords = excluded.keywords, head = excluded.head, body = excluded.body,
             digest = excluded.digest, released = excluded.released"
    ))
    .bind(entry.project).bind(entry.index).bind(&entry.name).bind(&entry.display_name).bind(&entry.version).bind(&entry.summary)
    .bind(&entry.keywords).bind(texts.0).bind(texts.1).bind(digest.as_bytes()).bind(entry.released)
    .execute(c).await.map(drop))?;
    match c {
        Conn::Sqlite(_) if !words_are_there => put_words(c, entry).await,
        _ => Ok(()),
    }
}

/// Whether the project's entry has the words of this digest.
pub async fn is_there(c: &mut Conn, project: ProjectId, digest: &Sha256) -> Result<bool> {
    on!(c, c => query_scalar(sql!("SELECT EXISTS (SELECT 1 FROM search_entries WHERE project_id = $1 AND digest = $2)"))
        .bind(project).bind(digest.as_bytes()).fetch_one(c).await)
}

/// Writes an entry's words into SQLite's full-text tables.
async fn put_words(c: &mut Conn, entry: &Entry) -> Result<()> {
    let Conn::Sqlite(h) = c else { return Ok(()) };
    let marked = |text: &str| format!("{} {text}", mark(entry.index));
    query(
        "INSERT OR REPLACE INTO fts_names (rowid, text) VALUES ($1, $2);
         INSERT OR REPLACE INTO fts_heads (rowid, text) VALUES ($1, $3);
         INSERT OR REPLACE INTO fts_bodies (rowid, text) VALUES ($1, $4)",
    )
    .bind(entry.project)
    .bind(marked(entry.name.as_str()))
    .bind(marked(&entry.head))
    .bind(marked(&entry.body))
    .execute(&mut **h)
    .await
    .map(drop)
}

/// Notes that the entry tells of its project as it is at this serial. Only whoever has just made it may say so.
pub async fn set_serial(c: &mut Conn, project: ProjectId, serial: Serial) -> Result<()> {
    on!(c, c => query(sql!("UPDATE search_entries SET serial = $2 WHERE project_id = $1"))
        .bind(project).bind(serial).execute(c).await.map(drop))
}

/// Removes an entry. That of a project that is deleted goes with it.
pub async fn remove(c: &mut Conn, project: ProjectId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM search_entries WHERE project_id = $1")).bind(project).execute(c).await.map(drop))
}

/// Projects of stages after `after` whose entry is missing, or is not of their last change.
pub async fn outdated(c: &mut Conn, after: ProjectId, count: i64) -> Result<Vec<ProjectId>> {
    on!(c, c => query_scalar(sql!(
        "SELECT p.id FROM projects p JOIN indexes i ON i.id = p.index_id LEFT JOIN search_entries e ON e.project_id = p.id
         WHERE p.id > $1 AND i.kind = 'stage' AND (e.serial IS NULL OR e.serial <> p.serial)
           AND (e.project_id IS NOT NULL OR EXISTS (SELECT 1 FROM releases r WHERE r.project_id = p.id))
         ORDER BY p.id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Projects after `after` whose entry is of their last change, each with index and name.
pub async fn up_to_date(c: &mut Conn, after: ProjectId, count: i64) -> Result<Vec<(ProjectId, IndexId, ProjectName)>> {
    on!(c, c => query_as(sql!(
        "SELECT e.project_id, e.index_id, e.name FROM search_entries e JOIN projects p ON p.id = e.project_id
         WHERE e.project_id > $1 AND e.serial = p.serial ORDER BY e.project_id LIMIT $2"
    )).bind(after).bind(count).fetch_all(c).await)
}

/// Whether the project has this very entry.
pub async fn agrees(c: &mut Conn, entry: &Entry) -> Result<bool> {
    on!(c, c => query_scalar(sql!(
        "SELECT EXISTS (SELECT 1 FROM search_entries WHERE project_id = $1 AND index_id = $2 AND name = $3 AND display_name = $4
             AND version = $5 AND summary IS NOT DISTINCT FROM $6 AND keywords IS NOT DISTINCT FROM $7 AND digest = $8 AND released = $9)"
    ))
    .bind(entry.project).bind(entry.index).bind(&entry.name).bind(&entry.display_name).bind(&entry.version).bind(&entry.summary)
    .bind(&entry.keywords).bind(entry.digest().as_bytes()).bind(entry.released)
    .fetch_one(c).await)
}

/// What searching costs on this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// The indexes are there.
    Ready,
    /// They have just been made.
    Made,
    /// PostgreSQL's extension `pg_trgm` is missing: each search reads every entry.
    NoExtension,
}

/// Makes PostgreSQL's trigram indexes if they are not there, beside whoever reads and writes meanwhile. Outside a transaction.
pub async fn make_indexes(c: &mut Conn) -> Result<Indexing> {
    let Conn::Postgres(h) = c else { return Ok(Indexing::Ready) };
    let schema: Option<String> = query_scalar(
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'",
    )
    .fetch_optional(&mut **h)
    .await?;
    let Some(schema) = schema else { return Ok(Indexing::NoExtension) };
    let mut indexing = Indexing::Ready;
    for column in ["name", "head", "body"] {
        let name = format!("search_entries_{column}_trigrams");
        let valid: Option<bool> = query_scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)")
            .bind(&name)
            .fetch_optional(&mut **h)
            .await?;
        if valid == Some(true) {
            continue;
        }
        // One whose making was broken off is there and of no use.
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut **h).await?;
        let schema = schema.replace('"', "\"\"");
        let make = format!("CREATE INDEX CONCURRENTLY {name} ON search_entries USING gin ({column} \"{schema}\".gin_trgm_ops)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut **h).await?;
        indexing = Indexing::Made;
    }
    Ok(indexing)
}
