//! METADATA of mirrored wheels (PEP 658): every wheel's, whatever upstream offers.
//!
//! A page promises metadata for a wheel before anybody has looked, so this must deliver: from the wheel if it is kept, from
//! upstream's own `.metadata`, by reading the end of upstream's wheel, or at last from the whole wheel. What was learnt is
//! remembered; a wheel that has none is no longer promised.

use super::core::Core;
use super::download::{self, Found, Source};
use super::{fetch, follow, keep, mirror};
use crate::blobs::{Blob, StoredBlob};
use crate::db;
use crate::db::journal::{Action, Change};
use crate::error::{Error, Result};
use crate::log;
use crate::pypi::{CoreMetadata, DistFilename, PageMetadata, Sha256, filename_guess};
use crate::upstream::{UpstreamError, metadata};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use url::Url;

/// The key of the blob that holds the file's METADATA or PKG-INFO; 404 if it has none.
pub async fn blob(core: &Arc<Core>, found: &Found) -> Result<Sha256> {
    let listed = &found.listed;
    match (listed.metadata_blob, &listed.file.metadata) {
        (Some(sha256), _) => return Ok(sha256),
        (None, PageMetadata::Absent) => return Err(none()),
        (None, _) => {}
    }
    let _turn = core.learning.turn((listed.origin.id, listed.file.filename.clone())).await;
    let learnt =
        db::mirrors::learnt_of(&mut core.db.read().await?, listed.origin.id, &found.project, &listed.file.filename).await?;
    if let Some(learnt) = learnt {
        return learnt.sha256().ok_or_else(none);
    }
    if core.rules.offline && download::kept(core, found).await?.is_none() {
        return Err(Error::BadGateway("the server is offline and has not kept this file".into()));
    }
    let (task, found) = (core.clone(), found.clone());
    core.tasks.spawn(log::carry(async move { learn(&task, &found).await })).await?
}

fn none() -> Error {
    Error::NotFound("this file has no metadata that can be read".into())
}

async fn learn(core: &Arc<Core>, found: &Found) -> Result<Sha256> {
    match look(core, found).await? {
        Some(bytes) => {
            let stored = keep::put_bytes(core, bytes).await?;
            remember(core, found, Some(&stored)).await?;
            Ok(stored.sha256)
        }
        None => {
            remember(core, found, None).await?;
            Err(none())
        }
    }
}

/// The bytes of the metadata; `None` if the file certainly has none.
async fn look(core: &Arc<Core>, found: &Found) -> Result<Option<Bytes>> {
    if let Some(Source::Kept(blob, _)) = download::kept(core, found).await? {
        return from_wheel(blob, &found.listed.file.filename).await;
    }
    if let Some(bytes) = from_upstream(core, found).await {
        return Ok(Some(bytes));
    }
    if !filename_guess::is_wheel(&found.listed.file.filename) {
        return Ok(None);
    }
    match by_ranges(core, found).await {
        Ok(Some(bytes)) => return Ok(Some(bytes.into())),
        // Whether the archive can be read is decided on the whole of it.
        Ok(None) | Err(UpstreamError::Unreadable | UpstreamError::Broken { .. }) => {}
        Err(error) => return Err(mirror::bad_gateway(&error)),
    }
    let sha256 = fetch::fetch(core, &found.project, &found.listed).await?.kept().await?;
    match core.blobs.open(&sha256).await? {
        Some(blob) => from_wheel(blob, &found.listed.file.filename).await,
        None => Err(Error::Internal(anyhow::anyhow!("the blob {sha256} is missing right after it was kept"))),
    }
}

async fn from_wheel(blob: Blob, filename: &str) -> Result<Option<Bytes>> {
    let name = filename.to_owned();
    Ok(blob.read_with(move |file| metadata::metadata_of_wheel(file, &name)).await?.map(Bytes::from))
}

/// Upstream's own, if it is what the page announced, or at least metadata of this very file.
async fn from_upstream(core: &Core, found: &Found) -> Option<Bytes> {
    let origin = mirror::origin(&found.listed.origin).ok()?;
    let url = Url::parse(&found.listed.file.url).ok()?;
    let answer = core.upstream.fetch_metadata(&origin, mirror::reach(&found.listed.origin), &url).await;
    let bytes = answer.ok().flatten()?;
    let right = match &found.listed.file.metadata {
        PageMetadata::Hashed(hashes) => {
            let announced = hashes.iter().find(|(algorithm, _)| algorithm == "sha256");
            announced.is_some_and(|(_, hex)| *hex == Sha256::of(&bytes).hex())
        }
        _ => is_of(&bytes, &found.listed.file.filename),
    };
    right.then_some(bytes)
}

/// Whether the bytes are core metadata of the file's own project and version: some servers answer everything with 200.
fn is_of(bytes: &[u8], filename: &str) -> bool {
    let (Ok(metadata), Ok(file)) = (CoreMetadata::parse(bytes), DistFilename::parse(filename)) else { return false };
    let name = crate::pypi::ProjectName::parse(metadata.name());
    let version = crate::pypi::Version::parse(metadata.version());
    name.is_ok_and(|name| name == file.project) && version.is_ok_and(|version| version == file.version)
}

async fn by_ranges(core: &Core, found: &Found) -> Result<Option<Vec<u8>>, UpstreamError> {
    let file = &found.listed.file;
    let (Ok(origin), Ok(url)) = (mirror::origin(&found.listed.origin), Url::parse(&file.url)) else { return Ok(None) };
    let reach = mirror::reach(&found.listed.origin);
    core.upstream.wheel_metadata_by_ranges(&origin, reach, &url, &file.filename, file.size).await
}

/// Notes what was learnt. A page that promised something else is made again; that a hash is known now can wait until then.
async fn remember(core: &Core, found: &Found, stored: Option<&StoredBlob>) -> Result<()> {
    let (now, index, filename) = (core.clock.now(), found.listed.origin.id, &found.listed.file.filename);
    let mut c = core.db.begin().await?;
    if let Some(stored) = stored {
        keep::note(&mut c, &core.blobs, &fetch::blob_row(stored), now).await?;
    }
    db::mirrors::learn(&mut c, index, &found.project, filename, stored.map(|blob| blob.sha256), now).await?;
    let is_as_promised = stored.is_some_and(|blob| agrees(&found.listed.file.metadata, blob));
    if !is_as_promised {
        let detail = json!({"metadata": filename});
        let change =
            Change { actor: "upstream", index: Some(index), project: Some(&found.project), action: Action::MirrorPage, detail };
        db::journal::append(&mut c, &change, now).await?;
    }
    c.commit().await?;
    if !is_as_promised {
        follow::catch_up(core).await?;
    }
    Ok(())
}

/// Whether the metadata is what the page promised: of the hash that it gave, if it gave one.
fn agrees(promise: &PageMetadata, stored: &StoredBlob) -> bool {
    match promise {
        PageMetadata::Hashed(hashes) => hashes.iter().all(|(name, hex)| name != "sha256" || *hex == stored.sha256.hex()),
        PageMetadata::Present | PageMetadata::Absent => true,
    }
}
