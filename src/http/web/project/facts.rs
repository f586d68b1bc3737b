//! A release's core metadata as the page shows them. Whatever an uploader wrote is text; only checked addresses become links.

use crate::index::project_info::Release;
use crate::pypi::project_links::{ProjectLink, project_links};
use crate::pypi::requirement::{Dependencies, dependencies};
use serde_json::{Map, Value};

/// Core metadata for the page.
pub struct Facts {
    /// The name as its author writes it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// Checked links, the well-known ones first.
    pub links: Vec<ProjectLink>,
    /// By extra.
    pub dependencies: Dependencies,
    /// By their first part: `Programming Language` and what follows it.
    pub classifiers: Vec<(String, Vec<String>)>,
    /// Label and value of what else there is.
    pub more: Vec<(&'static str, String)>,
    /// Words.
    pub keywords: Vec<String>,
    /// Which Pythons it is for.
    pub requires_python: Option<String>,
    /// Whether anything is known at all.
    pub known: bool,
}

/// What else is shown, in this order.
const MORE: &[(&str, &str)] = &[
    ("Author", "author"),
    ("Author's email", "author_email"),
    ("Maintainer", "maintainer"),
    ("Maintainer's email", "maintainer_email"),
    ("License", "license_expression"),
    ("License text", "license"),
    ("Metadata version", "metadata_version"),
];

impl Facts {
    /// Reads metadata in the form of `CoreMetadata::to_json`.
    pub fn of(metadata: &Map<String, Value>, name: &str, release: &Release<'_>) -> Self {
        let one = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let list = |key: &str| strings(metadata.get(key));
        let of_files = || release.files.iter().find_map(|listed| listed.file.requires_python.clone());
        Self {
            name: one("name").unwrap_or(name).to_owned(),
            summary: one("summary").unwrap_or_default().to_owned(),
            links: project_links(one("home_page"), one("download_url"), list("project_url")),
            dependencies: dependencies(list("requires_dist"), list("provides_extra")),
            classifiers: grouped(&list("classifier")),
            more: MORE.iter().filter_map(|(label, key)| Some((*label, shortened(one(key)?)))).collect(),
            keywords: one("keywords").map(words).unwrap_or_default(),
            requires_python: one("requires_python").map(str::to_owned).or_else(of_files),
            known: !metadata.is_empty(),
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect()
}

/// Keywords stand between commas, in old metadata between spaces.
fn words(text: &str) -> Vec<String> {
    let words: Vec<&str> = match text.contains(',') {
        true => text.split(',').map(str::trim).collect(),
        false => text.split_whitespace().collect(),
    };
    words.into_iter().filter(|word| !word.is_empty()).take(KEYWORDS_SHOWN).map(str::to_owned).collect()
}

const KEYWORDS_SHOWN: usize = 50;
const CLASSIFIERS_SHOWN: usize = 200;
/// Characters of one value: some licences come whole.
const VALUE_CHARS_SHOWN: usize = 400;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn grouped(classifiers: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for classifier in classifiers.iter().take(CLASSIFIERS_SHOWN) {
        let (first, rest) = classifier.split_once("::").map_or(("Other", *classifier), |(first, rest)| (first.trim(), rest));
        let rest = rest.split("::").map(str::trim).collect::<Vec<_>>().join(" › ");
        match groups.iter_mut().find(|(group, _)| group == first) {
            Some((_, members)) => members.push(rest),
            None => groups.push((first.to_owned(), vec![rest])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifiers_are_grouped_and_words_split() {
        let groups = grouped(&["Topic :: A :: B", "License :: OSI", "Topic :: C", "odd"]);
        let expected = [("Topic", vec!["A › B", "C"]), ("License", vec!["OSI"]), ("Other", vec!["odd"])];
        assert_eq!(groups, expected.map(|(group, members)| (group.to_owned(), members.into_iter().map(str::to_owned).collect())));
        assert_eq!(words("a b,c,, d"), ["a b", "c", "d"]);
        assert_eq!(words("a  b"), ["a", "b"]);
    }
}
