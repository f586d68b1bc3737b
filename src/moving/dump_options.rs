//! An index's options as a dump has them, in the words of devpi 2 to 7, turned into ours. Pure.
//!
//! What cannot be read is left out and told; keys of plugins that are unknown here are kept as they are, as devpi keeps them
//! when their plugin is gone.

use crate::index::settings::{self, Edit, Kind, UploadChecks};
use crate::names::IndexPath;
use crate::upstream::Origin;
use serde_json::{Map, Value, json};

/// An index's options in our words.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Stage or mirror.
    pub kind: Kind,
    /// Every option but the bases, as it is stored.
    pub stored: Map<String, Value>,
    /// Bases, whether they exist or not.
    pub bases: Vec<IndexPath>,
    /// What was left out or kept without a meaning, each a sentence.
    pub notes: Vec<String>,
}

/// Options that devpi 7 calls otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("remote_url", "mirror_url"),
    ("remote_refresh_delay", "mirror_cache_expiry"),
    ("remote_no_project_list", "mirror_no_project_list"),
    ("remote_use_external_urls", "mirror_use_external_urls"),
    ("remote_web_url_fmt", "mirror_web_url_fmt"),
    ("pypi_whitelist", "mirror_whitelist"),
];

/// Keys that mean nothing here, and are no loss.
const DROPPED: &[&str] = &["type", "bases", "projects", "project_inheritance_rules", "trust_inheritance_rules_from"];

/// The rule of devpi 7 that lets mirrors add files to a project that an index has.
const ALLOW_ALL: &str = "allow all";

/// Whether inheritance rules of devpi 7, a list or text, say [`ALLOW_ALL`].
pub fn allows_all(rules: &Value) -> bool {
    rules == ALLOW_ALL || rules.as_array().is_some_and(|rules| rules.iter().any(|rule| rule == ALLOW_ALL))
}

/// Translates `config`. `open` are the projects whose own rule lets mirrors add to them (devpi 7); `checks` is what new uploads
/// to a stage must pass. An error if it is no stage and no mirror.
pub fn translate(config: &Map<String, Value>, open: &[String], checks: UploadChecks) -> Result<Options, String> {
    let kind = match config.get("type").and_then(Value::as_str) {
        Some("stage" | "local") => Kind::Stage,
        Some("mirror" | "remote") => Kind::Mirror,
        Some(other) => return Err(format!("its type '{other}' is unknown here")),
        None => return Err("it has no type".into()),
    };
    let mut notes = Vec::new();
    let mut stored = translated(kind, config, &mut notes);
    if kind == Kind::Stage {
        settle_whitelist(config, open, &mut stored);
        if checks != UploadChecks::default() {
            stored.insert("upload_checks".into(), json!(checks.word()));
        }
    } else {
        settle_mirror(&mut stored, &mut notes);
    }
    let bases = if kind == Kind::Stage { bases(config, &mut notes) } else { Vec::new() };
    Ok(Options { kind, stored, bases, notes })
}

fn translated(kind: Kind, config: &Map<String, Value>, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut stored = Map::new();
    for (key, value) in config {
        let renamed = RENAMED.iter().find(|(old, _)| old == key).map(|(_, new)| *new);
        let ours = renamed.unwrap_or(key);
        let is_superseded = renamed.is_some_and(|new| config.contains_key(new));
        // Keys with this beginning are the server's own.
        if DROPPED.contains(&ours) || ours.starts_with('_') || value.is_null() || is_superseded {
            continue;
        }
        // devpi writes the key also where the plugin was never used.
        if key == "uploadtrigger_jenkins" && value == "" {
            continue;
        }
        if settings::OPTIONS.iter().all(|option| option.name != ours) {
            notes.push(format!("its option '{key}' is unknown here; it is kept, but does nothing"));
            stored.insert(key.clone(), value.clone());
            continue;
        }
        match settings::apply(kind, &stored, &[Edit::Set(ours.to_owned(), value.clone())]) {
            Ok(next) => stored = next,
            Err(why) => notes.push(format!("its option '{key}' is left out: {why}")),
        }
    }
    stored
}

/// The whitelist for mirrors: the old words, or what devpi 7 says by rules. Old data without the word for combining were united.
fn settle_whitelist(config: &Map<String, Value>, open: &[String], stored: &mut Map<String, Value>) {
    let listed =
        |stored: &Map<String, Value>| stored.get("mirror_whitelist").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut whitelist = listed(stored);
    if config.get("project_inheritance_rules").is_some_and(allows_all) {
        whitelist.push(json!("*"));
    }
    whitelist.extend(open.iter().map(|name| json!(name)));
    stored.insert("mirror_whitelist".into(), Value::Array(whitelist));
    let speaks_devpi_7 = config.get("type").is_some_and(|word| word == "local");
    let combined = match config.get("trust_inheritance_rules_from").and_then(Value::as_str) {
        Some("type:not remote") => "union",
        _ if speaks_devpi_7 => "intersection",
        _ => "union",
    };
    stored.entry("mirror_whitelist_inheritance").or_insert_with(|| json!(combined));
}

