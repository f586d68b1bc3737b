//! Results of testing a file, which devpi's client reports as JSON. They are kept as they came; nothing here reads what they say.

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::settings::Kind;
use super::store;
use super::tree::Index;
use super::{download, fetch, follow, keep, links};
use crate::blobs::{Spooled, StoredBlob};
use crate::clock::Timestamp;
use crate::db::attachments::{Kind as Attachment, NewAttachment};
use crate::db::files::File;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::ProjectName;
use serde::de::IgnoredAny;
use serde_json::json;
use std::io::BufReader;
use std::sync::Arc;

/// A file that somebody may attach results to.
#[derive(Debug)]
pub struct Tested {
    index: Arc<Index>,
    project: ProjectName,
    folder: String,
    filename: String,
}

/// Finds the file that `folder` and `filename` mean in this very index, and asks whether the caller may attach results to it:
/// what can be told before the body is read. As with devpi, a file is tested where it is, not through an index above.
pub async fn find(core: &Core, caller: &Caller, user: &str, index: &str, folder: &str, filename: &str) -> Result<Tested> {
    let tree = core.tree.load_full();
    let hidden = || access::hidden(&tree, caller, format_args!("{user}/{index}"));
    let place = tree.find(user, index).ok_or_else(hidden)?;
    let mut may_read = access::see(place, caller, None).is_some();
    for project in download::holders(core, folder, filename).await? {
        if access::see(place, caller, Some(&project)).is_none() {
            continue;
        }
        may_read = true;
        let mut c = core.db.read().await?;
        if file(&mut c, &place.index, &project, folder, filename).await?.is_none() {
            continue;
        }
        if !access::may(caller, Wanted::AttachResults, &place.index, Some(&project)) {
            return Err(Error::Forbidden(FORBIDDEN.into()));
        }
        let (folder, filename) = (folder.to_owned(), filename.to_owned());
        return Ok(Tested { index: place.index.clone(), project, folder, filename });
    }
    Err(if may_read { missing(&place.index, folder, filename) } else { hidden() })
}

/// devpi's words.
const FORBIDDEN: &str = "No permission to upload tox results. You can use the devpi test --no-upload option to skip the upload.";

fn missing(index: &Index, folder: &str, filename: &str) -> Error {
    Error::NotFound(format!("no release file found at {}/{folder}/{filename}", index.path))
}

async fn file(c: &mut Conn, index: &Index, project: &ProjectName, folder: &str, filename: &str) -> Result<Option<File>> {
    if index.kind == Kind::Mirror {
        return Ok(None);
    }
    let Some(known) = db::projects::by_name(c, index.id, project).await? else { return Ok(None) };
    let is_open = known.status.is_none_or(|status| status.status != "quarantined");
    let found = db::files::by_name(c, known.id, filename).await?;
    Ok(found.filter(|file| is_open && links::folder_of(&file.sha256) == folder))
}

/// Attaches a result, which must be JSON. Gives its path below the server's root, with its digest behind `#`.
pub async fn attach(core: &Arc<Core>, caller: &Caller, tested: Tested, result: Spooled) -> Result<String> {
    let content = BufReader::new(result.file()?);
    let parsed = tokio::task::spawn_blocking(move || serde_json::from_reader::<_, IgnoredAny>(content)).await?;
    match parsed {
        Err(error) if error.is_io() => return Err(Error::Internal(error.into())),
        Err(_) => return Err(Error::BadRequest("Bad request: could not decode json".into())),
        Ok(IgnoredAny) => {}
    }
    let (task, actor) = (core.clone(), caller.actor());
    follow::change(core, async move {
        let blob = keep::commit(&task, result).await?;
        record(&task, &tested, &blob, &actor).await
    })
    .await
}

async fn record(core: &Core, tested: &Tested, blob: &StoredBlob, actor: &str) -> Result<String> {
    let Tested { index, project, folder, .. } = tested;
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    // Again, now that nobody can remove it: both at once may have been asked for.
    let known = db::projects::lock(&mut c, index.id, project).await?;
    let found = file(&mut c, index, project, folder, &tested.filename).await?;
    let (known, file) = known.zip(found).ok_or_else(|| missing(index, folder, &tested.filename))?;
    let release = file.release_id.ok_or_else(|| missing(index, folder, &tested.filename))?;
    if db::attachments::results(&mut c, file.id).await? >= limits::RESULTS_MAX {
        return Err(Error::Conflict(format!(
            "this file has {} test results, and no file has more: remove some first",
            limits::RESULTS_MAX
        )));
    }
    keep::note(&mut c, &core.blobs, &fetch::blob_row(blob), now).await?;
    let name = free_name(&mut c, &file, now).await?;
    let attached = NewAttachment {
        release,
        file: Some(file.id),
        kind: Attachment::ToxResult,
        filename: &name,
        sha256: blob.sha256,
        size: blob.size,
        uploaded: now,
        uploaded_by: Some(actor),
        log: None,
    };
    store::attach(&mut c, index, &attached).await?;
    let change = Change {
        actor,
        index: Some(index.id),
        project: Some(project),
        action: Action::ResultAdd,
        detail: json!({"filename": name, "sha256": blob.sha256}),
    };
    let serial = db::journal::append(&mut c, &change, now).await?;
    db::projects::set_serial(&mut c, known.id, serial).await?;
    c.commit().await?;
    Ok(format!("{}/{folder}/{name}#sha256={}", index.path, blob.sha256))
}

/// `FILE.toxresult-YYYYMMDDHHMMSS-N`, where N counts the results before it: devpi's names.
async fn free_name(c: &mut Conn, file: &File, now: Timestamp) -> Result<String> {
    let time: String = now.iso_seconds().chars().filter(char::is_ascii_digit).collect();
    let mut number = db::attachments::results(c, file.id).await?;
    loop {
        let name = format!("{}.toxresult-{time}-{number}", file.filename);
        // After a removal within this second a later one may bear the number.
        if db::attachments::result(c, file.id, &name).await?.is_none() {
            return Ok(name);
        }
        number += 1;
    }
}
