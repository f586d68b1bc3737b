//! The only file that knows there are two databases. The others in this folder hold one SQL text a question, for both.
//!
//! A query is a plain function that takes `&mut Conn`. [`on!`] runs the same expression on whichever engine is behind the
//! connection, so the compiler checks it against both drivers; [`sql!`] holds its text, and in tests enrols it to be
//! prepared on both engines. Nothing here decides a rule, and nothing outside this folder writes SQL.

pub mod attachments;
pub mod audit;
pub mod blobs;
pub mod bounded;
pub mod copy;
pub mod devpi_tokens;
pub mod downloads;
pub mod dump;
pub mod figures;
pub mod files;
pub mod ids;
pub mod indexes;
pub mod jobs;
pub mod journal;
pub mod kept;
pub mod listen;
pub mod mirrors;
pub mod nodes;
pub mod projects;
pub mod releases;
pub mod search;
pub mod sessions;
pub mod settings;
#[cfg(test)]
pub mod testing;
mod together;
pub mod tokens;
pub mod users;

pub use ids::{AttachmentId, FileId, IndexId, JobId, ProjectId, ReleaseId, Serial, UserId};

use crate::limits;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Database, Postgres, Sqlite, Transaction};
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;
use together::{Together, Turn};

/// What every query returns: the row or the driver's error, which no client is ever shown.
pub type Result<T> = sqlx::Result<T>;

/// The database. Cloning is cheap.
#[derive(Debug, Clone)]
pub enum Db {
    /// SQLite takes one writer at a time, so it gets one writing connection and several reading ones.
    Sqlite {
        /// Read-only connections.
        read: SqlitePool,
        /// The one writer.
        write: SqlitePool,
        /// Those who share its commits.
        together: Together,
    },
    /// PostgreSQL; reading and writing share a pool.
    Postgres(PgPool),
}

/// A pool of connections at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// What it is for.
    pub name: &'static str,
    /// Connections.
    pub open: usize,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// As many as there may be.
    pub max: u32,
}

/// A connection, within a transaction or not. Dropping one without [`Conn::commit`] rolls its transaction back.
#[derive(Debug)]
pub enum Conn {
    /// To SQLite.
    Sqlite(SqliteHandle),
    /// To PostgreSQL.
    Postgres(Handle<Postgres>),
}

/// A pooled connection or a transaction on one.
#[derive(Debug)]
pub enum Handle<D: Database> {
    /// Each statement stands for itself.
    Plain(PoolConnection<D>),
    /// All or nothing.
    Tx(Transaction<'static, D>),
}

/// The same on SQLite, where those who write may do so together.
#[derive(Debug)]
pub enum SqliteHandle {
    /// For one.
    Alone(Handle<Sqlite>),
    /// All or nothing, and perhaps in one commit with others.
    Together(Turn),
}

impl From<Handle<Sqlite>> for SqliteHandle {
    fn from(handle: Handle<Sqlite>) -> Self {
        Self::Alone(handle)
    }
}

impl Deref for SqliteHandle {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        match self {
            Self::Alone(handle) => handle,
            Self::Together(turn) => turn,
        }
    }
}

impl DerefMut for SqliteHandle {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Alone(handle) => handle,
            Self::Together(turn) => turn,
        }
    }
}

impl<D: Database> Deref for Handle<D> {
    type Target = D::Connection;
    fn deref(&self) -> &D::Connection {
        match self {
            Handle::Plain(c) => c,
            Handle::Tx(t) => t,
        }
    }
}

impl<D: Database> DerefMut for Handle<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        match self {
            Handle::Plain(c) => c,
            Handle::Tx(t) => t,
        }
    }
}

impl<D: Database> Handle<D> {
    async fn commit(self) -> Result<()> {
        match self {
            Handle::Plain(_) => Ok(()),
            Handle::Tx(t) => t.commit().await,
        }
    }

    async fn undo(self) -> Result<()> {
        match self {
            Handle::Plain(_) => Ok(()),
            Handle::Tx(t) => t.rollback().await,
        }
    }
}

/// Runs one expression against whichever engine is behind `$conn`; both arms are type-checked.
#[macro_export]
macro_rules! on {
    ($conn:expr, $c:ident => $e:expr) => {
        match $conn {
            $crate::db::Conn::Sqlite(h) => {
                let $c = &mut **h;
                $e
            }
            $crate::db::Conn::Postgres(h) => {
                let $c = &mut **h;
                $e
            }
        }
    };
}

