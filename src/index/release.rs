//! Taking back what was published: removing files, attachments, releases and projects, and yanking (PEP 592).
//!
//! A removed file keeps its row. A project that loses the last of its files and releases keeps its name from the mirrors
//! (`reserved`) until its owner lets go of it, so that taking a package back never lets a stranger's package of that name in.

use super::access::{self, Action as Wanted, Caller};
use super::core::Core;
use super::search::entry;
use super::settings::Kind;
use super::tree::Index;
use super::{download, follow, store};
use crate::clock::Timestamp;
use crate::db::attachments::{Attachment, Kind as Attached};
use crate::db::files::File;
use crate::db::journal::{Action, Change};
use crate::db::projects::Project;
use crate::db::{self, AttachmentId, Conn, ReleaseId, Serial};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::limits;
use crate::pypi::{ProjectName, version};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is to be removed.
#[derive(Debug, Clone)]
pub enum Target {
    /// A whole project.
    Project,
    /// One release, with its documentation.
    Release(String),
    /// One file, with its test results.
    File(String),
    /// Documentation or one test result.
    Attachment(AttachmentId),
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
    let work = Work::allowed(core, caller, index, project, &target)?;
    if !index.settings.volatile && !force {
        return Err(Error::Forbidden(match &target {
            Target::Project => format!("project '{project}' is on non-volatile index {}", index.path),
            // devpi's words, also where a file is meant.
            _ => "cannot delete version on non-volatile index".into(),
        }));
    }
    carry_out(work, target).await
}

/// Removes a release by the index's own rule for how long it keeps them: nobody need be asked, whatever the index is.
pub async fn remove_by_rule(core: &Arc<Core>, index: &Arc<Index>, project: &ProjectName, version: &str) -> Result<()> {
    let (core, index, project) = (core.clone(), index.clone(), project.clone());
    carry_out(Work { core, index, project, actor: "system".into() }, Target::Release(version.to_owned())).await
}

async fn carry_out(work: Work, target: Target) -> Result<()> {
    let core = work.core.clone();
    follow::change(&core, async move {
        let (mut c, known, now) = work.begin_in_use().await?;
        let chosen = work.choose(&mut c, &known, &target).await?;
        for file in &chosen.files {
            store::take_away(&mut c, file.id, Serial::NONE, now).await?;
        }
        for attachment in &chosen.attachments {
            db::attachments::remove(&mut c, attachment.id).await?;
        }
        for release in &chosen.releases {
            if chosen.is_whole || is_bare(&mut c, &known, *release).await? {
                db::releases::remove(&mut c, *release).await?;
            }
        }
        if is_empty(&mut c, &known).await? {
            db::projects::set_reserved(&mut c, known.id, true).await?;
        }
        entry::renew(&mut c, known.id).await?;
        let serial = work.journal(&mut c, chosen.action, json!({"filenames": chosen.filenames()}), now).await?;
        for file in &chosen.files {
            db::files::set_removed(&mut c, file.id, serial, now).await?;
        }
        db::projects::set_serial(&mut c, known.id, serial).await?;
        fault::at(Step::RemoveWritten);
        c.commit().await?;
        fault::at(Step::RemoveCommitted);
        Ok(())
    })
    .await
}

