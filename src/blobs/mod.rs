//! Bytes at rest: files and their metadata, kept under the SHA-256 of their content, the same bytes only once.
//!
//! Bytes come in through a [`Spool`] and become a blob by [`Blobs::commit`]; only then may a database row name them. A crash
//! at any moment leaves at most a blob that no row names (`gc` removes it) or a spool file (the next start sweeps it).
//! Nothing here knows names, indexes or the database, and nobody outside this folder knows where a blob lies.

mod abandoned;
mod address;
mod adopt;
mod aws_files;
mod clouds;
mod content;
mod hashes;
mod local;
mod multipart;
#[cfg(test)]
mod object_tests;
mod objects;
mod owner;
mod piece;
mod read;
mod reader;
mod remote_read;
mod spool;
mod spool_folder;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use abandoned::Multiparts;
use object_store::ObjectStore;
use object_store::signer::Signer;

use crate::metrics::{Store as Counts, StoreCall};
use crate::pypi::{Sha256, Timestamp};
use clouds::Env;
use hashes::Hashes;
use local::Folder;
use objects::Objects;
use spool_folder::SpoolFolder;

pub use abandoned::Abandoned;
pub use address::{Address, Bucket, Cloud};
pub use adopt::{Adopt, AdoptError, measure};
pub use content::{Blob, Content};
pub use reader::BlobReader;
pub use spool::{Digests, Spool, SpoolError, Spooled};

/// The store of all blobs. Clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Store,
    spools: Arc<SpoolFolder>,
    counts: Arc<Counts>,
}

/// Where they lie. This enum is matched in this file, and nowhere else.
#[derive(Debug, Clone)]
enum Store {
    Folder(Arc<Folder>),
    Objects(Arc<Objects>, Option<Arc<Multiparts>>),
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
    /// Opens the store at `address`; spool files of an object store lie in `<data_dir>/tmp`. `ca` names a file of certificates
    /// that are trusted beside those of the system.
    ///
    /// Blocks, for use at start. An object store is not asked anything yet: [`Blobs::check`] does that.
    pub fn open_at(address: &Address, data_dir: &Path, ca: Option<&Path>) -> io::Result<Self> {
        let bucket = match address {
            Address::Folder(folder) => return Self::open_folder(folder),
            Address::Bucket(bucket) => bucket,
        };
        let connected = clouds::connect(bucket, ca, &Env::of_process())?;
        let objects = Objects {
            store: connected.store,
            signer: Some(connected.signer),
            prefix: bucket.prefix.clone(),
            name: bucket.to_string(),
        };
        let multiparts = connected.s3.map(|s3| Arc::new(Multiparts::new(s3)));
        Self::new(Store::Objects(Arc::new(objects), multiparts), &data_dir.join(local::TMP))
    }

    /// Opens the store in the folder `root`, made if it is missing, and sweeps what killed processes left in `root/tmp`.
    ///
    /// Blocks, for use at start. Several processes may hold one `root` at the same time.
    pub fn open_folder(root: &Path) -> io::Result<Self> {
        Self::new(Store::Folder(Arc::new(Folder::open(root)?)), &root.join(local::TMP))
    }

    /// Opens a store over any object store, below `prefix`, with its spool files in the folder `tmp`. `signer` makes links to it.
    pub fn open_objects(
        store: Arc<dyn ObjectStore>,
        signer: Option<Arc<dyn Signer>>,
        prefix: &str,
        tmp: &Path,
    ) -> io::Result<Self> {
        let objects = Objects { name: store.to_string(), store, signer, prefix: prefix.into() };
        Self::new(Store::Objects(Arc::new(objects), None), tmp)
    }

    fn new(store: Store, tmp: &Path) -> io::Result<Self> {
        let counts = Arc::new(Counts::default());
        Ok(Self { store, spools: Arc::new(SpoolFolder::open(tmp, counts.clone())?), counts })
    }

