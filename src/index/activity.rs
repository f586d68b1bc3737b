//! What happened, for people: the journal in sentences, as far as somebody may know of it.
//!
//! A change of an index is told to those who may read the index; what concerns the whole server to administrators only.

use super::access::{Action as Deed, Caller, may};
use super::core::Core;
use super::tree::Tree;
use crate::clock::Timestamp;
use crate::db::journal::{self, Entry, Search};
use crate::db::{IndexId, Serial};
use crate::error::Result;
use crate::limits;
use crate::pypi::ProjectName;
use crate::urls::{encode_index, encode_segment};
use serde_json::Value;

/// One change, told.
#[derive(Debug)]
pub struct Told {
    /// Its place in the journal.
    pub serial: Serial,
    /// When.
    pub at: Timestamp,
    /// Who, without the word before the colon: `alice`, `alice/ci`.
    pub actor: String,
    /// Whether it came with a token.
    pub by_token: bool,
    /// What was done: `uploaded`, `yanked`.
    pub verb: &'static str,
    /// To what: a file, a version, a user.
    pub object: String,
    /// What else there is to say: why it was yanked, which settings were changed.
    pub more: String,
    /// The stored word, by which it can be filtered.
    pub action: String,
    /// The index, and its path in an address; none if it is gone or none is concerned.
    pub index: Option<(String, String)>,
    /// The project, and its path in an address.
    pub project: Option<(String, String)>,
}

/// The newest changes of packages that this caller may know of: what the first page shows.
pub async fn news(core: &Core, caller: &Caller, count: usize) -> Result<Vec<Told>> {
    let entries = journal::latest_of_packages(&mut core.db.read().await?, limits::WEB_NEWS_LOOKED_AT).await?;
    let tree = core.tree.load();
    Ok(entries.iter().filter(|entry| is_told(&tree, caller, entry)).take(count).map(|entry| told(&tree, entry)).collect())
}

/// Whether this caller may know of a change.
pub fn is_told(tree: &Tree, caller: &Caller, entry: &Entry) -> bool {
    match entry.index_id.and_then(|id| tree.by_id(id)) {
        Some(index) => !index.importing && may(caller, Deed::Read, index, entry.project.as_ref()),
        None => caller.is_admin(),
    }
}

/// A change in words.
pub fn told(tree: &Tree, entry: &Entry) -> Told {
    let index = entry.index_id.and_then(|id| tree.by_id(id));
    let (kind, actor) = entry.actor.split_once(':').unwrap_or(("", &entry.actor));
    let project = entry.project.as_ref().zip(index);
    Told {
        serial: entry.serial,
        at: entry.at,
        actor: actor.to_owned(),
        by_token: kind == "token",
        verb: verb(&entry.action),
        object: object(&entry.detail.0),
        more: more(&entry.detail.0),
        action: entry.action.clone(),
        index: index.map(|index| (index.path.to_string(), encode_index(&index.path))),
        project: project
            .map(|(name, index)| (name.to_string(), format!("{}/{}", encode_index(&index.path), encode_segment(name.as_str())))),
    }
}

/// The stored words and what they say.
pub const VERBS: &[(&str, &str)] = &[
    ("file-add", "uploaded"),
    ("file-replace", "replaced"),
    ("file-remove", "deleted"),
    ("file-yank", "yanked"),
    ("file-unyank", "unyanked"),
    ("release-set", "described"),
    ("release-push", "pushed"),
    ("release-remove", "deleted release"),
    ("project-remove", "deleted project"),
    ("docs-add", "uploaded documentation"),
    ("docs-remove", "deleted documentation"),
    ("result-add", "uploaded test results"),
    ("result-remove", "deleted test results"),
    ("mirror-page", "found a change upstream"),
    ("mirror-list", "found a change of upstream's project list"),
    ("import", "imported"),
    ("index-add", "made the index"),
    ("index-set", "changed the settings"),
    ("index-remove", "deleted the index"),
    ("user-add", "made the user"),
    ("user-set", "changed the user"),
    ("user-password", "changed the password of"),
    ("user-sign-out", "ended the sessions of"),
    ("user-remove", "deleted the user"),
    ("token-add", "made the token"),
    ("token-remove", "revoked the token"),
    ("server-set", "changed the server"),
    ("repair", "repaired"),
];

fn verb(action: &str) -> &'static str {
    VERBS.iter().find(|(word, _)| *word == action).map_or("changed something", |(_, verb)| verb)
}

