//! Documentation of releases, read straight out of the zip archives that were uploaded; nothing is ever unpacked to disk.
//!
//! Like pages, it is found through the order that the caller may read: the first index that has documentation of a version
//! gives it.

use super::access::Sight;
use super::core::Core;
use super::inspect::{DocsZip, Member, Refused, Unpack};
use crate::blobs::{Blob, BlobReader};
use crate::clock::Timestamp;
use crate::db;
use crate::db::attachments::Documented;
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::version::{canonical, sort_key};
use crate::pypi::{ProjectName, Sha256, Version};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use moka::future::Cache;
use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

/// The page of a folder.
const INDEX_PAGE: &str = "index.html";

/// Directories of archives in memory, by the archive's digest: the same bytes are the same documentation wherever they stand.
#[derive(Debug)]
pub struct Directories(Cache<Sha256, Arc<DocsZip>>);

impl Default for Directories {
    fn default() -> Self {
        let weigh = |_: &Sha256, zip: &Arc<DocsZip>| u32::try_from(zip.weight()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(limits::DOCS_KEPT_BYTES).weigher(weigh).build())
    }
}

/// The documentation that an address means.
#[derive(Debug)]
pub struct Docs {
    /// The archive.
    pub sha256: Sha256,
    /// When it was attached.
    pub uploaded: Timestamp,
    zip: Arc<DocsZip>,
}

/// What a path in documentation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file: its path in the archive, and where its bytes are.
    File(String, Member),
    /// A folder that has a page, asked for without the slash at its end, without which the page's links lead elsewhere.
    Folder,
    /// Nothing.
    Nothing,
}

/// Finds the documentation of a version: as it is written in any way; `latest`, the newest release that has any; or `stable`,
/// the newest that is no pre-release. 404 if there is none.
pub async fn find(core: &Core, sight: &Sight, project: &ProjectName, version: &str) -> Result<Docs> {
    let all = db::attachments::documented(&mut core.db.read().await?, project).await?;
    let Documented { sha256, uploaded, .. } = choose(sight, all, version).ok_or_else(|| none(project, version))?;
    Ok(Docs { sha256, uploaded, zip: directory(core, sha256).await? })
}

fn choose(sight: &Sight, all: Vec<Documented>, version: &str) -> Option<Documented> {
    let wanted = canonical(version);
    let fits = |docs: &Documented| match version {
        "latest" => true,
        "stable" => Version::parse(&docs.version).is_ok_and(|version| !version.is_prerelease()),
        _ => canonical(&docs.version) == wanted,
    };
    // PEP 792: a quarantined project offers nothing.
    let open = |docs: &Documented| docs.status.as_ref().is_none_or(|status| status.status != "quarantined");
    let placed = all.into_iter().filter(|docs| fits(docs) && open(docs)).filter_map(|docs| {
        let place = sight.visible.iter().position(|index| index.id == docs.index_id)?;
        Some((place, docs))
    });
    placed.max_by_key(|(place, docs)| (sort_key(&docs.version), Reverse(*place))).map(|(_, docs)| docs)
}

fn none(project: &ProjectName, version: &str) -> Error {
    Error::NotFound(match version {
        "latest" => format!("No documentation available: no release of {project} has any here."),
        "stable" => format!("No stable documentation available: no final release of {project} has any here."),
        _ => format!(
            "No documentation available for {project} {version}. 'latest' in place of the version is the newest there is."
        ),
    })
}

/// The archive's directory; read once, however many ask for it.
async fn directory(core: &Core, sha256: Sha256) -> Result<Arc<DocsZip>> {
    let reading = async {
        let zip = open(core, &sha256).await?.read_with(DocsZip::open).await?;
        zip.map(Arc::new).map_err(|refused| match refused {
            Refused::Unreadable(error) => error.into(),
            refused => Error::NotFound(format!("This documentation cannot be shown: {refused}")),
        })
    };
    core.directories.0.try_get_with(sha256, reading).await.map_err(|error| error.share())
}

async fn open(core: &Core, sha256: &Sha256) -> Result<Blob> {
    let blob = core.blobs.open(sha256).await?;
    blob.ok_or_else(|| Error::Internal(anyhow::anyhow!("the blob {sha256} of documentation is missing")))
}

impl Docs {
    /// What `path` means: components joined by slashes, `""` for the root. `slash`: whether the address ends with one.
    pub fn place(&self, path: &str, slash: bool) -> Place {
        let is_folder = slash || path.is_empty();
        let page = if path.is_empty() { INDEX_PAGE.to_owned() } else { format!("{path}/{INDEX_PAGE}") };
        match (is_folder, self.zip.file(path), self.zip.file(&page)) {
            (false, Some(member), _) => Place::File(path.to_owned(), *member),
            (false, None, Some(_)) => Place::Folder,
            (true, _, Some(member)) => Place::File(page, *member),
            (_, _, None) => Place::Nothing,
        }
    }

    /// The bytes of a file in pieces, unpacked as they are wanted. Breaks off before the last piece if they are not what the
    /// archive's directory says.
    pub async fn bytes(&self, core: &Core, member: &Member) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
        let packed = open(core, &self.sha256).await?.reader(member.packed())?;
        Ok(pieces(Unpack::new(packed, member)))
    }
}

/// Each piece is a task of its own, so that a slow reader keeps no thread of the blocking pool.
fn pieces(unpack: Unpack<BlobReader>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    unfold(Some(unpack), |state| async {
        let mut unpack = state?;
        let step = tokio::task::spawn_blocking(move || (unpack.next_piece(), unpack)).await;
        match step {
            Ok((Ok(piece), unpack)) => piece.map(|piece| (Ok(piece), Some(unpack))),
            Ok((Err(error), _)) => Some((Err(error), None)),
            Err(failed) => Some((Err(io::Error::other(failed)), None)),
        }
    })
}
