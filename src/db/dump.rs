//! Rows of any table, out and in again, for moving house.
//!
//! The only SQL that is made at run time: a column that a migration adds travels without anybody remembering it here, and a
//! table that is neither in [`TABLES`] nor in [`LEFT_OUT`] fails a test. Names come from our own migrations by way of the
//! database's catalogue, never from what is read; values are always bound. Ids stay what they are, so that nothing that
//! names another thing must be translated.

use super::blobs::DIGEST_COLUMNS;
use super::{Conn, Result};
use crate::{on, sql};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Row, query, query_scalar};
use std::fmt::Write;

/// The tables that travel, each after those that its foreign keys name.
pub const TABLES: &[&str] = &[
    "settings",
    "users",
    "tokens",
    "devpi_tokens",
    "indexes",
    "index_bases",
    "projects",
    "releases",
    "files",
    "attachments",
    "downloads",
    "blobs",
    "mirror_pages",
    "mirror_metadata",
    "journal",
];

/// The tables that stay: what they hold is of one installation, or made from the others. Whoever was signed in signs in again.
pub const LEFT_OUT: &[&str] = &["sessions", "nodes", "jobs", "search_entries"];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers, times included.
    Integer,
    /// Truth values.
    Boolean,
    /// Text; JSON too where the engine does not tell them apart.
    Text,
    /// Bytes.
    Bytes,
    /// JSON, handed out and taken as its text.
    Json,
}

/// A column of this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Its place in the primary key, from 1; 0 if it is not part of it.
    key: i64,
    /// The database numbers rows by it.
    identity: bool,
}

impl Column {
    /// Whether the database numbers rows by it.
    pub fn identity(&self) -> bool {
        self.identity
    }
}

/// A table as this database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in their order.
    pub columns: Vec<Column>,
}

/// The content of one column of one row; `None` is NULL. JSON is text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kinds of columns say it")]
pub enum Value {
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// The number of the newest migration that has run.
pub async fn schema_version(c: &mut Conn) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")).fetch_one(c).await)
}

/// What the table `name` looks like here.
pub async fn table(c: &mut Conn, name: &'static str) -> anyhow::Result<Table> {
    let text = sql!(c,
        sqlite: "SELECT name, type, pk, pk = 1 AND EXISTS (SELECT 1 FROM sqlite_master WHERE name = $1 AND sql LIKE '%AUTOINCREMENT%')
                 FROM pragma_table_info($1) ORDER BY cid",
        postgres: "SELECT a.attname::text, format_type(a.atttypid, NULL), COALESCE(array_position(k.indkey::int2[], a.attnum) + 1, 0)::bigint,
                          a.attidentity <> ''
                   FROM pg_attribute a LEFT JOIN pg_index k ON k.indrelid = a.attrelid AND k.indisprimary
                   WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    );
    let rows: Vec<(String, String, i64, bool)> = on!(c, c => sqlx::query_as(text).bind(name).fetch_all(c).await)?;
    let column = |(name, declared, key, identity): (String, String, i64, bool)| {
        let kind = kind_of(&declared).ok_or_else(|| anyhow::anyhow!("{name} is of the type {declared}, which cannot travel"))?;
        Ok(Column { name, kind, key, identity })
    };
    let columns = rows.into_iter().map(column).collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(!columns.is_empty(), "there is no table {name}");
    Ok(Table { name, columns })
}

fn kind_of(declared: &str) -> Option<Kind> {
    match declared.to_ascii_lowercase().as_str() {
        "integer" | "bigint" | "smallint" => Some(Kind::Integer),
        "boolean" => Some(Kind::Boolean),
        "text" => Some(Kind::Text),
        "blob" | "bytea" => Some(Kind::Bytes),
        "jsonb" | "json" => Some(Kind::Json),
        _ => None,
    }
}

/// Hands every row of the table to `take`, in the order of its key, one at a time; returns how many there were. Of the blobs only
/// those that are kept (see [`forget_unkept_blobs`]).
pub async fn for_each(
    c: &mut Conn,
    table: &Table,
    mut take: impl FnMut(Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let (text, mut count) = (select(table, matches!(c, Conn::Postgres(_))), 0);
    on!(c, c => {
        // The driver reads as the rows are asked for, so that no table is ever in memory.
        let mut rows = query(AssertSqlSafe(text)).fetch(c);
        while let Some(row) = rows.try_next().await? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, column) in table.columns.iter().enumerate() {
                values.push(match column.kind {
                    Kind::Integer => Value::Integer(row.try_get(at)?),
                    Kind::Boolean => Value::Boolean(row.try_get(at)?),
                    Kind::Text | Kind::Json => Value::Text(row.try_get(at)?),
                    Kind::Bytes => Value::Bytes(row.try_get(at)?),
                });
            }
            take(values)?;
            count += 1;
        }
    });
    Ok(count)
}

