//! Bytes at rest: files and their metadata, kept under the SHA-256 of their content, the same bytes only once.
//!
//! Bytes come in through a [`Spool`] and become a blob by [`Blobs::commit`]; only then may a database row name them. A crash
//! at any moment leaves at most a blob that no row names (`gc` removes it) or a spool file (the next start sweeps it).
//! Nothing here knows names, indexes or the database, and nobody outside this folder knows where a blob lies.

mod adopt;
mod hashes;
mod local;
mod read;
mod spool;
mod spool_folder;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::pypi::{Sha256, Timestamp};
use local::Folder;
use spool_folder::SpoolFolder;

pub use adopt::{Adopt, AdoptError, measure};
pub use read::blob_stream;
pub use spool::{Digests, Spool, SpoolError, Spooled};

/// The store of all blobs. Clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: Arc<Folder>,
    spools: Arc<SpoolFolder>,
}

/// A blob that is safely kept: a row may name it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// The blob's key.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// The MD5, if the spool was asked for it.
    pub md5: Option<[u8; 16]>,
    /// The BLAKE2b-256, if the spool was asked for it.
    pub blake2: Option<[u8; 32]>,
}

/// A blob opened for reading. It stays readable if the blob is deleted meanwhile.
#[derive(Debug)]
pub struct Blob {
    /// The bytes: hand them to [`blob_stream`].
    pub file: File,
    /// Bytes.
    pub size: u64,
}

/// One line of [`Blobs::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedBlob {
    /// The blob's key.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// When it was committed. A young one that no row names may belong to an upload that is about to write its row.
    pub committed: Timestamp,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of all blobs together.
    pub bytes: u64,
}

impl Blobs {
    /// Opens the store in the folder `root`, made if it is missing, and sweeps what killed processes left in `root/tmp`.
    ///
    /// Blocks, for use at start. Several processes may hold one `root` at the same time.
    pub fn open_folder(root: &Path) -> io::Result<Self> {
        Ok(Self { folder: Arc::new(Folder::open(root)?), spools: Arc::new(SpoolFolder::open(&root.join("tmp"))?) })
    }

    /// Begins a spool that takes up to `limit_bytes` and computes the digests `which`.
    pub async fn spool(&self, limit_bytes: u64, which: Digests) -> io::Result<Spool> {
        let spools = self.spools.clone();
        let file = blocking(move || spools.new_file()).await?;
        Ok(Spool::new(file, limit_bytes, which))
    }

    /// Takes over a file of this machine, with all digests; commit it to make it a blob. The file itself stays where it is.
    pub async fn adopt(&self, path: &Path, how: Adopt) -> Result<Spooled, AdoptError> {
        let (spools, path) = (self.spools.clone(), path.to_owned());
        let work = tokio::task::spawn_blocking(move || adopt::adopt(&spools, &path, how));
        work.await.unwrap_or_else(|failed| Err(AdoptError::Store(io::Error::other(failed))))
    }

    /// Makes `spooled` a blob. When this returns, the blob survives a power cut.
    ///
    /// The same bytes may be committed any number of times, at once or one after the other; they are kept once.
    pub async fn commit(&self, spooled: Spooled) -> io::Result<StoredBlob> {
        let folder = self.folder.clone();
        blocking(move || folder.commit(spooled)).await
    }

    /// Keeps something small that is in memory already, such as a METADATA file.
    pub async fn put_bytes(&self, bytes: bytes::Bytes) -> io::Result<StoredBlob> {
        let (folder, spools) = (self.folder.clone(), self.spools.clone());
        blocking(move || folder.commit(Spooled::of_bytes(spools.new_file()?, &bytes)?)).await
    }

    /// Opens a blob; `None` if there is none.
    ///
    /// On the blocking pool, because the folder may lie on a network drive, where a look-up can take as long as it likes.
    pub async fn open(&self, sha256: &Sha256) -> io::Result<Option<Blob>> {
        let (folder, sha256) = (self.folder.clone(), *sha256);
        blocking(move || folder.open_blob(&sha256)).await
    }

    /// Writes a blob to a new file outside the store, as a copy or a link; `false` if there is no such blob.
    pub async fn copy_out(&self, sha256: &Sha256, to: &Path, how: Adopt) -> io::Result<bool> {
        let (folder, sha256, to) = (self.folder.clone(), *sha256, to.to_owned());
        blocking(move || match folder.size_of(&sha256)? {
            Some(_) => adopt::copy_out(&folder.path_of(&sha256), &to, how).map(|()| true),
            None => Ok(false),
        })
        .await
    }

