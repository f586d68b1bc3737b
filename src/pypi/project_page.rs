//! A project's page as data: what both forms (HTML, JSON) are written from and what both are read back into.

use super::{ProjectName, Timestamp};
use std::borrow::Cow;

/// One project page of the simple repository API (PEP 503, 691, 700, 714, 740, 792).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPage {
    /// The project.
    pub name: ProjectName,
    /// The files, in the order in which they are written.
    pub files: Vec<PageFile>,
    /// Versions as text (PEP 700), including versions that have no files; sorted, no duplicates.
    pub versions: Vec<String>,
    /// PEP 792 status; `None` is written as no marker at all, which readers take as active.
    pub status: Option<ProjectStatus>,
    /// The serial of the last change, for `_last-serial`; `None` leaves it out.
    pub serial: Option<i64>,
}

/// PEP 792 project status marker.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProjectStatus {
    /// `active`, `archived`, `quarantined`, `deprecated`, or a word a later standard adds.
    pub status: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One file of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PageFile {
    /// The file name, exactly as in the URL's last segment once that is decoded.
    pub filename: String,
    /// Where the file is: absolute, or relative to the page. Without a fragment; percent-encoded.
    pub url: String,
    /// Hashes as (algorithm in lower case, hex digits in lower case), the best first. Empty if the origin gives none.
    pub hashes: Vec<(String, String)>,
    /// Bytes, if known (PEP 700 makes it mandatory from api-version 1.1 on).
    pub size: Option<u64>,
    /// When the file was uploaded, if known.
    pub upload_time: Option<Timestamp>,
    /// `Requires-Python` as written by the author; `None` if there is none.
    pub requires_python: Option<String>,
    /// Whether `<url>.metadata` answers (PEP 658, 714).
    pub metadata: PageMetadata,
    /// PEP 592: `None` is not yanked, `Some("")` yanked without a reason.
    pub yanked: Option<String>,
    /// PEP 740: absolute URL of the provenance document.
    pub provenance: Option<String>,
    /// Whether `<url>.asc` answers; `None` says nothing.
    pub gpg_sig: Option<bool>,
}

/// What a page promises about `<url>.metadata` (PEP 658, PEP 714).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageMetadata {
    /// Nothing is promised.
    #[default]
    Absent,
    /// It answers; its hash is not known.
    Present,
    /// It answers with bytes of these hashes: (algorithm in lower case, hex digits), the best first.
    Hashed(Vec<(String, String)>),
}

/// A page as it is written: what it says is borrowed, because the same files stand on many pages; only the links differ.
#[derive(Debug)]
pub struct LinkedPage<'a> {
    /// The project.
    pub name: &'a ProjectName,
    /// The files with their links, in the order in which they are written.
    pub files: Vec<LinkedFile<'a>>,
    /// As in [`ProjectPage`].
    pub versions: &'a [String],
    /// As in [`ProjectPage`].
    pub status: Option<&'a ProjectStatus>,
    /// As in [`ProjectPage`].
    pub serial: Option<i64>,
}

/// One file of a page, and where it is from there.
#[derive(Debug)]
pub struct LinkedFile<'a> {
    /// Stands for the file's own `url`: absolute, or relative to the page. Without a fragment; percent-encoded.
    pub url: Cow<'a, str>,
    /// Everything else.
    pub file: &'a PageFile,
}

impl LinkedPage<'_> {
    /// Whether every file has a size. A page without that is api-version 1.0, one with it 1.4 (PEP 700).
    pub fn has_all_sizes(&self) -> bool {
        self.files.iter().all(|linked| linked.file.size.is_some())
    }
}

/// With the links that the files have by themselves.
impl<'a> From<&'a ProjectPage> for LinkedPage<'a> {
    fn from(page: &'a ProjectPage) -> Self {
        Self {
            name: &page.name,
            files: page.files.iter().map(|file| LinkedFile { url: Cow::Borrowed(&file.url), file }).collect(),
            versions: &page.versions,
            status: page.status.as_ref(),
            serial: page.serial,
        }
    }
}

impl PageFile {
    /// The hex digits of the hash with this algorithm, e.g. `sha256`.
    pub fn hash(&self, algorithm: &str) -> Option<&str> {
        self.hashes.iter().find(|(name, _)| name == algorithm).map(|(_, hex)| hex.as_str())
    }

    /// A file with nothing known but its name and address.
    pub fn bare(filename: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            filename: filename.into(),
            url: url.into(),
            hashes: Vec::new(),
            size: None,
            upload_time: None,
            requires_python: None,
            metadata: PageMetadata::Absent,
            yanked: None,
            provenance: None,
            gpg_sig: None,
        }
    }
}
