//! The journal: every change, in the order in which it became visible. Written in the transaction of the change, as its last
//! statement; read by whoever keeps something in memory.

use super::{Conn, IndexId, Result, Serial};
use crate::clock::Timestamp;
use crate::pypi::ProjectName;
use crate::{on, sql};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// What happened. The words are stored and shown; they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Action {
    /// A user was made.
    UserAdd,
    /// A user's profile changed.
    UserSet,
    /// A user's password changed.
    UserPassword,
    /// A user's sessions were ended.
    UserSignOut,
    /// A user was removed.
    UserRemove,
    /// A token was made.
    TokenAdd,
    /// A token was revoked.
    TokenRemove,
    /// An index was made.
    IndexAdd,
    /// An index's options or bases changed.
    IndexSet,
    /// An index was removed.
    IndexRemove,
    /// A project was removed, or its reserved name released.
    ProjectRemove,
    /// A release was made known, or its metadata replaced, by a form.
    ReleaseSet,
    /// A release was pushed here from another index.
    ReleasePush,
    /// A release was removed.
    ReleaseRemove,
    /// A file was published.
    FileAdd,
    /// A file was replaced on a volatile index.
    FileReplace,
    /// A file was removed.
    FileRemove,
    /// A file was yanked.
    FileYank,
    /// A file was un-yanked.
    FileUnyank,
    /// Documentation of a release was added or replaced.
    DocsAdd,
    /// Documentation of a release was removed.
    DocsRemove,
    /// A test result of a file was added.
    ResultAdd,
    /// A test result of a file was removed.
    ResultRemove,
    /// A mirror saw its upstream's page change.
    MirrorPage,
    /// A mirror saw its upstream's list of projects change.
    MirrorList,
    /// Files or releases moved in from elsewhere.
    Import,
    /// A setting of the whole server changed.
    ServerSet,
    /// The doctor took rows away that promised what is not there.
    Repair,
}

/// A change about to be written.
#[derive(Debug)]
pub struct Change<'a> {
    /// Who: `user:alice`, `token:alice/ci`, `anonymous`, `system`, `cli`.
    pub actor: &'a str,
    /// Where.
    pub index: Option<IndexId>,
    /// Which project.
    pub project: Option<&'a ProjectName>,
    /// What.
    pub action: Action,
    /// More, for people.
    pub detail: Value,
}

/// A change as followers read it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Entry {
    /// Its place.
    pub serial: Serial,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Where.
    pub index_id: Option<IndexId>,
    /// Which project.
    pub project: Option<ProjectName>,
    /// What; a word this version does not know is kept as text, so that an older node can follow a newer one.
    pub action: String,
    /// More, for people.
    pub detail: Json<Value>,
}

/// Writes the change and returns its serial. Call it last: on PostgreSQL it takes the one lock that makes serials become
/// visible in their order, and holds it until the commit, which also wakes the other servers (`listen`).
pub async fn append(c: &mut Conn, change: &Change<'_>, now: Timestamp) -> Result<Serial> {
    if let Conn::Postgres(h) = &mut *c {
        // The key is of this schema, because advisory locks are of the whole database.
        query("SELECT pg_advisory_xact_lock(hashtext('cheeseshop journal'), hashtext(current_schema()))")
            .execute(&mut **h)
            .await?;
    }
    let text = sql!(c,
        sqlite: "INSERT INTO journal (at, actor, index_id, project, action, detail) VALUES ($1, $2, $3, $4, $5, $6) RETURNING serial",
        postgres: "WITH added AS (
                       INSERT INTO journal (at, actor, index_id, project, action, detail) VALUES ($1, $2, $3, $4, $5, $6)
                       RETURNING serial)
                   SELECT serial, pg_notify('cheeseshop_journal_' || md5(current_schema()), serial::text) FROM added");
    on!(c, c => query_scalar(text)
        .bind(now).bind(change.actor).bind(change.index).bind(change.project).bind(change.action).bind(Json(&change.detail))
        .fetch_one(c).await)
}

/// The newest serial; [`Serial::NONE`] if nothing ever happened.
pub async fn last(c: &mut Conn) -> Result<Serial> {
    on!(c, c => query_scalar(sql!("SELECT COALESCE(MAX(serial), 0) FROM journal")).fetch_one(c).await)
}

/// The newest change: its serial, and when it was.
pub async fn newest(c: &mut Conn) -> Result<Option<(Serial, Timestamp)>> {
    on!(c, c => query_as(sql!("SELECT serial, at FROM journal ORDER BY serial DESC LIMIT 1")).fetch_optional(c).await)
}

/// At most `count` changes after `seen`, in order.
pub async fn since(c: &mut Conn, seen: Serial, count: i64) -> Result<Vec<Entry>> {
    on!(c, c => query_as(sql!(
        "SELECT serial, at, actor, index_id, project, action, detail FROM journal WHERE serial > $1 ORDER BY serial LIMIT $2"
    )).bind(seen).bind(count).fetch_all(c).await)
}

/// At most `count` of the newest changes of packages, the newest first. Only so far back as costs the same however old the journal
/// is: mirrors may have written thousands of other changes since.
pub async fn latest_of_packages(c: &mut Conn, count: i64) -> Result<Vec<Entry>> {
    on!(c, c => query_as(sql!(
        "SELECT serial, at, actor, index_id, project, action, detail FROM journal
         WHERE serial > (SELECT COALESCE(MAX(serial), 0) FROM journal) - 20000
           AND action IN ('file-add', 'file-replace', 'file-remove', 'file-yank', 'file-unyank', 'release-push', 'release-remove',
                          'project-remove', 'docs-add', 'import')
         ORDER BY serial DESC LIMIT $1"
    )).bind(count).fetch_all(c).await)
}

