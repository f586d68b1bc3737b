//! Follows the journal: what changed drops what was kept of it in memory. The same for changes of this process, of the
//! command line and of other nodes. The journal is the truth; announcements only say when to look.
//!
//! Nothing is pushed out of the page cache. A change is noted by name and serial, and whoever finds a kept page asks whether
//! anything it was made from has changed since. So a page that was being made while something changed can never be taken
//! for current, whichever came first.

use super::core::Core;
use super::nodes;
use super::tree::Tree;
use crate::db::listen::Heard;
use crate::db::settings::Setting;
use crate::db::{self, IndexId, Serial};
use crate::error::{Error, Result};
use crate::limits;
use crate::log;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What has changed, as far as it was followed.
#[derive(Debug, Default)]
pub struct Changes {
    seen: AtomicI64,
    /// The last change that was noted: what was made after it needs no look at the notes.
    noted_last: AtomicI64,
    /// When the last look that came to the journal's end began, in microseconds of [`Clock::uptime`](crate::clock::Clock::uptime).
    looked: AtomicU64,
    noted: RwLock<Noted>,
    following: Mutex<()>,
    /// When a request last tried to end that this node is cut off; see `cut_off`.
    pub(super) tried: Mutex<Option<Duration>>,
}

#[derive(Debug, Default)]
struct Noted {
    /// The last change of a project in an index.
    projects: HashMap<ProjectName, HashMap<IndexId, Serial>>,
    /// The last change of an index as a whole.
    indexes: HashMap<IndexId, Serial>,
    /// The last change of an index or of any project in it.
    anything: HashMap<IndexId, Serial>,
    /// Everything up to here counts as changed: set when the notes grow too long and are thrown away.
    floor: Serial,
}

impl Changes {
    /// The serial up to which the journal was followed. Whoever reads rows to keep something notes this first.
    pub fn seen(&self) -> Serial {
        Serial(self.seen.load(Ordering::Acquire))
    }

    /// When the last look at the journal began that came to its end, by the clock that nobody sets.
    pub fn looked(&self) -> Duration {
        Duration::from_micros(self.looked.load(Ordering::Acquire))
    }

