//! A project's releases as PyPI's JSON tells of them: which files each has, which one is the latest, what its author says.
//!
//! Made from the same listing as pages, so that what is kept from a page is kept from here.

use super::access::Sight;
use super::core::Core;
use super::download::Found;
use super::merge::{Listed, Listing};
use super::mirror_metadata;
use super::settings::Kind;
use super::tree::Index;
use crate::db;
use crate::db::blobs::BlobRow;
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::version::sort_key;
use crate::pypi::{CoreMetadata, PageMetadata, ProjectName, Sha256, Version, filename_guess};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;

/// One release: a version in whatever spelling, and its files on the page.
#[derive(Debug)]
pub struct Release<'a> {
    /// The version; the first spelling of it, should the indexes differ (`1.0`, `1.0.0`).
    pub version: &'a str,
    /// Its files, of all indexes together.
    pub files: Vec<&'a Listed>,
}

impl Release<'_> {
    /// Why it is yanked, if all its files are: the first reason, which may be empty.
    pub fn yanked(&self) -> Option<&str> {
        let all = self.files.iter().all(|listed| listed.file.yanked.is_some());
        self.files.first().filter(|_| all).and_then(|listed| listed.file.yanked.as_deref())
    }
}

/// The releases of a listing, the oldest first. A version that lost its files, or never had any, has none here too.
pub fn releases(listing: &Listing) -> Vec<Release<'_>> {
    let mut releases: Vec<Release<'_>> = Vec::new();
    let mut place_of: HashMap<&str, usize> = HashMap::new();
    let mut last_key = Vec::new();
    // Versions are sorted, so spellings of one version are neighbours.
    for version in &listing.versions {
        let key = sort_key(version);
        if releases.is_empty() || key != last_key {
            releases.push(Release { version, files: Vec::new() });
            last_key = key;
        }
        place_of.insert(version, releases.len() - 1);
    }
    for listed in &listing.files {
        if let Some(place) = listed.version.as_deref().and_then(|version| place_of.get(version)) {
            releases[*place].files.push(listed);
        }
    }
    releases
}

/// The release that speaks for the project: not yanked, then not a pre-release, then the highest version. Releases without
/// files count only if no other is there.
pub fn latest<'r, 'a>(releases: &'r [Release<'a>]) -> Option<&'r Release<'a>> {
    // Of equals the last one is taken, which is the highest version.
    releases.iter().max_by_key(|release| precedence(release.version, !release.files.is_empty(), release.yanked().is_some()))
}

/// What comes before the version where releases vie for speaking for their project.
pub(super) fn precedence(version: &str, has_files: bool, is_yanked: bool) -> impl Ord + use<> {
    let is_prerelease = Version::parse(version).is_ok_and(|version| version.is_prerelease());
    (has_files, !is_yanked, !is_prerelease)
}

/// The release of this version, however it is written.
pub fn find<'r, 'a>(releases: &'r [Release<'a>], version: &str) -> Option<&'r Release<'a>> {
    let wanted = sort_key(version);
    releases.iter().find(|release| sort_key(release.version) == wanted)
}

/// A release's core metadata in the form of `CoreMetadata::to_json`, as the first index that has it says; empty if that
/// cannot be told, or not soon.
pub async fn core_metadata(
    core: &Arc<Core>,
    sight: &Sight,
    name: &ProjectName,
    release: &Release<'_>,
) -> Result<Map<String, Value>> {
    let has = |index: &&Arc<Index>| release.files.iter().any(|listed| listed.origin.id == index.id);
    let Some(speaker) = sight.visible.iter().find(has) else { return Ok(Map::new()) };
    let metadata = match speaker.kind {
        Kind::Stage => stored(core, speaker, name, release.version).await?,
        Kind::Mirror => match wheel(speaker, release) {
            Some(wheel) => of_wheel(core, sight, name, wheel).await?,
            None => None,
        },
    };
    Ok(match metadata {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    })
}

async fn stored(core: &Core, index: &Index, name: &ProjectName, version: &str) -> Result<Option<Value>> {
    let Ok(version) = Version::parse(version) else { return Ok(None) };
    let mut c = core.db.read().await?;
    let Some(project) = db::projects::by_name(&mut c, index.id, name).await? else { return Ok(None) };
    let release = db::releases::by_canonical(&mut c, project.id, &version.canonical()).await?;
    Ok(release.map(|release| release.metadata.0))
}

/// The mirrored wheel whose METADATA costs least: one that is here already, else the smallest.
fn wheel<'a>(mirror: &Index, release: &Release<'a>) -> Option<&'a Listed> {
    let offered = release.files.iter().filter(|listed| {
        listed.origin.id == mirror.id
            && filename_guess::is_wheel(&listed.file.filename)
            && listed.file.metadata != PageMetadata::Absent
    });
    offered.copied().min_by_key(|listed| (listed.metadata_blob.is_none(), listed.file.size.unwrap_or(u64::MAX)))
}

