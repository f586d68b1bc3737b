//! Attachments by their links. Documentation lies under its own hash, a test result in the folder of the file that was tested.
//!
//! No page lists them, so they are not looked for in listings but by their names; the order is the same, and what a caller may
//! not read is not there.

use super::access::{self, Caller};
use super::core::Core;
use super::links;
use super::tree::Index;
use crate::blobs::Blob;
use crate::db;
use crate::db::attachments::{Attachment, Placed};
use crate::error::{Error, Result};
use crate::pypi::ProjectName;
use std::sync::Arc;

/// How the name of a documentation archive ends.
const DOCS: &str = ".doc.zip";
/// What stands between the name of a tested file and the time of the test.
const RESULT: &str = ".toxresult-";

/// A link's attachment.
#[derive(Debug)]
pub struct Found {
    /// The index that has it.
    pub index: Arc<Index>,
    /// Its project.
    pub project: ProjectName,
    /// The version of its release.
    pub version: String,
    /// The attachment.
    pub attachment: Attachment,
    /// Whether everybody may read the index it was asked of, and all its bases.
    pub public: bool,
}

/// Whether an attachment may have this name. Files may have such names too: upstream does as it likes.
pub fn is_name(filename: &str) -> bool {
    filename.ends_with(DOCS) || filename.contains(RESULT)
}

/// Finds the attachment that `folder` (`+f/…`) and `filename` mean below `user/index`; `None` if there is none that this caller
/// may know of.
pub async fn find(core: &Core, caller: &Caller, user: &str, index: &str, folder: &str, filename: &str) -> Result<Option<Found>> {
    let named = db::attachments::named(&mut core.db.read().await?, filename).await?;
    // PEP 792: a quarantined project offers nothing.
    let open = |placed: &Placed| placed.status.as_ref().is_none_or(|status| status.status != "quarantined");
    let linked = named.into_iter().filter(|placed| open(placed) && links::folder_of(&placed.linked_by()) == folder);
    let mut nearest: Option<(usize, Found)> = None;
    for Placed { index_id, project, version, attachment, .. } in linked {
        let Ok(sight) = access::sight(&core.tree.load(), caller, user, index, Some(&project)) else { continue };
        let Some(place) = sight.visible.iter().position(|index| index.id == index_id) else { continue };
        if nearest.as_ref().is_none_or(|(before, _)| place < *before) {
            let found =
                Found { index: sight.visible[place].clone(), project, version, attachment, public: sight.place.all_public };
            nearest = Some((place, found));
        }
    }
    Ok(nearest.map(|(_, found)| found))
}

/// Opens an attachment's bytes.
pub async fn open(core: &Core, found: &Found) -> Result<Blob> {
    let Attachment { sha256, filename, .. } = &found.attachment;
    let blob = core.blobs.open(sha256).await?;
    blob.ok_or_else(|| Error::Internal(anyhow::anyhow!("the blob {sha256} of {filename} in {} is missing", found.index.path)))
}
