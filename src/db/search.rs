//! What search finds: one entry for each project of a stage, and the four ways to look for one.
//!
//! SQLite keeps the words in three FTS5 tables, PostgreSQL in columns with `pg_trgm` indexes; both split text into trigrams, so
//! any three characters are found anywhere in a word. Whoever asks has folded texts and words alike and says which indexes
//! may be seen; no word reaches a database but as a quoted string.

use super::{Conn, IndexId, ProjectId, ReleaseId, Result, Serial};
use crate::clock::Timestamp;
use crate::limits;
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

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Found {
    /// The index.
    pub index_id: IndexId,
    /// The normalized name.
    pub name: ProjectName,
    /// The name as written.
    pub display_name: String,
    /// The latest release.
    pub version: String,
    /// Its summary.
    pub summary: Option<String>,
    /// Its keywords.
    pub keywords: Option<String>,
    /// When its first file came.
    pub released: Timestamp,
}

/// Which entries may be seen.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// Every entry of these indexes.
    pub whole: Vec<IndexId>,
    /// Of these only the entries of `projects`.
    pub partly: Vec<IndexId>,
    /// See `partly`.
    pub projects: Vec<ProjectName>,
    /// Whether these are few of all indexes. It changes how the answer is found, not the answer.
    pub few: bool,
}

/// [`Within`] as statements take it.
struct Bounds {
    whole: String,
    partly: String,
    projects: String,
}

impl Within {
    fn bounds(&self) -> Bounds {
        let ids = |list: &[IndexId]| list.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",");
        let names: Vec<&str> = self.projects.iter().map(ProjectName::as_str).collect();
        Bounds { whole: ids(&self.whole), partly: ids(&self.partly), projects: names.join(",") }
    }

    /// The part of an FTS5 query that leaves other indexes out.
    fn marks(&self) -> Option<String> {
        let count = self.whole.len() + self.partly.len();
        let worth_it = self.few && (1..=limits::SEARCH_INDEX_MARKS_MAX).contains(&count);
        let marks = || self.whole.iter().chain(&self.partly).map(|id| quoted(&mark(*id))).collect::<Vec<_>>();
        worth_it.then(|| format!("({})", marks().join(" OR ")))
    }
}

/// Three characters that stand for an index at the beginning of SQLite's texts, from a range that means nothing to anybody else:
/// one trigram, by which the entries of one index are found among all.
fn mark(index: IndexId) -> String {
    let number = u32::try_from(index.0).unwrap_or_default();
    let digit = |shift: u32| char::from_u32(0xE000 + (number >> shift) % 4096).unwrap_or('\u{E000}');
    [digit(24), digit(12), digit(0)].into_iter().collect()
}

/// A string of an FTS5 query: nothing in it is an operator.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}

