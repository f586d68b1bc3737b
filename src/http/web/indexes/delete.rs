//! `/_/indexes/{user}/{index}/delete`: deleting an index, by typing its path. The page says what goes with it.

use crate::db;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::filled::Filled;
use crate::http::web::forms::Form;
use crate::http::web::rights;
use crate::http::web::shell::Shell;
use crate::http::web::visit::Visit;
use crate::http::web::words;
use crate::index::access::{Action, may};
use crate::index::admin;
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::names::IndexPath;
use crate::urls::{encode_index, encode_segment};
use askama::Template;
use axum::body::Body;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "delete_index.html")]
struct Page<'a> {
    shell: &'a Shell,
    form: &'a Filled,
    path: &'a str,
    link: &'a str,
    label: String,
    mirror: bool,
    volatile: bool,
    default: bool,
    projects: usize,
    /// Indexes that inherit from it: path and address.
    heirs: Vec<(String, String)>,
    /// Indexes that do, and that the reader may not know of.
    hidden: usize,
}

fn index(visit: &Visit<'_>, user: &str, index: &str) -> Result<Arc<Index>> {
    rights::somebody(visit)?;
    let path = IndexPath::parse(&format!("{user}/{index}")).map_err(|_| Error::no_index(format_args!("{user}/{index}")))?;
    admin::administered(visit.core(), visit.caller(), &path, Action::Delete)
}

/// The form.
pub async fn show(visit: &Visit<'_>, user: &str, name: &str) -> Result<Reply> {
    page(visit, &*index(visit, user, name)?, &Filled::default()).await
}

async fn page(visit: &Visit<'_>, index: &Index, form: &Filled) -> Result<Reply> {
    let tree = visit.core().tree.load();
    let projects = db::projects::count(&mut visit.core().db.read().await?, index.id).await?;
    let heirs = tree.all().into_iter().filter(|place| place.index.bases.contains(&index.path));
    let (heirs, hidden): (Vec<_>, Vec<_>) = heirs.partition(|place| may(visit.caller(), Action::Read, &place.index, None));
    visit.page_as(
        form.status(),
        &Page {
            shell: &visit.shell,
            form,
            path: &index.path.to_string(),
            link: &encode_index(&index.path),
            label: format!("Type {} to confirm", index.path),
            mirror: index.kind == Kind::Mirror,
            volatile: index.settings.volatile,
            default: tree.default.as_ref() == Some(&index.path),
            projects: usize::try_from(projects).unwrap_or_default(),
            heirs: heirs.iter().map(|place| (place.index.path.to_string(), encode_index(&place.index.path))).collect(),
            hidden: hidden.len(),
        },
    )
}

/// The form, sent.
pub async fn delete(visit: &Visit<'_>, user: &str, name: &str, body: Body) -> Result<Reply> {
    let mut form = Filled::sent(Form::read(body).await?);
    let index = index(visit, user, name)?;
    if form.confirms(&index.path.to_string()) {
        match admin::delete(visit.core(), visit.caller(), &index.path).await {
            Ok(()) => {
                let owner = format!("/{}", encode_segment(user));
                return Ok(visit.to(&owner, Some(&format!("The index {} is deleted.", index.path))));
            }
            Err(error) => form.refuse(error)?,
        }
    }
    page(visit, &index, &form).await
}