    /// Whether the blob exists.
    pub async fn contains(&self, sha256: &Sha256) -> io::Result<bool> {
        let (folder, sha256) = (self.folder.clone(), *sha256);
        blocking(move || Ok(folder.size_of(&sha256)?.is_some())).await
    }

    /// Deletes a blob; `false` if there was none.
    ///
    /// The caller makes sure that no row names it and none is about to: a commit of the same bytes that runs at this moment
    /// may have decided already to keep the blob that is deleted here.
    pub async fn delete(&self, sha256: &Sha256) -> io::Result<bool> {
        let (folder, sha256) = (self.folder.clone(), *sha256);
        blocking(move || folder.delete(&sha256)).await
    }

    /// All blobs whose digest begins with the byte `first`, in no order. Ask for 0 to 255, one after the other: that keeps
    /// the memory of a walk through a large store small. Files that are not blobs are left out.
    pub async fn list(&self, first: u8) -> io::Result<Vec<ListedBlob>> {
        let folder = self.folder.clone();
        blocking(move || folder.list(first)).await
    }

    /// Looks for what ended processes have left in the spool, and deletes it if `delete` says so: how many files, and their bytes.
    pub async fn sweep_spools(&self, delete: bool) -> io::Result<(u64, u64)> {
        let spools = self.spools.clone();
        blocking(move || spools.sweep_others(delete)).await
    }

    /// Counts all blobs. Walks through the whole store: for the administrator's commands, not for requests.
    pub async fn usage(&self) -> io::Result<Usage> {
        let mut usage = Usage::default();
        for first in 0..=u8::MAX {
            let listed = self.list(first).await?;
            usage.blobs += listed.len() as u64;
            usage.bytes += listed.iter().map(|blob| blob.size).sum::<u64>();
        }
        Ok(usage)
    }
}