/// The most telling thing that a change's detail names.
fn object(detail: &Value) -> String {
    let of = |key: &str| detail.get(key).and_then(Value::as_str);
    let files = detail.get("filenames").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match (["filename", "version", "token", "user", "index"].into_iter().find_map(of), files) {
        (Some(named), _) => named.to_owned(),
        (None, []) => String::new(),
        (None, [file]) => file.as_str().unwrap_or_default().to_owned(),
        (None, files) => format!("{} files", files.len()),
    }
}

/// The reason, or the options, that a change's detail names.
fn more(detail: &Value) -> String {
    let options = detail.get("options").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    match detail.get("reason").and_then(Value::as_str) {
        Some(reason) => reason.to_owned(),
        // Keys with this beginning are the server's own.
        None => options.filter(|key| !key.starts_with('_')).collect::<Vec<_>>().join(", "),
    }
}

/// What somebody looks for in the journal.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In this index.
    pub index: Option<IndexId>,
    /// Of this project.
    pub project: Option<ProjectName>,
    /// By this user, token or part of the server; empty: by anybody.
    pub actor: String,
    /// One of these stored words; empty: whatever it is.
    pub actions: Vec<&'static str>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Below this serial: where the page before ended.
    pub below: Option<Serial>,
}

/// A page of the journal.
#[derive(Debug, Default)]
pub struct Log {
    /// The changes that fit and may be told, the newest first.
    pub told: Vec<Told>,
    /// Where the next page begins, if there may be more.
    pub older: Option<Serial>,
    /// Back to when was looked, if older changes were not.
    pub reached: Option<Timestamp>,
}

/// The newest changes that are wanted and that this caller may know of. Looks only so far back as costs the same however old the journal
/// is; the next page goes on from there.
pub async fn log(core: &Core, caller: &Caller, wanted: &Wanted) -> Result<Log> {
    let mut c = core.db.read().await?;
    let Some(((first, _), (last, _))) = journal::ends(&mut c).await? else { return Ok(Log::default()) };
    let mut below = wanted.below.map_or(Serial(last.0 + 1), |below| below.min(Serial(last.0 + 1)));
    let mut lowest = first;
    // Nodes' clocks differ, so a change may stand a little beside its time.
    if let Some(until) = wanted.until {
        below = below.min(journal::from_time(&mut c, until.plus(limits::NODE_CLOCKS_APART)).await?);
    }
    if let Some(since) = wanted.since {
        lowest = lowest.max(journal::from_time(&mut c, since.minus(limits::NODE_CLOCKS_APART)).await?);
    }
    let down_to = lowest.max(Serial(below.0.saturating_sub(limits::WEB_ACTIVITY_SERIALS)));
    let search = Search {
        index: wanted.index,
        project: wanted.project.as_ref(),
        actor: &wanted.actor,
        actions: &wanted.actions,
        since: wanted.since.unwrap_or(Timestamp(i64::MIN)),
        until: wanted.until.unwrap_or(Timestamp(i64::MAX)),
    };
    let entries = journal::search(&mut c, &search, below, down_to, limits::WEB_ACTIVITY_LOOKED_AT).await?;
    let tree = core.tree.load();
    let mut fit = entries.iter().filter(|entry| is_told(&tree, caller, entry));
    let shown: Vec<&Entry> = fit.by_ref().take(limits::WEB_ACTIVITY_PER_PAGE).collect();
    let older = match (fit.next(), shown.last(), entries.last()) {
        (Some(_), Some(shown), _) => Some(shown.serial),
        (_, _, Some(looked)) if entries.len() as i64 == limits::WEB_ACTIVITY_LOOKED_AT => Some(looked.serial),
        _ => Some(down_to).filter(|down_to| *down_to > lowest),
    };
    let reached = match older {
        Some(serial) => journal::at_or_below(&mut c, serial).await?.map(|(_, at)| at),
        None => None,
    };
    Ok(Log { told: shown.into_iter().map(|entry| told(&tree, entry)).collect(), older, reached })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn details_name_what_was_changed() {
        assert_eq!(object(&json!({"version": "1.0", "filename": "app-1.0.tar.gz"})), "app-1.0.tar.gz");
        assert_eq!(object(&json!({"more": ["x"]})), "");
        assert_eq!(object(&json!({"filenames": ["a.whl"]})), "a.whl");
        assert_eq!(object(&json!({"filenames": ["a.whl", "b.whl"]})), "2 files");
        assert_eq!(more(&json!({"filenames": ["a.whl"], "reason": "broken"})), "broken");
        assert_eq!(more(&json!({"options": ["_private_allowed", "bases", "title"]})), "bases, title");
        assert_eq!((verb("file-yank"), verb("from the future")), ("yanked", "changed something"));
    }
}
