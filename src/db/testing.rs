//! Both engines for tests: a fresh SQLite file, and a schema of its own in the PostgreSQL that `TEST_PG_URL` names.

use super::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};
use std::str::FromStr;

/// Every statement in the program as (SQLite's text, PostgreSQL's text); `sql!` enrols each.
#[linkme::distributed_slice]
pub static STATEMENTS: [(&'static str, &'static str)];

/// A SQLite database in a folder that lives as long as the second value.
pub async fn sqlite() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}", folder.path().join("test.db").display())).await.unwrap();
    (db, folder)
}

/// A PostgreSQL database: an empty schema with a random name.
pub async fn postgres() -> Db {
    let url = std::env::var("TEST_PG_URL").expect("TEST_PG_URL names the PostgreSQL for tests; tests/run starts one");
    let options = PgConnectOptions::from_str(&url).unwrap();
    let schema = format!("test_{:016x}", getrandom::u64().unwrap());
    let mut c = options.connect().await.unwrap();
    c.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    Db::open_postgres(options.options([("search_path", schema)])).await.unwrap()
}

/// Makes one test function into two, one an engine: `both! { async fn name(db: Db) { … } }`.
#[macro_export]
macro_rules! both {
    ($(async fn $name:ident($db:ident: Db) $body:block)+) => {
        $(mod $name {
            use super::*;
            async fn check($db: $crate::db::Db) $body

            #[tokio::test]
            async fn sqlite() {
                let (db, _folder) = $crate::db::testing::sqlite().await;
                check(db).await
            }

            #[tokio::test]
            async fn postgres() {
                check($crate::db::testing::postgres().await).await
            }
        })+
    };
}

mod tests {
    use super::*;
    use crate::db::Conn;
    use crate::limits;
    use sqlx::{AssertSqlSafe, Row, SqlSafeStr};
    use std::collections::BTreeSet;

    /// When the disk is full SQLite ends the transaction itself, and the driver does not notice.
    #[tokio::test]
    async fn a_transaction_that_sqlite_has_ended_leaves_a_database_that_works() {
        let (db, _folder) = sqlite().await;
        for _ in 0..3 {
            let Conn::Sqlite(mut c) = db.begin().await.unwrap() else { panic!("another engine") };
            sqlx::query("ROLLBACK").execute(&mut *c).await.unwrap();
            drop(c);
            let Conn::Sqlite(mut c) = db.snapshot().await.unwrap() else { panic!("another engine") };
            sqlx::query("ROLLBACK").execute(&mut *c).await.unwrap();
        }
        db.begin().await.unwrap().commit().await.unwrap();
        for _ in 0..=limits::SQLITE_READERS {
            db.snapshot().await.unwrap();
        }
    }

    /// A node that stands still while it holds the journal's lock must not stop all others for ever. Who waits for something
    /// outside the database, or reads for long, is not ended for it.
    #[tokio::test]
    async fn postgres_ends_what_stands_still() {
        let db = postgres().await;
        let idle = limits::POSTGRES_IDLE_TRANSACTION_MAX.as_secs();
        let seconds = |time: u64| if time == 0 { "0".to_owned() } else { format!("{time}s") };
        for (conn, idle) in [(db.begin().await, idle), (db.begin_patient().await, 0), (db.snapshot().await, 0)] {
            let Conn::Postgres(mut c) = conn.unwrap() else { unreachable!() };
            for (setting, wanted) in
                [("idle_in_transaction_session_timeout", idle), ("lock_timeout", limits::POSTGRES_LOCK_WAIT.as_secs())]
            {
                let row = sqlx::query(AssertSqlSafe(format!("SHOW {setting}"))).fetch_one(&mut *c).await.unwrap();
                assert_eq!(row.get::<String, _>(0), seconds(wanted), "{setting}");
            }
        }
    }

    /// A wrong table, column or parameter in any statement of the program fails here, on both engines.
    #[tokio::test]
    async fn every_statement_prepares_on_both_engines() {
        let (Db::Sqlite { write, .. }, _folder) = sqlite().await else { unreachable!() };
        let Db::Postgres(pool) = postgres().await else { unreachable!() };
        assert!(STATEMENTS.len() > 30, "the statements enrol themselves");
        for (on_sqlite, on_postgres) in STATEMENTS {
            if let Err(error) = write.acquire().await.unwrap().prepare(AssertSqlSafe(*on_sqlite).into_sql_str()).await {
                panic!("SQLite refuses: {error}\n{on_sqlite}");
            }
            if let Err(error) = pool.acquire().await.unwrap().prepare(AssertSqlSafe(*on_postgres).into_sql_str()).await {
                panic!("PostgreSQL refuses: {error}\n{on_postgres}");
            }
        }
    }