/// What a follower finds after what it has seen.
#[derive(Debug)]
pub struct News {
    /// The changes, in order.
    pub entries: Vec<Entry>,
    /// Changes up to here may be missing among them. Above what was seen: the follower has missed something.
    pub floor: Serial,
}

#[derive(FromRow)]
struct EntryAndFloor {
    #[sqlx(flatten)]
    entry: Entry,
    floor: Serial,
}

/// At most `count` changes after `seen`, and the floor, as of one moment: what is pruned meanwhile is either read or noticed. Where
/// there is no change there is nothing that could have been missed, because the newest is never pruned.
pub async fn news(c: &mut Conn, seen: Serial, count: i64) -> Result<News> {
    let rows: Vec<EntryAndFloor> = on!(c, c => query_as(sql!(
        "SELECT serial, at, actor, index_id, project, action, detail,
                COALESCE((SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'journal-floor'), 0) AS floor
         FROM journal WHERE serial > $1 ORDER BY serial LIMIT $2"
    )).bind(seen).bind(count).fetch_all(c).await)?;
    let floor = rows.first().map_or(Serial::NONE, |row| row.floor);
    Ok(News { entries: rows.into_iter().map(|row| row.entry).collect(), floor })
}

/// The serial up to which changes may be missing from the journal; [`Serial::NONE`] if it is whole.
pub async fn floor(c: &mut Conn) -> Result<Serial> {
    on!(c, c => query_scalar(sql!(
        "SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'journal-floor'), 0)"
    )).fetch_one(c).await)
}

/// Deletes the changes up to and with `upto`, but never the newest, and raises the floor; returns how many. Within the caller's
/// transaction, so that nobody sees the one without the other.
pub async fn prune(c: &mut Conn, upto: Serial) -> Result<u64> {
    let highest: Option<Serial> = on!(&mut *c, c => query_scalar(sql!(
        "SELECT MAX(serial) FROM journal WHERE serial <= $1 AND serial < (SELECT MAX(serial) FROM journal)"
    )).bind(upto).fetch_one(c).await)?;
    let Some(highest) = highest else { return Ok(0) };
    on!(&mut *c, c => query(sql!(
        "INSERT INTO settings (key, value) VALUES ('journal-floor', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value
         WHERE CAST(settings.value AS BIGINT) < CAST(excluded.value AS BIGINT)"
    )).bind(highest.0.to_string()).execute(c).await.map(drop))?;
    on!(c, c => query(sql!("DELETE FROM journal WHERE serial <= $1"))
        .bind(highest).execute(c).await.map(|done| done.rows_affected()))
}

/// How many changes [`prune`] would delete for being older than this.
pub async fn count_old(c: &mut Conn, older_than: Timestamp) -> Result<i64> {
    on!(c, c => query_scalar(sql!(
        "SELECT COUNT(*) FROM journal WHERE at < $1 AND serial < (SELECT MAX(serial) FROM journal)"
    )).bind(older_than).fetch_one(c).await)
}

/// The last of the first `count` changes before `older_than` that [`prune`] would delete.
pub async fn old(c: &mut Conn, older_than: Timestamp, count: i64) -> Result<Option<Serial>> {
    on!(c, c => query_scalar(sql!(
        "SELECT MAX(serial) FROM (
            SELECT serial FROM journal WHERE at < $1 AND serial < (SELECT MAX(serial) FROM journal) ORDER BY serial LIMIT $2
         ) AS old"
    )).bind(older_than).bind(count).fetch_one(c).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;

    both! {
        async fn pruning_keeps_the_newest_and_raises_the_floor(db: Db) {
            let change = Change { actor: "system", index: None, project: None, action: Action::ServerSet, detail: Value::Null };
            let mut c = db.begin().await.unwrap();
            assert_eq!((prune(&mut c, Serial(99)).await.unwrap(), floor(&mut c).await.unwrap()), (0, Serial::NONE));
            let mut serials = Vec::new();
            for at in 0..9 {
                serials.push(append(&mut c, &change, Timestamp(at)).await.unwrap());
            }
            let seen = serials[1];
            assert_eq!(news(&mut c, seen, 3).await.unwrap().entries.len(), 3);
            assert_eq!(prune(&mut c, serials[3]).await.unwrap(), 4);
            assert_eq!(floor(&mut c).await.unwrap(), serials[3]);
            let news_then = news(&mut c, seen, 100).await.unwrap();
            assert!(news_then.floor > seen && news_then.entries[0].serial == serials[4]);
            assert_eq!(prune(&mut c, serials[1]).await.unwrap(), 0, "the floor never sinks");
            assert_eq!(floor(&mut c).await.unwrap(), serials[3]);
            assert_eq!(prune(&mut c, Serial(i64::MAX)).await.unwrap(), 4);
            assert_eq!((last(&mut c).await.unwrap(), floor(&mut c).await.unwrap()), (serials[8], serials[7]));
            let at_the_end = news(&mut c, serials[8], 100).await.unwrap();
            assert!(at_the_end.entries.is_empty() && at_the_end.floor == Serial::NONE);
        }
    }
}
