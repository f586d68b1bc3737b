//! The store against the rows, one first byte of the keys after the other, so that memory stays small: what is named and not
//! there, what is there and not named, and what is not what it should be.

use super::rows::about;
use super::{Doctor, Told, Weight};
use crate::blobs::ListedBlob;
use crate::db::audit::{self, Placed};
use crate::db::{self, blobs::Known};
use crate::error::Result;
use crate::index::Core;
use crate::pypi::Sha256;
use futures_util::TryStreamExt;
use sha2::Digest;
use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::pin;

/// Who names a blob.
pub(super) struct Namers {
    pub(super) files: Vec<Placed>,
    pub(super) described: Vec<Placed>,
    pub(super) learnt: Vec<Placed>,
    pub(super) attached: Vec<Placed>,
}

impl Namers {
    /// Whether somebody's own work would be lost with the bytes: they cannot be had from elsewhere.
    pub(super) fn are_own(&self) -> bool {
        let own_file = self.files.iter().any(|file| !is_mirrored(file) && !file.removed);
        own_file || !self.attached.is_empty()
    }
}

pub(super) fn is_mirrored(row: &Placed) -> bool {
    row.kind == "mirror"
}

impl Doctor<'_> {
    pub(super) async fn examine_bytes(&mut self) -> Result<()> {
        for first in 0..=u8::MAX {
            // In this order: a file that comes meanwhile is in the store before it is in the rows.
            let mut c = self.core.db.read().await?;
            let named: HashSet<Sha256> = audit::named(&mut c, first).await?.into_iter().collect();
            let rows = db::blobs::beginning_with(&mut c, first).await?;
            drop(c);
            let rows: HashMap<Sha256, Known> = rows.into_iter().map(|row| (row.sha256, row)).collect();
            let listed = self.core.blobs.list(first).await?;
            let there: HashSet<Sha256> = listed.iter().map(|blob| blob.sha256).collect();
            for blob in &listed {
                self.summary.blobs += 1;
                self.summary.bytes += blob.size;
                self.examine_blob(blob, rows.get(&blob.sha256), named.contains(&blob.sha256)).await?;
            }
            for sha256 in named.difference(&there) {
                self.examine_missing(sha256).await?;
            }
            (self.tell)(Told::Progress(u16::from(first) + 1, &self.summary));
        }
        if self.summary.unneeded > 0 {
            let about = format!("{} blobs, {} bytes", self.summary.unneeded, self.summary.unneeded_bytes);
            self.found(Weight::Note, "unneeded", about, "no row needs them; gc deletes them");
        }
        Ok(())
    }

    async fn examine_blob(&mut self, blob: &ListedBlob, row: Option<&Known>, is_named: bool) -> Result<()> {
        match row {
            None if is_named => self.examine_rowless(blob).await,
            None => self.examine_stray(blob).await,
            Some(row) => {
                if !is_named {
                    self.summary.unneeded += 1;
                    self.summary.unneeded_bytes += blob.size;
                } else if row.deleting.is_some() {
                    self.examine_doomed(&blob.sha256).await?;
                }
                if row.size != size(blob.size) {
                    self.examine_sizes(blob, row).await
                } else if self.options.deep && self.is_sound(&blob.sha256).await? == Some(false) {
                    self.damaged(&blob.sha256).await
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Whether a blob's bytes are those of its key; `None` if it is gone, or cannot be read, which is told and keeps nobody from
    /// looking at the others.
    async fn is_sound(&mut self, sha256: &Sha256) -> Result<Option<bool>> {
        match hashes_right(self.core, sha256).await {
            Ok(sound) => Ok(sound),
            // A store that does not answer at all is no finding.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(error.into()),
            Err(error) => {
                tracing::warn!(%sha256, %error, "a blob cannot be read");
                self.problem("unreadable", sha256, "its bytes are there and cannot be read");
                Ok(None)
            }
        }
    }

    /// Bytes that are named and have no row of their own.
    async fn examine_rowless(&mut self, blob: &ListedBlob) -> Result<()> {
        let mut c = self.core.db.read().await?;
        let is_right = db::blobs::get(&mut c, &blob.sha256).await?.is_some();
        if is_right || !db::blobs::is_referenced(&mut c, &blob.sha256).await? {
            return Ok(());
        }
        drop(c);
        match self.is_sound(&blob.sha256).await? {
            Some(true) => {}
            Some(false) => return self.damaged(&blob.sha256).await,
            None => return Ok(()),
        }
        if self.options.repair {
            self.add_row(blob).await?;
        }
        self.repairable("no-row", blob.sha256, "the bytes are there and needed, but have no row in blobs");
        Ok(())
    }

    /// Bytes that nothing knows: of an upload under way, or left by a crash.
    async fn examine_stray(&mut self, blob: &ListedBlob) -> Result<()> {
        let is_known = db::blobs::get(&mut self.core.db.read().await?, &blob.sha256).await?.is_some();
        if is_known {
            return Ok(());
        }
        if self.core.clock.now().since(blob.committed) < self.options.grace {
            self.summary.unneeded += 1;
            self.summary.unneeded_bytes += blob.size;
            return Ok(());
        }
        if self.options.repair {
            self.doom_stray(blob).await?;
        }
        self.repairable(
            "stray",
            blob.sha256,
            "no row knows these bytes; a repair marks them for gc, which also finds them itself",
        );
        Ok(())
    }

    /// A mark on a blob that is needed does no harm: gc asks again before it deletes.
    async fn examine_doomed(&mut self, sha256: &Sha256) -> Result<()> {
        let mut c = self.core.db.read().await?;
        if !db::blobs::is_doomed(&mut c, sha256).await? || !db::blobs::is_referenced(&mut c, sha256).await? {
            return Ok(());
        }
        drop(c);
        if self.options.repair {
            self.rescue(sha256).await?;
        }
        self.found(Weight::Note, "marked", sha256, "it is marked for deletion and needed; gc takes such a mark off");
        Ok(())
    }

    /// The row and the store tell different sizes: the bytes tell who is right.
    async fn examine_sizes(&mut self, blob: &ListedBlob, row: &Known) -> Result<()> {
        match self.is_sound(&blob.sha256).await? {
            None => Ok(()),
            Some(false) => self.damaged(&blob.sha256).await,
            Some(true) => {
                let row_now = db::blobs::get(&mut self.core.db.read().await?, &blob.sha256).await?;
                if row_now.is_none_or(|now| now.size != row.size) {
                    return Ok(());
                }
                if self.options.repair {
                    self.set_size(blob).await?;
                }
                self.repairable("blob-size", blob.sha256, "the bytes are right, but their row tells another size");
                Ok(())
            }
        }
    }

    pub(super) async fn namers(&self, sha256: &Sha256) -> Result<Namers> {
        let mut c = self.core.db.read().await?;
        Ok(Namers {
            files: audit::files_of(&mut c, sha256).await?,
            described: audit::described_by(&mut c, sha256).await?,
            learnt: audit::learnt_from(&mut c, sha256).await?,
            attached: audit::attached_as(&mut c, sha256).await?,
        })
    }

    async fn examine_missing(&mut self, sha256: &Sha256) -> Result<()> {
        if self.core.blobs.contains(sha256).await? {
            return Ok(());
        }
        let namers = self.namers(sha256).await?;
        self.let_go(sha256, &namers, "missing").await?;
        for file in namers.files.iter().filter(|file| !is_mirrored(file) && !file.removed) {
            self.problem("missing", about(file), "its bytes are gone: restore them from a backup, or publish the file again");
        }
        for one in &namers.attached {
            self.problem("missing", about(one), "its bytes are gone: restore them from a backup, or upload it again");
        }
        Ok(())
    }

    /// Bytes that are not what their key says. Deleted only if they can be had again.
    async fn damaged(&mut self, sha256: &Sha256) -> Result<()> {
        let namers = self.namers(sha256).await?;
        if namers.are_own() {
            let own = namers.files.iter().filter(|file| !is_mirrored(file) && !file.removed).chain(&namers.attached);
            for row in own {
                let text = "its bytes are damaged: move the blob away, and restore it from a backup or publish the file again";
                self.problem("damaged", about(row), text);
            }
            return Ok(());
        }
        self.let_go(sha256, &namers, "damaged").await?;
        if self.options.repair {
            self.delete_unneeded(sha256).await?;
        }
        if namers.files.is_empty() && namers.described.is_empty() && namers.learnt.is_empty() {
            self.repairable("damaged", sha256, "its bytes are damaged, and no row needs them");
        }
        Ok(())
    }
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Whether a blob's bytes are those of its key; `None` if it is gone.
async fn hashes_right(core: &Core, sha256: &Sha256) -> io::Result<Option<bool>> {
    let Some(blob) = core.blobs.open(sha256).await? else { return Ok(None) };
    let size = blob.size;
    let mut pieces = pin!(blob.stream(0..size));
    let mut hasher = sha2::Sha256::new();
    while let Some(piece) = pieces.try_next().await? {
        hasher.update(&piece);
    }
    Ok(Some(hasher.finalize().as_slice() == sha256.as_bytes()))
}