/// The wheel's METADATA. `None` if upstream does not give it in time: the question goes on and the next caller finds it.
async fn of_wheel(core: &Arc<Core>, sight: &Sight, name: &ProjectName, wheel: &Listed) -> Result<Option<Value>> {
    let found = Found { project: name.clone(), listed: wheel.clone(), public: sight.place.all_public };
    let sha256 = match tokio::time::timeout(limits::JSON_METADATA_WAIT, mirror_metadata::blob(core, &found)).await {
        Ok(Ok(sha256)) => sha256,
        Ok(Err(Error::NotFound(_) | Error::BadGateway(_))) | Err(_) => {
            tracing::debug!(file = wheel.file.filename, "no metadata of a mirrored wheel for its project's JSON");
            return Ok(None);
        }
        Ok(Err(other)) => return Err(other),
    };
    let Some(blob) = core.blobs.open(&sha256).await? else { return Ok(None) };
    let read = blob.read_with(|file| {
        let mut bytes = Vec::new();
        file.take(limits::METADATA_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(CoreMetadata::parse(&bytes).ok().map(|metadata| metadata.to_json()))
    });
    Ok(read.await??)
}

/// What is known of the blobs of a listing's files: MD5 and BLAKE2 of files that were uploaded here.
pub async fn digests(core: &Core, listing: &Listing) -> Result<HashMap<Sha256, BlobRow>> {
    let origins: BTreeMap<_, _> = listing.files.iter().map(|listed| (listed.origin.id.0, listed.origin.id)).collect();
    let mut c = core.db.read().await?;
    let mut known = HashMap::new();
    for index in origins.into_values() {
        let rows = db::blobs::of_project(&mut c, index, &listing.name).await?;
        known.extend(rows.into_iter().map(|row| (row.sha256, row)));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::super::merge::{Contribution, merge};
    use super::super::tree::tests::tree;
    use super::*;
    use crate::db::Serial;
    use crate::pypi::PageFile;
    use serde_json::json;

    /// A listing of files as (name, version, yanked) of one index, and of versions without files.
    fn listing(files: &[(&str, &str, bool)], empty: &[&str]) -> Listing {
        let t = tree(&[("a/dev", false, &[], json!({}))]);
        let origin = &t.find("a", "dev").unwrap().index;
        let files = files.iter().map(|(filename, version, yanked)| Listed {
            origin: origin.clone(),
            file: PageFile { yanked: yanked.then(|| "broken".to_owned()), ..PageFile::bare(*filename, "") },
            version: Some((*version).to_owned()),
            blob: None,
            metadata_blob: None,
        });
        let versions = empty.iter().map(|v| (*v).to_owned()).collect();
        let part = Contribution { files: files.collect(), hidden: vec![], versions, status: None, serial: Serial(1) };
        merge(&ProjectName::parse("p").unwrap(), vec![part])
    }

    fn latest_of(files: &[(&str, &str, bool)], empty: &[&str]) -> Option<String> {
        latest(&releases(&listing(files, empty))).map(|release| release.version.to_owned())
    }

    #[test]
    fn spellings_of_a_version_are_one_release() {
        let listing = listing(&[("p-1.0.zip", "1.0", false), ("p-1.0.0.zip", "1.0.0", false), ("p-2.zip", "2", false)], &["0.5"]);
        let releases = releases(&listing);
        let shape: Vec<_> = releases.iter().map(|r| (r.version, r.files.len())).collect();
        assert_eq!(shape, [("0.5", 0), ("1.0", 2), ("2", 1)]);
        assert_eq!(find(&releases, "1").map(|r| r.version), Some("1.0"));
        assert!(find(&releases, "3").is_none());
    }

    #[test]
    fn the_latest_release_is_one_that_people_want() {
        let one = ("p-1.zip", "1", false);
        for (files, empty, expected) in [
            (&[one, ("p-2a1.zip", "2a1", false)][..], &[][..], Some("1")),
            (&[one, ("p-2.zip", "2", true)], &[], Some("1")),
            (&[("p-2.zip", "2", true), ("p-3a1.zip", "3a1", false)], &[], Some("3a1")),
            (&[("p-1.zip", "1", true), ("p-2.zip", "2", true)], &[], Some("2")),
            (&[("p-2.zip", "2", true), ("p-2.whl", "2", false), one], &[], Some("2")),
            (&[("p-9.zip", "9", false), ("p-10.zip", "10", false)], &["11"], Some("10")),
            (&[], &["1", "2"], Some("2")),
            (&[], &[], None),
        ] {
            assert_eq!(latest_of(files, empty).as_deref(), expected, "{files:?} {empty:?}");
        }
    }
}
