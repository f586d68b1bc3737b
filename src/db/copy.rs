//! A copy of SQLite's file, made while others write, for a backup. PostgreSQL has tools of its own.

use super::{Conn, Db, Handle, dump};
use anyhow::{Context, Result, bail};
use sqlx::query;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A copy that was opened.
#[derive(Debug)]
pub struct Copied {
    pool: SqlitePool,
}

impl Copied {
    /// Opens the copy at `file`.
    pub async fn open(file: &Path) -> Result<Self> {
        // Not the write-ahead log: the copy must be one file, and tell whether a server has run on it (see `was_served`).
        let options = SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Delete);
        Ok(Self { pool: SqlitePoolOptions::new().max_connections(1).connect_with(options).await? })
    }

    /// A connection to it.
    pub async fn read(&self) -> super::Result<Conn> {
        Ok(Conn::Sqlite(Handle::Plain(self.pool.acquire().await?).into()))
    }

    /// Closes it; nothing stands beside its file afterwards.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// Writes the database as it is at this moment into `file`, which must not exist. It takes no lock that a writer waits for.
/// What has no business in a backup is taken out of the copy: blobs that nothing names, and sessions.
pub async fn make(db: &Db, file: &Path) -> Result<Copied> {
    let Db::Sqlite { read, .. } = db else { bail!("only SQLite's database is one file that can be copied") };
    let name = file.to_str().context("the folder's name is not UTF-8, and the database takes no other")?;
    query("VACUUM INTO $1").bind(name).execute(read).await.context("the database cannot be copied")?;
    let copied = Copied::open(file).await?;
    let mut c = copied.read().await?;
    dump::forget_unkept_blobs(&mut c).await?;
    super::sessions::remove_all(&mut c).await?;
    drop(c);
    Ok(copied)
}

/// Whether a server has run on the copy since: [`Db::open`] turns the write-ahead log on, and the file's header keeps that. Blocks.
pub fn was_served(file: &Path) -> Result<bool> {
    /// Offset of the header's "file format write version": 1 for a rollback journal, 2 for a write-ahead log.
    /// See "The Database Header" in SQLite's description of its file format.
    const WRITE_VERSION: usize = 18;
    let mut header = [0; WRITE_VERSION + 1];
    File::open(file)?.read_exact(&mut header).with_context(|| format!("{} is not a database", file.display()))?;
    Ok(header[WRITE_VERSION] != 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;

    #[tokio::test]
    async fn a_copy_tells_whether_it_was_served() {
        let (db, folder) = testing::sqlite().await;
        let file = folder.path().join("copy.db");
        make(&db, &file).await.unwrap().close().await;
        assert!(!was_served(&file).unwrap());
        let url = format!("sqlite:{}", file.display());
        Db::open(&url).await.unwrap().close().await;
        assert!(was_served(&file).unwrap());
    }

    #[tokio::test]
    async fn nothing_is_written_over() {
        let (db, folder) = testing::sqlite().await;
        let file = folder.path().join("copy.db");
        make(&db, &file).await.unwrap().close().await;
        assert!(make(&db, &file).await.is_err());
        assert!(make(&testing::postgres().await, &folder.path().join("other")).await.is_err());
    }
}
