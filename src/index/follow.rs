//! Follows the journal: what changed drops what was kept of it in memory. The same for changes of this process, of the
//! command line and, later, of other nodes.
//!
//! Nothing is pushed out of the page cache. A change is noted by name and serial, and whoever finds a kept page asks whether
//! anything it was made from has changed since. So a page that was being made while something changed can never be taken
//! for current, whichever came first.

use super::core::Core;
use super::tree::Tree;
use crate::db::settings::Setting;
use crate::db::{self, IndexId, Serial};
use crate::error::Result;
use crate::limits;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// What has changed, as far as it was followed.
#[derive(Debug, Default)]
pub struct Changes {
    seen: AtomicI64,
    noted: RwLock<Noted>,
    following: Mutex<()>,
}

#[derive(Debug, Default)]
struct Noted {
    /// The last change of a project in an index.
    projects: HashMap<ProjectName, HashMap<IndexId, Serial>>,
    /// The last change of an index as a whole.
    indexes: HashMap<IndexId, Serial>,
    /// Everything up to here counts as changed: set when the notes grow too long and are thrown away.
    floor: Serial,
}

impl Changes {
    /// The serial up to which the journal was followed. Whoever reads rows to keep something notes this first.
    pub fn seen(&self) -> Serial {
        Serial(self.seen.load(Ordering::Acquire))
    }

    /// Whether nothing that concerns `project` in `indexes` has changed after `since`.
    pub fn unchanged(&self, indexes: impl Iterator<Item = IndexId>, project: &ProjectName, since: Serial) -> bool {
        let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
        let of_project = noted.projects.get(project);
        let older = |serial: Option<&Serial>| serial.is_none_or(|s| *s <= since);
        noted.floor <= since
            && indexes.into_iter().all(|id| older(noted.indexes.get(&id)) && older(of_project.and_then(|map| map.get(&id))))
    }

    fn note(&self, entry: &db::journal::Entry) {
        let Some(index) = entry.index_id else { return };
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        match &entry.project {
            Some(project) => drop(noted.projects.entry(project.clone()).or_default().insert(index, entry.serial)),
            // An index that is gone is in no order any more, so whoever inherited from it would not find its note.
            None if entry.action == "index-remove" => noted.floor = entry.serial,
            None => drop(noted.indexes.insert(index, entry.serial)),
        };
        if noted.projects.len() > limits::CHANGES_NOTED_MAX {
            *noted = Noted { floor: entry.serial, ..Noted::default() };
        }
    }
}

/// Reads everything for the first time: the tree, and where the journal stands.
pub async fn load(core: &Core) -> Result<()> {
    let _following = core.changes.following.lock().await;
    let last = db::journal::last(&mut core.db.read().await?).await?;
    load_tree(core).await?;
    core.changes.seen.store(last.0, Ordering::Release);
    Ok(())
}

/// Applies what the journal has after what was seen; returns up to where. Called after each commit of our own and from time
/// to time.
pub async fn catch_up(core: &Core) -> Result<Serial> {
    let _following = core.changes.following.lock().await;
    loop {
        let seen = core.changes.seen();
        let entries = db::journal::since(&mut core.db.read().await?, seen, limits::JOURNAL_BATCH).await?;
        let Some(last) = entries.last().map(|entry| entry.serial) else { return Ok(seen) };
        for entry in &entries {
            core.changes.note(entry);
            tell(core, entry);
        }
        if entries.iter().any(concerns_accounts) {
            core.verified.forget_all();
        }
        if entries.iter().any(concerns_indexes) {
            load_tree(core).await?;
        }
        core.changes.seen.store(last.0, Ordering::Release);
    }
}

/// Runs a change to its end, whatever becomes of the client that asked for it, and follows the journal before it returns: an
/// answer is never ahead of the pages.
pub async fn change<T, F>(core: &Arc<Core>, work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let following = core.clone();
    let task = core.tasks.spawn(async move {
        let value = work.await?;
        catch_up(&following).await?;
        Ok(value)
    });
    task.await?
}

/// Logs what people did, on this node or elsewhere. What mirrors learn is none of it, an upload has a line of its own that
/// says what became of it, and an import a report.
fn tell(core: &Core, entry: &db::journal::Entry) {
    if ["mirror-page", "mirror-list", "file-add", "file-replace", "import"].contains(&entry.action.as_str()) {
        return;
    }
    // Before the tree is read anew, so that an index that was removed still has its name.
    let index = entry.index_id.and_then(|id| core.tree.load().by_id(id).map(|index| index.path.to_string()));
    let project = entry.project.as_ref().map(ProjectName::as_str);
    tracing::info!(action = entry.action, index, project, by = entry.actor, detail = %entry.detail.0, "change");
}

fn concerns_accounts(entry: &db::journal::Entry) -> bool {
    entry.action.starts_with("user-") || entry.action.starts_with("token-")
}

fn concerns_indexes(entry: &db::journal::Entry) -> bool {
    entry.action.starts_with("index-") || entry.action.starts_with("server-") || entry.action == "user-remove"
}

async fn load_tree(core: &Core) -> Result<()> {
    let mut c = core.db.read().await?;
    let rows = db::indexes::all(&mut c).await?;
    let bases = db::indexes::all_bases(&mut c).await?;
    let default = db::settings::get(&mut c, Setting::DefaultIndex).await?;
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
