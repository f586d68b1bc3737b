//! The releases of a project, the newest first, a page at a time.

use super::super::visit::Visit;
use super::super::words::{self, Day};
use super::compare_link;
use crate::index::project_info::Release;
use crate::limits;
use crate::pypi::Version;
use crate::urls::encode_segment;

/// A page of the history.
pub struct History {
    /// The newest first.
    pub rows: Vec<Row>,
    /// How many releases there are in all.
    pub count: usize,
    /// The address of older ones, below the root.
    pub older: Option<String>,
    /// The address of the newest, if this is not them.
    pub newest: Option<String>,
}

/// One release.
pub struct Row {
    /// Version.
    pub version: String,
    /// Its address below the root.
    pub link: String,
    /// When its first file came.
    pub date: Option<Day>,
    /// Whether the page is about it.
    pub chosen: bool,
    /// The reason, if it is yanked.
    pub yanked: Option<String>,
    /// Whether it is a pre-release.
    pub prerelease: bool,
    /// `3 files`
    pub files: String,
    /// The address of what it changed, if there is an older one.
    pub compare: Option<String>,
}

impl History {
    /// The page of the history that the request asks for.
    pub fn of(visit: &Visit<'_>, releases: &[Release<'_>], chosen: &Release<'_>, link: &str) -> Self {
        let first = visit.query("releases").parse::<usize>().unwrap_or(0);
        let newest_first: Vec<&Release<'_>> = releases.iter().rev().collect();
        let rows = newest_first.iter().enumerate().skip(first).take(limits::WEB_RELEASES_SHOWN);
        let rows = rows.map(|(place, release)| row(release, newest_first.get(place + 1).copied(), chosen, link));
        let next = first.saturating_add(limits::WEB_RELEASES_SHOWN);
        let here = format!("{link}/{}", encode_segment(chosen.version));
        Self {
            rows: rows.collect(),
            count: releases.len(),
            older: (next < releases.len()).then(|| format!("{here}?releases={next}#releases")),
            newest: (first > 0).then(|| format!("{here}#releases")),
        }
    }
}

fn row(release: &Release<'_>, older: Option<&Release<'_>>, chosen: &Release<'_>, link: &str) -> Row {
    Row {
        version: release.version.to_owned(),
        link: format!("{link}/{}", encode_segment(release.version)),
        date: release.files.iter().filter_map(|listed| listed.file.upload_time).min().map(Day),
        chosen: release.version == chosen.version,
        yanked: release.yanked().map(str::to_owned),
        prerelease: Version::parse(release.version).is_ok_and(|version| version.is_prerelease()),
        files: words::count(release.files.len(), "file", "files"),
        compare: older.map(|older| compare_link(link, older.version, release.version)),
    }
}
