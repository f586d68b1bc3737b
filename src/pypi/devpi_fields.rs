//! Core metadata in devpi's words: the fields of its version data, with the names they are stored under here. Pure.

use serde_json::{Map, Value, json};

/// Fields of core metadata as devpi names them, with the names they are stored under, that are text.
const TEXTS: &[(&str, &str)] = &[
    ("metadata_version", "metadata_version"),
    ("summary", "summary"),
    ("home_page", "home_page"),
    ("author", "author"),
    ("author_email", "author_email"),
    ("maintainer", "maintainer"),
    ("maintainer_email", "maintainer_email"),
    ("license", "license"),
    ("description", "description"),
    ("keywords", "keywords"),
    ("download_url", "download_url"),
    ("comment", "comment"),
    ("requires_python", "requires_python"),
    ("description_content_type", "description_content_type"),
    ("license_expression", "license_expression"),
];

/// The same that are lists.
const LISTS: &[(&str, &str)] = &[
    ("platform", "platform"),
    ("classifiers", "classifier"),
    ("supported_platform", "supported_platform"),
    ("provides", "provides"),
    ("requires", "requires"),
    ("obsoletes", "obsoletes"),
    ("project_urls", "project_url"),
    ("provides_dist", "provides_dist"),
    ("obsoletes_dist", "obsoletes_dist"),
    ("requires_dist", "requires_dist"),
    ("requires_external", "requires_external"),
    ("provides_extras", "provides_extra"),
    ("dynamic", "dynamic"),
    ("license_file", "license_file"),
];

/// What older tools write where there is no value.
const PLACEHOLDER: &str = "UNKNOWN";

/// Stored core metadata as devpi shows them: every field devpi has, present or not, because its client does not ask whether one
/// is there. Name and version, which devpi takes from elsewhere, are not among them.
pub fn to_devpi(metadata: &Value) -> Map<String, Value> {
    let texts = TEXTS.iter().map(|(devpi, stored)| (devpi, metadata.get(*stored).cloned().unwrap_or_else(|| json!(""))));
    let lists = LISTS.iter().map(|(devpi, stored)| (devpi, metadata.get(*stored).cloned().unwrap_or_else(|| json!([]))));
    texts.chain(lists).map(|(key, value)| ((*key).to_owned(), value)).collect()
}

/// The inverse: devpi's version data in the form in which core metadata are stored (`CoreMetadata::to_json`). Fields without a
/// value and those that only devpi has are left out. Data of any age are read: a list may stand where text belongs and the
/// other way round.
pub fn from_devpi(fields: &Map<String, Value>, name: &str, version: &str) -> Value {
    let mut metadata = Map::from_iter([("name".to_owned(), json!(name)), ("version".to_owned(), json!(version))]);
    for (devpi, stored) in TEXTS {
        let values = fields.get(*devpi).map(texts).unwrap_or_default();
        if !values.is_empty() {
            metadata.insert((*stored).to_owned(), json!(values.join(",")));
        }
    }
    for (devpi, stored) in LISTS {
        let values = fields.get(*devpi).map(texts).unwrap_or_default();
        if !values.is_empty() {
            metadata.insert((*stored).to_owned(), json!(values));
        }
    }
    Value::Object(metadata)
}

/// The text, or the texts of a list, that say something.
fn texts(value: &Value) -> Vec<&str> {
    let all: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|text| !matches!(text.trim(), "" | PLACEHOLDER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::CoreMetadata;

    #[test]
    fn what_devpi_is_shown_comes_back_as_it_was() {
        let text = b"Metadata-Version: 2.1\nName: App\nVersion: 1.0\nSummary: s\nClassifier: A\nClassifier: B\nKeywords: a,b\n            Project-URL: Home, https://index.example/\nRequires-Dist: six\nLicense-File: L\nRequires-Python: >=3\n\nText.\n";
        let stored = CoreMetadata::parse(text).unwrap().to_json();
        assert_eq!(from_devpi(&to_devpi(&stored), "App", "1.0"), stored);
    }

    #[test]
    fn old_and_odd_values_are_read() {
        let fields = json!({
            "name": "x", "summary": "UNKNOWN", "keywords": ["a", "b"], "classifiers": "One", "platform": ["UNKNOWN"],
            "author": null, "license": 7, "+elinks": [], ":action": "submit", "requires_python": ">=2.7"
        });
        let expected =
            json!({"name": "App", "version": "1", "keywords": "a,b", "classifier": ["One"], "requires_python": ">=2.7"});
        assert_eq!(from_devpi(fields.as_object().unwrap(), "App", "1"), expected);
    }
}
