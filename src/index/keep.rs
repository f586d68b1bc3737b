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
    rescue(core, &[&spooled.sha256]).await?;
    Ok(core.blobs.commit(spooled).await?)
}

/// The same for a file and for what was read in it, if anything was. Side by side: a disk syncs both in little more time than one.
pub async fn commit_with(core: &Core, spooled: Spooled, metadata: Option<Bytes>) -> Result<(StoredBlob, Option<StoredBlob>)> {
    let Some(metadata) = metadata else { return Ok((commit(core, spooled).await?, None)) };
    rescue(core, &[&spooled.sha256, &Sha256::of(&metadata)]).await?;
    let both = tokio::join!(core.blobs.commit(spooled), core.blobs.put_bytes(metadata));
    Ok((both.0?, Some(both.1?)))
}

/// The same for something small that is in memory.
pub async fn put_bytes(core: &Core, bytes: Bytes) -> Result<StoredBlob> {
    rescue(core, &[&Sha256::of(&bytes)]).await?;
    Ok(core.blobs.put_bytes(bytes).await?)
}

/// Takes marks off. Most blobs have none, and then nothing is written.
async fn rescue(core: &Core, blobs: &[&Sha256]) -> Result<()> {
    let mut doomed = Vec::new();
    let mut c = core.db.read().await?;
    for sha256 in blobs {
        if db::blobs::is_doomed(&mut c, sha256).await? {
            doomed.push(*sha256);
        }
    }
    drop(c);
    // Each by itself: who holds two rows may meet somebody who took them in another order.
    for sha256 in doomed {
        let mut c = core.db.begin().await?;
        db::blobs::rescue(&mut c, sha256, core.clock.now()).await?;
        c.commit().await?;
    }
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
