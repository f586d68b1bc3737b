//! What other processes announce through the database: a connection of its own that waits for PostgreSQL's notifications.
//!
//! An announcement only wakes whoever should look; what happened is in the tables. So nothing is lost with one, and a connection
//! that breaks is not mended here: whoever listens opens another one and looks.

use super::{Db, Result, Serial};
use crate::limits;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use sqlx::query_scalar;
use std::time::Duration;
use tokio::time::timeout;

/// A connection that waits for announcements.
#[derive(Debug)]
pub struct Listener {
    listener: PgListener,
    journal: String,
    /// How long it may be silent before it is asked whether it lives.
    silence: Duration,
}

/// What was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The journal has grown up to this serial.
    Journal(Serial),
    /// The server of this id has followed the journal up to this serial.
    Seen(String, Serial),
}

impl Listener {
    /// Listens from now on; `None` on SQLite, which announces nothing.
    pub async fn open(db: &Db) -> Result<Option<Self>> {
        let Db::Postgres(pool) = db else { return Ok(None) };
        // A pool of its own, so that requests and this never wait for each other.
        let options = pool.connect_options().as_ref().clone();
        let opening = async {
            let own = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(limits::LISTENER_CONNECT_WAIT)
                .connect_with(options)
                .await?;
            let mut listener = PgListener::connect_with(&own).await?;
            listener.ignore_pool_close_event(true);
            listener.eager_reconnect(false);
            // Channels are of the whole database, so their names are of this schema. They fit into PostgreSQL's 63 bytes.
            let schema: Option<String> =
                query_scalar("SELECT md5(current_schema())").persistent(false).fetch_one(&mut listener).await?;
            let schema = schema.unwrap_or_default();
            let journal = format!("cheeseshop_journal_{schema}");
            listener.listen_all([journal.as_str(), &format!("cheeseshop_seen_{schema}")]).await?;
            Ok(Some(Self { listener, journal, silence: limits::LISTENER_SILENCE_MAX }))
        };
        timeout(limits::LISTENER_CONNECT_WAIT, opening).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Waits for the next announcement; `None` once the connection is lost, or dead without having said so.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            match timeout(self.silence, self.listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    if let Some(heard) = self.read(&notification) {
                        return Some(heard);
                    }
                }
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the listening connection is lost");
                    return None;
                }
                Err(_) if self.lives().await => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether the other side still answers: a connection that a firewall has forgotten is silent for ever.
    async fn lives(&mut self) -> bool {
        let asked = query_scalar::<_, i32>("SELECT 1").fetch_one(&mut self.listener);
        matches!(timeout(limits::LISTENER_CONNECT_WAIT, asked).await, Ok(Ok(_)))
    }

    fn read(&self, notification: &PgNotification) -> Option<Heard> {
        let text = notification.payload();
        if notification.channel() == self.journal {
            // A newer program may say more: then the journal is looked at in any case.
            return Some(Heard::Journal(text.parse().map_or(Serial(i64::MAX), Serial)));
        }
        let (id, seen) = text.split_once(' ')?;
        Some(Heard::Seen(id.to_owned(), Serial(seen.parse().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::db::journal::{Action, Change, append};
    use crate::db::{nodes, testing};
    use sqlx::AssertSqlSafe;

    async fn change(db: &Db) -> Serial {
        let change =
            Change { actor: "system", index: None, project: None, action: Action::ServerSet, detail: serde_json::Value::Null };
        let mut c = db.begin().await.unwrap();
        let serial = append(&mut c, &change, Timestamp(1)).await.unwrap();
        c.commit().await.unwrap();
        serial
    }

    #[tokio::test]
    async fn sqlite_announces_nothing() {
        let (db, _folder) = testing::sqlite().await;
        assert!(Listener::open(&db).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn changes_and_nodes_are_announced_in_their_own_schema_when_committed() {
        let (db, other) = (testing::postgres().await, testing::postgres().await);
        let mut listener = Listener::open(&db).await.unwrap().unwrap();
        change(&other).await;
        let mut c = db.begin().await.unwrap();
        let never =
            Change { actor: "system", index: None, project: None, action: Action::ServerSet, detail: serde_json::Value::Null };
        append(&mut c, &never, Timestamp(1)).await.unwrap();
        drop(c);
        let serial = change(&db).await;
        assert_eq!(listener.next().await, Some(Heard::Journal(serial)));
        let mut c = db.read().await.unwrap();
        let node = nodes::NewNode { id: "me", name: "127.0.0.1:1", version: "1", started: Timestamp(1) };
        nodes::add(&mut c, &node, Timestamp(1)).await.unwrap();
        nodes::beat(&mut c, "me", serial, Timestamp(2)).await.unwrap();
        assert_eq!(listener.next().await, Some(Heard::Seen("me".into(), serial)));
    }

    /// Both ways in which a connection is lost: it is ended, and it is silent. The second is played by asking after a silence of no time.
    #[tokio::test]
    async fn a_lost_connection_is_noticed_and_a_silent_one_is_asked() {
        let db = testing::postgres().await;
        let mut listener = Listener::open(&db).await.unwrap().unwrap();
        listener.silence = Duration::from_millis(1);
        let heard = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            change(&db).await
        };
        let (next, serial) = tokio::join!(listener.next(), heard);
        assert_eq!(next, Some(Heard::Journal(serial)), "asked many times, and nothing was lost by it");
        let pid: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut listener.listener).await.unwrap();
        let Db::Postgres(pool) = &db else { unreachable!() };
        sqlx::query(AssertSqlSafe(format!("SELECT pg_terminate_backend({pid})"))).execute(pool).await.unwrap();
        assert_eq!(listener.next().await, None);
    }
}