/// Yanks the files of a release, or one file of it, with a reason that may be empty; `None` takes the yank back. What a mirror shows
/// is upstream's to yank.
pub async fn yank(
    core: &Arc<Core>,
    caller: &Caller,
    index: &Arc<Index>,
    project: &ProjectName,
    target: Target,
    reason: Option<String>,
) -> Result<()> {
    let work = Work::allowed(core, caller, index, project, &target)?;
    if index.kind == Kind::Mirror {
        return Err(Error::Forbidden(format!("{} is a mirror: what it shows is upstream's to yank", index.path)));
    }
    if let Some(reason) = &reason {
        check_reason(reason)?;
    }
    follow::change(core, async move {
        let (mut c, known, now) = work.begin_in_use().await?;
        let chosen = work.choose(&mut c, &known, &target).await?;
        for file in &chosen.files {
            db::files::set_yanked(&mut c, file.id, reason.as_deref()).await?;
        }
        entry::renew(&mut c, known.id).await?;
        let action = if reason.is_some() { Action::FileYank } else { Action::FileUnyank };
        let detail = json!({"filenames": chosen.filenames(), "reason": reason});
        let serial = work.journal(&mut c, action, detail, now).await?;
        db::projects::set_serial(&mut c, known.id, serial).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// A reason stands in an attribute of every page of the project.
fn check_reason(reason: &str) -> Result<()> {
    if reason.len() > limits::YANK_REASON_BYTES_MAX {
        return Err(Error::BadRequest(format!("the reason has at most {} bytes", limits::YANK_REASON_BYTES_MAX)));
    }
    match reason.chars().any(char::is_control) {
        true => Err(Error::BadRequest("the reason is one line, without control characters".into())),
        false => Ok(()),
    }
}

/// Lets go of a name that has nothing any more: mirrors may answer for it again.
pub async fn release_name(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, project: &ProjectName) -> Result<()> {
    let work = Work::allowed(core, caller, index, project, &Target::Project)?;
    follow::change(core, async move {
        let (mut c, known, now) = work.begin().await?;
        let missing = || Error::NotFound(format!("no reserved name '{}' on {}", work.project, work.index.path));
        let known = known.filter(|known| known.reserved).ok_or_else(missing)?;
        db::projects::remove(&mut c, known.id).await?;
        work.journal(&mut c, Action::ProjectRemove, json!({"name": "released"}), now).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// A change to a project of a stage that its caller may make.
struct Work {
    core: Arc<Core>,
    index: Arc<Index>,
    project: ProjectName,
    actor: String,
}

impl Work {
    fn allowed(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>, project: &ProjectName, target: &Target) -> Result<Self> {
        let may = |wanted| access::may(caller, wanted, index, Some(project));
        let wanted = match target {
            Target::Project => Wanted::RemoveProject,
            Target::Release(_) => Wanted::RemoveRelease,
            Target::File(_) | Target::Attachment(_) => Wanted::RemoveFile,
        };
        match may(wanted) {
            true => {
                let (core, index, project) = (core.clone(), index.clone(), project.clone());
                Ok(Self { core, index, project, actor: caller.actor() })
            }
            false if !may(Wanted::Read) => Err(access::hidden(&core.tree.load(), caller, &index.path)),
            false => Err(Error::Forbidden(format!("no permission to change project '{project}' on {}", index.path))),
        }
    }

    /// Begins the transaction with the project locked: what it has is read only after uploads under way have ended, and the
    /// journal's lock comes last.
    async fn begin(&self) -> Result<(Conn, Option<Project>, Timestamp)> {
        let now = self.core.clock.now();
        let mut c = self.core.db.begin().await?;
        let known = db::projects::lock(&mut c, self.index.id, &self.project).await?;
        Ok((c, known, now))
    }

    /// The same for a project that must have something.
    async fn begin_in_use(&self) -> Result<(Conn, Project, Timestamp)> {
        let (c, known, now) = self.begin().await?;
        let known = known.filter(|known| !known.reserved).ok_or_else(|| Error::NotFound("project not found".into()))?;
        Ok((c, known, now))
    }

    /// What goes with `target`.
    async fn choose(&self, c: &mut Conn, known: &Project, target: &Target) -> Result<Chosen> {
        let files = db::files::live(c, known.id).await?;
        let all = db::releases::versions(c, known.id).await?;
        match target {
            Target::Project => {
                let releases = all.into_iter().map(|(release, _)| release).collect();
                Ok(Chosen { files, releases, is_whole: true, ..Chosen::of(Action::ProjectRemove) })
            }
            Target::Release(text) => {
                let wanted = version::canonical(text);
                let found = all.into_iter().find(|(_, version)| version::canonical(version) == wanted);
                let (release, _) = found.ok_or_else(|| self.no_version(text))?;
                let files = files.into_iter().filter(|file| file.release_id == Some(release)).collect();
                Ok(Chosen { files, releases: vec![release], is_whole: true, ..Chosen::of(Action::ReleaseRemove) })
            }
            Target::File(filename) => {
                let file = files.into_iter().find(|file| file.filename == *filename);
                let file = file.ok_or_else(|| Error::NotFound(format!("package '{filename}' doesn't exist")))?;
                let releases = file.release_id.into_iter().collect();
                Ok(Chosen { files: vec![file], releases, ..Chosen::of(Action::FileRemove) })
            }
            Target::Attachment(id) => {
                let found = db::attachments::of_project(c, known.id).await?.into_iter().find(|attachment| attachment.id == *id);
                let found = found.ok_or_else(|| Error::NotFound("it was removed a moment ago".into()))?;
                let action = if found.kind == Attached::DocZip { Action::DocsRemove } else { Action::ResultRemove };
                Ok(Chosen { releases: vec![found.release_id], attachments: vec![found], ..Chosen::of(action) })
            }
        }
    }

    fn no_version(&self, version: &str) -> Error {
        Error::NotFound(format!("version '{version}' of project '{}' not found on stage '{}'", self.project, self.index.path))
    }

    async fn journal(&self, c: &mut Conn, action: Action, detail: Value, now: Timestamp) -> Result<Serial> {
        let change = Change { actor: &self.actor, index: Some(self.index.id), project: Some(&self.project), action, detail };
        Ok(db::journal::append(c, &change, now).await?)
    }
}

/// What goes with a target, and what the journal calls it.
struct Chosen {
    files: Vec<File>,
    attachments: Vec<Attachment>,
    /// The releases that go: if `is_whole` with all that they have, else only those that have nothing left.
    releases: Vec<ReleaseId>,
    is_whole: bool,
    action: Action,
}

impl Chosen {
    fn of(action: Action) -> Self {
        Self { files: Vec::new(), attachments: Vec::new(), releases: Vec::new(), is_whole: false, action }
    }

    fn filenames(&self) -> Vec<&str> {
        let files = self.files.iter().map(|file| file.filename.as_str());
        files.chain(self.attachments.iter().map(|attachment| attachment.filename.as_str())).collect()
    }
}

/// Whether a release has neither files nor documentation.
async fn is_bare(c: &mut Conn, known: &Project, release: ReleaseId) -> Result<bool> {
    let has_files = db::files::live(c, known.id).await?.iter().any(|file| file.release_id == Some(release));
    Ok(!has_files && db::attachments::docs(c, release).await?.is_none())
}

/// Whether a project has neither files nor releases. A release may have none: it was registered, or has documentation.
async fn is_empty(c: &mut Conn, known: &Project) -> Result<bool> {
    Ok(db::files::live(c, known.id).await?.is_empty() && db::releases::versions(c, known.id).await?.is_empty())
}

/// The stage that holds the file a link means: who removes through an index removes from that index only.
pub fn stage_of(found: &download::Found, index: &Index) -> Result<Arc<Index>> {
    match found.listed.origin.id == index.id {
        true => Ok(found.listed.origin.clone()),
        false => Err(Error::NotFound(format!("package '{}' doesn't exist", found.listed.file.filename))),
    }
}