/// A mirror of a dump may name any address: who imports is the operator, whose word counts as root's.
fn settle_mirror(stored: &mut Map<String, Value>, notes: &mut Vec<String>) {
    settings::allow_private(stored, true);
    let address = stored.get("mirror_url").and_then(Value::as_str).map(Origin::parse);
    if let Some(Err(why)) = address {
        stored.remove("mirror_url");
        notes.push(format!("its mirror_url is left out: {why}"));
    }
}

fn bases(config: &Map<String, Value>, notes: &mut Vec<String>) -> Vec<IndexPath> {
    let listed = config.get("bases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut bases = Vec::new();
    for text in listed {
        match IndexPath::parse(text) {
            Ok(path) if !bases.contains(&path) => bases.push(path),
            Ok(_) => {}
            Err(why) => notes.push(format!("its base '{text}' is left out: {why}")),
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(config: Value, open: &[&str]) -> Result<Options, String> {
        let open: Vec<String> = open.iter().map(|name| (*name).to_owned()).collect();
        super::translate(config.as_object().unwrap(), &open, UploadChecks::Lenient)
    }

    #[test]
    fn stages_of_devpi_6() {
        let options = translate(
            json!({"type": "stage", "volatile": false, "bases": ["a/x", "a/gone", "a/x"], "acl_upload": ["a", ":authenticated:"],
                "mirror_whitelist": ["Some.Name", "*"], "mirror_whitelist_inheritance": "intersection", "custom_data": {"k": 1}}),
            &[],
        )
        .unwrap();
        let stored = json!({"volatile": false, "acl_upload": ["a", ":AUTHENTICATED:"], "mirror_whitelist": ["some-name", "*"],
            "mirror_whitelist_inheritance": "intersection", "custom_data": {"k": 1}, "upload_checks": "lenient"});
        assert_eq!((options.kind, Value::Object(options.stored)), (Kind::Stage, stored));
        assert_eq!(options.bases.iter().map(IndexPath::to_string).collect::<Vec<_>>(), ["a/x", "a/gone"]);
        assert!(options.notes.is_empty());
    }

    #[test]
    fn old_stages_unite_their_whitelists() {
        let options = translate(json!({"type": "stage", "pypi_whitelist": ["six"], "uploadtrigger_jenkins": ""}), &[]).unwrap();
        assert_eq!(options.stored["mirror_whitelist"], json!(["six"]));
        assert_eq!(options.stored["mirror_whitelist_inheritance"], "union");
        assert!(!options.stored.contains_key("uploadtrigger_jenkins") && options.notes.is_empty());
    }

    #[test]
    fn stages_of_devpi_7() {
        let rules = |rule: &str| json!({"type": "local", "project_inheritance_rules": [rule]});
        let shut = translate(rules("block type:remote if local_exists"), &["six"]).unwrap();
        assert_eq!(
            (&shut.stored["mirror_whitelist"], &shut.stored["mirror_whitelist_inheritance"]),
            (&json!(["six"]), &json!("intersection"))
        );
        let open = translate(
            json!({"type": "local", "project_inheritance_rules": "allow all",
            "trust_inheritance_rules_from": "type:not remote"}),
            &[],
        )
        .unwrap();
        assert_eq!(
            (&open.stored["mirror_whitelist"], &open.stored["mirror_whitelist_inheritance"]),
            (&json!(["*"]), &json!("union"))
        );
        assert!(!open.stored.contains_key("project_inheritance_rules"));
    }

    #[test]
    fn mirrors_of_both() {
        let six = json!({"type": "mirror", "volatile": false, "mirror_url": "https://index.example/simple/", "mirror_cache_expiry": 60});
        let seven = json!({"type": "remote", "volatile": false, "remote_url": "https://index.example/simple/", "remote_refresh_delay": 60});
        let (six, seven) = (translate(six, &[]).unwrap(), translate(seven, &[]).unwrap());
        assert_eq!(six, seven);
        assert_eq!(six.stored["mirror_cache_expiry"], 60);
        let bad = translate(json!({"type": "mirror", "mirror_url": "ftp://index.example"}), &[]).unwrap();
        assert!(!bad.stored.contains_key("mirror_url") && bad.notes[0].contains("mirror_url"), "{:?}", bad.notes);
    }

    #[test]
    fn what_is_unknown_is_told() {
        let options =
            translate(json!({"type": "stage", "constraints": "six<2", "volatile": "maybe", "_private_allowed": true}), &[])
                .unwrap();
        assert_eq!(options.stored["constraints"], "six<2");
        assert!(!options.stored.contains_key("volatile") && !options.stored.contains_key("_private_allowed"));
        assert_eq!(options.notes.len(), 2, "{:?}", options.notes);
        assert!(translate(json!({"type": "constrained"}), &[]).unwrap_err().contains("constrained"));
        assert!(translate(json!({}), &[]).is_err());
    }
}