    /// What was asked of the store so far, and how much is coming in.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What kind of store it is.
    pub fn kind(&self) -> &'static str {
        match &self.store {
            Store::Folder(_) => "folder",
            Store::Objects(..) => "bucket",
        }
    }

    /// Counts a call, and whether it failed.
    async fn counted<T>(&self, call: StoreCall, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.counts.calls.of(call).inc();
        work.await.inspect_err(|_| self.counts.failures.of(call).inc())
    }

    /// Whether the store exists and may be used: an error names it. For starts: lists the beginning of a bucket.
    pub async fn check(&self) -> io::Result<()> {
        match &self.store {
            Store::Folder(_) => Ok(()),
            Store::Objects(objects, _) => objects.check().await,
        }
    }

    /// Tries whether the store can be used, for those who ask again and again: whether a file can be made where files come in, which in
    /// a folder is the store itself, and whether a bucket is there.
    pub async fn attempt(&self) -> io::Result<()> {
        let spools = self.spools.clone();
        blocking(move || spools.new_file().map(drop)).await?;
        match &self.store {
            Store::Folder(_) => Ok(()),
            Store::Objects(objects, _) => objects.reach().await,
        }
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
    /// The same bytes may be committed any number of times, at once or one after the other; they are kept once. If the caller
    /// stops waiting, an object store keeps nothing.
    pub async fn commit(&self, spooled: Spooled) -> io::Result<StoredBlob> {
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => {
                    let sha256 = spooled.sha256;
                    in_folder(folder, sha256, move |folder| folder.commit(spooled)).await
                }
                Store::Objects(objects, _) => objects.commit(spooled).await,
            }
        };
        self.counted(StoreCall::Commit, work).await
    }

    /// Keeps something small that is in memory already, such as a METADATA file.
    pub async fn put_bytes(&self, bytes: bytes::Bytes) -> io::Result<StoredBlob> {
        let (spools, sha256) = (self.spools.clone(), Sha256::of(&bytes));
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => {
                    let write = move |folder: &Folder| folder.commit(Spooled::of_bytes(spools.new_file()?, &bytes)?);
                    in_folder(folder, sha256, write).await
                }
                Store::Objects(objects, _) => objects.put_bytes(bytes).await,
            }
        };
        self.counted(StoreCall::Commit, work).await
    }

    /// Opens a blob; `None` if there is none.
    ///
    /// On the blocking pool, because the folder may lie on a network drive, where a look-up can take as long as it likes.
    pub async fn open(&self, sha256: &Sha256) -> io::Result<Option<Blob>> {
        let sha256 = *sha256;
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => blocking(move || folder.open_blob(&sha256)).await,
                Store::Objects(objects, _) => objects.open_blob(&sha256).await,
            }
        };
        self.counted(StoreCall::Open, work).await
    }

    /// Writes a blob to a new file outside the store, as a copy or, from a folder, a link; `false` if there is no such blob.
    pub async fn copy_out(&self, sha256: &Sha256, to: &Path, how: Adopt) -> io::Result<bool> {
        let (sha256, to) = (*sha256, to.to_owned());
        match self.store.clone() {
            Store::Folder(folder) => {
                blocking(move || match folder.size_of(&sha256)? {
                    Some(_) => adopt::copy_out(&folder.path_of(&sha256), &to, how).map(|()| true),
                    None => Ok(false),
                })
                .await
            }
            Store::Objects(objects, _) => match objects.open_blob(&sha256).await? {
                Some(blob) => adopt::write_out(blob, to).await.map(|()| true),
                None => Ok(false),
            },
        }
    }

    /// Whether the blob exists.
    pub async fn contains(&self, sha256: &Sha256) -> io::Result<bool> {
        let sha256 = *sha256;
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => blocking(move || Ok(folder.size_of(&sha256)?.is_some())).await,
                Store::Objects(objects, _) => Ok(objects.size_of(&sha256).await?.is_some()),
            }
        };
        self.counted(StoreCall::Contains, work).await
    }

    /// Deletes a blob; `false` if there was none.
    ///
    /// The caller makes sure that no row names it and none is about to: a commit of the same bytes that runs at this moment
    /// may have decided already to keep the blob that is deleted here.
    pub async fn delete(&self, sha256: &Sha256) -> io::Result<bool> {
        let sha256 = *sha256;
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => blocking(move || folder.delete(&sha256)).await,
                Store::Objects(objects, _) => objects.delete(&sha256).await,
            }
        };
        self.counted(StoreCall::Delete, work).await
    }

    /// All blobs whose digest begins with the byte `first`, in no order. Ask for 0 to 255, one after the other: that keeps
    /// the memory of a walk through a large store small. What is no blob is left out.
    pub async fn list(&self, first: u8) -> io::Result<Vec<ListedBlob>> {
        let work = async {
            match self.store.clone() {
                Store::Folder(folder) => blocking(move || folder.list(first)).await,
                Store::Objects(objects, _) => objects.list(first).await,
            }
        };
        self.counted(StoreCall::List, work).await
    }

    /// Uploads in parts that began before `before` and have not ended; their parts cost room in S3, and no list shows them. None
    /// from stores that forget them by themselves. [`Blobs::abort`] throws them away.
    pub async fn abandoned(&self, before: Timestamp) -> io::Result<Vec<Abandoned>> {
        match &self.store {
            Store::Objects(objects, Some(multiparts)) => multiparts.list(objects, before).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Throws the parts of such an upload away; `false` if they are gone already.
    pub async fn abort(&self, abandoned: &Abandoned) -> io::Result<bool> {
        match &self.store {
            Store::Objects(objects, Some(multiparts)) => multiparts.abort(objects, abandoned).await,
            _ => Ok(false),
        }
    }

    /// Looks for what ended processes have left in the spool, and deletes it if `delete` says so: how many files, and their bytes.
    pub async fn sweep_spools(&self, delete: bool) -> io::Result<(u64, u64)> {
        let spools = self.spools.clone();
        blocking(move || spools.sweep_others(delete)).await
    }

    /// Bytes that are free on the file system on which files come in, and all its bytes. With blobs in a folder that is usually where
    /// they stay, too.
    pub async fn room(&self) -> io::Result<(u64, u64)> {
        let spools = self.spools.clone();
        blocking(move || spools.room()).await
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

/// Runs a commit of this blob into a folder, and beside it, where that is not done yet, makes the way to the blob durable: a disk syncs
/// two things at once in little more time than one.
async fn in_folder(
    folder: Arc<Folder>,
    sha256: Sha256,
    commit: impl FnOnce(&Folder) -> io::Result<StoredBlob> + Send + 'static,
) -> io::Result<StoredBlob> {
    if folder.has_path(&sha256) {
        return blocking(move || commit(&folder)).await;
    }
    let same = folder.clone();
    let both = tokio::join!(blocking(move || commit(&folder)), blocking(move || same.make_path(&sha256)));
    both.1.and(both.0)
}

/// Runs `work` on the blocking pool, so that no disk keeps an async thread waiting. It runs to its end even if the caller
/// stops waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}
