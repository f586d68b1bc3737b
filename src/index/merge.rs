//! Many indexes, one page: which of them may speak for a project, and what they say together.
//!
//! Pure. The rules are devpi's (resolution order, first index wins a file name, mirrors kept away from private names);
//! pages, file links, metadata and JSON all come out of the one [`Listing`] made here, so they cannot disagree.

use super::settings::Kind;
use super::tree::Index;
use crate::clock::Timestamp;
use crate::db::{IndexId, Serial};
use crate::pypi::{PageFile, ProjectName, ProjectStatus, Sha256, version};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// One file of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The index that holds or mirrors it.
    pub origin: Arc<Index>,
    /// What a page says of it. The URL is upstream's for a mirrored file and empty for our own: links are made when a page is
    /// rendered, because they depend on where the page stands.
    pub file: PageFile,
    /// Its release's version; for mirrored files read from the file name.
    pub version: Option<String>,
    /// Its bytes' key, where it is known.
    pub blob: Option<Sha256>,
    /// The key of its METADATA or PKG-INFO, where that is kept.
    pub metadata_blob: Option<Sha256>,
}

/// What one index has of a project.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// Its files, in any order.
    pub files: Vec<Listed>,
    /// Files that it can serve to whoever knows their link, but does not show: upstream has dropped them.
    pub hidden: Vec<Listed>,
    /// Its versions, with or without files.
    pub versions: Vec<String>,
    /// PEP 792 status.
    pub status: Option<ProjectStatus>,
    /// The last change of the project there.
    pub serial: Serial,
}

impl Contribution {
    /// Whether nothing is left of the project there but files for those who have their links: upstream has removed it.
    fn is_remainder(&self) -> bool {
        self.files.is_empty() && self.versions.is_empty() && self.status.is_none() && !self.hidden.is_empty()
    }
}

/// A project as one caller sees it through one index.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The project.
    pub name: ProjectName,
    /// The files of the page, by version and name.
    pub files: Vec<Listed>,
    /// Files that no page shows but old lock files may still point at: an earlier index has one of the same name, or
    /// upstream has dropped them.
    pub shadowed: Vec<Listed>,
    /// All versions, sorted.
    pub versions: Vec<String>,
    /// The status that the first index gives.
    pub status: Option<ProjectStatus>,
    /// The newest change among all contributors.
    pub serial: Serial,
    /// Whether any index knows the project. A page without files is not a missing page.
    pub known: bool,
    /// The journal's serial up to which this was read.
    pub seen: Serial,
    /// The places of `files` in the order of their names, so that a link's file is found without looking through all.
    by_name: Vec<u32>,
    /// Until when it may be used; `None`: until the journal says otherwise.
    pub valid_until: Option<Timestamp>,
    /// Since when upstream has not answered, if some of this is stale.
    pub stale_since: Option<Timestamp>,
}

/// Whether mirrors may answer for a project: the exact walk of devpi's `mirror_whitelist`.
///
/// `order` is the whole resolution order, also the part that the caller may not read: a private name must never be looked
/// up in public because somebody forgot to sign in. `holds` tells whether a stage has the project.
pub fn mirrors_may_answer(order: &[Arc<Index>], project: &ProjectName, holds: impl Fn(IndexId) -> bool) -> bool {
    keepers(order, project, holds).is_empty()
}

/// The stages that keep mirrors from answering for a project: none if mirrors may.
pub fn keepers<'a>(order: &'a [Arc<Index>], project: &ProjectName, holds: impl Fn(IndexId) -> bool) -> Vec<&'a Arc<Index>> {
    let union = order.first().is_some_and(|first| first.settings.whitelist_union);
    let mut whitelist: Option<HashSet<&str>> = None;
    let (mut whitelisted, mut private) = (false, Vec::new());
    for stage in order.iter().filter(|index| index.kind == Kind::Stage) {
        let own: HashSet<&str> = stage.settings.mirror_whitelist.iter().map(String::as_str).collect();
        let combined = match whitelist {
            None => own,
            Some(so_far) if union => so_far.union(&own).copied().collect(),
            Some(so_far) => so_far.intersection(&own).copied().collect(),
        };
        match combined.contains("*") || combined.contains(project.as_str()) {
            true => whitelisted = true,
            false if holds(stage.id) => private.push(stage),
            false => {}
        }
        whitelist = Some(combined);
    }
    if whitelisted {
        private.clear();
    }
    private
}

/// Puts the contributions together, in resolution order: the first file of a name wins, versions are united.
pub fn merge(name: &ProjectName, contributions: Vec<Contribution>) -> Listing {
    let mut listing = Listing {
        name: name.clone(),
        files: Vec::new(),
        shadowed: Vec::new(),
        versions: Vec::new(),
        status: contributions.first().and_then(|c| c.status.clone()),
        serial: contributions.iter().map(|c| c.serial).max().unwrap_or(Serial::NONE),
        known: contributions.iter().any(|c| !c.is_remainder()),
        seen: Serial::NONE,
        by_name: Vec::new(),
        valid_until: None,
        stale_since: None,
    };
    let mut taken = HashSet::new();
    let mut versions = BTreeSet::new();
    for contribution in contributions {
        versions.extend(contribution.versions);
        listing.shadowed.extend(contribution.hidden);
        for listed in contribution.files {
            match taken.insert(listed.file.filename.clone()) {
                true => listing.files.push(listed),
                false => listing.shadowed.push(listed),
            }
        }
    }
    versions.extend(listing.files.iter().filter_map(|f| f.version.clone()));
    listing.versions = versions.into_iter().collect();
    listing.versions.sort_by_cached_key(|text| version::sort_key(text));
    // Oldest version first, then by name; files whose version cannot be told come first.
    listing.files.sort_by_cached_key(|f| (f.version.as_deref().map(version::sort_key), f.file.filename.clone()));
    listing.by_name = (0_u32..).take(listing.files.len()).collect();
    let files = &listing.files;
    listing.by_name.sort_by(|a, b| files[*a as usize].file.filename.cmp(&files[*b as usize].file.filename));
    listing
}

