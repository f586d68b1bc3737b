//! Attachments by their links. Documentation lies under its own hash, a test result in the folder of the file that was tested.
//!
//! No page lists them, so they are not looked for in listings; but they are found through the same order, and what a caller
//! may not read is not there.

use super::access::{self, Caller};
use super::core::Core;
use super::links;
use super::settings::Kind;
use super::tree::Index;
use crate::blobs::Blob;
use crate::db::attachments::Attachment;
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::pypi::{ProjectName, filename_guess};
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
    for project in projects(filename) {
        let Ok(sight) = access::sight(&core.tree.load(), caller, user, index, Some(&project)) else { continue };
        let mut c = core.db.read().await?;
        for index in sight.visible.iter().filter(|index| index.kind == Kind::Stage) {
            if let Some(attachment) = find_in(&mut c, index, &project, folder, filename).await? {
                let public = sight.place.all_public;
                return Ok(Some(Found { index: index.clone(), project, attachment, public }));
            }
        }
    }
    Ok(None)
}

/// Projects that an attachment of this name may belong to.
fn projects(filename: &str) -> Vec<ProjectName> {
    match (filename.rsplit_once(RESULT), filename.strip_suffix(DOCS)) {
        (Some((tested, _)), _) => filename_guess::guess_projects(tested),
        (None, Some(stem)) => filename_guess::guess_projects(&format!("{stem}.zip")),
        (None, None) => Vec::new(),
    }
}

async fn find_in(c: &mut Conn, index: &Index, project: &ProjectName, folder: &str, filename: &str) -> Result<Option<Attachment>> {
    let known = db::projects::by_name(c, index.id, project).await?;
    // PEP 792: a quarantined project offers nothing.
    if known.is_none_or(|known| known.status.is_some_and(|status| status.status == "quarantined")) {
        return Ok(None);
    }
    let named = db::attachments::by_filename(c, index.id, project, filename).await?;
    let found =
        named.into_iter().find(|(attachment, tested)| links::folder_of(tested.as_ref().unwrap_or(&attachment.sha256)) == folder);
    Ok(found.map(|(attachment, _)| attachment))
}

/// Opens an attachment's bytes.
pub async fn open(core: &Core, found: &Found) -> Result<Blob> {
    let Attachment { sha256, filename, .. } = &found.attachment;
    let blob = core.blobs.open(sha256).await?;
    blob.ok_or_else(|| Error::Internal(anyhow::anyhow!("the blob {sha256} of {filename} in {} is missing", found.index.path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_project() {
        for (filename, project) in [
            ("my-app-1.0.doc.zip", "my-app"),
            ("my-app-1.0-1.doc.zip", "my-app"),
            ("my_app-1.0-py3-none-any.whl.toxresult-20260301120000-0", "my-app"),
            ("my-app-1.0.tar.gz.toxresult-20260301120000-12", "my-app"),
        ] {
            assert!(is_name(filename), "{filename}");
            assert!(projects(filename).iter().any(|guess| guess.as_str() == project), "{filename}: {:?}", projects(filename));
        }
        assert!(!is_name("my_app-1.0-py3-none-any.whl") && !is_name("my-app-1.0.zip"));
    }
}