    /// What is deleted with its parent is looked for by it; without an index each deletion would read the whole table.
    #[tokio::test]
    async fn every_reference_is_found_by_an_index() {
        let (Db::Sqlite { write, .. }, _folder) = sqlite().await else { unreachable!() };
        let Db::Postgres(pool) = postgres().await else { unreachable!() };
        let on_sqlite = write
            .fetch_all(
                "SELECT t.name || '.' || f.\"from\" FROM sqlite_master t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'
                     AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name) c WHERE c.pk = 1 AND c.name = f.\"from\")
                     AND NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) l, pragma_index_info(l.name) i
                                     WHERE NOT l.partial AND i.seqno = 0 AND i.name = f.\"from\")",
            )
            .await
            .unwrap();
        let on_postgres = pool
            .fetch_all(
                "SELECT c.conrelid::regclass::text || '.' || a.attname FROM pg_constraint c
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                 WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace
                     AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
                                         AND i.indkey[0] = c.conkey[1])",
            )
            .await
            .unwrap();
        let names: Vec<String> = on_sqlite.iter().map(|row| row.get(0)).chain(on_postgres.iter().map(|row| row.get(0))).collect();
        assert!(names.is_empty(), "no index begins with {names:?}");
    }

    /// A project's page must not read how often all others were downloaded.
    #[tokio::test]
    async fn the_downloads_of_a_project_are_found_by_its_files() {
        let (Db::Sqlite { write, .. }, _folder) = sqlite().await else { unreachable!() };
        let (text, _) = STATEMENTS.iter().find(|(text, _)| text.contains("SUM(d.count)")).unwrap();
        let text = ["$1", "$2", "$3"].iter().fold((*text).to_owned(), |text, place| text.replace(place, "1"));
        let steps = write.fetch_all(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
        assert!(steps.iter().any(|step| step.contains("files_project")), "{steps:?}");
        assert!(steps.iter().all(|step| !step.contains("downloads_day")), "{steps:?}");
    }

    /// Both schemas have the same tables with the same columns in the same order, SQLite's full-text indexes aside.
    #[tokio::test]
    async fn both_schemas_are_alike() {
        let (Db::Sqlite { write, .. }, _folder) = sqlite().await else { unreachable!() };
        let Db::Postgres(pool) = postgres().await else { unreachable!() };
        let lite: Vec<String> = write
            .fetch_all(
                "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\'
                     AND t.name NOT LIKE 'fts\\_%' ESCAPE '\\' ORDER BY t.name, c.cid",
            )
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let pg: Vec<String> = pool
            .fetch_all(
                "SELECT (table_name || '.' || column_name)::text FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name, ordinal_position",
            )
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(lite, pg);
        assert!(lite.len() > 50, "{lite:?}");
    }

    /// Garbage collection looks through `DIGEST_COLUMNS`; a digest column that is not listed there would lose blobs.
    #[tokio::test]
    async fn every_digest_column_is_known_to_garbage_collection() {
        let (Db::Sqlite { write, .. }, _folder) = sqlite().await else { unreachable!() };
        let found: BTreeSet<(String, String)> = write
            .fetch_all(
                "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.name LIKE '%sha256'",
            )
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let known = super::super::blobs::DIGEST_COLUMNS.iter().map(|(t, c)| (t.to_string(), c.to_string())).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn both_engines_have_the_same_migrations() {
        let names = |engine: &str| -> BTreeSet<String> {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        assert_eq!(names("sqlite"), names("postgres"));
        assert!(!names("sqlite").is_empty());
    }

    /// While a cluster is upgraded, servers of two versions work on one schema: a migration only adds, and what it adds to a table the
    /// older version need not fill.
    #[test]
    fn migrations_only_add() {
        for engine in ["sqlite", "postgres"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap().to_uppercase();
                for statement in text.lines().map(|line| line.split("--").next().unwrap()).collect::<String>().split(';') {
                    for word in ["DROP TABLE", "DROP COLUMN", "RENAME", "SET NOT NULL", "ALTER COLUMN"] {
                        assert!(!statement.contains(word), "{word} in {}", path.display());
                    }
                    let demands = statement.contains("ADD COLUMN") && statement.contains("NOT NULL");
                    assert!(!demands || statement.contains("DEFAULT"), "{statement} in {}", path.display());
                }
            }
        }
    }
}
