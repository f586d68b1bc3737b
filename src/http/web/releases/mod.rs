//! What is done with releases in a browser: yanking, deleting, pushing, asking mirrors again. The pages below `/_/projects`.

mod push;
mod refresh;
mod remove;
mod subject;
mod yank;

use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::places::ProjectPlace;
use crate::http::web::visit::Visit;
use axum::body::Body;

/// Which project of which index, as the address names them.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Owner.
    pub user: &'a str,
    /// Index.
    pub index: &'a str,
    /// Project, in any spelling.
    pub project: &'a str,
}

/// One line a page, or a form. `posts`: whether a form was sent.
pub async fn answer(visit: &Visit<'_>, of: Of<'_>, what: ProjectPlace, posts: bool, body: Body) -> Result<Reply> {
    match (what, posts) {
        (ProjectPlace::Yank, false) => yank::show(visit, of).await,
        (ProjectPlace::Yank, true) => yank::yank(visit, of, body).await,
        (ProjectPlace::Remove, false) => remove::show(visit, of).await,
        (ProjectPlace::Remove, true) => remove::remove(visit, of, body).await,
        (ProjectPlace::Push, false) => push::show(visit, of).await,
        (ProjectPlace::Push, true) => push::push(visit, of, body).await,
        (ProjectPlace::Refresh, false) => refresh::show(visit, of),
        (ProjectPlace::Refresh, true) => refresh::refresh(visit, of).await,
        (ProjectPlace::Compare, _) => Err(Error::NotFound("there is no page at this address".into())),
    }
}
