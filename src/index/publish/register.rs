//! `:action=submit`: a release made known before its files come, as `setup.py register` and devpi's clients do it.
//!
//! What was released is not rewritten: where the archives speak for a release (strict checks), or files are kept for good,
//! a release that has files keeps its metadata.

use super::claims;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::index::access::{self, Action as Wanted, Caller};
use crate::index::core::Core;
use crate::index::search::entry;
use crate::index::settings::UploadChecks;
use crate::index::tree::Index;
use crate::index::{follow, store};
use crate::pypi::{ProjectName, metadata_form, version};
use serde_json::{Value, json};
use std::sync::Arc;

/// A release that a form makes known.
struct Registration {
    project: ProjectName,
    display_name: String,
    version: String,
    metadata: Value,
}

/// Makes the release of a form known, or replaces what is known of it.
pub async fn register(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, fields: &[(String, String)]) -> Result<()> {
    let registration = read(fields)?;
    if !access::may(caller, Wanted::Upload, index, Some(&registration.project)) {
        return Err(Error::Forbidden(format!("this token may not upload to project '{}'", registration.project)));
    }
    let (task, index, actor) = (core.clone(), index.clone(), caller.actor());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        super::refuse_if_closed(&mut c, &index, &registration.project).await?;
        let project = db::projects::put(&mut c, index.id, &registration.project, &registration.display_name, now).await?;
        if speaks_for_itself(&mut c, &index, project, &registration.version).await? {
            return Ok(());
        }
        store::put_release(&mut c, project, &registration.version, &registration.metadata, now).await?;
        entry::renew(&mut c, project).await?;
        let change = Change {
            actor: &actor,
            index: Some(index.id),
            project: Some(&registration.project),
            action: Action::ReleaseSet,
            detail: json!({"version": registration.version}),
        };
        let serial = db::journal::append(&mut c, &change, now).await?;
        db::projects::set_serial(&mut c, project, serial).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

fn read(fields: &[(String, String)]) -> Result<Registration> {
    let metadata = metadata_form::from_form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let required = |field: &str| {
        let value = metadata.first(field).map(str::trim);
        value.ok_or_else(|| Error::BadRequest(format!("invalid metadata: Missing required field \"{field}\"")))
    };
    let (display_name, version) = (required("name")?.to_owned(), required("version")?.to_owned());
    claims::check_version(&version)?;
    Ok(Registration { project: claims::project(&display_name)?, display_name, version, metadata: metadata.to_json() })
}

/// Whether the release has files that a form must not speak over.
async fn speaks_for_itself(c: &mut Conn, index: &Index, project: db::ProjectId, text: &str) -> Result<bool> {
    if index.settings.volatile && index.settings.upload_checks == UploadChecks::Lenient {
        return Ok(false);
    }
    let Some(release) = db::releases::by_canonical(c, project, &version::canonical(text)).await? else { return Ok(false) };
    Ok(db::files::live(c, project).await?.iter().any(|file| file.release_id == Some(release.id)))
}
