//! Bytes on their way to a row that names them, safe from garbage collection (`jobs::blobs`) at every moment.
//!
//! A blob that is marked for deletion may be deleted until the row that names it is committed. So the mark comes off before the
//! store is asked whether it has the bytes already ([`commit`], [`put_bytes`]); after that a whole grace must pass before they
//! can go. And should it pass, because a process stood still for a day, the transaction notices ([`note`]): it looks for the
//! bytes once it holds the blob's row, without which nobody deletes them. Nothing is ever published that is not there.

use super::core::Core;
use crate::blobs::{Blobs, Spooled, StoredBlob};
use crate::clock::Timestamp;
use crate::db::blobs::{BlobRow, Noted};
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::pypi::Sha256;
use bytes::Bytes;
use std::time::Duration;

/// Makes `spooled` a blob that a row may name soon.
pub async fn commit(core: &Core, spooled: Spooled) -> Result<StoredBlob> {
    rescue(core, &spooled.sha256).await?;
    Ok(core.blobs.commit(spooled).await?)
}

/// The same for something small that is in memory.
pub async fn put_bytes(core: &Core, bytes: Bytes) -> Result<StoredBlob> {
    rescue(core, &Sha256::of(&bytes)).await?;
    Ok(core.blobs.put_bytes(bytes).await?)
}

/// Takes a mark off. Most blobs have none, and then nothing is written.
async fn rescue(core: &Core, sha256: &Sha256) -> Result<()> {
    if !db::blobs::is_doomed(&mut core.db.read().await?, sha256).await? {
        return Ok(());
    }
    let mut c = core.db.begin().await?;
    db::blobs::rescue(&mut c, sha256, core.clock.now()).await?;
    c.commit().await?;
    Ok(())
}

/// Notes a blob in the transaction that stores a reference to it. [`Error::Unavailable`] if its bytes are gone: whoever sent
/// them is to send them again.
pub async fn note(c: &mut Conn, blobs: &Blobs, blob: &BlobRow, now: Timestamp) -> Result<()> {
    let noted = db::blobs::put(c, blob, now).await?;
    if noted == Noted::Anew && !blobs.contains(&blob.sha256).await? {
        return Err(Error::Unavailable {
            message: "the file was cleared away while it came in; send it again".into(),
            retry_after: Duration::from_secs(1),
        });
    }
    Ok(())
}
