//! Wheels: a zip archive with one `.dist-info` folder that tells the truth about it (the binary distribution format).

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::archive_path::ArchivePath;
use super::record;
use super::refused::{Refused, shown};
use super::zip_file::ZipFile;
use crate::limits::{METADATA_BYTES_MAX, RECORD_BYTES_MAX};
use crate::pypi::{DistFilename, ProjectName, Version};

/// Checks the wheel in `file`, uploaded under `name`; gives the bytes of its METADATA.
pub(super) fn metadata_of(file: &mut (impl Read + Seek), name: &DistFilename) -> Result<Vec<u8>, Refused> {
    let mut zip = ZipFile::open(file)?;
    let folder = dist_info_folder(zip.paths(), name)?;
    let inside = |file: &str| format!("{folder}/{file}");
    let missing = |file: &str| Refused::NoMetadata { path: inside(file), what: "wheel" };

    let metadata = zip.read(inside("METADATA").as_bytes(), METADATA_BYTES_MAX)?.ok_or_else(|| missing("METADATA"))?;
    zip.size_of(inside("WHEEL").as_bytes()).ok_or_else(|| missing("WHEEL"))?;
    let record = zip.read(inside("RECORD").as_bytes(), RECORD_BYTES_MAX)?.ok_or_else(|| missing("RECORD"))?;
    check_record(&zip, &record, &inside("RECORD"))?;
    Ok(metadata)
}

/// The one folder `{name}-{version}.dist-info`, in whatever spelling.
fn dist_info_folder<'a>(paths: impl Iterator<Item = &'a [u8]>, name: &DistFilename) -> Result<String, Refused> {
    let mut folders = BTreeSet::new();
    for path in paths {
        folders.extend(ArchivePath::parse(path)?.top().filter(|top| top.ends_with(b".dist-info")));
    }
    let (1, Some(folder)) = (folders.len(), folders.first()) else {
        return Err(Refused::DistInfoCount { found: folders.len() });
    };
    match std::str::from_utf8(folder) {
        Ok(text) if belongs(text, name) => Ok(text.to_owned()),
        _ => {
            let wanted = format!("{}-{}.dist-info", name.project.in_filename(), name.version);
            Err(Refused::DistInfoName { folder: shown(folder), wanted })
        }
    }
}

fn belongs(folder: &str, name: &DistFilename) -> bool {
    let Some((project, version)) = folder.strip_suffix(".dist-info").and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    ProjectName::parse(project).as_ref() == Ok(&name.project) && Version::parse(version).as_ref() == Ok(&name.version)
}

/// What RECORD lists must be there, in the size it says. Hashes are left to installers: checking them means unpacking all.
/// Files that RECORD does not list are tolerated, because installers do.
fn check_record<F: Read + Seek>(zip: &ZipFile<'_, F>, record: &[u8], record_path: &str) -> Result<(), Refused> {
    let itself = [record_path.to_owned(), format!("{record_path}.jws"), format!("{record_path}.p7s")];
    for line in record::lines(record) {
        if itself.iter().any(|path| path.as_bytes() == line.path) || line.path.ends_with(b"/") {
            continue;
        }
        let size = zip.size_of(&line.path).ok_or_else(|| Refused::RecordAbsent { path: shown(&line.path) })?;
        if !line.size.is_empty() && line.size != size.to_string().as_bytes() {
            return Err(Refused::RecordSize { path: shown(&line.path), record: shown(&line.size), size });
        }
    }
    Ok(())
}
