//! The servers that run on one database: who they are, and how far each has followed the journal.

use super::{Conn, Result, Serial};
use crate::clock::Timestamp;
use crate::{on, sql};
use sqlx::{FromRow, query, query_as};

/// A server about to be noted.
#[derive(Debug)]
pub struct NewNode<'a> {
    /// Random; of one process.
    pub id: &'a str,
    /// Where it listens, for people.
    pub name: &'a str,
    /// Of the program.
    pub version: &'a str,
    /// When it started.
    pub started: Timestamp,
}

/// A server as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Node {
    /// Random; of one process.
    pub id: String,
    /// Where it listens, for people.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// When it last wrote here, by its own clock.
    pub heartbeat: Timestamp,
    /// The serial up to which it has followed the journal.
    pub seen: Serial,
}

/// Notes a server that is about to read what it will keep in memory: whoever changes something from now on waits for it.
pub async fn add(c: &mut Conn, node: &NewNode<'_>, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO nodes (id, name, version, started, heartbeat, seen) VALUES ($1, $2, $3, $4, $5, 0)
         ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat"
    ))
    .bind(node.id).bind(node.name).bind(node.version).bind(node.started).bind(now)
    .execute(c).await.map(drop))
}

/// Notes that the server lives and what it has seen; on PostgreSQL the others are told. `false` if its row is gone.
///
/// Nothing is lost if this is, so PostgreSQL need not wait for its disk: the setting holds until the transaction ends.
pub async fn beat(c: &mut Conn, id: &str, seen: Serial, now: Timestamp) -> Result<bool> {
    let text = sql!(c,
        sqlite: "UPDATE nodes SET heartbeat = $2, seen = $3 WHERE id = $1 RETURNING id",
        postgres: "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS set)
                   UPDATE nodes SET heartbeat = $2, seen = $3 FROM quick WHERE id = $1 AND quick.set = 'off'
                   RETURNING id, pg_notify('cheeseshop_seen_' || md5(current_schema()), id || ' ' || seen)");
    on!(c, c => query(text).bind(id).bind(now).bind(seen).fetch_optional(c).await.map(|row| row.is_some()))
}

/// Every server, the oldest first.
pub async fn all(c: &mut Conn) -> Result<Vec<Node>> {
    on!(c, c => query_as(sql!("SELECT id, name, version, started, heartbeat, seen FROM nodes ORDER BY started, id")).fetch_all(c).await)
}

/// Forgets a server that stops.
pub async fn remove(c: &mut Conn, id: &str) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM nodes WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

/// Forgets the servers that have not written since then; returns how many.
pub async fn prune(c: &mut Conn, before: Timestamp) -> Result<u64> {
    on!(c, c => query(sql!("DELETE FROM nodes WHERE heartbeat < $1")).bind(before).execute(c).await.map(|done| done.rows_affected()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;

    both! {
        async fn a_node_comes_beats_and_goes(db: Db) {
            let mut c = db.begin().await.unwrap();
            for (id, started) in [("b", 2), ("a", 1)] {
                let node = NewNode { id, name: "127.0.0.1:3141", version: "1", started: Timestamp(started) };
                add(&mut c, &node, Timestamp(started)).await.unwrap();
            }
            assert!(beat(&mut c, "a", Serial(7), Timestamp(9)).await.unwrap());
            assert!(!beat(&mut c, "gone", Serial(7), Timestamp(9)).await.unwrap());
            let told: Vec<_> = all(&mut c).await.unwrap().into_iter().map(|n| (n.id, n.heartbeat.0, n.seen.0)).collect();
            assert_eq!(told, [("a".to_owned(), 9, 7), ("b".to_owned(), 2, 0)]);
            assert_eq!(prune(&mut c, Timestamp(9)).await.unwrap(), 1);
            remove(&mut c, "a").await.unwrap();
            assert!(all(&mut c).await.unwrap().is_empty());
        }
    }
}
