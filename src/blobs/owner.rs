//! Whose store it is: beside the blobs lies the id of the installation that they belong to, as text under the name `owner`.
//!
//! What a database knows nothing of looks like rubbish to it. So whoever deletes asks first whether the store is its own: an
//! empty folder that a missing mount has left, or a bucket that two installations were given, would otherwise cost files.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutPayload};

use super::local::found;
use super::objects::{Objects, failure};
use super::{Blobs, Store, blocking};
use crate::limits::STORE_OWNER_BYTES_MAX;

/// The name of the file or object.
const OWNER: &str = "owner";

impl Blobs {
    /// The id of the installation that the store belongs to; `None` if it was never claimed.
    pub async fn owner(&self) -> io::Result<Option<String>> {
        let text = match self.store.clone() {
            Store::Folder(folder) => blocking(move || read(&folder.root().join(OWNER))).await?,
            Store::Objects(objects, _) => get(&objects).await?,
        };
        Ok(text.map(|text| text.trim().to_owned()))
    }

    /// Makes the store that of the installation `id`, unless it belongs to one already. Of several at once one wins.
    pub async fn claim(&self, id: &str) -> io::Result<()> {
        if self.owner().await?.is_some() {
            return Ok(());
        }
        let text = format!("{id}\n");
        match self.store.clone() {
            Store::Folder(folder) => blocking(move || write(folder.root(), &text)).await,
            Store::Objects(objects, _) => {
                let key = objects.prefix.clone().join(OWNER);
                objects.store.put(&key, PutPayload::from(Bytes::from(text))).await.map(drop).map_err(failure)
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let Some(file) = found(File::open(path))? else { return Ok(None) };
    let mut text = String::new();
    file.take(STORE_OWNER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}

fn write(root: &Path, text: &str) -> io::Result<()> {
    // Under another name first: half an id would be somebody else's.
    let new = root.join(format!("{OWNER}.{}", std::process::id()));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    match fs::hard_link(&new, root.join(OWNER)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(&new, root.join(OWNER))?,
        _ => fs::remove_file(&new)?,
    }
    File::open(root)?.sync_all()
}

async fn get(objects: &Objects) -> io::Result<Option<String>> {
    let got = match objects.store.get(&objects.prefix.clone().join(OWNER)).await {
        Ok(got) => got,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failure(error)),
    };
    let bytes = got.bytes().await.map_err(failure)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_store_belongs_to_whoever_claims_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let in_memory = Blobs::open_objects(Arc::new(InMemory::new()), None, "pre", &folder.path().join("tmp")).unwrap();
        for store in [Blobs::open_folder(&folder.path().join("blobs")).unwrap(), in_memory] {
            assert_eq!(store.owner().await.unwrap(), None);
            store.claim("first").await.unwrap();
            store.claim("second").await.unwrap();
            assert_eq!(store.owner().await.unwrap().as_deref(), Some("first"));
            assert_eq!(store.usage().await.unwrap().blobs, 0, "it is no blob");
        }
    }
}
