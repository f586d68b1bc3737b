//! Blobs from a store into a folder outside it, each compared with its digest on the way; what is there already is left alone.

use crate::blobs::{Adopt, Blobs};
use crate::limits::BLOBS_CARRIED_AT_ONCE;
use crate::moving::progress::Progress;
use crate::pypi::Sha256;
use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use std::fs;
use std::path::{Path, PathBuf};

/// What blobs there are to carry, as key and size.
pub type Listed = Result<(Sha256, u64)>;

/// Carries blobs into a folder that is laid out as a store in a folder is.
pub struct Carrier<'a> {
    from: &'a Blobs,
    /// The folder as a store of its own: a blob gets its name there when it is whole and on the disk.
    to: Blobs,
    incoming: PathBuf,
    adopt: Adopt,
}

/// What was carried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    /// Blobs that came.
    pub came: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there.
    pub there: u64,
    /// The bytes of those.
    pub there_bytes: u64,
    /// One that is in the store no more; nothing was carried after it.
    pub missing: Option<Sha256>,
}

/// What became of one blob.
enum Fate {
    There(u64),
    Came(u64),
    Missing(Sha256),
}

impl<'a> Carrier<'a> {
    /// A carrier from the store `from` to the folder `to`, made if it is missing. Blocks.
    pub fn new(from: &'a Blobs, to: &Path, adopt: Adopt) -> Result<Self> {
        let incoming = to.join("incoming");
        if incoming.try_exists()? {
            fs::remove_dir_all(&incoming).with_context(|| format!("{} cannot be removed", incoming.display()))?;
        }
        let store = Blobs::open_folder(to).with_context(|| format!("the folder {} cannot be used", to.display()))?;
        Ok(Self { from, to: store, incoming, adopt })
    }

    /// The folder as a store.
    pub fn target(&self) -> &Blobs {
        &self.to
    }

    /// Carries them all, some at a time.
    pub async fn carry(&self, blobs: impl Iterator<Item = Listed>, progress: &mut Progress) -> Result<Carried> {
        let mut fates = stream::iter(blobs).map(|blob| self.carry_one(blob)).buffer_unordered(BLOBS_CARRIED_AT_ONCE);
        let mut carried = Carried::default();
        while let Some(fate) = fates.next().await {
            match fate? {
                Fate::Missing(sha256) => {
                    carried.missing = Some(sha256);
                    break;
                }
                Fate::There(size) => {
                    (carried.there, carried.there_bytes) = (carried.there + 1, carried.there_bytes + size);
                    progress.step(0, "blobs");
                }
                Fate::Came(size) => {
                    (carried.came, carried.bytes) = (carried.came + 1, carried.bytes + size);
                    progress.step(size, "blobs");
                }
            }
        }
        Ok(carried)
    }

    async fn carry_one(&self, blob: Listed) -> Result<Fate> {
        let (sha256, size) = blob?;
        if self.to.open(&sha256).await?.is_some_and(|there| there.size == size) {
            return Ok(Fate::There(size));
        }
        let path = self.incoming.join(sha256.hex());
        if !self.from.copy_out(&sha256, &path, self.adopt).await? {
            return Ok(Fate::Missing(sha256));
        }
        // Given a second name, hashed under that, and then its own.
        let taken = self.to.adopt(&path, Adopt::Link).await;
        tokio::fs::remove_file(&path).await?;
        let spooled = taken.with_context(|| format!("the blob {sha256} cannot be copied"))?;
        ensure!(
            spooled.sha256 == sha256,
            "the blob {sha256} is damaged in the store: its bytes have the digest {}",
            spooled.sha256
        );
        self.to.commit(spooled).await?;
        Ok(Fate::Came(size))
    }
}

impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        // Best effort: the next run does it again.
        let _ = fs::remove_dir_all(&self.incoming);
    }
}