/// A statement's text: one for both engines, or one each where they truly differ.
#[macro_export]
macro_rules! sql {
    ($text:literal) => {{
        #[cfg(test)]
        #[linkme::distributed_slice($crate::db::testing::STATEMENTS)]
        static S: (&str, &str) = ($text, $text);
        $text
    }};
    ($conn:expr, sqlite: $s:literal, postgres: $p:literal) => {{
        #[cfg(test)]
        #[linkme::distributed_slice($crate::db::testing::STATEMENTS)]
        static S: (&str, &str) = ($s, $p);
        match $conn {
            $crate::db::Conn::Sqlite(_) => $s,
            $crate::db::Conn::Postgres(_) => $p,
        }
    }};
}

/// Another node may stand still while it holds a lock, the journal's for instance, which every change takes: whoever waits for it
/// gives up after a while, and PostgreSQL ends the transaction of the one that does nothing.
async fn bound_waits(c: &mut PgConnection) -> sqlx::Result<()> {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    sqlx::query("SELECT set_config('lock_timeout', $1, false), set_config('idle_in_transaction_session_timeout', $2, false)")
        .bind(milliseconds(limits::POSTGRES_LOCK_WAIT))
        .bind(milliseconds(limits::POSTGRES_IDLE_TRANSACTION_MAX))
        .execute(c)
        .await
        .map(drop)
}

/// A pool that gives away no connection which the driver still believes to be within a transaction. SQLite ends a transaction itself
/// when the disk is full; then the driver's own rollback fails, and no later one could begin on that connection.
fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    let is_free = |c: &mut SqliteConnection| !c.is_in_transaction();
    let options = SqlitePoolOptions::new().max_connections(connections);
    // A file does not go away as a server does, and to ask it costs as much as a small query.
    options.test_before_acquire(false).before_acquire(move |c, _| Box::pin(async move { Ok(is_free(c)) }))
}

impl Db {
    /// Opens `sqlite:PATH` (made if missing) or `postgres://…` and brings its schema up to date.
    pub async fn open(url: &str) -> anyhow::Result<Db> {
        match url.strip_prefix("sqlite:") {
            Some(_) => Self::open_sqlite(SqliteConnectOptions::from_str(url)?).await,
            None => Self::open_postgres(PgConnectOptions::from_str(url)?).await,
        }
    }

    async fn open_sqlite(options: SqliteConnectOptions) -> anyhow::Result<Db> {
        // FULL: an acknowledged upload survives a power cut, not only a crash of this process.
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(limits::SQLITE_BUSY_WAIT)
            .row_buffer_size(limits::SQLITE_ROWS_AHEAD);
        // Counts only where the file is made: `shrink` can then give pages back.
        let writing = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
        let write = sqlite_pool(1).connect_with(writing).await?;
        lenient(sqlx::migrate!("migrations/sqlite")).run(&write).await?;
        let read = sqlite_pool(limits::SQLITE_READERS).connect_with(options.read_only(true)).await?;
        Ok(Db::Sqlite { read, write, together: Together::default() })
    }

    /// Opens PostgreSQL with these options; apart from [`Db::open`] only tests call it, each with a schema of its own.
    pub async fn open_postgres(options: PgConnectOptions) -> anyhow::Result<Db> {
        // A node that starts while another one migrates waits as long as that takes.
        let patient = PgPoolOptions::new().max_connections(1).acquire_timeout(limits::DATABASE_WAIT);
        let patient = patient.connect_with(options.clone()).await?;
        lenient(sqlx::migrate!("migrations/postgres")).run(&patient).await?;
        patient.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(limits::POSTGRES_CONNECTIONS)
            .acquire_timeout(limits::DATABASE_WAIT)
            .after_connect(|c, _| Box::pin(bound_waits(c)))
            .connect_with(options)
            .await?;
        Ok(Db::Postgres(pool))
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self {
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres(_) => "postgres",
        }
    }

    /// How its pools of connections stand.
    pub fn pools(&self) -> Vec<Pool> {
        fn of<D: Database>(name: &'static str, pool: &sqlx::Pool<D>) -> Pool {
            // A connection may come back between the two looks.
            let (idle, open) = (pool.num_idle(), pool.size() as usize);
            Pool { name, open, idle: idle.min(open), max: pool.options().get_max_connections() }
        }
        match self {
            Db::Sqlite { read, write, .. } => vec![of("read", read), of("write", write)],
            Db::Postgres(pool) => vec![of("shared", pool)],
        }
    }

