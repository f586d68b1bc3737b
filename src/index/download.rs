//! From a file's link to its bytes: which file a link means for this caller, and where its bytes are.
//!
//! Links are resolved against the same listing that pages are made from, so a name that is kept from a page is kept from
//! links too. A link works although nobody has asked for its page yet: the project is guessed from the file name.

use super::access::{self, Caller, Sight};
use super::core::Core;
use super::cut_off;
use super::fetch::{self, Fetching};
use super::links;
use super::listing;
use super::merge::Listed;
use super::settings::Kind;
use crate::blobs::Blob;
use crate::db;
use crate::error::{Error, Result};
use crate::pypi::{ProjectName, Sha256, filename_guess};
use std::sync::Arc;

/// A link's file as the listing of this caller has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its project.
    pub project: ProjectName,
    /// The file.
    pub listed: Listed,
    /// Whether everybody may read the index it was asked of, and all its bases.
    pub public: bool,
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum Source {
    /// Here.
    Kept(Blob, Sha256),
    /// On their way.
    Coming(Fetching),
    /// At upstream, where the client is to fetch them itself (`mirror_use_external_urls`).
    Elsewhere(String),
}

/// Finds the file that `folder` (`+f/…` or `+e/…`) and `filename` mean below `user/index`.
///
/// 404 if there is none, 410 if it was there and was removed, 502 if only upstream could tell and does not answer.
pub async fn find(core: &Arc<Core>, caller: &Caller, user: &str, index: &str, folder: &str, filename: &str) -> Result<Found> {
    let place = (user, index);
    let mut outcome = Error::NotFound("no such file".into());
    let guesses = filename_guess::guess_projects(filename);
    for project in &guesses {
        if let Some(found) = look(core, caller, place, project, (folder, filename), &mut outcome).await? {
            return Ok(found);
        }
    }
    // From here on only the database could tell.
    cut_off::refuse(core)?;
    // A lenient index takes file names that do not tell where the project's name ends.
    let holders = Box::pin(holders(core, folder, filename)).await?;
    for project in holders.iter().filter(|project| !guesses.contains(project)) {
        if let Some(found) = look(core, caller, place, project, (folder, filename), &mut outcome).await? {
            return Ok(found);
        }
    }
    // A name that belongs to no project at all must not tell whether a hidden index exists.
    access::sight(&core.tree.load(), caller, user, index, None)?;
    Err(outcome)
}

