//! Documentation: zip archives of web pages. Any paths may be in them, as long as each stays below the archive's root and names
//! one file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::archive_path::ArchivePath;
use super::member::{Member, Unpack};
use super::refused::{Refused, shown};
use super::zip_file::ZipFile;
use crate::limits::{DOCS_ENTRIES_MAX, DOCS_ENTRY_BYTES};

/// What a documentation archive holds: enough to give out any file of it without looking at its directory again.
#[derive(Debug)]
pub struct DocsZip {
    files: HashMap<Box<str>, Member>,
}

impl DocsZip {
    /// Reads the directory of the archive in `file`, and refuses one that could mislead or harm.
    pub fn open(file: &mut (impl Read + Seek)) -> Result<Self, Refused> {
        let mut zip = ZipFile::open(file)?;
        if zip.paths().count() > DOCS_ENTRIES_MAX {
            return Err(Refused::DocsEntries);
        }
        let mut files = HashMap::new();
        for (name, member) in zip.members()? {
            // The raw bytes were checked; what they mean must be as harmless.
            let path = ArchivePath::parse(name.as_bytes())?;
            if name.ends_with('/') {
                continue;
            }
            let parts: Vec<_> = path.parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
            if files.insert(parts.join("/").into_boxed_str(), member).is_some() {
                return Err(Refused::Twice { path: shown(&name) });
            }
        }
        match files.is_empty() {
            true => Err(Refused::NoDocs),
            false => Ok(Self { files }),
        }
    }

    /// The same for an archive that has just come: each file is unpacked once, so that one that cannot be given out is refused
    /// while its author looks on.
    pub fn check(mut file: File) -> Result<Self, Refused> {
        let zip = Self::open(&mut file)?;
        for (path, member) in &zip.files {
            let packed = member.packed();
            file.seek(SeekFrom::Start(packed.start)).map_err(Refused::Unreadable)?;
            let mut unpack = Unpack::new((&file).take(packed.end - packed.start), member);
            loop {
                match unpack.next_piece() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) if error.raw_os_error().is_some() => return Err(Refused::Unreadable(error)),
                    Err(error) => {
                        return Err(Refused::Zip(format!(
                            "{:?} in it cannot be unpacked: {}",
                            shown(path.as_bytes()),
                            said(&error)
                        )));
                    }
                }
            }
        }
        Ok(zip)
    }

    /// The file of this path: components joined by single slashes, none at either end.
    pub fn file(&self, path: &str) -> Option<&Member> {
        self.files.get(path)
    }

    /// About how many bytes of memory this takes.
    pub fn weight(&self) -> usize {
        self.files.keys().map(|path| path.len() + DOCS_ENTRY_BYTES).sum()
    }
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is shorter than the archive's directory says".into(),
        _ => error.to_string(),
    }
}
