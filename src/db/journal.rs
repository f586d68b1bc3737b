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

/// Which changes somebody looks for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// In this index.
    pub index: Option<IndexId>,
    /// Of this project.
    pub project: Option<&'a ProjectName>,
    /// By this user or one of their tokens, this token (`alice/ci`), or the part of the server of this name; empty: by anybody.
    pub actor: &'a str,
    /// One of these stored words; empty: whatever it is.
    pub actions: &'a [&'a str],
    /// Not before.
    pub since: Timestamp,
    /// Before.
    pub until: Timestamp,
}

/// At most `count` changes that fit, the newest first, of those whose serials are below `below` and not below `down_to`. What they are
/// searched by has no index, so the two bound what it costs.
pub async fn search(c: &mut Conn, wanted: &Search<'_>, below: Serial, down_to: Serial, count: i64) -> Result<Vec<Entry>> {
    let actions = if wanted.actions.is_empty() { String::new() } else { format!(",{},", wanted.actions.join(",")) };
    let tokens = format!("token:{}/%", super::literally(wanted.actor));
    on!(c, c => query_as(sql!(
        "SELECT serial, at, actor, index_id, project, action, detail FROM journal
         WHERE serial < $1 AND serial >= $2 AND at >= $3 AND at < $4
           AND ($5 = 0 OR index_id = $5)
           AND ($6 = '' OR project = $6)
           AND ($7 = '' OR actor = $7 OR actor = 'user:' || $7 OR actor = 'token:' || $7 OR actor LIKE $8 ESCAPE '!')
           AND ($9 = '' OR $9 LIKE '%,' || action || ',%')
         ORDER BY serial DESC LIMIT $10"
    ))
    .bind(below).bind(down_to).bind(wanted.since).bind(wanted.until).bind(wanted.index.unwrap_or_default())
    .bind(wanted.project.map_or("", ProjectName::as_str)).bind(wanted.actor).bind(tokens).bind(actions).bind(count)
    .fetch_all(c).await)
}

/// The first and the last change that the journal still has: their serials, and when they were. `None` if there is none.
pub async fn ends(c: &mut Conn) -> Result<Option<((Serial, Timestamp), (Serial, Timestamp))>> {
    let first =
        on!(&mut *c, c => query_as(sql!("SELECT serial, at FROM journal ORDER BY serial LIMIT 1")).fetch_optional(c).await)?;
    Ok(first.zip(newest(c).await?))
}

/// The newest change whose serial is not above this one, and when it was.
pub async fn at_or_below(c: &mut Conn, serial: Serial) -> Result<Option<(Serial, Timestamp)>> {
    on!(c, c => query_as(sql!("SELECT serial, at FROM journal WHERE serial <= $1 ORDER BY serial DESC LIMIT 1"))
        .bind(serial).fetch_optional(c).await)
}

/// The lowest serial from which on changes were made at `at` or later, found in some twenty look-ups, because times have no index.
/// As exact as the clocks that wrote them agree.
pub async fn from_time(c: &mut Conn, at: Timestamp) -> Result<Serial> {
    let Some(((mut low, _), (last, _))) = ends(c).await? else { return Ok(Serial::NONE) };
    let mut high = Serial(last.0 + 1);
    while low < high {
        let middle = Serial(low.0 + (high.0 - low.0) / 2);
        match at_or_below(c, middle).await? {
            Some((found, when)) if when >= at && found >= low => high = found,
            _ => low = Serial(middle.0 + 1),
        }
    }
    Ok(low)
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
        async fn changes_are_searched_by_what_they_are(db: Db) {
            let app = ProjectName::parse("app").unwrap();
            let mut c = db.begin().await.unwrap();
            let rows = [
                ("user:a_b", Some(1), Some(&app), Action::FileAdd),
                ("token:a_b/ci", Some(1), None, Action::IndexSet),
                ("user:axb", Some(2), Some(&app), Action::FileYank),
                ("token:axb/ci", None, None, Action::TokenAdd),
                ("upstream", Some(2), Some(&app), Action::MirrorPage),
            ];
            let mut serials = Vec::new();
            for (at, (actor, index, project, action)) in (10..).zip(rows) {
                let change = Change { actor, index: index.map(IndexId), project, action, detail: Value::Null };
                serials.push(append(&mut c, &change, Timestamp(at)).await.unwrap());
            }
            let all = Search { index: None, project: None, actor: "", actions: &[], since: Timestamp(0), until: Timestamp(99) };
            let top = Serial(serials[4].0 + 1);
            for (wanted, expected) in [
                (all.clone(), &[4, 3, 2, 1, 0][..]),
                (Search { index: Some(IndexId(2)), ..all.clone() }, &[4, 2]),
                (Search { project: Some(&app), ..all.clone() }, &[4, 2, 0]),
                (Search { actor: "a_b", ..all.clone() }, &[1, 0]),
                (Search { actor: "axb/ci", ..all.clone() }, &[3]),
                (Search { actor: "upstream", ..all.clone() }, &[4]),
                (Search { actor: "a", ..all.clone() }, &[]),
                (Search { actions: &["file-add", "file-yank"], ..all.clone() }, &[2, 0]),
                (Search { since: Timestamp(11), until: Timestamp(13), ..all.clone() }, &[2, 1]),
            ] {
                let found = search(&mut c, &wanted, top, Serial::NONE, 9).await.unwrap();
                let expected: Vec<Serial> = expected.iter().map(|place: &usize| serials[*place]).collect();
                assert_eq!(found.iter().map(|entry| entry.serial).collect::<Vec<_>>(), expected, "{wanted:?}");
            }
            let some = search(&mut c, &all, serials[4], serials[1], 2).await.unwrap();
            assert_eq!(some.iter().map(|entry| entry.serial).collect::<Vec<_>>(), [serials[3], serials[2]]);
        }

        async fn serials_are_found_by_time(db: Db) {
            let mut c = db.begin().await.unwrap();
            assert_eq!(from_time(&mut c, Timestamp(5)).await.unwrap(), Serial::NONE);
            let change = Change { actor: "system", index: None, project: None, action: Action::ServerSet, detail: Value::Null };
            let mut serials = Vec::new();
            for at in [10, 10, 20, 30, 40, 40, 50] {
                serials.push(append(&mut c, &change, Timestamp(at)).await.unwrap());
            }
            // Serials can be missing in the middle.
            on!(&mut c, c => query("DELETE FROM journal WHERE serial = $1").bind(serials[3]).execute(c).await.map(drop)).unwrap();
            for (at, expected) in [(0, serials[0]), (10, serials[0]), (11, serials[2]), (20, serials[2]), (40, serials[4]), (50, serials[6])] {
                assert_eq!(from_time(&mut c, Timestamp(at)).await.unwrap(), expected, "{at}");
            }
            let between = from_time(&mut c, Timestamp(21)).await.unwrap();
            assert!(between > serials[2] && between <= serials[4], "{between:?}");
            assert_eq!(from_time(&mut c, Timestamp(51)).await.unwrap(), Serial(serials[6].0 + 1));
        }

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