    /// Whether servers announce to one another through the database what they do: on PostgreSQL.
    pub fn announces(&self) -> bool {
        matches!(self, Db::Postgres(_))
    }

    /// A connection for reading, outside any transaction.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { read, .. } => Conn::Sqlite(Handle::Plain(read.acquire().await?).into()),
            Db::Postgres(pool) => Conn::Postgres(Handle::Plain(pool.acquire().await?)),
        })
    }

    /// A transaction for writing. On SQLite it is IMMEDIATE: one that begins by reading would be refused the moment it
    /// writes while another does, without waiting.
    pub async fn begin(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { write, .. } => Conn::Sqlite(Handle::Tx(write.begin_with("BEGIN IMMEDIATE").await?).into()),
            Db::Postgres(pool) => Conn::Postgres(Handle::Tx(pool.begin().await?)),
        })
    }

    /// The same for changes of which many come at once. On SQLite they may share one commit ([`together`]), so whoever does not
    /// commit must call [`Conn::undo`] before telling anybody what they have seen. PostgreSQL does that by itself.
    pub async fn begin_together(&self) -> Result<Conn> {
        let Db::Sqlite { write, together, .. } = self else { return self.begin().await };
        let turn = together.turn(write.begin_with("BEGIN IMMEDIATE"), write.options().get_acquire_timeout());
        Ok(Conn::Sqlite(SqliteHandle::Together(turn.await?)))
    }

    /// The same for a transaction that waits for something outside the database, while it holds locks that hardly anybody wants:
    /// PostgreSQL does not end it for doing nothing.
    pub async fn begin_patient(&self) -> Result<Conn> {
        match self {
            Db::Sqlite { .. } => self.begin().await,
            Db::Postgres(pool) => {
                let begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0";
                Ok(Conn::Postgres(Handle::Tx(pool.begin_with(begin).await?)))
            }
        }
    }

    /// A transaction that sees the database as it is at its first statement, however long it takes, and writes nothing.
    pub async fn snapshot(&self) -> Result<Conn> {
        Ok(match self {
            Db::Sqlite { read, .. } => Conn::Sqlite(Handle::Tx(read.begin().await?).into()),
            Db::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";
                Conn::Postgres(Handle::Tx(pool.begin_with(begin).await?))
            }
        })
    }

    /// Gives pages that hold nothing any more back to the file system, and empties the write-ahead log. PostgreSQL does by itself
    /// what it can. Some pages at a time, so that other writers wait for none of it long.
    pub async fn shrink(&self) -> Result<()> {
        let Db::Sqlite { write, .. } = self else { return Ok(()) };
        loop {
            let mut c = write.acquire().await?;
            let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *c).await?;
            sqlx::query(AssertSqlSafe(format!("PRAGMA incremental_vacuum({})", limits::SQLITE_PAGES_AT_ONCE)))
                .fetch_all(&mut *c)
                .await?;
            let left: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *c).await?;
            if left == 0 || left >= free {
                // A reader that holds an old page makes this do less, which the next one makes good.
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&mut *c).await?;
                return Ok(());
            }
        }
    }

    /// Waits until every connection is closed; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

/// Passes over migrations that only a newer program knows: in a rolling upgrade an older one may start once more. Each migration
/// leaves the schema usable for the version before it (a test looks).
fn lenient(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// Text as a part of a pattern of `LIKE … ESCAPE '!'` that stands for itself.
fn literally(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

impl Conn {
    /// Makes the transaction's work durable and visible.
    pub async fn commit(self) -> Result<()> {
        match self {
            Conn::Sqlite(SqliteHandle::Alone(h)) => h.commit().await,
            Conn::Sqlite(SqliteHandle::Together(turn)) => turn.commit().await,
            Conn::Postgres(h) => h.commit().await,
        }
    }

    /// Undoes the transaction's work. What was read in it is durable when this returns.
    pub async fn undo(self) -> Result<()> {
        match self {
            Conn::Sqlite(SqliteHandle::Alone(h)) => h.undo().await,
            Conn::Sqlite(SqliteHandle::Together(turn)) => turn.undo().await,
            Conn::Postgres(h) => h.undo().await,
        }
    }
}
