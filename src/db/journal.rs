//! The journal: every change, in the order in which it became visible. Written in the transaction of the change, as its last
//! statement; read by whoever keeps something in memory.

use super::settings::{self, Setting};
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
/// visible in their order, and holds it until the commit.
pub async fn append(c: &mut Conn, change: &Change<'_>, now: Timestamp) -> Result<Serial> {
    if let Conn::Postgres(h) = &mut *c {
        // The key is of this schema, because advisory locks are of the whole database.
        query("SELECT pg_advisory_xact_lock(hashtext('cheeseshop journal'), hashtext(current_schema()))")
            .execute(&mut **h)
            .await?;
    }
    on!(c, c => query_scalar(sql!(
        "INSERT INTO journal (at, actor, index_id, project, action, detail) VALUES ($1, $2, $3, $4, $5, $6) RETURNING serial"
    ))
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

/// How many changes [`prune`] would forget.
pub async fn count_old(c: &mut Conn, older_than: Timestamp) -> Result<i64> {
    on!(c, c => query_scalar(sql!(
        "SELECT COUNT(*) FROM journal WHERE at < $1 AND serial < (SELECT MAX(serial) FROM journal)"
    )).bind(older_than).fetch_one(c).await)
}

/// Forgets changes before `older_than`, from the beginning of the journal on and at most `count`; returns how many. The newest
/// stays whatever its age: it says where the journal stands. The [`floor`] moves in the same transaction.
pub async fn prune(c: &mut Conn, older_than: Timestamp, count: i64) -> Result<u64> {
    let last: Option<Serial> = on!(&mut *c, c => query_scalar(sql!(
        "SELECT MAX(serial) FROM (
            SELECT serial FROM journal WHERE at < $1 AND serial < (SELECT MAX(serial) FROM journal) ORDER BY serial LIMIT $2
         ) AS old"
    )).bind(older_than).bind(count).fetch_one(c).await)?;
    let Some(last) = last else { return Ok(0) };
    settings::put(c, Setting::JournalFloor, &last.0.to_string()).await?;
    on!(c, c => query(sql!("DELETE FROM journal WHERE serial <= $1")).bind(last).execute(c).await.map(|done| done.rows_affected()))
}

/// The serial up to which changes are forgotten: who has not followed beyond it cannot know what changed.
pub async fn floor(c: &mut Conn) -> Result<Serial> {
    let stored = settings::get(c, Setting::JournalFloor).await?;
    Ok(Serial(stored.and_then(|text| text.parse().ok()).unwrap_or_default()))
}
