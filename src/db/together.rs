//! Changes that come at the same time and share one commit, and so one sync of the disk.
//!
//! SQLite takes one writer at a time, and a commit waits for the disk. So whoever has written leaves the transaction open for those who
//! wait already for their turn, each within a savepoint of its own: what one of them undoes harms no other. When its own turn comes
//! again, whoever is first commits for all. Nobody is told that anything is done before that commit, and if it fails, all are told.
//! Whoever comes alone waits for nobody.
//!
//! Within a group one sees what others have written and not committed. [`Turn::undo`] is for those who have nothing to commit, but
//! something to tell.

use super::Result;
use crate::limits;
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, Transaction, query};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::time::timeout;

/// Where those who write wait for their turn, first come first served.
#[derive(Debug, Clone, Default)]
pub struct Together(Arc<Mutex<Slot>>);

/// The group that waits for its commit.
type Slot = Option<Group>;

#[derive(Debug)]
struct Group {
    tx: Transaction<'static, Sqlite>,
    members: usize,
    fate: Arc<Fate>,
}

/// What becomes of a group.
#[derive(Debug, Default)]
struct Fate {
    /// Somebody's savepoint is open. If their turn is over, they have undone what they wrote.
    open: AtomicBool,
    end: OnceLock<std::result::Result<(), Arc<sqlx::Error>>>,
}

/// Somebody's turn to write. Dropping it undoes what was written in it, and nothing else.
#[derive(Debug)]
pub struct Turn {
    writer: Writer,
    together: Together,
}

#[derive(Debug)]
enum Writer {
    /// Nobody else has written. The transaction is rolled back before others get their turn.
    First(Transaction<'static, Sqlite>, OwnedMutexGuard<Slot>),
    /// Others have: the connection that has their transaction.
    Next(OwnedMappedMutexGuard<Slot, SqliteConnection>, Arc<Fate>),
}

impl Together {
    /// Waits for a turn, `wait` at most; `begin` begins a transaction.
    pub(super) async fn turn(
        &self,
        begin: impl Future<Output = Result<Transaction<'static, Sqlite>>>,
        wait: Duration,
    ) -> Result<Turn> {
        let waiting = timeout(wait, self.0.clone().lock_owned());
        let mut slot = waiting.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        if let Some(mut group) = slot.take() {
            match group.admit().await {
                Ok(true) => return Ok(self.next(slot, group)),
                Ok(false) => group.commit().await,
                Err(error) => group.fail(&error),
            }
        }
        Ok(Turn { writer: Writer::First(begin.await?, slot), together: self.clone() })
    }

    fn next(&self, slot: OwnedMutexGuard<Slot>, group: Group) -> Turn {
        let fate = group.fate.clone();
        let conn = OwnedMutexGuard::map(slot, |slot| &mut *slot.insert(group).tx);
        Turn { writer: Writer::Next(conn, fate), together: self.clone() }
    }

    /// Commits for all, unless somebody has. Those who waited before this was called have had their turn then.
    async fn end(&self, fate: &Fate) -> Result<()> {
        let mut slot = self.0.lock().await;
        if fate.end.get().is_none()
            && let Some(group) = slot.take()
        {
            group.commit().await;
        }
        match fate.end.get() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(again(error)),
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }
}

impl Group {
    /// Opens a savepoint for one more; `false` if there are too many already.
    async fn admit(&mut self) -> Result<bool> {
        if self.members >= limits::SQLITE_TOGETHER_MAX {
            return Ok(false);
        }
        self.undo_open().await?;
        run(&mut self.tx, "SAVEPOINT turn").await?;
        self.fate.open.store(true, Ordering::Release);
        self.members += 1;
        Ok(true)
    }

    async fn undo_open(&mut self) -> Result<()> {
        match self.fate.open.swap(false, Ordering::AcqRel) {
            true => run(&mut self.tx, "ROLLBACK TO turn; RELEASE turn").await,
            false => Ok(()),
        }
    }

    async fn commit(mut self) {
        if let Err(error) = self.undo_open().await {
            return self.fail(&error);
        }
        let end = self.tx.commit().await.map_err(Arc::new);
        // Nobody else has: whoever ends a group has taken it out of the slot.
        let _ = self.fate.end.set(end);
    }

