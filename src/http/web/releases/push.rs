//! `…/push`: a release to another index of this server, all of it or nothing.

use super::Of;
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words;
use crate::index::access::{Action, Sight, may};
use crate::index::push::{self, Step, What};
use crate::index::settings::Kind;
use crate::index::tree::{Index, Tree};
use crate::index::{listing, project_info};
use crate::limits;
use crate::names::IndexPath;
use crate::urls::{encode_index, encode_segment};
use askama::Template;
use axum::body::Body;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "push.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    subject: &'a Subject,
    mirror: bool,
    /// The index's own releases, the newest first.
    versions: Vec<String>,
    /// Where the reader may upload.
    targets: Vec<String>,
    /// Bases that have the project, should this index itself have none of it.
    elsewhere: Vec<(String, String)>,
}

/// The form; `?version=` chooses the release.
pub async fn show(visit: &Visit<'_>, of: Of<'_>) -> Result<Reply> {
    rights::somebody(visit)?;
    let subject = Subject::find(visit, of)?;
    let fields = [("version", visit.query("version")), ("target", visit.query("target")), ("docs", "yes".to_owned())];
    page(visit, &subject, &Filled::with(fields)).await
}

async fn page(visit: &Visit<'_>, subject: &Subject, form: &Filled) -> Result<Reply> {
    let versions = versions(visit, subject).await?;
    let targets = targets(&visit.core().tree.load(), visit, subject).iter().map(|index| index.path.to_string()).collect();
    let elsewhere = if versions.is_empty() { holders(visit, subject).await? } else { Vec::new() };
    let mirror = subject.place().kind == Kind::Mirror;
    visit.page_as(form.status(), &Page { shell: &visit.shell, form, subject, mirror, versions, targets, elsewhere })
}

/// The releases with something to push, the newest first: what this very index has.
async fn versions(visit: &Visit<'_>, subject: &Subject) -> Result<Vec<String>> {
    let alone = Sight { place: subject.sight.place.clone(), visible: [subject.place().clone()].into() };
    let listing = listing::listing(visit.core(), &alone, &subject.name).await?;
    let releases = project_info::releases(&listing);
    let with_files = releases.iter().rev().filter(|release| !release.files.is_empty());
    Ok(with_files.take(limits::WEB_RELEASES_OFFERED).map(|release| release.version.to_owned()).collect())
}

/// The stages to which the reader may upload this project.
fn targets(tree: &Tree, visit: &Visit<'_>, subject: &Subject) -> Vec<Arc<Index>> {
    let others = tree.all().into_iter().map(|place| &place.index).filter(|index| index.id != subject.place().id);
    let fit = |index: &&Arc<Index>| {
        index.kind == Kind::Stage
            && may(visit.caller(), Action::Upload, index, Some(&subject.name))
            && may(visit.caller(), Action::Read, index, Some(&subject.name))
    };
    others.filter(fit).cloned().collect()
}

/// The bases that have the project: the push page of each, for somebody who looked for it through this index.
async fn holders(visit: &Visit<'_>, subject: &Subject) -> Result<Vec<(String, String)>> {
    let listing = listing::listing(visit.core(), &subject.sight, &subject.name).await?;
    let bases = subject.sight.visible.iter().filter(|index| listing.files.iter().any(|file| file.origin.id == index.id));
    let link = |index: &Arc<Index>| format!("{}/{}", encode_index(&index.path), encode_segment(subject.name.as_str()));
    Ok(bases.map(|index| (index.path.to_string(), link(index))).collect())
}

/// The form, sent. Mirrored files are fetched first, which may take a while.
pub async fn push(visit: &Visit<'_>, of: Of<'_>, body: Body) -> Result<Reply> {
    rights::somebody(visit)?;
    let mut form = Filled::sent(Form::read(body).await?);
    let subject = Subject::find(visit, of)?;
    let version = form.form.text("version").to_owned();
    if version.is_empty() {
        form.wrong("version", "Choose a release.");
    }
    let path = IndexPath::parse(form.form.text("target")).ok();
    let tree = visit.core().tree.load_full();
    let target = targets(&tree, visit, &subject).into_iter().find(|index| Some(&index.path) == path.as_ref());
    if target.is_none() {
        form.wrong("target", "Choose an index to which you may upload.");
    }
    let Some(target) = target.filter(|_| form.is_good()) else { return page(visit, &subject, &form).await };
    match carry_out(visit, &subject, &version, &target, form.is("docs", "yes")).await {
        Ok(files) => {
            let link =
                format!("/{}/{}/{}", encode_index(&target.path), encode_segment(subject.name.as_str()), encode_segment(&version));
            let note =
                format!("{} {version} is in {} now, with {}.", subject.name, target.path, words::count(files, "file", "files"));
            Ok(visit.to(&link, Some(&note)))
        }
        Err(error) => {
            match error {
                // Of the release, not of the page: it was deleted meanwhile, or has only documentation.
                Error::NotFound(why) | Error::BadRequest(why) => form.wrong("version", why),
                error => form.refuse(error)?,
            }
            page(visit, &subject, &form).await
        }
    }
}

/// How many files are in the target then.
async fn carry_out(visit: &Visit<'_>, subject: &Subject, version: &str, target: &Arc<Index>, docs: bool) -> Result<usize> {
    let (core, place) = (visit.core(), &subject.sight.place);
    let what = if docs { What::Everything } else { What::NoDocs };
    let parcel = push::gather(core, visit.caller(), place, subject.name.as_str(), version, what).await?;
    let steps = push::push(core, visit.caller(), &place.index.path, target, parcel).await?;
    tracing::info!(from = %place.index.path, to = %target.path, name = %subject.name, version, by = visit.caller().actor(), "push");
    Ok(steps.iter().filter(|step| matches!(step, Step::File(..))).count())
}