/// A pattern that finds the word anywhere: nothing in it is a wildcard.
fn pattern(word: &str) -> String {
    format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// Parts the patterns in a statement's one parameter. Words hold no control characters.
const BETWEEN_PATTERNS: &str = "\u{1f}";

/// What finds all of the words: an FTS5 query, or PostgreSQL's patterns with the longest, which finds the fewest, first.
fn needle(c: &Conn, words: &[String], within: &Within) -> String {
    match c {
        Conn::Sqlite(_) => {
            let words = words.iter().map(|word| quoted(word));
            within.marks().into_iter().chain(words).collect::<Vec<_>>().join(" AND ")
        }
        Conn::Postgres(_) => {
            let mut words: Vec<&String> = words.iter().collect();
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            words.into_iter().map(|word| pattern(word)).collect::<Vec<_>>().join(BETWEEN_PATTERNS)
        }
    }
}

/// Entries whose name begins with `prefix`, by name.
pub async fn by_prefix(c: &mut Conn, prefix: &str, within: &Within, limit: i64) -> Result<Vec<Found>> {
    let bounds = within.bounds();
    // No name has a character above this one.
    let end = format!("{prefix}\u{7f}");
    let text = sql!(c,
        sqlite: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released FROM search_entries e
                 WHERE e.name >= $1 AND e.name < $2 AND (e.index_id IN (SELECT value FROM json_each('[' || $3 || ']'))
                    OR (e.index_id IN (SELECT value FROM json_each('[' || $4 || ']')) AND instr(',' || $5 || ',', ',' || e.name || ',') > 0))
                 ORDER BY e.name, e.index_id LIMIT $6",
        postgres: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released FROM search_entries e
                   WHERE e.name >= $1 AND e.name < $2 AND (e.index_id = ANY (string_to_array($3, ',')::bigint[])
                      OR (e.index_id = ANY (string_to_array($4, ',')::bigint[]) AND e.name = ANY (string_to_array($5, ','))))
                   ORDER BY e.name, e.index_id LIMIT $6"
    );
    on!(c, c => query_as(text)
        .bind(prefix).bind(end).bind(bounds.whole).bind(bounds.partly).bind(bounds.projects).bind(limit)
        .fetch_all(c).await)
}

/// Entries with all of the words, three characters or more each, in the name.
pub async fn by_name(c: &mut Conn, words: &[String], within: &Within, limit: i64) -> Result<Vec<Found>> {
    let text = sql!(c,
        sqlite: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released
                 FROM fts_names f JOIN search_entries e ON e.project_id = f.rowid
                 WHERE fts_names MATCH $1 AND (e.index_id IN (SELECT value FROM json_each('[' || $2 || ']'))
                    OR (e.index_id IN (SELECT value FROM json_each('[' || $3 || ']')) AND instr(',' || $4 || ',', ',' || e.name || ',') > 0))
                 ORDER BY f.rowid DESC LIMIT $5",
        postgres: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released FROM search_entries e
                   WHERE e.name LIKE split_part($1, E'\\x1f', 1) AND e.name LIKE ALL (string_to_array($1, E'\\x1f'))
                     AND (e.index_id = ANY (string_to_array($2, ',')::bigint[])
                      OR (e.index_id = ANY (string_to_array($3, ',')::bigint[]) AND e.name = ANY (string_to_array($4, ','))))
                   LIMIT $5"
    );
    by_words(c, text, words, within, limit).await
}

/// The same in name, summary and keywords.
pub async fn by_head(c: &mut Conn, words: &[String], within: &Within, limit: i64) -> Result<Vec<Found>> {
    let text = sql!(c,
        sqlite: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released
                 FROM fts_heads f JOIN search_entries e ON e.project_id = f.rowid
                 WHERE fts_heads MATCH $1 AND (e.index_id IN (SELECT value FROM json_each('[' || $2 || ']'))
                    OR (e.index_id IN (SELECT value FROM json_each('[' || $3 || ']')) AND instr(',' || $4 || ',', ',' || e.name || ',') > 0))
                 ORDER BY f.rowid DESC LIMIT $5",
        postgres: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released FROM search_entries e
                   WHERE e.head LIKE split_part($1, E'\\x1f', 1) AND e.head LIKE ALL (string_to_array($1, E'\\x1f'))
                     AND (e.index_id = ANY (string_to_array($2, ',')::bigint[])
                      OR (e.index_id = ANY (string_to_array($3, ',')::bigint[]) AND e.name = ANY (string_to_array($4, ','))))
                   LIMIT $5"
    );
    by_words(c, text, words, within, limit).await
}

/// The same in the description too.
pub async fn by_body(c: &mut Conn, words: &[String], within: &Within, limit: i64) -> Result<Vec<Found>> {
    let text = sql!(c,
        sqlite: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released
                 FROM fts_bodies f JOIN search_entries e ON e.project_id = f.rowid
                 WHERE fts_bodies MATCH $1 AND (e.index_id IN (SELECT value FROM json_each('[' || $2 || ']'))
                    OR (e.index_id IN (SELECT value FROM json_each('[' || $3 || ']')) AND instr(',' || $4 || ',', ',' || e.name || ',') > 0))
                 ORDER BY f.rowid DESC LIMIT $5",
        postgres: "SELECT e.index_id, e.name, e.display_name, e.version, e.summary, e.keywords, e.released FROM search_entries e
                   WHERE e.body LIKE split_part($1, E'\\x1f', 1) AND e.body LIKE ALL (string_to_array($1, E'\\x1f'))
                     AND (e.index_id = ANY (string_to_array($2, ',')::bigint[])
                      OR (e.index_id = ANY (string_to_array($3, ',')::bigint[]) AND e.name = ANY (string_to_array($4, ','))))
                   LIMIT $5"
    );
    by_words(c, text, words, within, limit).await
}

async fn by_words(c: &mut Conn, text: &'static str, words: &[String], within: &Within, limit: i64) -> Result<Vec<Found>> {
    let (needle, bounds) = (needle(c, words, within), within.bounds());
    on!(c, c => query_as(text)
        .bind(needle).bind(bounds.whole).bind(bounds.partly).bind(bounds.projects).bind(limit)
        .fetch_all(c).await)
}

/// The entry of this very name in an index.
pub async fn exact(c: &mut Conn, index: IndexId, name: &ProjectName) -> Result<Option<Found>> {
    on!(c, c => query_as(sql!(
        "SELECT index_id, name, display_name, version, summary, keywords, released FROM search_entries WHERE name = $1 AND index_id = $2"
    )).bind(name).bind(index).fetch_optional(c).await)
}

/// Every name that has an entry, by index.
pub async fn names(c: &mut Conn) -> Result<Vec<(IndexId, String)>> {
    on!(c, c => query_as(sql!("SELECT index_id, name FROM search_entries ORDER BY index_id, name")).fetch_all(c).await)
}

/// The stages that have one of these projects, reserved names included.
pub async fn holders(c: &mut Conn, names: &[ProjectName]) -> Result<Vec<(ProjectName, IndexId)>> {
    let names: Vec<&str> = names.iter().map(ProjectName::as_str).collect();
    let text = sql!(c,
        sqlite: "SELECT p.name, p.index_id FROM projects p JOIN indexes i ON i.id = p.index_id
                 WHERE p.name IN (SELECT value FROM json_each('[\"' || replace($1, ',', '\",\"') || '\"]')) AND i.kind = 'stage'",
        postgres: "SELECT p.name, p.index_id FROM projects p JOIN indexes i ON i.id = p.index_id
                   WHERE p.name = ANY (string_to_array($1, ',')) AND i.kind = 'stage'"
    );
    on!(c, c => query_as(text).bind(names.join(",")).fetch_all(c).await)
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
    for (text, words) in [
        ("INSERT OR REPLACE INTO fts_names (rowid, text) VALUES ($1, $2)", entry.name.as_str()),
        ("INSERT OR REPLACE INTO fts_heads (rowid, text) VALUES ($1, $2)", &entry.head),
        ("INSERT OR REPLACE INTO fts_bodies (rowid, text) VALUES ($1, $2)", &entry.body),
    ] {
        query(text).bind(entry.project).bind(marked(words)).execute(&mut **h).await?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;
    use crate::db::{Db, indexes, projects, testing, users};
    use crate::names::{IndexName, UserName};
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;
    use sqlx::postgres::PgConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
    use std::str::FromStr;

    const NOW: Timestamp = Timestamp(1);

    async fn index(c: &mut Conn, user: &str) -> IndexId {
        let user = users::add(c, &UserName::parse(user).unwrap(), &Default::default(), None, false, NOW).await.unwrap().unwrap();
        let (name, settings) = (IndexName::parse("dev").unwrap(), serde_json::Map::new());
        let index = indexes::NewIndex { user, name: &name, kind: "stage", state: indexes::State::Ready, settings: &settings };
        indexes::add(c, &index, NOW).await.unwrap().unwrap()
    }

    /// A project with these words.
    async fn entry(c: &mut Conn, index: IndexId, name: &str, head: &str, body: &str) -> Entry {
        let name = ProjectName::parse(name).unwrap();
        let project = projects::put(c, index, &name, name.as_str(), NOW).await.unwrap();
        let entry = Entry {
            project,
            index,
            display_name: name.to_string(),
            name,
            version: "1.0".into(),
            summary: None,
            keywords: None,
            head: head.into(),
            body: body.into(),
            released: NOW,
        };
        put(c, &entry).await.unwrap();
        entry
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn names_of(found: Vec<Found>) -> Vec<String> {
        let mut names: Vec<String> = found.into_iter().map(|one| one.name.to_string()).collect();
        names.sort();
        names
    }

    /// Rows of SQLite's full-text tables that have the word.
    async fn full_text_rows(c: &mut Conn, word: &str) -> i64 {
        let Conn::Sqlite(h) = c else { return 0 };
        let text = "SELECT (SELECT COUNT(*) FROM fts_names WHERE fts_names MATCH $1) + (SELECT COUNT(*) FROM fts_heads WHERE fts_heads MATCH $1)
                    + (SELECT COUNT(*) FROM fts_bodies WHERE fts_bodies MATCH $1)";
        query_scalar(text).bind(quoted(word)).fetch_one(&mut **h).await.unwrap()
    }

    both! {
        async fn an_entry_is_replaced_and_goes_with_its_project(db: Db) {
            let mut c = db.begin().await.unwrap();
            let index = index(&mut c, "alice").await;
            let within = Within { whole: vec![index], ..Within::default() };
            let first = entry(&mut c, index, "curd", "curd milk", "curd milk sour").await;
            entry(&mut c, index, "whey", "whey milk", "whey milk sweet").await;
            assert_eq!(names_of(by_head(&mut c, &words("milk"), &within, 9).await.unwrap()), ["curd", "whey"]);
            assert!(agrees(&mut c, &first).await.unwrap());
            let second = Entry { head: "curd cream".into(), body: "curd cream".into(), version: "2.0".into(), ..first.clone() };
            put(&mut c, &second).await.unwrap();
            assert!(agrees(&mut c, &second).await.unwrap() && !agrees(&mut c, &first).await.unwrap());
            assert_eq!(names_of(by_body(&mut c, &words("milk"), &within, 9).await.unwrap()), ["whey"]);
            assert_eq!(by_body(&mut c, &words("cream curd"), &within, 9).await.unwrap()[0].version, "2.0");
            assert_eq!(full_text_rows(&mut c, "cream").await, if matches!(c, Conn::Sqlite(_)) { 2 } else { 0 });
            projects::remove(&mut c, first.project).await.unwrap();
            assert_eq!(names_of(by_prefix(&mut c, "", &within, 9).await.unwrap()), ["whey"]);
            assert_eq!(full_text_rows(&mut c, "curd").await, 0);
            indexes::remove(&mut c, index).await.unwrap();
            assert_eq!((names(&mut c).await.unwrap(), full_text_rows(&mut c, "whey").await), (vec![], 0));
        }

        // Whatever characters words and texts have, what is found is what stands there.
        async fn every_character_stands_for_itself(db: Db) {
            let (mut runner, text) = (TestRunner::deterministic(), "[abc\"'*()%_\\\\:^+,{}äß日🧀.-]{3,12}");
            let mut any = || text.new_tree(&mut runner).unwrap().current();
            let mut c = db.begin().await.unwrap();
            let index = index(&mut c, "alice").await;
            let texts: Vec<String> = (0..150).map(|_| any()).collect();
            for (number, text) in texts.iter().enumerate() {
                entry(&mut c, index, &format!("p{number}"), text, text).await;
            }
            for few in [true, false] {
                let within = Within { whole: vec![index], few, ..Within::default() };
                for _ in 0..150 {
                    let word: String = any().chars().take(3).collect();
                    let mut expected: Vec<String> =
                        (0..texts.len()).filter(|n| texts[*n].contains(&word)).map(|n| format!("p{n}")).collect();
                    expected.sort();
                    let asked = [word.clone()];
                    assert_eq!(names_of(by_head(&mut c, &asked, &within, 999).await.unwrap()), expected, "{word}");
                    assert_eq!(names_of(by_body(&mut c, &asked, &within, 999).await.unwrap()), expected, "{word}");
                    by_name(&mut c, &asked, &within, 999).await.unwrap();
                    by_prefix(&mut c, &word, &within, 999).await.unwrap();
                }
            }
        }

        async fn only_what_may_be_seen_is_found(db: Db) {
            let mut c = db.begin().await.unwrap();
            let mut indexes = Vec::new();
            for user in ["alice", "bob", "carol"] {
                let index = index(&mut c, user).await;
                for name in ["app", "app-two"] {
                    entry(&mut c, index, name, "milk", "milk sour").await;
                }
                indexes.push(index);
            }
            let app = ProjectName::parse("app").unwrap();
            for few in [true, false] {
                for (whole, partly, expected) in [
                    (vec![], vec![], 0),
                    (vec![indexes[0]], vec![], 2),
                    (vec![indexes[0], indexes[2]], vec![indexes[1]], 5),
                    (vec![], indexes.clone(), 3),
                ] {
                    let within = Within { whole, partly, projects: vec![app.clone()], few };
                    let (milk, name) = (words("milk"), words("app"));
                    let counts = [
                        by_head(&mut c, &milk, &within, 99).await.unwrap().len(),
                        by_body(&mut c, &milk, &within, 99).await.unwrap().len(),
                        by_name(&mut c, &name, &within, 99).await.unwrap().len(),
                        by_prefix(&mut c, "a", &within, 99).await.unwrap().len(),
                    ];
                    assert_eq!(counts, [expected; 4], "{within:?}");
                }
            }
            let holders = holders(&mut c, &[app.clone(), ProjectName::parse("none").unwrap()]).await.unwrap();
            assert_eq!(holders.len(), 3);
            assert_eq!(super::holders(&mut c, &[]).await.unwrap(), []);
        }
    }

    #[test]
    fn no_two_indexes_have_one_mark() {
        let marks: std::collections::HashSet<String> =
            [0, 1, 4095, 4096, 4097, 1 << 24, (1 << 24) + 1, u32::MAX.into()].map(|id| mark(IndexId(id))).into_iter().collect();
        assert_eq!(marks.len(), 8);
        assert!(marks.iter().all(|mark| mark.chars().count() == 3));
    }

    /// The whole plan of a question, with every other way forbidden.
    async fn plan(c: &mut PgConnection, condition: &str) -> String {
        c.execute("SET enable_seqscan = off").await.unwrap();
        let text = format!("EXPLAIN SELECT name FROM search_entries WHERE {condition}");
        let lines: Vec<String> = query_scalar(AssertSqlSafe(text)).fetch_all(&mut *c).await.unwrap();
        lines.join("\n")
    }

    #[tokio::test]
    async fn postgres_has_an_index_for_every_question() {
        let db = testing::postgres().await;
        let mut c = db.read().await.unwrap();
        assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::Made);
        assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::Ready);
        let Conn::Postgres(h) = &mut c else { unreachable!() };
        let prefix = plan(h, "name >= 'a' AND name < 'b'").await;
        assert!(prefix.contains("search_entries_name"), "{prefix}");
        // Of an empty table the whole of any index would do as well.
        h.execute("DROP INDEX search_entries_name").await.unwrap();
        for column in ["name", "head", "body"] {
            let anywhere = plan(h, &format!("{column} LIKE split_part(E'%abc%\\x1f%def%', E'\\x1f', 1)")).await;
            assert!(anywhere.contains(&format!("search_entries_{column}_trigrams")), "{anywhere}");
        }
    }

    /// A database whose user may make no extension: everything works, and is fast once its owner has made it.
    #[tokio::test]
    async fn postgres_without_the_extension_finds_the_same() {
        let url = std::env::var("TEST_PG_URL").expect("TEST_PG_URL names the PostgreSQL for tests; tests/run starts one");
        let options = PgConnectOptions::from_str(&url).unwrap();
        let name = format!("search_{:016x}", getrandom::u64().unwrap());
        let mut server = options.connect().await.unwrap();
        for text in [format!("CREATE ROLE {name} LOGIN PASSWORD '{name}'"), format!("CREATE DATABASE {name} TEMPLATE template0")]
        {
            server.execute(AssertSqlSafe(text)).await.unwrap();
        }
        let options = options.database(&name);
        let mut owner = options.connect().await.unwrap();
        owner.execute(AssertSqlSafe(format!("GRANT USAGE, CREATE ON SCHEMA public TO {name}"))).await.unwrap();

        let db = Db::open_postgres(options.username(&name).password(&name)).await.unwrap();
        let mut c = db.begin().await.unwrap();
        let index = index(&mut c, "alice").await;
        let within = Within { whole: vec![index], ..Within::default() };
        entry(&mut c, index, "curd", "curd milk", "curd milk sour").await;
        c.commit().await.unwrap();
        let mut c = db.read().await.unwrap();
        let found = async |c: &mut Conn| names_of(by_body(c, &words("sour milk"), &within, 9).await.unwrap());
        assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::NoExtension);
        assert_eq!(found(&mut c).await, ["curd"]);
        owner.execute("CREATE EXTENSION pg_trgm").await.unwrap();
        assert_eq!(make_indexes(&mut c).await.unwrap(), Indexing::Made);
        assert_eq!(found(&mut c).await, ["curd"]);

        drop((c, owner));
        db.close().await;
        server.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        server.execute(AssertSqlSafe(format!("DROP ROLE {name}"))).await.unwrap();
    }
}
