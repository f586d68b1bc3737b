//! Source distributions: one top-level folder with a PKG-INFO (the source distribution format, PEP 643).

use std::io::{Read, Seek};

use super::archive_path::ArchivePath;
use super::refused::{Refused, shown};
use super::zip_file::ZipFile;
use crate::limits::METADATA_BYTES_MAX;

/// The one top-level folder, known from the first entry on. Its name may be anything: builders differ, installers do not care.
#[derive(Debug, Default)]
pub(super) struct TopFolder {
    name: Option<Vec<u8>>,
}

impl TopFolder {
    /// Takes the next entry; refuses one that lies beside the folder.
    pub(super) fn take(&mut self, path: &ArchivePath<'_>, is_folder: bool) -> Result<(), Refused> {
        let Some(top) = path.top() else { return Ok(()) };
        let first = self.name.get_or_insert_with(|| top.to_vec());
        match first == top && (is_folder || path.parts.len() > 1) {
            true => Ok(()),
            false => Err(Refused::TopLevel { first: shown(first), second: shown(path.parts.join(&b'/')) }),
        }
    }

    /// Whether `path` is the metadata: `<top>/PKG-INFO`. There are others further down, which describe other things.
    pub(super) fn is_metadata(path: &ArchivePath<'_>) -> bool {
        matches!(path.parts[..], [_, b"PKG-INFO"])
    }

    /// The folder's name; `None` if there was no entry.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    /// There was no PKG-INFO.
    pub(super) fn no_metadata(&self) -> Refused {
        Refused::NoMetadata { path: format!("{}/PKG-INFO", shown(self.name().unwrap_or_default())), what: "source distribution" }
    }
}

/// Checks the source distribution in the zip archive in `file`; gives the bytes of its PKG-INFO.
pub(super) fn metadata_of_zip(file: &mut (impl Read + Seek)) -> Result<Vec<u8>, Refused> {
    let mut zip = ZipFile::open(file)?;
    let mut top = TopFolder::default();
    let mut found: Option<Vec<u8>> = None;
    for raw in zip.paths() {
        let path = ArchivePath::parse(raw)?;
        top.take(&path, raw.ends_with(b"/"))?;
        if TopFolder::is_metadata(&path) && found.replace(raw.to_vec()).is_some() {
            return Err(Refused::Twice { path: shown(raw) });
        }
    }
    let path = found.ok_or_else(|| top.no_metadata())?;
    zip.read(&path, METADATA_BYTES_MAX)?.ok_or_else(|| top.no_metadata())
}