    fn note_look(&self, begun: Duration) {
        self.looked.fetch_max(u64::try_from(begun.as_micros()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// Makes everything that was made before `newest` count as changed.
    fn forget(&self, newest: Serial) {
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        *noted = Noted { floor: newest, ..Noted::default() };
        self.noted_last.store(newest.0, Ordering::Release);
    }

    /// Whether nothing that concerns `project` in `indexes` has changed after `since`.
    pub fn unchanged(&self, indexes: impl Iterator<Item = IndexId>, project: &ProjectName, since: Serial) -> bool {
        if self.noted_last.load(Ordering::Acquire) <= since.0 {
            return true;
        }
        let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
        let of_project = noted.projects.get(project);
        let older = |serial: Option<&Serial>| serial.is_none_or(|s| *s <= since);
        noted.floor <= since
            && indexes.into_iter().all(|id| older(noted.indexes.get(&id)) && older(of_project.and_then(|map| map.get(&id))))
    }

    /// Whether nothing at all has changed in `indexes` after `since`.
    pub fn all_unchanged(&self, mut indexes: impl Iterator<Item = IndexId>, since: Serial) -> bool {
        let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
        noted.floor <= since && indexes.all(|id| noted.anything.get(&id).is_none_or(|serial| *serial <= since))
    }

    fn note(&self, entry: &db::journal::Entry) {
        let Some(index) = entry.index_id else { return };
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        noted.anything.insert(index, entry.serial);
        match &entry.project {
            Some(project) => drop(noted.projects.entry(project.clone()).or_default().insert(index, entry.serial)),
            // An index that is gone is in no order any more, so whoever inherited from it would not find its note.
            None if entry.action == "index-remove" => noted.floor = entry.serial,
            None => drop(noted.indexes.insert(index, entry.serial)),
        };
        if noted.projects.len() > limits::CHANGES_NOTED_MAX {
            *noted = Noted { floor: entry.serial, ..Noted::default() };
        }
        self.noted_last.store(entry.serial.0, Ordering::Release);
    }
}

/// Reads everything for the first time: the tree, and where the journal stands.
pub async fn load(core: &Core) -> Result<()> {
    let _following = core.changes.following.lock().await;
    let begun = core.clock.uptime();
    let last = db::journal::last(&mut core.db.read().await?).await?;
    load_tree(core).await?;
    core.changes.seen.store(last.0, Ordering::Release);
    core.changes.note_look(begun);
    Ok(())
}

/// Applies what the journal has after what was seen; returns up to where. Called after each commit of our own, with each poll, and
/// before a request if the last look lies too far back.
pub async fn catch_up(core: &Core) -> Result<Serial> {
    let (seen, moved) = look(core, Some(core.clock.uptime())).await?;
    if moved {
        nodes::report(core, seen, false).await;
    }
    Ok(seen)
}

/// Does what an announcement asks for. Whoever announced a change may wait until we say that we have seen it.
pub async fn hear(core: &Core, heard: Heard) -> Result<()> {
    match heard {
        // Our own change, or one of several announced at once: the first look has found them all.
        Heard::Journal(serial) if serial <= core.changes.seen() => {}
        Heard::Journal(_) => {
            let (seen, moved) = look(core, None).await?;
            if moved {
                nodes::report(core, seen, true).await;
            }
        }
        Heard::Seen(id, seen) => nodes::hear(core, id, seen),
    }
    Ok(())
}

/// Reads the journal to its end; returns up to where, and whether that was further than before. Of several who wait for their look,
/// one does it for all: what somebody else has begun after `asked` has found what there was.
async fn look(core: &Core, asked: Option<Duration>) -> Result<(Serial, bool)> {
    let _following = core.changes.following.lock().await;
    let before = core.changes.seen();
    if asked.is_some_and(|asked| core.changes.looked() > asked) {
        return Ok((before, false));
    }
    loop {
        let begun = core.clock.uptime();
        let seen = core.changes.seen();
        let news =
            in_time(async { Ok(db::journal::news(&mut core.db.read().await?, seen, limits::JOURNAL_BATCH).await?) }).await?;
        let at_end = i64::try_from(news.entries.len()).unwrap_or(i64::MAX) < limits::JOURNAL_BATCH;
        match news.floor > seen {
            true => start_over(core).await?,
            false => apply(core, &news.entries).await?,
        }
        if at_end {
            core.changes.note_look(begun);
            let seen = core.changes.seen();
            return Ok((seen, seen > before));
        }
    }
}

/// A connection that the network has forgotten would never answer.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limits::JOURNAL_LOOK_WAIT, work).await.unwrap_or_else(|_| Err(Error::no_database()))
}

async fn apply(core: &Core, entries: &[db::journal::Entry]) -> Result<()> {
    let Some(last) = entries.last() else { return Ok(()) };
    let before = core.tree.load_full();
    for entry in entries {
        core.changes.note(entry);
        if let (Some(index), Some(project)) = (entry.index_id, &entry.project) {
            core.outcomes.forget(index, project);
        }
    }
    if entries.iter().any(concerns_accounts) {
        core.verified.forget_all();
    }
    if entries.iter().any(concerns_indexes) {
        load_tree(core).await?;
        // A mirror may have another upstream.
        core.outcomes.forget_all();
    }
    core.changes.seen.store(last.serial.0, Ordering::Release);
    for entry in entries {
        tell(&before, entry);
    }
    Ok(())
}

/// Drops everything that was kept, because changes were pruned from the journal before we saw them: this process was stopped, or
/// cut off, for longer than the journal reaches back.
async fn start_over(core: &Core) -> Result<()> {
    let newest = in_time(async { Ok(db::journal::last(&mut core.db.read().await?).await?) }).await?;
    tracing::warn!(
        seen = core.changes.seen().0,
        newest = newest.0,
        "the journal no longer reaches back to what was seen: starting anew"
    );
    core.changes.forget(newest);
    core.pages.forget_all();
    core.project_lists.forget_all();
    core.listings.forget_all();
    core.verified.forget_all();
    core.outcomes.forget_all();
    load_tree(core).await?;
    core.changes.seen.store(newest.0, Ordering::Release);
    Ok(())
}

/// Runs a change to its end, whatever becomes of the client that asked for it, follows the journal before it returns, and waits a
/// while for the other nodes to do so: an answer is never ahead of the pages.
pub async fn change<T, F>(core: &Arc<Core>, work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let following = core.clone();
    let task = core.tasks.spawn(log::carry(async move {
        let value = work.await?;
        let seen = catch_up(&following).await?;
        // Somebody else may have followed the change first, and written its line: this one says whose request it was.
        tracing::debug!(serial = seen.0, "the changes of this request are followed");
        nodes::wait(&following, seen).await;
        Ok(value)
    }));
    task.await?
}

/// Logs what people did, on this node or elsewhere, with the names that indexes had before. What mirrors learn is none of it, an
/// upload has a line of its own that says what became of it, and an import a report.
fn tell(tree: &Tree, entry: &db::journal::Entry) {
    if ["mirror-page", "mirror-list", "file-add", "file-replace", "import"].contains(&entry.action.as_str()) {
        return;
    }
    let index = entry.index_id.and_then(|id| tree.by_id(id).map(|index| index.path.to_string()));
    let project = entry.project.as_ref().map(ProjectName::as_str);
    let (action, by, serial) = (entry.action.as_str(), entry.actor.as_str(), entry.serial.0);
    tracing::info!(action, index, project, by, serial, detail = %entry.detail.0, "change");
}

fn concerns_accounts(entry: &db::journal::Entry) -> bool {
    entry.action.starts_with("user-") || entry.action.starts_with("token-")
}

fn concerns_indexes(entry: &db::journal::Entry) -> bool {
    entry.action.starts_with("index-") || entry.action.starts_with("server-") || entry.action == "user-remove"
}

async fn load_tree(core: &Core) -> Result<()> {
    let reading = async {
        let mut c = core.db.read().await?;
        let rows = db::indexes::all(&mut c).await?;
        let bases = db::indexes::all_bases(&mut c).await?;
        Ok((rows, bases, db::settings::get(&mut c, Setting::DefaultIndex).await?))
    };
    let (rows, bases, default) = in_time(reading).await?;
    let default = default.and_then(|text| IndexPath::parse(&text).ok());
    core.tree.store(Tree::build(rows, bases, default).into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn entry(serial: i64, index: i64, project: Option<&str>) -> db::journal::Entry {
        db::journal::Entry {
            serial: Serial(serial),
            at: Timestamp(0),
            actor: "system".into(),
            index_id: Some(IndexId(index)),
            project: project.map(|p| ProjectName::parse(p).unwrap()),
            action: "file-add".into(),
            detail: sqlx::types::Json(serde_json::Value::Null),
        }
    }

    #[test]
    fn a_page_is_current_until_one_of_its_indexes_changes_its_project() {
        let (changes, app) = (Changes::default(), ProjectName::parse("app").unwrap());
        let order = || [IndexId(1), IndexId(2)].into_iter();
        changes.note(&entry(5, 2, Some("app")));
        changes.note(&entry(6, 1, Some("other")));
        changes.note(&entry(7, 3, Some("app")));
        assert!(!changes.unchanged(order(), &app, Serial(4)), "made before the change");
        assert!(changes.unchanged(order(), &app, Serial(5)), "made after it; other projects and indexes do not matter");
        changes.note(&entry(8, 1, None));
        assert!(!changes.unchanged(order(), &app, Serial(7)), "the index itself changed");
    }

    #[test]
    fn notes_are_bounded_and_throwing_them_away_makes_everything_old() {
        let changes = Changes::default();
        for n in 0..=limits::CHANGES_NOTED_MAX as i64 {
            changes.note(&entry(n + 1, 1, Some(&format!("p{n}"))));
        }
        assert!(changes.noted.read().unwrap().projects.is_empty());
        let newest = Serial(limits::CHANGES_NOTED_MAX as i64 + 1);
        let other = ProjectName::parse("other").unwrap();
        assert!(!changes.unchanged([IndexId(9)].into_iter(), &other, Serial(newest.0 - 1)));
        assert!(changes.unchanged([IndexId(9)].into_iter(), &other, newest));
    }
}
