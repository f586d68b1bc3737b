//! Bytes that lie in a file already, somewhere else on this machine: copied into the spool, or given a second name there. And
//! the other way: blobs as files somewhere else.
//!
//! A hard link is made before the bytes are hashed, so that what was hashed is what becomes the blob, even if the name it
//! came from is given to another file meanwhile. Whoever writes *into* the linked file afterwards changes the blob, so links
//! are only for files that nobody writes any more.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio::io::AsyncWriteExt;

use super::spool_folder::{SpoolFolder, TempFile};
use super::{Blob, Digests, Spooled, StoredBlob};
use super::{blocking, hashes};

/// How a file is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// Its bytes are copied.
    Copy,
    /// The very file becomes the blob, under a second name, where the file system allows that; elsewhere it is copied.
    Link,
}

/// Why a file was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Source(io::Error),
    /// The store cannot take it.
    #[error("it cannot be stored: {0}")]
    Store(io::Error),
}

/// Takes over `path`. Blocks.
pub(super) fn adopt(spools: &Arc<SpoolFolder>, path: &Path, how: Adopt) -> Result<Spooled, AdoptError> {
    if how == Adopt::Link
        && let Ok(temp) = spools.new_link(path)
    {
        let measured = measure(&temp.path)?;
        return Ok(Spooled::from_measured(temp, &measured));
    }
    let mut source = File::open(path).map_err(AdoptError::Source)?;
    let mut temp = spools.new_file().map_err(AdoptError::Store)?;
    copy(&mut source, &mut temp).map(|measured| Spooled::from_measured(temp, &measured))
}

/// Gives a blob at `from` another name outside the store, or a copy there; the folders that lead to it are made, and nothing is
/// written over. Blocks.
pub(super) fn copy_out(from: &Path, to: &Path, how: Adopt) -> io::Result<()> {
    make_way(to)?;
    match how {
        Adopt::Link if fs::hard_link(from, to).is_ok() => Ok(()),
        _ => fs::copy(from, to).map(drop),
    }
}

/// The digests and the size of a file where it lies. Blocks.
pub fn measure(path: &Path) -> Result<StoredBlob, AdoptError> {
    let mut file = File::open(path).map_err(AdoptError::Source)?;
    hashes::of_file(&mut file, Digests::All, |_| Ok(())).map_err(AdoptError::Source)
}

/// Makes the folders that lead to a new file.
fn make_way(to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    // What is there may be another name of a blob: writing into it would change that blob.
    match to.try_exists()? {
        true => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", to.display()))),
        false => Ok(()),
    }
}

/// A file that is being written beside where it will stand; goes unless it gets its name.
struct Part(PathBuf);

impl Part {
    /// A place beside `to`, which must not exist.
    fn beside(to: &Path) -> io::Result<Self> {
        make_way(to)?;
        let mut name = OsString::from(".");
        name.push(to.file_name().unwrap_or_default());
        name.push(".part");
        Ok(Self(to.with_file_name(name)))
    }

    /// Gives the file its name, durably.
    fn rename(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A file that has its name is not found here.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a blob that is no file to a new file, durably: it has its name only when it is whole.
pub(super) async fn write_out(blob: Blob, to: PathBuf) -> io::Result<()> {
    let (to, part) = blocking(move || Part::beside(&to).map(|part| (to, part))).await?;
    let mut file = tokio::fs::File::create(&part.0).await?;
    let size = blob.size;
    let mut pieces = pin!(blob.stream(0..size));
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    blocking(move || part.rename(&to)).await
}

fn copy(source: &mut File, temp: &mut TempFile) -> Result<StoredBlob, AdoptError> {
    let mut failed_to_write = false;
    let copied =
        hashes::of_file(source, Digests::All, |piece| temp.file.write_all(piece).inspect_err(|_| failed_to_write = true));
    copied.map_err(|error| if failed_to_write { AdoptError::Store(error) } else { AdoptError::Source(error) })
}

impl SpoolFolder {
    /// A second name for `source` in the spool folder.
    fn new_link(self: &Arc<Self>, source: &Path) -> io::Result<TempFile> {
        // Not the name of a link: that would only link to where the link points now.
        let source = fs::canonicalize(source)?;
        self.with_new_path(|path| {
            fs::hard_link(&source, path)?;
            File::open(path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Blobs;
    use crate::pypi::Sha256;
    use std::os::unix::fs::MetadataExt;

    fn path_of(blobs: &Path, sha256: &Sha256) -> PathBuf {
        let hex = sha256.hex();
        blobs.join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    async fn adopted(how: Adopt) -> (tempfile::TempDir, Blobs, u64, u64) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(&folder.path().join("blobs")).unwrap();
        let source = folder.path().join("app-1.0.zip");
        fs::write(&source, b"abc").unwrap();
        let spooled = blobs.adopt(&source, how).await.unwrap();
        assert_eq!(hex::encode(spooled.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        let stored = blobs.commit(spooled).await.unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let (from, to) = (inode(&source), inode(&path_of(&folder.path().join("blobs"), &stored.sha256)));
        (folder, blobs, from, to)
    }

    #[tokio::test]
    async fn a_copy_is_another_file_and_a_link_the_same() {
        let (_folder, _blobs, from, to) = adopted(Adopt::Copy).await;
        assert_ne!(from, to);
        let (_folder, _blobs, from, to) = adopted(Adopt::Link).await;
        assert_eq!(from, to);
    }

    #[tokio::test]
    async fn what_is_adopted_twice_or_not_committed_leaves_no_spool_file() {
        let (folder, blobs, ..) = adopted(Adopt::Link).await;
        let source = folder.path().join("app-1.0.zip");
        // The same file under both names: a rename would do nothing.
        let again = blobs.adopt(&source, Adopt::Link).await.unwrap();
        blobs.commit(again).await.unwrap();
        drop(blobs.adopt(&source, Adopt::Link).await.unwrap());
        drop(blobs.adopt(&source, Adopt::Copy).await.unwrap());
        assert_eq!(fs::metadata(&source).unwrap().nlink(), 2, "its own name and the blob's");
        assert_eq!(blobs.usage().await.unwrap().blobs, 1);
    }

    #[tokio::test]
    async fn what_was_linked_out_is_never_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(&folder.path().join("blobs")).unwrap();
        let one = blobs.put_bytes("one".into()).await.unwrap().sha256;
        let two = blobs.put_bytes("two".into()).await.unwrap().sha256;
        let to = folder.path().join("out");
        assert!(blobs.copy_out(&one, &to, Adopt::Link).await.unwrap());
        for how in [Adopt::Link, Adopt::Copy] {
            let error = blobs.copy_out(&two, &to, how).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(path_of(&folder.path().join("blobs"), &one)).unwrap(), b"one");
    }

    #[tokio::test]
    async fn a_missing_file_is_the_sources_fault() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(&folder.path().join("blobs")).unwrap();
        for how in [Adopt::Copy, Adopt::Link] {
            let error = blobs.adopt(&folder.path().join("none"), how).await.unwrap_err();
            assert!(matches!(error, AdoptError::Source(_)), "{error}");
        }
    }
}
