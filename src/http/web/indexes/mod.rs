//! Making, changing and deleting indexes: the pages below `/_/indexes`.

mod delete;
mod fields;
mod form;

use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::forms::Form;
use crate::http::web::places::Place;
use crate::http::web::visit::Visit;
use axum::body::Body;

/// One line a page, or a form. `posts`: whether a form was sent.
pub async fn answer(visit: &Visit<'_>, place: Place<'_>, posts: bool, body: Body) -> Result<Reply> {
    match (place, posts) {
        (Place::NewIndex, false) => form::show_new(visit),
        (Place::NewIndex, true) => form::create(visit, body).await,
        (Place::IndexSettings(user, index), false) => form::show(visit, user, index),
        (Place::IndexSettings(user, index), true) => form::change(visit, user, index, Form::read(body).await?).await,
        (Place::DeleteIndex(user, index), false) => delete::show(visit, user, index).await,
        (Place::DeleteIndex(user, index), true) => delete::delete(visit, user, index, body).await,
        _ => Err(Error::NotFound("there is no page at this address".into())),
    }
}
