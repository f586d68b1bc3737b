//! What each index of an order holds of each version of a project: what devpi's JSON tells, with who uploaded what and when.
//!
//! A page shows each file name once, and only releases with files; here every index speaks for itself, the first one loudest,
//! also of releases that were only registered or have nothing but documentation.

use super::access::Sight;
use super::core::Core;
use super::merge::{Listed, Listing};
use super::settings::Kind;
use super::tree::Index;
use crate::db;
use crate::db::attachments::Attachment;
use crate::db::{IndexId, ReleaseId};
use crate::error::Result;
use crate::pypi::version::sort_key;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What the rows of a stage tell beside a listing.
#[derive(Debug)]
pub struct Rows {
    display_name: String,
    /// By the version's sort key.
    releases: HashMap<Vec<u8>, db::releases::Release>,
    /// By file name.
    files: HashMap<String, db::files::File>,
    /// By release, the oldest first.
    attachments: HashMap<ReleaseId, Vec<Attachment>>,
}

/// One version: what each index holds of it, in resolution order. The first speaks, the others are in its shadow.
#[derive(Debug)]
pub struct Held<'a> {
    /// The version as the first index writes it.
    pub version: &'a str,
    /// Nothing if only a mirror knows it, and none of its files.
    pub parts: Vec<Part<'a>>,
}

/// What one index holds of a version.
#[derive(Debug)]
pub struct Part<'a> {
    /// The index.
    pub index: &'a Arc<Index>,
    /// The project's name as last uploaded there; on a mirror the normalized name.
    pub name: &'a str,
    /// The version as written there.
    pub version: &'a str,
    /// Core metadata (`CoreMetadata::to_json`); `None` on a mirror.
    pub metadata: Option<&'a Value>,
    /// Its files, each with its row, which mirrored files do not need to have.
    pub files: Vec<(&'a Listed, Option<&'a db::files::File>)>,
    /// Its documentation and its files' test results, the oldest first.
    pub attachments: &'a [Attachment],
}

/// Reads the rows of the stages that a listing has files of.
pub async fn rows(core: &Core, sight: &Sight, listing: &Listing) -> Result<HashMap<IndexId, Rows>> {
    let mut c = core.db.read().await?;
    let mut all = HashMap::new();
    for index in sight.visible.iter().filter(|index| index.kind == Kind::Stage) {
        let Some(project) = db::projects::by_name(&mut c, index.id, &listing.name).await? else { continue };
        let releases = db::releases::of_project(&mut c, project.id).await?;
        let files = db::files::live(&mut c, project.id).await?;
        // PEP 792: a quarantined project offers nothing.
        let attachments = match project.status.as_ref().is_some_and(|status| status.status == "quarantined") {
            true => Vec::new(),
            false => db::attachments::of_project(&mut c, project.id).await?,
        };
        let rows = Rows {
            attachments: by_release(attachments),
            display_name: project.display_name,
            releases: releases.into_iter().map(|release| (sort_key(&release.version), release)).collect(),
            files: files.into_iter().map(|file| (file.filename.clone(), file)).collect(),
        };
        all.insert(index.id, rows);
    }
    Ok(all)
}

fn by_release(attachments: Vec<Attachment>) -> HashMap<ReleaseId, Vec<Attachment>> {
    let mut map: HashMap<ReleaseId, Vec<Attachment>> = HashMap::new();
    for attachment in attachments {
        map.entry(attachment.release_id).or_default().push(attachment);
    }
    map
}

/// The versions of a listing, the oldest first; only the given one, if one is given.
pub fn versions<'a>(
    order: &'a [Arc<Index>],
    listing: &'a Listing,
    rows: &'a HashMap<IndexId, Rows>,
    only: Option<&str>,
) -> Vec<Held<'a>> {
    let only = only.map(sort_key);
    let mut spellings: BTreeMap<Vec<u8>, &'a str> = BTreeMap::new();
    let mut keys: HashMap<&str, Vec<u8>> = HashMap::new();
    for version in &listing.versions {
        let key = sort_key(version);
        if only.as_ref().is_none_or(|only| *only == key) {
            spellings.entry(key.clone()).or_insert(version);
            keys.insert(version, key);
        }
    }
    let mut files: HashMap<(&[u8], IndexId), Vec<&'a Listed>> = HashMap::new();
    for listed in listing.files.iter().chain(twins(listing)) {
        if let Some(key) = listed.version.as_deref().and_then(|version| keys.get(version)) {
            files.entry((key, listed.origin.id)).or_default().push(listed);
        }
    }
    let held = spellings.iter().map(|(key, spelling)| {
        let holding = order.iter().filter_map(|index| {
            let files = files.remove(&(key.as_slice(), index.id)).unwrap_or_default();
            part(index, listing, rows.get(&index.id), (key, spelling), files)
        });
        let parts: Vec<Part<'a>> = holding.collect();
        Held { version: parts.first().map_or(spelling, |part| part.version), parts }
    });
    held.collect()
}