/// Looks for the file among those of one project. An upstream that does not answer is noted in `outcome`.
async fn look(
    core: &Arc<Core>,
    caller: &Caller,
    (user, index): (&str, &str),
    project: &ProjectName,
    (folder, filename): (&str, &str),
    outcome: &mut Error,
) -> Result<Option<Found>> {
    // A token for some projects may not read the first that the name could be of, and yet the next one.
    let Ok(sight) = access::sight(&core.tree.load(), caller, user, index, Some(project)) else { return Ok(None) };
    match listing::listing(core, &sight, project).await {
        Ok(listing) => {
            if let Some(listed) = listing.find(filename, |listed| fits(listed, folder)) {
                let public = sight.place.all_public;
                return Ok(Some(Found { listed: listed.clone(), project: project.clone(), public }));
            }
            cut_off::refuse(core)?;
            if Box::pin(was_removed(core, &sight, project, folder, filename)).await? {
                return Err(Error::Gone("file existed, deleted in later serial".into()));
            }
            if listing.stale_since.is_some() {
                // Upstream may have it by now; only it could tell.
                *outcome = Error::BadGateway("upstream does not answer, and what is kept of its page has no such file".into());
            }
            Ok(None)
        }
        Err(error @ (Error::BadGateway(_) | Error::Unavailable { .. })) => {
            *outcome = error;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The projects that hold a file of this name whose digest begins as the folder says, on any stage.
pub(super) async fn holders(core: &Core, folder: &str, filename: &str) -> Result<Vec<ProjectName>> {
    let digits = folder.strip_prefix("+f/").map(|rest| rest.replace('/', "")).unwrap_or_default();
    match hex::decode(&digits) {
        Ok(prefix) if digits.len() == links::FOLDER_DIGITS => {
            Ok(db::files::holders(&mut core.db.read().await?, &prefix, filename).await?)
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether a link with this folder means the file: the folder its page shows, or that of any other hash the page gives.
fn fits(listed: &Listed, folder: &str) -> bool {
    if links::folder(&listed.file) == folder {
        return true;
    }
    let Some(digits) = folder.strip_prefix("+f/").map(|rest| rest.replace('/', "")) else { return false };
    let sha256 = listed.blob.map(|blob| blob.hex());
    digits.len() == links::FOLDER_DIGITS
        && (listed.file.hashes.iter().any(|(_, hex)| hex.starts_with(&digits))
            || sha256.is_some_and(|hex| hex.starts_with(&digits)))
}

async fn was_removed(core: &Core, sight: &Sight, project: &ProjectName, folder: &str, filename: &str) -> Result<bool> {
    let Some(digits) = folder.strip_prefix("+f/").map(|rest| rest.replace('/', "")) else { return Ok(false) };
    let mut c = core.db.read().await?;
    for index in sight.visible.iter().filter(|index| index.kind == Kind::Stage) {
        if db::files::was_removed(&mut c, index.id, project, filename, &digits).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Opens the file's bytes; a mirrored file that is not kept is fetched.
pub async fn open(core: &Arc<Core>, found: &Found) -> Result<Source> {
    if let Some(kept) = kept(core, found).await? {
        return Ok(kept);
    }
    let index = &found.listed.origin;
    match index.kind {
        Kind::Stage => {
            Err(Error::Internal(anyhow::anyhow!("the blob of {} in {} is missing", found.listed.file.filename, index.path)))
        }
        Kind::Mirror if core.rules.offline => Err(Error::BadGateway("the server is offline and has not kept this file".into())),
        Kind::Mirror if index.settings.mirror_use_external_urls => Ok(Source::Elsewhere(found.listed.file.url.clone())),
        Kind::Mirror => Ok(Source::Coming(Box::pin(fetch::fetch(core, &found.project, &found.listed)).await?)),
    }
}

/// The bytes, if they are here.
pub async fn kept(core: &Core, found: &Found) -> Result<Option<Source>> {
    let Some(sha256) = blob_key(core, found).await? else { return Ok(None) };
    Ok(core.blobs.open(&sha256).await?.map(|blob| Source::Kept(blob, sha256)))
}

/// The key of the bytes. On a mirror only of those that its own upstream gave: a page that merely names the hash of a file
/// of some private index must not open it. Where the page has no SHA-256, what was kept tells it.
async fn blob_key(core: &Core, found: &Found) -> Result<Option<Sha256>> {
    let listed = &found.listed;
    if listed.origin.kind == Kind::Stage {
        return Ok(listed.blob);
    }
    cut_off::refuse(core)?;
    let kept = Box::pin(async {
        let mut c = core.db.read().await?;
        db::files::kept(&mut c, listed.origin.id, &found.project, &listed.file.filename).await
    });
    Ok(kept.await?.filter(|sha256| listed.blob.is_none_or(|announced| announced == *sha256)))
}

/// Bytes of the whole file if they can be told without fetching it: upstream is asked where its page does not say.
pub async fn size(core: &Arc<Core>, found: &Found) -> Result<Option<u64>> {
    if let Some(Source::Kept(blob, _)) = kept(core, found).await? {
        return Ok(Some(blob.size));
    }
    fetch::refuse_too_large(core, found.listed.file.size)?;
    if found.listed.file.size.is_some() || core.rules.offline {
        return Ok(found.listed.file.size);
    }
    let origin = super::mirror::origin(&found.listed.origin).map_err(Error::BadGateway)?;
    let url = url::Url::parse(&found.listed.file.url).map_err(|e| Error::Internal(e.into()))?;
    let head = core.upstream.head_file(&origin, super::mirror::reach(&found.listed.origin), &url).await;
    let length = head.map(|head| head.length).map_err(|error| super::mirror::bad_gateway(&error))?;
    fetch::refuse_too_large(core, length)?;
    Ok(length)
}
