//! The files of a release: what each is for, how large, from which index, who brought it, and its test results.

use super::super::visit::Visit;
use super::super::words::{self, Day};
use crate::db::attachments::Kind as Attached;
use crate::index::access::Sight;
use crate::index::holdings::Held;
use crate::index::links;
use crate::index::merge::Listed;
use crate::index::project_info::Release;
use crate::index::settings::{Kind, without_credentials};
use crate::limits;
use crate::pypi::tags_words::{self, TagsWords};
use crate::urls::{encode_index, encode_segment};

/// One row of the table.
pub struct FileRow {
    /// Name.
    pub name: String,
    /// Its address below the root.
    pub link: String,
    /// What it is and where it runs.
    pub tags: TagsWords,
    /// `1.2 MiB`
    pub size: Option<String>,
    /// When it was uploaded.
    pub date: Option<Day>,
    /// The reason, if it is yanked.
    pub yanked: Option<String>,
    /// Algorithm and digits.
    pub hashes: Vec<(String, String)>,
    /// The index that it comes from: path, address below the root, and from where that mirrors it.
    pub origin: (String, String, Option<String>),
    /// Whether that is the index of the page.
    pub own: bool,
    /// Who uploaded it.
    pub uploader: Option<String>,
    /// Test results: name and address below the root.
    pub results: Vec<(String, String)>,
    /// Whether `.metadata` is offered beside it.
    pub metadata: bool,
}

/// The rows of a release, at most [`limits::WEB_FILES_SHOWN`], and the address of the next ones.
pub fn rows(
    visit: &Visit<'_>,
    sight: &Sight,
    release: &Release<'_>,
    held: Option<&Held<'_>>,
    link: &str,
) -> (Vec<FileRow>, Option<String>) {
    let first = visit.query("files").parse::<usize>().unwrap_or(0);
    let mut files: Vec<&Listed> = release.files.clone();
    files.sort_by_key(|listed| (listed.file.filename.ends_with(".whl"), listed.file.filename.clone()));
    let shown = files.iter().skip(first).take(limits::WEB_FILES_SHOWN).map(|listed| row(sight, listed, held)).collect();
    let next = first.saturating_add(limits::WEB_FILES_SHOWN);
    let more = (next < files.len()).then(|| format!("{link}/{}?files={next}#files", encode_segment(release.version)));
    (shown, more)
}

fn row(sight: &Sight, listed: &Listed, held: Option<&Held<'_>>) -> FileRow {
    let base = encode_index(&sight.place.index.path);
    let file = &listed.file;
    let part = held.and_then(|held| held.parts.iter().find(|part| part.index.id == listed.origin.id));
    let stored =
        part.and_then(|part| part.files.iter().find(|(other, _)| other.file.filename == file.filename)).and_then(|(_, row)| *row);
    let results = part.map(|part| part.attachments).unwrap_or_default().iter();
    let results = results
        .filter(|attached| attached.kind == Attached::ToxResult && stored.is_some_and(|row| attached.file_id == Some(row.id)));
    let folder = format!("{base}/{}", links::folder(file));
    let address = listed.origin.settings.mirror_url.as_deref().map(without_credentials).filter(|text| !text.is_empty());
    FileRow {
        name: file.filename.clone(),
        link: format!("{base}/{}", links::path(listed)),
        tags: tags_words::in_words(&file.filename),
        size: file.size.map(words::bytes),
        date: file.upload_time.map(Day),
        yanked: file.yanked.clone(),
        hashes: file.hashes.clone(),
        origin: (
            listed.origin.path.to_string(),
            encode_index(&listed.origin.path),
            address.filter(|_| listed.origin.kind == Kind::Mirror),
        ),
        own: listed.origin.id == sight.place.index.id,
        uploader: stored.filter(|_| listed.origin.kind == Kind::Stage).and_then(|row| row.uploaded_by.as_deref()).map(actor),
        results: results
            .map(|attached| (attached.filename.clone(), format!("{folder}/{}", encode_segment(&attached.filename))))
            .collect(),
        metadata: file.metadata != crate::pypi::PageMetadata::Absent,
    }
}

/// `alice` of `user:alice`.
fn actor(stored: &str) -> String {
    stored.split_once(':').map_or(stored, |(_, name)| name).to_owned()
}

/// Whether the release has documentation.
pub fn docs(held: Option<&Held<'_>>) -> bool {
    let parts = held.map(|held| held.parts.as_slice()).unwrap_or_default();
    parts.iter().any(|part| part.attachments.iter().any(|attached| attached.kind == Attached::DocZip))
}
