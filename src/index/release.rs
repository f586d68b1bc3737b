//! Taking back what was published: removing files, releases and projects, and yanking (PEP 592).
//!
//! A removed file keeps its row. A project that loses its last file keeps its name from the mirrors (`reserved`) until its
//! owner lets go of it, so that taking a package back never lets a stranger's package of that name in.

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::tree::Index;
use super::{download, follow, store};
use crate::clock::Timestamp;
use crate::db::journal::{Action, Change};
use crate::db::{self, Conn, Serial};
use crate::error::{Error, Result};
use crate::pypi::{ProjectName, Version};
use serde_json::json;
use std::sync::Arc;

/// What is to be removed.
#[derive(Debug, Clone)]
pub enum Target {
    /// A whole project.
    Project,
    /// One release.
    Release(String),
    /// One file.
    File(String),
}

/// Removes `target` from a stage. On an index that is not volatile only with `force`.
pub async fn remove(
    core: &Arc<Core>,
    caller: &Caller,
    index: &Arc<Index>,
    project: &ProjectName,
    target: Target,
    force: bool,
) -> Result<()> {
    require(core, caller, index, project, &target)?;
    if !index.settings.volatile && !force {
        return Err(Error::Forbidden(match &target {
            Target::Project => format!("project '{project}' is on non-volatile index {}", index.path),
            Target::Release(_) => "cannot delete version on non-volatile index".into(),
            Target::File(_) => "cannot delete file on non-volatile index".into(),
        }));
    }
    let (task, index, project, actor) = (core.clone(), index.clone(), project.clone(), caller.actor());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let known = known(&mut c, &index, &project).await?;
        let files = db::files::live(&mut c, known.id).await?;
        let (doomed, action) = select(&mut c, &index, &project, &known, files, &target).await?;
        for file in &doomed {
            store::take_away(&mut c, file.id, Serial::NONE, now).await?;
        }
        drop_empty_releases(&mut c, &known, &target).await?;
        if db::files::live(&mut c, known.id).await?.is_empty() {
            db::projects::set_reserved(&mut c, known.id, true).await?;
        }
        let filenames: Vec<&str> = doomed.iter().map(|file| file.filename.as_str()).collect();
        let change = Change {
            actor: &actor,
            index: Some(index.id),
            project: Some(&project),
            action,
            detail: json!({"filenames": filenames}),
        };
        let serial = db::journal::append(&mut c, &change, now).await?;
        for file in &doomed {
            db::files::set_removed(&mut c, file.id, serial, now).await?;
        }
        db::projects::set_serial(&mut c, known.id, serial).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

fn require(core: &Core, caller: &Caller, index: &Index, project: &ProjectName, target: &Target) -> Result<()> {
    let wanted = match target {
        Target::Project => Wanted::RemoveProject,
        Target::Release(_) => Wanted::RemoveRelease,
        Target::File(_) => Wanted::RemoveFile,
    };
    match access::may(caller, wanted, index, Some(project)) {
        true => Ok(()),
        false if caller.is_anonymous() => Err(Error::Unauthorized("Sign in to change what this index holds")),
        false if !access::may(caller, Wanted::Read, index, Some(project)) => {
            Err(access::hidden(&core.tree.load(), caller, &index.path))
        }
        false => Err(Error::Forbidden(format!("no permission to change project '{project}' on {}", index.path))),
    }
}

/// The project, locked: its files are read only after uploads under way have ended, and the journal's lock comes last.
async fn known(c: &mut Conn, index: &Index, project: &ProjectName) -> Result<db::projects::Project> {
    let known = db::projects::lock(c, index.id, project).await?;
    known.filter(|known| !known.reserved).ok_or_else(|| Error::NotFound("project not found".into()))
}

/// The files that go with `target`, and what the journal calls it.
async fn select(
    c: &mut Conn,
    index: &Index,
    project: &ProjectName,
    known: &db::projects::Project,
    files: Vec<db::files::File>,
    target: &Target,
) -> Result<(Vec<db::files::File>, Action)> {
    match target {
        Target::Project => Ok((files, Action::ProjectRemove)),
        Target::Release(version) => {
            let release = release_of(c, known, version).await?;
            let release = release.ok_or_else(|| {
                Error::NotFound(format!("version '{version}' of project '{project}' not found on stage '{}'", index.path))
            })?;
            Ok((files.into_iter().filter(|file| file.release_id == Some(release)).collect(), Action::ReleaseRemove))
        }
        Target::File(filename) => {
            let file = files.into_iter().find(|file| file.filename == *filename);
            let file = file.ok_or_else(|| Error::NotFound(format!("package '{filename}' doesn't exist")))?;
            Ok((vec![file], Action::FileRemove))
        }
    }
}

/// The release of this version, however its zeros are written.
async fn release_of(c: &mut Conn, known: &db::projects::Project, version: &str) -> Result<Option<db::ReleaseId>> {
    let Ok(wanted) = Version::parse(version) else { return Ok(None) };
    let releases = db::releases::of_project(c, known.id).await?;
    Ok(releases.into_iter().find(|release| release.canonical == wanted.canonical()).map(|release| release.id))
}

/// Releases that have lost their files go too, and with a whole project all of them.
async fn drop_empty_releases(c: &mut Conn, known: &db::projects::Project, target: &Target) -> Result<()> {
    let left: Vec<_> = db::files::live(c, known.id).await?.into_iter().filter_map(|file| file.release_id).collect();
    let named = match target {
        Target::Release(version) => release_of(c, known, version).await?,
        _ => None,
    };
    for (release, _) in db::releases::versions(c, known.id).await? {
        let emptied = !left.contains(&release);
        if emptied && (named == Some(release) || !matches!(target, Target::Release(_))) {
            db::releases::remove(c, release).await?;
        }
    }
    Ok(())
}

/// Yanks the files of a release, or one file of it, with a reason that may be empty; `None` takes the yank back.
pub async fn yank(
    core: &Arc<Core>,
    caller: &Caller,
    index: &Arc<Index>,
    project: &ProjectName,
    target: Target,
    reason: Option<String>,
) -> Result<()> {
    require(core, caller, index, project, &target)?;
    let (task, index, project, actor) = (core.clone(), index.clone(), project.clone(), caller.actor());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let known = known(&mut c, &index, &project).await?;
        let files = db::files::live(&mut c, known.id).await?;
        let (chosen, _) = select(&mut c, &index, &project, &known, files, &target).await?;
        for file in &chosen {
            db::files::set_yanked(&mut c, file.id, reason.as_deref()).await?;
        }
        let filenames: Vec<&str> = chosen.iter().map(|file| file.filename.as_str()).collect();
        let action = if reason.is_some() { Action::FileYank } else { Action::FileUnyank };
        let detail = json!({"filenames": filenames, "reason": reason});
        let serial = journal(&mut c, &actor, &index, &project, action, detail, now).await?;
        db::projects::set_serial(&mut c, known.id, serial).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// Lets go of a name that has no files any more: mirrors may answer for it again.
pub async fn release_name(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, project: &ProjectName) -> Result<()> {
    require(core, caller, index, project, &Target::Project)?;
    let (task, index, project, actor) = (core.clone(), index.clone(), project.clone(), caller.actor());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let reserved = db::projects::lock(&mut c, index.id, &project).await?.filter(|known| known.reserved);
        let known = reserved.ok_or_else(|| Error::NotFound(format!("no reserved name '{project}' on {}", index.path)))?;
        db::projects::remove(&mut c, known.id).await?;
        journal(&mut c, &actor, &index, &project, Action::ProjectRemove, json!({"name": "released"}), now).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

async fn journal(
    c: &mut Conn,
    actor: &str,
    index: &Index,
    project: &ProjectName,
    action: Action,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<Serial> {
    let change = Change { actor, index: Some(index.id), project: Some(project), action, detail };
    Ok(db::journal::append(c, &change, now).await?)
}

/// The stage that holds the file a link means: who removes through an index removes from that index only.
pub fn stage_of(found: &download::Found, index: &Index) -> Result<Arc<Index>> {
    match found.listed.origin.id == index.id {
        true => Ok(found.listed.origin.clone()),
        false => Err(Error::NotFound(format!("package '{}' doesn't exist", found.listed.file.filename))),
    }
}
