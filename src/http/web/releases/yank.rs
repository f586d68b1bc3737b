//! `…/yank`: yanking a release or one of its files with a reason, and taking that back.

use super::Of;
use super::subject::{Holdings, OwnFile, Part, Subject};
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::index::access::Action;
use crate::index::release::{self, Target};
use crate::limits;
use crate::urls::encode_segment;
use askama::Template;
use axum::body::Body;

#[derive(Template)]
#[template(path = "yank.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    subject: &'a Subject,
    /// What is to be yanked; none while that has to be chosen.
    target: Option<Chosen<'a>>,
    /// Releases to choose from.
    versions: Vec<&'a str>,
}

struct Chosen<'a> {
    field: (&'static str, &'a str),
    /// The release's address below the root.
    link: String,
    version: &'a str,
    files: &'a [OwnFile],
    /// Whether some of it is yanked, and whether all of it is.
    some: bool,
    all: bool,
}

/// The form; `?version=` or `?file=` says for what.
pub async fn show(visit: &Visit<'_>, of: Of<'_>) -> Result<Reply> {
    let subject = Subject::find(visit, of)?;
    subject.require(visit, Action::RemoveRelease)?;
    let holdings = subject.holdings(visit).await?;
    let part = holdings.part(&visit.query("version"), &visit.query("file"))?;
    // A reason that is there can be put right.
    let reason = part.files().iter().find_map(|file| file.yanked.clone()).unwrap_or_default();
    page(visit, &subject, &holdings, part, &Filled::with([("reason", reason)]))
}

fn page(visit: &Visit<'_>, subject: &Subject, holdings: &Holdings, part: Part<'_>, form: &Filled) -> Result<Reply> {
    let versions = holdings.releases.iter().filter(|own| !own.files.is_empty()).map(|own| own.version.as_str());
    let target = part.field().zip(part.version()).map(|(field, version)| Chosen {
        field,
        version,
        link: format!("{}/{}", subject.link, encode_segment(version)),
        files: part.files(),
        some: part.files().iter().any(|file| file.yanked.is_some()),
        all: part.files().iter().all(|file| file.yanked.is_some()) && !part.files().is_empty(),
    });
    let versions = versions.take(limits::WEB_RELEASES_OFFERED).collect();
    visit.page_as(form.status(), &Page { shell: &visit.shell, form, subject, target, versions })
}

/// The form, sent: `act` is `yank` or `unyank`.
pub async fn yank(visit: &Visit<'_>, of: Of<'_>, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    let subject = Subject::find(visit, of)?;
    subject.require(visit, Action::RemoveRelease)?;
    let holdings = subject.holdings(visit).await?;
    let part = holdings.part(form.form.text("version"), form.form.text("file"))?;
    let (target, what) = match part {
        Part::Project => return Err(Error::BadRequest("The form does not say what is to be yanked.".into())),
        Part::Release(own) => (Target::Release(own.version.clone()), format!("{} {}", subject.name, own.version)),
        Part::File(_, file) => (Target::File(file.name.clone()), file.name.clone()),
    };
    let (reason, done) = match form.form.text("act") {
        "yank" => (Some(form.form.text("reason").to_owned()), "is yanked"),
        "unyank" => (None, "is no longer yanked"),
        _ => return Err(Error::BadRequest("The form does not say what is to be done.".into())),
    };
    match release::yank(visit.core(), visit.caller(), subject.place(), &subject.name, target, reason).await {
        Ok(()) => {
            let version = encode_segment(part.version().unwrap_or_default());
            Ok(visit.to(&format!("/{}/{version}", subject.link), Some(&format!("{what} {done}."))))
        }
        Err(error @ Error::BadRequest(_)) => {
            form.refuse_field("reason", error)?;
            page(visit, &subject, &holdings, part, &form)
        }
        Err(error) => {
            form.refuse(error)?;
            page(visit, &subject, &holdings, part, &form)
        }
    }
}