/// Files that are not shown because an earlier index has one of their name. What upstream has dropped is not among them.
fn twins(listing: &Listing) -> impl Iterator<Item = &Listed> {
    let shown: HashSet<&str> = listing.files.iter().map(|listed| listed.file.filename.as_str()).collect();
    listing.shadowed.iter().filter(move |listed| shown.contains(listed.file.filename.as_str()))
}

/// What an index holds of a version; `None` if it has neither files of it nor a release.
fn part<'a>(
    index: &'a Arc<Index>,
    listing: &'a Listing,
    rows: Option<&'a Rows>,
    (key, spelling): (&[u8], &'a str),
    files: Vec<&'a Listed>,
) -> Option<Part<'a>> {
    let release = rows.and_then(|rows| rows.releases.get(key));
    let of_file = files.first().map(|listed| listed.version.as_deref().unwrap_or(spelling));
    let row = |listed: &Listed| rows.and_then(|rows| rows.files.get(&listed.file.filename));
    Some(Part {
        index,
        name: rows.map_or(listing.name.as_str(), |rows| &rows.display_name),
        version: release.map(|release| release.version.as_str()).or(of_file)?,
        metadata: release.map(|release| &release.metadata.0),
        attachments: release.zip(rows).and_then(|(release, rows)| rows.attachments.get(&release.id)).map_or(&[], Vec::as_slice),
        files: files.into_iter().map(|listed| (listed, row(listed))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::merge::{Contribution, merge};
    use super::super::tree::tests::tree;
    use super::*;
    use crate::db::Serial;
    use crate::pypi::{PageFile, ProjectName};
    use serde_json::json;

    #[test]
    fn every_index_speaks_for_itself_and_the_first_one_loudest() {
        let t = tree(&[("a/top", false, &["a/base"], json!({})), ("a/base", false, &[], json!({}))]);
        let place = t.find("a", "top").unwrap();
        let file = |at: usize, filename: &str, version: &str| Listed {
            origin: place.order[at].clone(),
            file: PageFile::bare(filename, ""),
            version: Some(version.into()),
            blob: None,
            metadata_blob: None,
        };
        let part = |files, hidden, versions: &[&str]| Contribution {
            files,
            hidden,
            versions: versions.iter().map(|v| v.to_string()).collect(),
            status: None,
            serial: Serial(1),
        };
        let listing = merge(
            &ProjectName::parse("p").unwrap(),
            vec![
                part(vec![file(0, "p-1.0.zip", "1.0")], vec![], &["1.0", "0.1"]),
                part(
                    vec![file(1, "p-1.0.zip", "1.0.0"), file(1, "p-2.zip", "2"), file(1, "p-1.0.0.whl", "1.0.0")],
                    vec![file(1, "p-0.5.zip", "0.5")],
                    &["1.0.0"],
                ),
            ],
        );
        let rows = HashMap::new();
        let shape = |only| -> Vec<(String, Vec<String>)> {
            let held = versions(&place.order, &listing, &rows, only);
            let names = |part: &Part<'_>| {
                let files: Vec<_> = part.files.iter().map(|(listed, _)| listed.file.filename.as_str()).collect();
                format!("{} {} {}", part.index.path, part.version, files.join(","))
            };
            held.iter().map(|held| (held.version.to_owned(), held.parts.iter().map(names).collect())).collect()
        };
        let one = ("1.0".to_owned(), vec!["a/top 1.0 p-1.0.zip".to_owned(), "a/base 1.0.0 p-1.0.0.whl,p-1.0.zip".to_owned()]);
        let two = ("2".to_owned(), vec!["a/base 2 p-2.zip".to_owned()]);
        assert_eq!(shape(None), [("0.1".to_owned(), vec![]), one.clone(), two]);
        assert_eq!(shape(Some("1.0.0")), [one]);
        assert_eq!(shape(Some("0.5")), [], "upstream has dropped its only file");
    }
}
