//! An index's options in devpi 6's words. Pure.

use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::names::IndexPath;
use serde_json::{Map, Value, json};

/// Options that devpi does not have.
const OURS: &[&str] = &["acl_read", "upload_checks", "page_max_age"];

/// The `indexconfig`, credentials of a mirror included, and what devpi has no word for, each a sentence.
pub fn config(index: &Index) -> (Map<String, Value>, Vec<String>) {
    let mut config = index.settings.stored.clone();
    config.retain(|key, _| !key.starts_with('_') && !OURS.contains(&key.as_str()));
    config.insert("type".into(), json!(index.kind.word()));
    config.entry("volatile").or_insert(json!(true));
    if index.kind == Kind::Stage {
        config.insert("bases".into(), index.bases.iter().map(IndexPath::to_string).collect());
        for (key, default) in [("acl_upload", json!([])), ("mirror_whitelist", json!([]))] {
            config.entry(key).or_insert(default);
        }
    }
    let mut notes = Vec::new();
    if !index.is_public() {
        notes.push("only some may read it here; devpi has no word for it, and EVERYBODY will read it there".into());
    }
    if index.kind == Kind::Mirror && index.settings.mirror_url.is_none() {
        notes.push("it mirrors nothing, and devpi fails when such a mirror is asked: set its mirror_url there".into());
    }
    (config, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::db::IndexId;
    use crate::index::settings::Settings;

    #[test]
    fn what_devpi_does_not_know_is_left_out_and_told() {
        let stored =
            json!({"volatile": false, "acl_read": ["a"], "upload_checks": "lenient", "_private_allowed": true, "title": "T"});
        let index = Index {
            id: IndexId(1),
            path: IndexPath::parse("a/b").unwrap(),
            kind: Kind::Stage,
            importing: false,
            settings: Settings::read(stored.as_object().unwrap().clone()),
            bases: vec![IndexPath::parse("a/c").unwrap()],
            created: Timestamp(0),
        };
        let (config, notes) = config(&index);
        let expected =
            json!({"type": "stage", "volatile": false, "title": "T", "bases": ["a/c"], "acl_upload": [], "mirror_whitelist": []});
        assert_eq!(Value::Object(config), expected);
        assert!(notes[0].contains("EVERYBODY"), "{notes:?}");
    }
}
