//! Zip archives, of which only the directory and the few members asked for are read.

use std::io::{BufReader, Read, Seek};

use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive, ZipFileEntry};

use super::archive_path::ArchivePath;
use super::member::Member;
use super::refused::{Refused, shown};
use super::unpacked::refuse_bomb;
use super::zip_end;

/// The bits of a Unix mode that say what kind of thing an entry is, and those kinds that are accepted.
const MODE_KIND: u32 = 0o170_000;
const MODE_ABSENT: u32 = 0;
const MODE_FILE: u32 = 0o100_000;
const MODE_FOLDER: u32 = 0o040_000;

/// A zip archive that every reader reads alike and that unpacks to files and folders below one folder.
pub(super) struct ZipFile<'a, F: Read + Seek> {
    archive: ZipArchive<BufReader<&'a mut F>>,
}

impl<'a, F: Read + Seek> ZipFile<'a, F> {
    /// Opens the archive in `file` and checks every entry by what the directory says, without unpacking any.
    pub(super) fn open(file: &'a mut F) -> Result<Self, Refused> {
        let (directory, file_bytes) = zip_end::find_directory(file)?;
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut archive = ZipArchive::with_config(config, BufReader::new(file)).map_err(Refused::zip)?;
        if archive.central_directory_start() != directory.start || archive.len() as u64 != directory.entries {
            return Err(Refused::Zip("two of its entries have the same name, or its directory can be read in two ways".into()));
        }
        let mut unpacked = 0_u64;
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(Refused::zip)?;
            check_entry(&entry)?;
            unpacked = unpacked.saturating_add(entry.size());
        }
        refuse_bomb(file_bytes, unpacked)?;
        // Some installers read the directory, some the headers in front of the members: they must say the same.
        archive.validate_header_consistency().map_err(Refused::zip)?;
        Ok(Self { archive })
    }

    /// The entries' paths, in the order of the directory.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.archive.file_names_raw()
    }

    /// The unpacked bytes of an entry, by what the directory says; `None` if there is no such entry.
    pub(super) fn size_of(&self, path: &[u8]) -> Option<u64> {
        let index = self.archive.index_for_name_raw(path)?;
        self.archive.by_index_data(index).ok().map(|entry| entry.size())
    }

    /// All entries, folders included, each with its path as text and where it lies.
    pub(super) fn members(&mut self) -> Result<Vec<(String, Member)>, Refused> {
        let mut members = Vec::with_capacity(self.archive.len());
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_raw(index).map_err(Refused::zip)?;
            let member = Member {
                start: entry.data_start().ok_or_else(|| Refused::Zip("an entry has no bytes of its own".into()))?,
                packed_bytes: entry.compressed_size(),
                size: entry.size(),
                crc32: entry.crc32(),
                deflated: entry.compression() == CompressionMethod::Deflated,
            };
            members.push((entry.name().map_err(Refused::zip)?.into_owned(), member));
        }
        Ok(members)
    }

    /// Unpacks one member of up to `limit` bytes; `None` if there is no such entry.
    pub(super) fn read(&mut self, path: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Refused> {
        let Some(index) = self.archive.index_for_name_raw(path) else { return Ok(None) };
        let member = self.archive.by_index(index).map_err(Refused::zip)?;
        let mut bytes = Vec::new();
        // Counted while reading: the size in the directory is only a claim.
        member.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(Refused::zip)?;
        match bytes.len() > limit {
            true => Err(Refused::MemberTooLarge { path: shown(path), limit }),
            false => Ok(Some(bytes)),
        }
    }
}

fn check_entry(entry: &ZipFileEntry<'_>) -> Result<(), Refused> {
    let path = || shown(entry.name_raw());
    ArchivePath::parse(entry.name_raw())?;
    // Whatever system the entry claims to come from: some installers heed that, some do not.
    let kind = (entry.external_attributes() >> 16) & MODE_KIND;
    if ![MODE_ABSENT, MODE_FILE, MODE_FOLDER].contains(&kind) {
        return Err(Refused::Special { path: path(), what: "a link or a special file" });
    }
    if entry.encrypted() {
        return Err(Refused::Encrypted { path: path() });
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
        _ => Err(Refused::Compression { path: path() }),
    }
}
