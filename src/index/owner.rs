//! Whether the store of blobs is this installation's: asked before anything is deleted for being unknown here, and before rows are
//! repaired that miss their bytes.

use super::core::Core;
use super::setup;
use crate::error::{Error, Result};

/// Claims the store for this installation, if nobody has. A store of another one is told to the operator: it can be read and filled, and
/// nothing is deleted from it.
pub async fn claim(core: &Core) -> Result<()> {
    let id = setup::server_uuid(core).await?;
    core.blobs.claim(&id).await?;
    if core.blobs.owner().await?.is_some_and(|owner| owner != id) {
        tracing::warn!("the blobs belong to another installation: gc deletes nothing here");
    }
    Ok(())
}

/// Refuses to go on if the store is not this installation's.
pub async fn check(core: &Core) -> Result<()> {
    let id = setup::server_uuid(core).await?;
    match core.blobs.owner().await? {
        Some(owner) if owner == id => Ok(()),
        Some(_) => Err(Error::Conflict("the blobs belong to another installation: is --blobs right, or --database?".into())),
        None => Err(Error::Conflict(
            "the place of the blobs is empty or was never used: is --blobs right? If so, start the server on it once".into(),
        )),
    }
}
