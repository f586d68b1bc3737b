//! Blobs in a folder: `<root>/ab/cd/<sha256 as hex>`.
//!
//! Everything here blocks and is called on the blocking pool. A blob gets its name only when its bytes are on the disk, so a
//! file with a blob's name is complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::{Blob, Content, ListedBlob, Spooled, StoredBlob};
use crate::pypi::{Sha256, Timestamp};

/// The folder in a store for what comes in.
pub(super) const TMP: &str = "tmp";

/// The folder that holds the blobs.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    paths: Paths,
}

/// Which folders for blobs are known to survive a power cut, with what leads to them: one bit for each of the 65,536 there may be.
#[derive(Debug)]
struct Paths(Box<[AtomicU64]>);

impl Default for Paths {
    fn default() -> Self {
        Self((0..(1 << 16) / 64).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Paths {
    fn word_and_bit(&self, sha256: &Sha256) -> Option<(&AtomicU64, u64)> {
        let [first, second, ..] = sha256.as_bytes() else { return None };
        let number = usize::from(u16::from_be_bytes([*first, *second]));
        self.0.get(number / 64).map(|word| (word, 1 << (number % 64)))
    }

    fn are_durable(&self, sha256: &Sha256) -> bool {
        self.word_and_bit(sha256).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    fn note_durable(&self, sha256: &Sha256) {
        if let Some((word, bit)) = self.word_and_bit(sha256) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }
}

impl Folder {
    /// Takes the folder `root`, made if it is missing.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root).map_err(|err| naming(root, err))?;
        Ok(Self { root: root.to_owned(), paths: Paths::default() })
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the folder for this blob, and what leads to it, is known to survive a power cut. If not, [`Folder::make_path`] must
    /// have returned before a commit counts; the two may run side by side.
    pub(super) fn has_path(&self, sha256: &Sha256) -> bool {
        self.paths.are_durable(sha256)
    }

    /// Makes the folder for this blob durable, with what leads to it. Whoever made the upper two may not have synced them yet, so
    /// all are synced, once in the life of this process.
    pub(super) fn make_path(&self, sha256: &Sha256) -> io::Result<()> {
        self.look_for_mark()?;
        let target = self.path_of(sha256);
        if let Some(folder) = target.parent() {
            make_folder(folder)?;
        }
        self.sync_path(sha256, &target)
    }

    /// Gives the spooled file its name, durably: bytes first, then the name, then the folder that it is in.
    ///
    /// A blob of the right size that exists already is kept and the spooled file goes; one of another size is a torn file
    /// that only a broken disk or a careless hand can leave, and is replaced.
    pub(super) fn commit(&self, spooled: Spooled) -> io::Result<StoredBlob> {
        let stored = spooled.as_stored();
        let target = self.path_of(&stored.sha256);
        let Some(folder) = target.parent() else { return Err(ErrorKind::InvalidInput.into()) };
        if self.size_of(&stored.sha256)? != Some(stored.size) {
            // Somebody may have deleted it, empty as it was.
            let was_there = self.has_path(&stored.sha256);
            let is_lost = make_folder(folder)? && was_there;
            spooled.move_to(&target)?;
            if is_lost {
                self.sync_path(&stored.sha256, &target)?;
            }
        }
        // Also for a blob that was there: the commit that made it may be about to sync, and ours must not answer before.
        File::open(folder)?.sync_all()?;
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
            self.look_for_mark()?;
        }
        Ok(found)
    }

    /// Looks whether the store is there: every store has this folder from its opening on.
    fn look_for_mark(&self) -> io::Result<()> {
        let mark = self.root.join(TMP);
        fs::metadata(&mark).map(drop).map_err(|error| naming(&mark, error))
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

    /// Syncs the two folders that lead to the one that the blob is in.
    fn sync_path(&self, sha256: &Sha256, blob: &Path) -> io::Result<()> {
        blob.ancestors().skip(2).take(2).try_for_each(|folder| File::open(folder)?.sync_all())?;
        self.paths.note_durable(sha256);
        Ok(())
    }
}

/// Makes a folder for blobs; `true` if it was not there.
fn make_folder(folder: &Path) -> io::Result<bool> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(_) => fs::create_dir_all(folder).map(|()| true).map_err(|error| naming(folder, error)),
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