impl Listing {
    /// The file of this name that `fits`, also among those that no page shows.
    pub fn find(&self, filename: &str, fits: impl Fn(&Listed) -> bool) -> Option<&Listed> {
        let at = self.by_name.binary_search_by(|place| self.files[*place as usize].file.filename.as_str().cmp(filename));
        let shown = at.ok().map(|found| &self.files[self.by_name[found] as usize]);
        let hidden = || self.shadowed.iter().filter(|listed| listed.file.filename == filename).find(|listed| fits(listed));
        shown.filter(|listed| fits(listed)).or_else(hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;
    use crate::names::IndexPath;
    use serde_json::{Value, json};

    fn project() -> ProjectName {
        ProjectName::parse("vp").unwrap()
    }

    fn listed(origin: &Arc<Index>, filename: &str, version: &str) -> Listed {
        Listed {
            origin: origin.clone(),
            file: PageFile::bare(filename, ""),
            version: Some(version.into()),
            blob: None,
            metadata_blob: None,
        }
    }

    /// devpi's table of cases: (whitelist of the requested index, of its base, inheritance, who holds the name) -> mirrors answer.
    #[test]
    fn the_whitelist_walk() {
        let check = |top: Value, base: Value, inheritance: &str, holders: &[i64]| {
            let t = tree(&[
                (
                    "a/top",
                    false,
                    &["a/base", "a/pypi"],
                    json!({"mirror_whitelist": top, "mirror_whitelist_inheritance": inheritance}),
                ),
                ("a/base", false, &[], json!({"mirror_whitelist": base})),
                ("a/pypi", true, &[], json!({})),
            ]);
            let place = t.at(&IndexPath::parse("a/top").unwrap()).unwrap().clone();
            mirrors_may_answer(&place.order, &project(), |id| holders.contains(&id.0))
        };
        let none = json!([]);
        assert!(check(none.clone(), none.clone(), "intersection", &[]), "a name nobody has");
        assert!(!check(none.clone(), none.clone(), "intersection", &[1]), "a private name");
        assert!(!check(none.clone(), none.clone(), "intersection", &[2]), "a private name of a base");
        assert!(!check(none.clone(), json!(["vp"]), "intersection", &[2]), "the base alone cannot open it");
        assert!(check(none.clone(), json!(["vp"]), "union", &[2]), "unless lists are united");
        assert!(check(json!(["vp"]), json!(["vp"]), "intersection", &[2]), "both open it");
        assert!(check(json!(["*"]), none.clone(), "intersection", &[1, 2]), "once open stays open");
        assert!(check(json!(["vp"]), none, "intersection", &[1]), "an index may open its own name");
    }

    #[test]
    fn the_first_index_wins_a_file_name() {
        let t = tree(&[("a/top", false, &["a/base"], json!({})), ("a/base", false, &[], json!({}))]);
        let (top, base) = (&t.find("a", "top").unwrap().index, &t.find("a", "base").unwrap().index);
        let part = |files, serial| Contribution { files, hidden: vec![], versions: vec![], status: None, serial: Serial(serial) };
        let listing = merge(
            &project(),
            vec![
                part(vec![listed(top, "vp-10.tar.gz", "10"), listed(top, "vp-2.tar.gz", "2")], 5),
                part(vec![listed(base, "vp-2.tar.gz", "2"), listed(base, "vp-1.tar.gz", "1")], 9),
            ],
        );
        let shown: Vec<_> = listing.files.iter().map(|f| (f.file.filename.as_str(), f.origin.path.to_string())).collect();
        insta::assert_debug_snapshot!(shown, @r#"
        [
            (
                "vp-1.tar.gz",
                "a/base",
            ),
            (
                "vp-2.tar.gz",
                "a/top",
            ),
            (
                "vp-10.tar.gz",
                "a/top",
            ),
        ]
        "#);
        assert_eq!(listing.versions, ["1", "2", "10"]);
        assert_eq!((listing.shadowed.len(), listing.serial), (1, Serial(9)));
        let origin = |name: &str, id| listing.find(name, |f| f.origin.id == id).map(|f| f.origin.path.to_string());
        assert_eq!(origin("vp-2.tar.gz", top.id).as_deref(), Some("a/top"));
        assert_eq!(origin("vp-2.tar.gz", base.id).as_deref(), Some("a/base"), "shadowed, but its link works");
        assert_eq!(origin("vp-10.tar.gz", top.id).as_deref(), Some("a/top"));
        assert_eq!(origin("vp-3.tar.gz", top.id), None);
    }
}
