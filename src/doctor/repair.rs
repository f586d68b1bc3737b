//! What the doctor does when it is asked to repair. Nothing here takes away what cannot be had again.

use super::Doctor;
use super::bytes::{Namers, is_mirrored};
use super::rows::about;
use crate::blobs::ListedBlob;
use crate::db::audit::{self, Placed};
use crate::db::blobs::BlobRow;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, FileId};
use crate::error::Result;
use crate::index::keep;
use crate::pypi::Sha256;
use serde_json::json;

/// Who repairs, for the journal.
const ACTOR: &str = "cli";

impl Doctor<'_> {
    /// Gives needed bytes their row.
    pub(super) async fn add_row(&self, blob: &ListedBlob) -> Result<()> {
        let row = BlobRow { sha256: blob.sha256, size: size(blob), md5: None, blake2: None };
        let mut c = self.core.db.begin().await?;
        keep::note(&mut c, &self.core.blobs, &row, self.core.clock.now()).await?;
        Ok(c.commit().await?)
    }

    /// Marks bytes that nothing knows.
    pub(super) async fn doom_stray(&self, blob: &ListedBlob) -> Result<()> {
        let mut c = self.core.db.begin().await?;
        db::blobs::doom_stray(&mut c, &blob.sha256, size(blob), self.core.clock.now()).await?;
        Ok(c.commit().await?)
    }

    /// Takes a mark off.
    pub(super) async fn rescue(&self, sha256: &Sha256) -> Result<()> {
        let mut c = self.core.db.begin().await?;
        db::blobs::rescue(&mut c, sha256, self.core.clock.now()).await?;
        Ok(c.commit().await?)
    }

    /// Corrects the size that a row tells.
    pub(super) async fn set_size(&self, blob: &ListedBlob) -> Result<()> {
        let mut c = self.core.db.begin().await?;
        audit::set_size(&mut c, &blob.sha256, size(blob)).await?;
        Ok(c.commit().await?)
    }

    /// Lets rows go, or tells of them, whose bytes are missing or damaged and can be had again, or were given up before.
    pub(super) async fn let_go(&mut self, sha256: &Sha256, namers: &Namers, kind: &'static str) -> Result<()> {
        for file in namers.files.iter().filter(|file| is_mirrored(file) || file.removed) {
            if self.options.repair {
                self.forget_file(file).await?;
            }
            let text = match is_mirrored(file) {
                true => "a mirror's file without its bytes; a repair lets the mirror fetch it again",
                false => "a removed file without its bytes; a repair notes that they are gone",
            };
            self.repairable(kind, about(file), text);
        }
        for file in &namers.described {
            if self.options.repair {
                self.unlink(file, sha256).await?;
            }
            self.repairable(kind, about(file), "its metadata is not there; a repair takes the link to it away");
        }
        for file in &namers.learnt {
            if self.options.repair {
                self.unlearn(file, sha256).await?;
            }
            self.repairable(kind, about(file), "its metadata is not there; a repair lets the mirror learn it again");
        }
        Ok(())
    }

    /// A mirror's row goes, a removed file's row keeps its bytes no longer.
    async fn forget_file(&self, file: &Placed) -> Result<()> {
        let mut c = self.core.db.begin().await?;
        match is_mirrored(file) {
            true => db::kept::forget(&mut c, FileId(file.id)).await?,
            false => db::files::purge(&mut c, FileId(file.id), self.core.clock.now()).await?,
        }
        Ok(c.commit().await?)
    }

    async fn unlink(&self, file: &Placed, sha256: &Sha256) -> Result<()> {
        let mut c = self.core.db.begin().await?;
        let project = db::projects::lock(&mut c, file.index_id, &file.project).await?;
        if audit::unlink_metadata(&mut c, file.id, sha256).await? {
            let serial = self.journal(&mut c, file).await?;
            if let Some(project) = project {
                db::projects::set_serial(&mut c, project.id, serial).await?;
            }
        }
        Ok(c.commit().await?)
    }

    async fn unlearn(&self, file: &Placed, sha256: &Sha256) -> Result<()> {
        let filename = file.filename.as_deref().unwrap_or_default();
        let mut c = self.core.db.begin().await?;
        if audit::unlearn(&mut c, file.index_id, &file.project, filename, sha256).await? {
            self.journal(&mut c, file).await?;
        }
        Ok(c.commit().await?)
    }

    async fn journal(&self, c: &mut Conn, file: &Placed) -> Result<db::Serial> {
        let detail = json!({"metadata": file.filename});
        let (index, project) = (Some(file.index_id), Some(&file.project));
        let change = Change { actor: ACTOR, index, project, action: Action::Repair, detail };
        Ok(db::journal::append(c, &change, self.core.clock.now()).await?)
    }

    /// Deletes damaged bytes that no row needs any more: a commit of the right ones would take them for its own.
    pub(super) async fn delete_unneeded(&self, sha256: &Sha256) -> Result<()> {
        let now = self.core.clock.now();
        // As in gc: the lock has to outlast the store's answer.
        let mut c = self.core.db.begin_patient().await?;
        db::blobs::doom(&mut c, sha256, now, now).await?;
        if db::blobs::lock_doomed(&mut c, sha256, now).await? && !db::blobs::is_referenced(&mut c, sha256).await? {
            self.core.blobs.delete(sha256).await?;
            db::blobs::forget(&mut c, sha256).await?;
        }
        Ok(c.commit().await?)
    }
}

fn size(blob: &ListedBlob) -> i64 {
    i64::try_from(blob.size).unwrap_or(i64::MAX)
}