/// Runs `work` on the blocking pool, so that no disk keeps an async thread waiting. It runs to its end even if the caller
/// stops waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::fs;
    use std::io::{Read, Write};

    fn store() -> (tempfile::TempDir, Blobs) {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(root.path()).unwrap();
        (root, blobs)
    }

    async fn spooled(blobs: &Blobs, bytes: &'static [u8]) -> Spooled {
        let mut spool = blobs.spool(1000, Digests::All).await.unwrap();
        spool.write(Bytes::from_static(bytes)).await.unwrap();
        spool.finish().await.unwrap()
    }

    fn spool_files(root: &Path) -> usize {
        let folders = fs::read_dir(root.join("tmp")).unwrap().filter_map(|entry| fs::read_dir(entry.unwrap().path()).ok());
        folders.flatten().filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count()
    }

    #[tokio::test]
    async fn a_committed_blob_lies_under_its_digest_and_can_be_read() {
        let (root, blobs) = store();
        let stored = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(stored.sha256.hex(), hex);
        assert_eq!(fs::read(root.path().join("ba").join("78").join(hex)).unwrap(), b"abc");
        let mut blob = blobs.open(&stored.sha256).await.unwrap().unwrap();
        let mut bytes = Vec::new();
        blob.file.read_to_end(&mut bytes).unwrap();
        assert_eq!((blob.size, &bytes[..]), (3, &b"abc"[..]));
        assert!(blobs.contains(&stored.sha256).await.unwrap());
        assert_eq!(spool_files(root.path()), 0);
    }

    #[tokio::test]
    async fn what_is_not_there_is_none() {
        let (_root, blobs) = store();
        let sha256 = Sha256::of(b"nothing");
        assert!(blobs.open(&sha256).await.unwrap().is_none());
        assert!(!blobs.contains(&sha256).await.unwrap());
        assert!(!blobs.delete(&sha256).await.unwrap());
        assert_eq!(blobs.usage().await.unwrap(), Usage::default());
    }

    #[tokio::test]
    async fn the_same_bytes_are_kept_once() {
        let (root, blobs) = store();
        let first = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
        let inode =
            |sha256: &Sha256| std::os::unix::fs::MetadataExt::ino(&fs::metadata(blobs_path(root.path(), sha256)).unwrap());
        let before = inode(&first.sha256);
        let second = blobs.commit(spooled(&blobs, b"abc").await).await.unwrap();
        assert_eq!(first, second);
        assert_eq!(inode(&first.sha256), before, "the file that was there is kept");
        assert_eq!(blobs.usage().await.unwrap(), Usage { blobs: 1, bytes: 3 });
        assert_eq!(spool_files(root.path()), 0);
    }

    fn blobs_path(root: &Path, sha256: &Sha256) -> std::path::PathBuf {
        let hex = sha256.hex();
        root.join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn commits_of_the_same_bytes_at_once_all_succeed() {
        let (root, blobs) = store();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let blobs = blobs.clone();
                tokio::spawn(async move { blobs.commit(spooled(&blobs, b"same").await).await.unwrap() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().sha256, Sha256::of(b"same"));
        }
        assert_eq!(fs::read(blobs_path(root.path(), &Sha256::of(b"same"))).unwrap(), b"same");
        assert_eq!(spool_files(root.path()), 0);
    }

    #[tokio::test]
    async fn a_torn_blob_is_replaced() {
        let (root, blobs) = store();
        let stored = blobs.put_bytes(Bytes::from_static(b"whole")).await.unwrap();
        let path = blobs_path(root.path(), &stored.sha256);
        fs::write(&path, b"wh").unwrap();
        blobs.put_bytes(Bytes::from_static(b"whole")).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), b"whole");
    }

    #[tokio::test]
    async fn listing_gives_blobs_and_nothing_else() {
        let (root, blobs) = store();
        let mut wanted = Vec::new();
        for n in 0..40_u8 {
            wanted.push(blobs.put_bytes(vec![n; usize::from(n)].into()).await.unwrap().sha256);
        }
        let gone = wanted.pop().unwrap();
        assert!(blobs.delete(&gone).await.unwrap());
        let first = wanted[0].as_bytes()[0];
        let folder = root.path().join(hex::encode([first]));
        fs::write(folder.join("notes.txt"), "not a blob").unwrap();
        fs::create_dir(folder.join("zz")).unwrap();
        fs::write(folder.join("zz").join(wanted[0].hex()), "a blob's name in the wrong folder").unwrap();
        let mut listed = Vec::new();
        for first in 0..=u8::MAX {
            listed.extend(blobs.list(first).await.unwrap().into_iter().map(|blob| blob.sha256));
        }
        wanted.sort();
        listed.sort();
        assert_eq!(listed, wanted);
        assert_eq!(blobs.usage().await.unwrap(), Usage { blobs: 39, bytes: (0..39).sum() });
    }

    #[tokio::test]
    async fn leftovers_of_ended_processes_are_swept_and_live_ones_kept() {
        let (root, live) = store();
        let mut spool = live.spool(1000, Digests::Sha256).await.unwrap();
        spool.write(Bytes::from_static(b"under way")).await.unwrap();
        let dead = root.path().join("tmp").join("77-0");
        fs::create_dir(&dead).unwrap();
        fs::File::create(dead.join("lock")).unwrap().write_all(b"").unwrap();
        fs::write(dead.join("5"), b"half a file").unwrap();
        let second = Blobs::open_folder(root.path()).unwrap();
        assert!(!dead.exists());
        assert_eq!(spool_files(root.path()), 1, "the live spool's file is still there");
        let other = spooled(&second, b"of the second").await;
        live.commit(spool.finish().await.unwrap()).await.unwrap();
        second.commit(other).await.unwrap();
        assert_eq!(live.usage().await.unwrap().blobs, 2);
    }

    #[tokio::test]
    async fn the_process_folder_stays_until_the_last_spool_is_gone_and_then_goes() {
        let (root, blobs) = store();
        let spooled = spooled(&blobs, b"abc").await;
        drop(blobs);
        Blobs::open_folder(root.path()).unwrap();
        assert!(spooled.file().is_ok(), "a spool keeps the lock of its folder");
        drop(spooled);
        let left: Vec<_> = fs::read_dir(root.path().join("tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let err = Blobs::open_folder(&file.join("blobs")).unwrap_err();
        assert!(err.to_string().contains("file/blobs"), "{err}");
    }

    #[tokio::test]
    async fn a_folder_that_vanished_is_an_error_not_a_panic() {
        let (root, blobs) = store();
        let ready = spooled(&blobs, b"abc").await;
        fs::remove_dir_all(root.path()).unwrap();
        assert!(blobs.spool(1000, Digests::Sha256).await.is_err());
        assert!(blobs.commit(ready).await.is_err());
    }
}
