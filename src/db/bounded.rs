//! Reading for a limited time: for questions of which nobody can tell beforehand what they cost.

use super::{Conn, Db, Handle, Result};
use crate::clock::Clock;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A transaction that reads, each statement of which ends with an error ([`was_cut_short`]) when it takes too long. SQLite counts from
/// the transaction's beginning.
#[derive(Debug)]
pub struct Bounded {
    // Dropped first: the connection goes back to its pool, where time must not run any more.
    _running: Arc<()>,
    conn: Conn,
}

impl Deref for Bounded {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Bounded {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// Instructions of SQLite's machine between two looks at the clock: some microseconds.
const LOOK_EVERY: i32 = 1000;

impl Db {
    /// Begins to read; no statement takes longer than `most`.
    pub async fn read_bounded(&self, most: Duration) -> Result<Bounded> {
        let running = Arc::new(());
        let conn = match self {
            Db::Sqlite { read, .. } => {
                let mut t = read.begin().await?;
                t.lock_handle().await?.set_progress_handler(LOOK_EVERY, deadline(Arc::downgrade(&running), most));
                Conn::Sqlite(Handle::Tx(t).into())
            }
            Db::Postgres(pool) => {
                let mut t = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                let set = sqlx::query("SELECT set_config('statement_timeout', $1, true)");
                set.bind(most.as_millis().to_string()).execute(&mut *t).await?;
                Conn::Postgres(Handle::Tx(t))
            }
        };
        Ok(Bounded { _running: running, conn })
    }
}

/// Tells SQLite to go on until time is up, and always once nobody waits any more.
fn deadline(running: Weak<()>, most: Duration) -> impl FnMut() -> bool + Send + 'static {
    let clock = Clock::System;
    let end = clock.uptime().saturating_add(most);
    move || running.strong_count() == 0 || clock.uptime() < end
}

/// Whether a statement was ended because it took too long.
pub fn was_cut_short(error: &sqlx::Error) -> bool {
    /// PostgreSQL's `query_canceled`, and SQLite's `SQLITE_INTERRUPT`.
    const CODES: [&str; 2] = ["57014", "9"];
    matches!(error, sqlx::Error::Database(told) if told.code().is_some_and(|code| CODES.contains(&code.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;
    use crate::on;

    /// Counts for minutes on either engine.
    const LONG: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT COUNT(*) FROM n";

    async fn count(c: &mut Conn, text: &'static str) -> Result<i64> {
        on!(c, c => sqlx::query_scalar(text).fetch_one(c).await)
    }

    both! {
        async fn what_takes_too_long_is_ended_and_leaves_a_sound_connection(db: Db) {
            for _ in 0..6 {
                let mut c = db.read_bounded(Duration::from_millis(30)).await.unwrap();
                let error = count(&mut c, LONG).await.unwrap_err();
                assert!(was_cut_short(&error), "{error}");
            }
            // The same connections, for whoever comes next: the time of those who are gone does not count.
            let mut held = Vec::new();
            for _ in 0..4 {
                let mut c = db.read().await.unwrap();
                let quick = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT COUNT(*) FROM n";
                assert_eq!(count(&mut c, quick).await.unwrap(), 100_000);
                held.push(c);
            }
        }

        async fn what_is_quick_is_answered(db: Db) {
            let mut c = db.read_bounded(Duration::from_secs(60)).await.unwrap();
            assert_eq!(count(&mut c, "SELECT COUNT(*) FROM users").await.unwrap(), 0);
            assert!(!was_cut_short(&sqlx::Error::RowNotFound));
        }
    }
}
