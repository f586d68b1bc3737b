//! Blobs in a folder: `<root>/ab/cd/<sha256 as hex>`.
//!
//! Everything here blocks and is called on the blocking pool. A blob gets its name only when its bytes are on the disk, so a
//! file with a blob's name is complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Blob, Content, ListedBlob, Spooled, StoredBlob};
use crate::pypi::{Sha256, Timestamp};

/// The folder in a store for what comes in.
pub(super) const TMP: &str = "tmp";

/// The folder that holds the blobs.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Takes the folder `root`, made if it is missing.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root).map_err(|err| naming(root, err))?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Gives the spooled file its name, durably: bytes first, then the name, then the folders that lead to it.
    ///
    /// A blob of the right size that exists already is kept and the spooled file goes; one of another size is a torn file
    /// that only a broken disk or a careless hand can leave, and is replaced.
    pub(super) fn commit(&self, spooled: Spooled) -> io::Result<StoredBlob> {
        let stored = spooled.as_stored();
        let target = self.path_of(&stored.sha256);
        if self.size_of(&stored.sha256)? != Some(stored.size) {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(|err| naming(parent, err))?;
            }
            spooled.move_to(&target)?;
        }
        // Also for a blob that was there: the commit that made it may be about to sync, and ours must not answer before.
        self.sync_folders_of(&target)?;
        Ok(stored)
    }

    /// Opens a blob; `None` if there is none.
    pub(super) fn open_blob(&self, sha256: &Sha256) -> io::Result<Option<Blob>> {
        let Some(file) = self.found(File::open(self.path_of(sha256)))? else { return Ok(None) };
        let size = file.metadata()?.len();
        Ok(Some(Blob { size, content: Content::from(file) }))
    }

    /// The bytes of a blob; `None` if there is none.
    pub(super) fn size_of(&self, sha256: &Sha256) -> io::Result<Option<u64>> {
        Ok(self.found(fs::metadata(self.path_of(sha256)))?.map(|meta| meta.len()))
    }

    /// Deletes a blob; `false` if there was none. Not synced: a deletion that a power cut undoes is repeated by `gc`.
    pub(super) fn delete(&self, sha256: &Sha256) -> io::Result<bool> {
        Ok(self.found(fs::remove_file(self.path_of(sha256)))?.is_some())
    }

    /// The blobs below `<root>/<first as hex>/`.
    pub(super) fn list(&self, first: u8) -> io::Result<Vec<ListedBlob>> {
        let mut blobs = Vec::new();
        let Some(folders) = found(fs::read_dir(self.root.join(hex::encode([first]))))? else { return Ok(blobs) };
        for folder in folders {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                blobs.extend(self.listed(&file?)?);
            }
        }
        Ok(blobs)
    }

    /// Turns "not found" into `None`, but only while the store is there: what lies on a disk that is not mounted is not lost.
    fn found<T>(&self, result: io::Result<T>) -> io::Result<Option<T>> {
        let found = found(result)?;
        if found.is_none() {
            // Every store has this folder from its opening on.
            let mark = self.root.join(TMP);
            fs::metadata(&mark).map_err(|error| naming(&mark, error))?;
        }
        Ok(found)
    }

    /// `entry` as a blob; `None` if it is something else, lies in the wrong folder or was deleted meanwhile.
    fn listed(&self, entry: &fs::DirEntry) -> io::Result<Option<ListedBlob>> {
        let sha256 = entry.file_name().to_str().and_then(|name| Sha256::parse(name).ok());
        let Some(sha256) = sha256.filter(|sha256| self.path_of(sha256) == entry.path()) else { return Ok(None) };
        let Some(meta) = found(entry.metadata())? else { return Ok(None) };
        let age = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Some(ListedBlob { sha256, size: meta.len(), committed: Timestamp::EPOCH.plus(age) }))
    }

    pub(super) fn path_of(&self, sha256: &Sha256) -> PathBuf {
        let hex = sha256.hex();
        self.root.join(&hex[0..2]).join(&hex[2..4]).join(&hex)
    }

    /// Syncs the three folders above a blob. All of them, always: whoever made the upper two may not have synced them yet,
    /// and syncing a folder that has not changed costs next to nothing.
    fn sync_folders_of(&self, blob: &Path) -> io::Result<()> {
        blob.ancestors().skip(1).take(3).try_for_each(|folder| File::open(folder)?.sync_all())
    }
}

/// Turns "not found" into `None`.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// The same error, naming the path: the administrator reads it at start, or in the log. The system's own error stays in it as its
/// source.
pub(super) fn naming(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Named { path: path.to_owned(), source: error })
}

/// An error of the system about a path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct Named {
    path: PathBuf,
    source: io::Error,
}