fn select(table: &Table, postgres: bool) -> String {
    let one = |column: &Column| match (postgres, column.kind) {
        (true, Kind::Integer) => format!("\"{}\"::bigint", column.name),
        (true, Kind::Json) => format!("\"{}\"::text", column.name),
        _ => format!("\"{}\"", column.name),
    };
    let columns: Vec<String> = table.columns.iter().map(one).collect();
    let kept = if table.name == "blobs" { format!(" WHERE {}", kept_blobs()) } else { String::new() };
    let mut key: Vec<&Column> = table.columns.iter().filter(|column| column.key > 0).collect();
    key.sort_by_key(|column| column.key);
    let key: Vec<String> = key.iter().map(|column| format!("\"{}\"", column.name)).collect();
    format!("SELECT {} FROM \"{}\"{kept} ORDER BY {}", columns.join(", "), table.name, key.join(", "))
}

/// The condition that a blob is named by some row. One that is marked for deletion nevertheless is never deleted.
fn kept_blobs() -> String {
    let named = DIGEST_COLUMNS.iter().filter(|(table, _)| *table != "blobs").map(|(table, column)| {
        // A removed file whose time is over keeps its row and no blob.
        let keeps = if *table == "files" { " AND files.purged IS NULL" } else { "" };
        format!("EXISTS (SELECT 1 FROM \"{table}\" WHERE \"{table}\".\"{column}\" = blobs.sha256{keeps})")
    });
    format!("({})", named.collect::<Vec<_>>().join(" OR "))
}

/// Forgets the blobs that no row names: for a copy that does not hold their bytes.
pub async fn forget_unkept_blobs(c: &mut Conn) -> Result<()> {
    let text = format!("DELETE FROM blobs WHERE NOT ({})", kept_blobs());
    on!(c, c => query(AssertSqlSafe(text)).execute(c).await.map(drop))
}

