//! Two versions of a project side by side: which metadata and which files differ.

use super::super::shell::Shell;
use super::super::visit::Visit;
use super::super::words;
use super::find;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::index::project_info::{self, Release};
use crate::pypi::tags_words;
use crate::urls::{encode_index, encode_segment};
use askama::Template;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage<'a> {
    shell: &'a Shell,
    index: &'a str,
    index_link: &'a str,
    link: &'a str,
    name: &'a str,
    versions: Vec<Version<'a>>,
    from: &'a str,
    to: &'a str,
    /// Nothing if the two are the same version, or one does not exist.
    differences: Option<Differences>,
}

/// A version to choose, and on which sides it is chosen.
struct Version<'a> {
    text: &'a str,
    from: bool,
    to: bool,
}

fn choice<'a>(release: &Release<'a>, from: Option<&Release<'_>>, to: Option<&Release<'_>>) -> Version<'a> {
    let is = |other: Option<&Release<'_>>| other.is_some_and(|other| other.version == release.version);
    Version { text: release.version, from: is(from), to: is(to) }
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Fields of one value: name, before, after.
    pub fields: Vec<(String, String, String)>,
    /// Fields of many: name, what is gone, what is new.
    pub lists: Vec<(String, Vec<String>, Vec<String>)>,
    /// Kinds of files that only the first has: what, size.
    pub lost: Vec<(String, String)>,
    /// Kinds of files that only the second has.
    pub won: Vec<(String, String)>,
    /// Kinds that both have: what, size before, size after.
    pub kept: Vec<(String, String, String)>,
    /// Whether the descriptions differ.
    pub description: bool,
}

/// Answers `…/compare?from=1.0&to=2.0`. Without them it compares the latest with the one before.
pub async fn show(visit: &Visit<'_>, user: &str, index: &str, text: &str) -> Result<Reply> {
    let found = find(visit, user, index, text).await?;
    let releases = project_info::releases(&found.listing);
    let asked = |key: &str| project_info::find(&releases, &visit.query(key));
    let latest = project_info::latest(&releases);
    let to = asked("to").or(latest);
    let before =
        to.and_then(|to| releases.iter().rposition(|release| std::ptr::eq(release, to))).and_then(|place| place.checked_sub(1));
    let from = asked("from").or_else(|| before.map(|place| &releases[place])).or(to);
    let differences = match (from, to) {
        (Some(from), Some(to)) if from.version != to.version => {
            let old = project_info::core_metadata(visit.core(), &found.sight, &found.name, from).await?;
            let new = project_info::core_metadata(visit.core(), &found.sight, &found.name, to).await?;
            Some(differences((&old, from), (&new, to)))
        }
        _ => None,
    };
    let index_link = encode_index(&found.sight.place.index.path);
    visit.page(&ComparePage {
        shell: &visit.shell,
        index: &found.sight.place.index.path.to_string(),
        link: &format!("{index_link}/{}", encode_segment(found.name.as_str())),
        index_link: &index_link,
        name: found.name.as_str(),
        versions: releases.iter().rev().map(|release| choice(release, from, to)).collect(),
        from: from.map_or("", |release| release.version),
        to: to.map_or("", |release| release.version),
        differences,
    })
}

type Side<'a> = (&'a Map<String, Value>, &'a Release<'a>);

fn differences((old, from): Side<'_>, (new, to): Side<'_>) -> Differences {
    let mut found = Differences { description: old.get("description") != new.get("description"), ..Differences::default() };
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| !SKIPPED.contains(&key.as_str())).collect();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before == after {
            continue;
        }
        let label = label(key);
        match (list(before), list(after)) {
            (None, None) => found.fields.push((label, one(before), one(after))),
            (before, after) => {
                let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
                let only = |these: &[String], those: &[String]| {
                    these.iter().filter(|item| !those.contains(item)).cloned().collect::<Vec<_>>()
                };
                let (gone, came) = (only(&before, &after), only(&after, &before));
                // The order alone says nothing.
                if !(gone.is_empty() && came.is_empty()) {
                    found.lists.push((label, gone, came));
                }
            }
        }
    }
    compare_files(&mut found, from, to);
    found
}

/// What differs in any case, and what is shown by itself.
const SKIPPED: [&str; 3] = ["version", "description", "dynamic"];

fn label(key: &str) -> String {
    let mut label = key.replace('_', "-");
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    label
}

fn list(value: Option<&Value>) -> Option<Vec<String>> {
    Some(value?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn one(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Files have other names in each version: what counts is what they are for.
fn compare_files(found: &mut Differences, from: &Release<'_>, to: &Release<'_>) {
    let kinds = |release: &Release<'_>| -> Vec<(String, String)> {
        let kind = |listed: &&crate::index::merge::Listed| {
            (tags_words::in_words(&listed.file.filename).to_string(), listed.file.size.map(words::bytes).unwrap_or_default())
        };
        release.files.iter().map(kind).collect()
    };
    let (old, new) = (kinds(from), kinds(to));
    for (kind, size) in &old {
        match new.iter().find(|(other, _)| other == kind) {
            Some((_, after)) => found.kept.push((kind.clone(), size.clone(), after.clone())),
            None => found.lost.push((kind.clone(), size.clone())),
        }
    }
    found.won.extend(new.into_iter().filter(|(kind, _)| !old.iter().any(|(other, _)| other == kind)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_and_nothing_else() {
        let (old, new) = (
            json!({"version": "1", "summary": "a", "license": "MIT", "requires_dist": ["x", "y"], "classifier": ["A", "B"]}),
            json!({"version": "2", "summary": "b", "license": "MIT", "requires_dist": ["y", "z>1"], "classifier": ["B", "A"], "description": "d"}),
        );
        let release = |version| Release { version, files: Vec::new() };
        let (one, two) = (release("1"), release("2"));
        let found = differences((old.as_object().unwrap(), &one), (new.as_object().unwrap(), &two));
        let expected = Differences {
            fields: vec![("Summary".into(), "a".into(), "b".into())],
            lists: vec![("Requires-dist".into(), vec!["x".into()], vec!["z>1".into()])],
            description: true,
            ..Differences::default()
        };
        assert_eq!(found, expected);
    }
}
