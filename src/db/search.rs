//! What search finds, and the four ways to look for it. The entries that are looked through are in `entries`.
//!
//! SQLite keeps the words in three FTS5 tables, PostgreSQL in columns with `pg_trgm` indexes; both split text into trigrams, so
//! any three characters are found anywhere in a word. Whoever asks has folded texts and words alike and says which indexes
//! may be seen; no word reaches a database but as a quoted string.

mod entries;

pub use entries::{
    Candidate, Entry, Indexing, Subject, agrees, candidates, is_there, lock, make_indexes, outdated, put, remove, set_serial,
    subject, up_to_date,
};

use super::{Conn, IndexId, Result};
use crate::clock::Timestamp;
use crate::limits;
use crate::pypi::ProjectName;
use crate::{on, sql};
use sqlx::{FromRow, query_as};

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

#[cfg(test)]
mod tests;