/// The first of all tables that travel which has a row; `None` if the database is as new.
pub async fn first_filled(c: &mut Conn) -> Result<Option<&'static str>> {
    for name in TABLES {
        let text = format!("SELECT COUNT(*) FROM (SELECT 1 FROM \"{name}\" LIMIT 1) AS first");
        let count: i64 = on!(c, c => query_scalar(AssertSqlSafe(text)).fetch_one(c).await)?;
        if count > 0 {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Keeps a server from starting on the database before this transaction ends. SQLite's writer is alone anyway.
pub async fn lock(c: &mut Conn) -> Result<()> {
    match c {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(h) => query("LOCK TABLE users, settings, journal").execute(&mut **h).await.map(drop),
    }
}

/// Writes rows into the table: of each the values of `columns`, which are some of the table's. `cached`: the statement for this
/// number of rows will be wanted again.
pub async fn insert(c: &mut Conn, table: &Table, columns: &[&Column], rows: Vec<Vec<Value>>, cached: bool) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let text = insertion(table, columns, rows.len(), matches!(c, Conn::Postgres(_)));
    on!(c, c => {
        let mut query = query(AssertSqlSafe(text)).persistent(cached);
        for value in rows.into_iter().flatten() {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Boolean(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query.execute(c).await.map(drop)
    })
}

fn insertion(table: &Table, columns: &[&Column], rows: usize, postgres: bool) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let given = if postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
    let mut text = format!("INSERT INTO \"{}\" ({}){given} VALUES ", table.name, names.join(", "));
    let mut number = 0;
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for (at, column) in columns.iter().enumerate() {
            number += 1;
            let cast = match (postgres, column.kind) {
                (false, _) => "",
                (true, Kind::Integer) => "::bigint",
                (true, Kind::Boolean) => "::boolean",
                (true, Kind::Text) => "::text",
                (true, Kind::Bytes) => "::bytea",
                (true, Kind::Json) => "::text::jsonb",
            };
            // Writing to a string does not fail.
            let _ = write!(text, "{}${number}{cast}", if at == 0 { "" } else { ", " });
        }
        text.push(')');
    }
    text
}

/// The last id that the table has given, also to rows that are gone; `None` if it numbers nothing, or has not yet.
pub async fn last_id(c: &mut Conn, table: &Table) -> Result<Option<i64>> {
    let Some(column) = table.columns.iter().find(|column| column.identity) else { return Ok(None) };
    match c {
        Conn::Sqlite(h) => {
            query_scalar("SELECT seq FROM sqlite_sequence WHERE name = $1").bind(table.name).fetch_optional(&mut **h).await
        }
        Conn::Postgres(h) => {
            query_scalar("SELECT pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass)")
                .bind(table.name)
                .bind(&column.name)
                .fetch_one(&mut **h)
                .await
        }
    }
}

/// Makes the table go on after the id `last`.
pub async fn set_last_id(c: &mut Conn, table: &Table, last: i64) -> Result<()> {
    let Some(column) = table.columns.iter().find(|column| column.identity) else { return Ok(()) };
    match c {
        Conn::Sqlite(h) => {
            query("DELETE FROM sqlite_sequence WHERE name = $1").bind(table.name).execute(&mut **h).await?;
            let insert = query("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)");
            insert.bind(table.name).bind(last).execute(&mut **h).await.map(drop)
        }
        Conn::Postgres(h) => {
            let set = query("SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)");
            set.bind(table.name).bind(&column.name).bind(last).execute(&mut **h).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;
    use crate::db::testing;
    use std::collections::BTreeSet;

    /// A new table is put into one of the two lists, or this fails.
    #[tokio::test]
    async fn every_table_travels_or_stays() {
        let (db, _folder) = testing::sqlite().await;
        let Conn::Sqlite(mut h) = db.read().await.unwrap() else { unreachable!() };
        let found: Vec<String> = query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'
             AND name NOT LIKE 'fts\\_%' ESCAPE '\\'",
        )
        .fetch_all(&mut *h)
        .await
        .unwrap();
        let listed: Vec<&str> = TABLES.iter().chain(LEFT_OUT).copied().collect();
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), listed.iter().copied().collect());
        assert_eq!(found.len(), listed.len(), "listed twice");
    }

    #[tokio::test]
    async fn tables_come_after_those_that_they_refer_to() {
        let (db, _folder) = testing::sqlite().await;
        let Conn::Sqlite(mut h) = db.read().await.unwrap() else { unreachable!() };
        let place = |name: &str| TABLES.iter().position(|table| *table == name);
        for name in TABLES {
            let text = "SELECT \"table\" FROM pragma_foreign_key_list($1)";
            let others: Vec<String> = query_scalar(text).bind(*name).fetch_all(&mut *h).await.unwrap();
            for other in others {
                assert!(place(&other).unwrap() < place(name).unwrap(), "{name} comes before {other}");
            }
        }
    }

    /// JSON is text to SQLite; everything else is of the same kind on both, and so are keys and numbering.
    #[tokio::test]
    async fn both_engines_describe_their_tables_alike() {
        let ((lite, _folder), pg) = (testing::sqlite().await, testing::postgres().await);
        let (mut lite, mut pg) = (lite.read().await.unwrap(), pg.read().await.unwrap());
        for name in TABLES {
            let (lite, mut pg) = (table(&mut lite, name).await.unwrap(), table(&mut pg, name).await.unwrap());
            assert!(lite.columns.iter().any(|column| column.key == 1), "{name} has no key to be read by");
            for column in &mut pg.columns {
                if column.kind == Kind::Json {
                    column.kind = Kind::Text;
                }
            }
            assert_eq!(lite, pg);
        }
    }

    both! {
        async fn ids_go_on_after_the_last_one_ever_given(db: Db) {
            let mut c = db.begin().await.unwrap();
            let users = table(&mut c, "users").await.unwrap();
            assert_eq!(last_id(&mut c, &users).await.unwrap(), None);
            set_last_id(&mut c, &users, 41).await.unwrap();
            assert_eq!(last_id(&mut c, &users).await.unwrap(), Some(41));
            let name = crate::names::UserName::parse("alice").unwrap();
            let now = crate::clock::Timestamp(0);
            let id = crate::db::users::add(&mut c, &name, &Default::default(), None, false, now).await.unwrap().unwrap();
            assert_eq!(id.0, 42);
        }
    }
}
