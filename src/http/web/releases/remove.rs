//! `…/remove`: deleting a project, a release or a file, by typing its name; and letting go of a name that has nothing any more.

use super::Of;
use super::subject::{Holdings, OwnFile, Part, Subject};
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words;
use crate::index::access::Action;
use crate::index::release::{self, Target};
use crate::limits;
use askama::Template;
use axum::body::Body;

#[derive(Template)]
#[template(path = "remove.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    subject: &'a Subject,
    /// `app`, `app 1.0`, or a file's name.
    what: String,
    field: Option<(&'static str, &'a str)>,
    /// Asks for what must be typed.
    label: String,
    files: &'a [OwnFile],
    /// How many releases go, and whether the page is about a whole project.
    releases: usize,
    whole: bool,
    /// Whether a file is the only one of its release.
    alone: bool,
    volatile: bool,
    /// Whether nothing of the project is left then.
    last: bool,
    versions: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "reserved.html")]
struct Reserved<'a> {
    shell: &'a Shell,
    subject: &'a Subject,
}

fn wanted(part: Part<'_>) -> Action {
    match part {
        Part::Project => Action::RemoveProject,
        Part::Release(_) => Action::RemoveRelease,
        Part::File(..) => Action::RemoveFile,
    }
}

/// The form; `?version=` or `?file=` says for what, with neither it is for the project.
pub async fn show(visit: &Visit<'_>, of: Of<'_>) -> Result<Reply> {
    let subject = Subject::find(visit, of)?;
    subject.require(visit, Action::RemoveFile)?;
    let holdings = subject.holdings(visit).await?;
    if holdings.reserved {
        subject.require(visit, Action::RemoveProject)?;
        return visit.page(&Reserved { shell: &visit.shell, subject: &subject });
    }
    let part = holdings.part(&visit.query("version"), &visit.query("file"))?;
    subject.require(visit, wanted(part))?;
    page(visit, &subject, &holdings, part, &Filled::default())
}

fn page(visit: &Visit<'_>, subject: &Subject, holdings: &Holdings, part: Part<'_>, form: &Filled) -> Result<Reply> {
    let what = match part {
        Part::Project => subject.name.to_string(),
        Part::Release(own) => format!("{} {}", subject.name, own.version),
        Part::File(_, file) => file.name.clone(),
    };
    let page = Page {
        shell: &visit.shell,
        form,
        subject,
        what,
        field: part.field(),
        label: format!("Type {} to confirm", part.field().map_or(subject.name.as_str(), |(_, value)| value)),
        files: part.files(),
        releases: holdings.releases.len(),
        whole: matches!(part, Part::Project),
        alone: matches!(part, Part::File(own, _) if own.files.len() == 1),
        volatile: subject.place().settings.volatile,
        last: holdings.ends_with(part),
        versions: holdings.releases.iter().map(|own| own.version.as_str()).take(limits::WEB_RELEASES_OFFERED).collect(),
    };
    visit.page_as(form.status(), &page)
}

/// One of the forms, sent.
pub async fn remove(visit: &Visit<'_>, of: Of<'_>, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    let subject = Subject::find(visit, of)?;
    if form.form.text("act") == "release-name" {
        return release_name(visit, &subject).await;
    }
    subject.require(visit, Action::RemoveFile)?;
    let holdings = subject.holdings(visit).await?;
    let part = holdings.part(form.form.text("version"), form.form.text("file"))?;
    subject.require(visit, wanted(part))?;
    let force = form.is("force", "yes");
    form.confirms(part.field().map_or(subject.name.as_str(), |(_, value)| value));
    if !subject.place().settings.volatile && !force {
        form.wrong("force", format!("{} is not volatile: tick the box if it is to be deleted all the same.", subject.index));
    }
    if form.is_good() {
        let (target, what) = match part {
            Part::Project => (Target::Project, subject.name.to_string()),
            Part::Release(own) => (Target::Release(own.version.clone()), format!("{} {}", subject.name, own.version)),
            Part::File(_, file) => (Target::File(file.name.clone()), file.name.clone()),
        };
        match release::remove(visit.core(), visit.caller(), subject.place(), &subject.name, target, force).await {
            Ok(()) => return Ok(after(visit, &subject, holdings.ends_with(part), &what)),
            Err(error) => form.refuse(error)?,
        }
    }
    page(visit, &subject, &holdings, part, &form)
}

/// Where to go when it is gone: to the project, or, if that is gone too, to what has become of its name.
fn after(visit: &Visit<'_>, subject: &Subject, last: bool, what: &str) -> Reply {
    let note = format!("{what} is deleted from {}.", subject.index);
    match last {
        false => visit.to(&format!("/{}", subject.link), Some(&note)),
        true => visit.to(&format!("/_/projects/{}/remove", subject.link), Some(&note)),
    }
}

async fn release_name(visit: &Visit<'_>, subject: &Subject) -> Result<Reply> {
    match release::release_name(visit.core(), visit.caller(), subject.place(), &subject.name).await {
        Ok(()) => {
            let note = format!("The name {} is free again on {}.", subject.name, subject.index);
            Ok(visit.to(&format!("/{}", subject.index_link), Some(&note)))
        }
        Err(Error::NotFound(_)) => Err(Error::NotFound(format!("The name {} is not reserved here.", subject.name))),
        Err(error) => Err(error),
    }
}