    /// Undoes everything, because one could not be undone alone: SQLite ends a transaction itself where the disk is full or memory
    /// lacks. The others are to try again.
    fn fail(self, error: &sqlx::Error) {
        let ended = io::Error::other(format!("the transaction was ended: {error}"));
        let _ = self.fate.end.set(Err(Arc::new(sqlx::Error::Io(ended))));
    }
}

impl Turn {
    /// Ends the turn; returns when what was written in it is durable.
    pub(super) async fn commit(self) -> Result<()> {
        match self.writer {
            Writer::First(tx, mut slot) => {
                let fate = Arc::<Fate>::default();
                *slot = Some(Group { tx, members: 1, fate: fate.clone() });
                drop(slot);
                self.together.end(&fate).await
            }
            Writer::Next(mut conn, fate) => {
                run(&mut conn, "RELEASE turn").await?;
                fate.open.store(false, Ordering::Release);
                drop(conn);
                self.together.end(&fate).await
            }
        }
    }

    /// Undoes what was written in the turn; returns when what was read in it is durable.
    pub(super) async fn undo(self) -> Result<()> {
        match self.writer {
            Writer::First(tx, _slot) => tx.rollback().await,
            Writer::Next(conn, fate) => {
                drop(conn);
                self.together.end(&fate).await
            }
        }
    }
}

async fn run(c: &mut SqliteConnection, text: &'static str) -> Result<()> {
    query(text).execute(c).await.map(drop)
}

/// The error of a commit, for each of those who waited for it.
fn again(error: &Arc<sqlx::Error>) -> sqlx::Error {
    match &**error {
        sqlx::Error::Database(_) => sqlx::Error::Database(Box::new(Shared(error.clone()))),
        sqlx::Error::Io(cause) => sqlx::Error::Io(io::Error::new(cause.kind(), cause.to_string())),
        other => sqlx::Error::Protocol(format!("the commit failed: {other}")),
    }
}

/// What the database said to several.
#[derive(Debug)]
struct Shared(Arc<sqlx::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Shared {}

impl DatabaseError for Shared {
    fn message(&self) -> &str {
        self.0.as_database_error().map_or("", |error| error.message())
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.0.as_database_error()?.code()
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        self.0.as_database_error().map_or(ErrorKind::Other, |error| error.kind())
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.writer {
            Writer::First(tx, _) => tx,
            Writer::Next(conn, _) => conn,
        }
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.writer {
            Writer::First(tx, _) => tx,
            Writer::Next(conn, _) => conn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sqlite;
    use super::super::{Conn, Db};
    use super::*;
    use futures_util::future::join_all;
    use sqlx::query_scalar;
    use tokio::join;

    async fn add(c: &mut Conn, name: &str) {
        let Conn::Sqlite(h) = c else { unreachable!() };
        query("INSERT INTO settings (key, value) VALUES ($1, '')").bind(name).execute(&mut **h).await.unwrap();
    }

    async fn seen(c: &mut Conn) -> Vec<String> {
        let Conn::Sqlite(h) = c else { unreachable!() };
        query_scalar("SELECT key FROM settings WHERE length(key) < 5 ORDER BY key").fetch_all(&mut **h).await.unwrap()
    }

    async fn committed(db: &Db) -> Vec<String> {
        seen(&mut db.read().await.unwrap()).await
    }

    /// A turn that writes its name.
    async fn one(db: &Db, name: &str) -> Result<()> {
        let mut c = db.begin_together().await?;
        add(&mut c, name).await;
        c.commit().await
    }

    // `join!` asks in the order in which things are written: those above wait already when the first ends its turn.

    #[tokio::test]
    async fn those_who_wait_share_one_commit() {
        let (db, _folder) = sqlite().await;
        let mut first = db.begin_together().await.unwrap();
        add(&mut first, "a").await;
        let last = async {
            let mut c = db.begin_together().await.unwrap();
            assert_eq!(seen(&mut c).await, ["a", "b"]);
            assert_eq!(committed(&db).await, [""; 0], "nobody was told that anything is done, and nothing is");
            add(&mut c, "c").await;
            c.commit().await
        };
        let (b, c, a) = join!(one(&db, "b"), last, first.commit());
        assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{a:?} {b:?} {c:?}");
        assert_eq!(committed(&db).await, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn what_one_undoes_harms_no_other() {
        let (db, _folder) = sqlite().await;
        let mut first = db.begin_together().await.unwrap();
        add(&mut first, "a").await;
        let dropped = async { add(&mut db.begin_together().await.unwrap(), "b").await };
        let refused = async {
            let mut c = db.begin_together().await.unwrap();
            assert_eq!(seen(&mut c).await, ["a"]);
            add(&mut c, "c").await;
            let Conn::Sqlite(h) = &mut c else { unreachable!() };
            query("INSERT INTO settings (key, value) VALUES ('a', '')").execute(&mut **h).await.unwrap_err();
            c.undo().await.unwrap();
            assert_eq!(committed(&db).await, ["a", "d"], "what was found there is durable before it is told");
        };
        let (_, (), d, a) = join!(dropped, refused, one(&db, "d"), first.commit());
        assert!(a.is_ok() && d.is_ok(), "{a:?} {d:?}");
        assert_eq!(committed(&db).await, ["a", "d"]);
    }

    #[tokio::test]
    async fn whoever_comes_alone_and_undoes_leaves_nothing_open() {
        let (db, _folder) = sqlite().await;
        for ended in [true, false] {
            let mut c = db.begin_together().await.unwrap();
            add(&mut c, "a").await;
            if ended {
                c.undo().await.unwrap();
            } else {
                drop(c);
            }
            db.begin().await.unwrap().commit().await.unwrap();
            assert_eq!(committed(&db).await, [""; 0]);
        }
        one(&db, "b").await.unwrap();
        assert_eq!(committed(&db).await, ["b"]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_told_to_all() {
        let (db, _folder) = sqlite().await;
        let mut first = db.begin_together().await.unwrap();
        add(&mut first, "a").await;
        let wrong = async {
            let mut c = db.begin_together().await.unwrap();
            let Conn::Sqlite(h) = &mut c else { unreachable!() };
            // A row whose parent is missing is noticed by the commit.
            query("PRAGMA defer_foreign_keys = ON").execute(&mut **h).await.unwrap();
            let orphan = "INSERT INTO index_bases (index_id, position, base) VALUES (99, 0, 'a/b')";
            query(orphan).execute(&mut **h).await.unwrap();
            c.commit().await
        };
        let (b, c, a) = join!(one(&db, "b"), wrong, first.commit());
        for ended in [a, b, c] {
            let error = ended.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "787", "{error}");
        }
        assert_eq!(committed(&db).await, [""; 0]);
        one(&db, "d").await.unwrap();
        assert_eq!(committed(&db).await, ["d"]);
    }

    /// When the disk is full SQLite ends the transaction itself, whoever's statement it was.
    #[tokio::test]
    async fn a_transaction_that_sqlite_has_ended_is_told_to_all_and_over() {
        let (db, _folder) = sqlite().await;
        let mut first = db.begin_together().await.unwrap();
        add(&mut first, "a").await;
        let ending = async {
            let mut c = db.begin_together().await.unwrap();
            let Conn::Sqlite(h) = &mut c else { unreachable!() };
            query("ROLLBACK").execute(&mut **h).await.unwrap();
        };
        let ((), c, a) = join!(ending, one(&db, "c"), first.commit());
        assert!(matches!(a, Err(sqlx::Error::Io(_))), "what was written is gone, and another try may do: {a:?}");
        c.unwrap();
        assert_eq!(committed(&db).await, ["c"]);
    }

    #[tokio::test]
    async fn more_than_fit_into_a_group_make_several() {
        let (db, _folder) = sqlite().await;
        let names: Vec<String> = (0..2 * limits::SQLITE_TOGETHER_MAX + 3).map(|n| format!("{n:03}")).collect();
        for ended in join_all(names.iter().map(|name| one(&db, name))).await {
            ended.unwrap();
        }
        assert_eq!(committed(&db).await, names);
    }
}
