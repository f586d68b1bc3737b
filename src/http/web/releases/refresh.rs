//! `…/refresh`: makes the mirrors of an order ask for a project again.

use super::Of;
use super::subject::Subject;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::index::mirror;
use crate::index::settings::Kind;
use askama::Template;

#[derive(Template)]
#[template(path = "refresh.html")]
struct Page<'a> {
    shell: &'a Shell,
    subject: &'a Subject,
    mirrors: Vec<String>,
}

/// The form.
pub fn show(visit: &Visit<'_>, of: Of<'_>) -> Result<Reply> {
    rights::somebody(visit)?;
    let subject = Subject::find(visit, of)?;
    let mirrors = subject.sight.visible.iter().filter(|index| index.kind == Kind::Mirror);
    let mirrors = mirrors.map(|index| index.path.to_string()).collect();
    visit.page(&Page { shell: &visit.shell, subject: &subject, mirrors })
}

/// The form, sent. The page that it leads to is the one that asks.
pub async fn refresh(visit: &Visit<'_>, of: Of<'_>) -> Result<Reply> {
    rights::somebody(visit)?;
    let subject = Subject::find(visit, of)?;
    mirror::forget(visit.core(), &subject.sight, &subject.name).await?;
    Ok(visit.to(&format!("/{}", subject.link), Some("The mirrors were asked again.")))
}
