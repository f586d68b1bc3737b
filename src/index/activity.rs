//! What happened, for people: the journal in sentences, as far as somebody may know of it.
//!
//! A change of an index is told to those who may read the index; what concerns the whole server to administrators only.

use super::access::{Action as Deed, Caller, may};
use super::core::Core;
use super::tree::Tree;
use crate::clock::Timestamp;
use crate::db::Serial;
use crate::db::journal::{self, Entry};
use crate::error::Result;
use crate::limits;
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
        assert_eq!((verb("file-yank"), verb("from the future")), ("yanked", "changed something"));
    }
}
