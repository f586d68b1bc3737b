//! Blobs from a store into a folder outside it, each compared with its digest on the way; what is there already is left alone.
//! One that is lost costs nobody the others: it is left out and named.

use crate::blobs::{Adopt, Blobs};
use crate::limits::{BLOBS_CARRIED_AT_ONCE, BLOBS_LOST_MAX};
use crate::moving::progress::Progress;
use crate::moving::report::{Reason, Report};
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
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Blobs that came.
    pub came: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there.
    pub there: u64,
    /// The bytes of those.
    pub there_bytes: u64,
    /// Those that the store does not have, or has with other bytes.
    pub lost: Vec<Lost>,
}

/// A blob that rows name and the store cannot give.
#[derive(Debug, Clone, Copy)]
pub struct Lost {
    /// Its key.
    pub sha256: Sha256,
    /// The digest of what lies in its place, if something does.
    pub found: Option<Sha256>,
}

/// What became of one blob.
enum Fate {
    There(u64),
    Came(u64),
    Lost(Lost),
}

impl Carried {
    /// Adds what was carried after it.
    pub fn add(&mut self, more: Self) {
        (self.came, self.bytes) = (self.came + more.came, self.bytes + more.bytes);
        (self.there, self.there_bytes) = (self.there + more.there, self.there_bytes + more.there_bytes);
        self.lost.extend(more.lost);
    }

    /// Takes it into a report.
    pub fn tell(&self, report: &mut Report) {
        (report.came.blobs, report.came.bytes) = (self.came, self.bytes);
        (report.there.blobs, report.there.bytes) = (self.there, self.there_bytes);
        for lost in &self.lost {
            match lost.found {
                Some(found) => report.skip(Reason::WrongBytes, lost.sha256.hex(), format!("its bytes have the digest {found}")),
                None => report.skip(Reason::MissingFile, lost.sha256.hex(), "it is not in the store"),
            }
        }
        if !self.lost.is_empty() {
            report.next.push("`cheeseshop doctor --deep` says to which files the lost bytes belong".into());
        }
    }
}

/// Refuses to go on without most of the bytes.
pub fn refuse_without_store(lost: usize) -> Result<()> {
    ensure!(
        lost <= BLOBS_LOST_MAX,
        "more than {BLOBS_LOST_MAX} blobs that rows name are not in the store: is this the right one? `cheeseshop doctor` names all"
    );
    Ok(())
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
                Fate::Lost(lost) => {
                    carried.lost.push(lost);
                    refuse_without_store(carried.lost.len())?;
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
            return Ok(Fate::Lost(Lost { sha256, found: None }));
        }
        // Given a second name, hashed under that, and then its own.
        let taken = self.to.adopt(&path, Adopt::Link).await;
        tokio::fs::remove_file(&path).await?;
        let spooled = taken.with_context(|| format!("the blob {sha256} cannot be copied"))?;
        if spooled.sha256 != sha256 {
            return Ok(Fate::Lost(Lost { sha256, found: Some(spooled.sha256) }));
        }
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
