//! Core metadata as the fields of an upload form: what `register` and `file_upload` of twenty years of tools send, and what
//! is sent when a release is pushed to another server.

use super::metadata::CoreMetadata;
use serde_json::Value;

/// Form fields whose names are not those of the core metadata with `_` for `-`; forms use the plural where values repeat.
const ALIASES: &[(&str, &str)] = &[
    ("classifiers", "classifier"),
    ("import_names", "import_name"),
    ("import_namespaces", "import_namespace"),
    ("license_files", "license_file"),
    ("platforms", "platform"),
    ("project_urls", "project_url"),
    ("provides_extras", "provides_extra"),
    ("supported_platforms", "supported_platform"),
];

/// What forms call by the name under which it is stored.
const SAME: &[&str] = &[
    "metadata_version",
    "name",
    "version",
    "summary",
    "description",
    "description_content_type",
    "keywords",
    "home_page",
    "download_url",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "license",
    "license_expression",
    "license_file",
    "requires_python",
    "classifier",
    "platform",
    "supported_platform",
    "requires_dist",
    "requires_external",
    "requires",
    "provides_dist",
    "provides_extra",
    "provides",
    "obsoletes_dist",
    "obsoletes",
    "project_url",
    "import_name",
    "import_namespace",
    "dynamic",
];

/// What a form says about a release. Fields that are no metadata are passed over, and so are empty ones and `UNKNOWN`.
pub fn from_form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> CoreMetadata {
    let known = fields.filter_map(|(name, value)| {
        let alias = ALIASES.iter().find(|(form, _)| *form == name).map(|(_, stored)| *stored);
        let stored = alias.or_else(|| SAME.iter().copied().find(|same| *same == name))?;
        Some((stored.replace('_', "-"), value.to_owned()))
    });
    CoreMetadata::of_fields(known.collect())
}

/// The fields of a form that says `metadata` (`CoreMetadata::to_json`), named as twine names them.
pub fn to_form(metadata: &Value) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (key, value) in metadata.as_object().into_iter().flatten() {
        // twine and uv send `provides_extra` and `license_file`, whatever other lists are called.
        let plural = ALIASES.iter().find(|(_, stored)| stored == key && !matches!(*stored, "provides_extra" | "license_file"));
        let name = plural.map_or(key.as_str(), |(form, _)| form);
        let texts: Vec<&str> = match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        fields.extend(texts.into_iter().map(|text| (name.to_owned(), text.to_owned())));
    }
    fields
}

/// `newer` laid over `older`, both as stored: what `newer` does not say is kept.
pub fn overlaid(older: &Value, newer: Value) -> Value {
    let (Value::Object(mut merged), Value::Object(newer)) = (older.clone(), newer) else { return older.clone() };
    merged.extend(newer);
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_becomes_metadata_and_back() {
        let form = [
            (":action", "file_upload"),
            ("protocol_version", "1"),
            ("metadata_version", "2.1"),
            ("name", "Cheese.Cellar"),
            ("version", "1.0"),
            ("summary", "UNKNOWN"),
            ("classifiers", "A"),
            ("classifiers", "B"),
            ("classifiers", ""),
            ("platforms", "any"),
            ("provides_extras", "mould"),
            ("project_urls", "Home, https://index.example/"),
            ("requires_dist", "rind>=2"),
            ("sha256_digest", "00"),
        ];
        let metadata = from_form(form.into_iter()).to_json();
        assert_eq!(
            metadata,
            json!({
                "metadata_version": "2.1", "name": "Cheese.Cellar", "version": "1.0", "classifier": ["A", "B"],
                "platform": ["any"], "provides_extra": ["mould"], "project_url": ["Home, https://index.example/"],
                "requires_dist": ["rind>=2"],
            })
        );
        let again = to_form(&metadata);
        let names: Vec<&str> = again.iter().map(|(name, _)| name.as_str()).collect();
        assert!(
            names.contains(&"classifiers") && names.contains(&"provides_extra") && names.contains(&"project_urls"),
            "{names:?}"
        );
        assert_eq!(from_form(again.iter().map(|(n, v)| (n.as_str(), v.as_str()))).to_json(), metadata);
    }

    #[test]
    fn what_the_newer_form_does_not_say_is_kept() {
        let merged = overlaid(&json!({"summary": "old", "author": "a"}), json!({"summary": "new"}));
        assert_eq!(merged, json!({"summary": "new", "author": "a"}));
    }
}
