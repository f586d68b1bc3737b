//! Users and their tokens: the pages below `/_/users`.

mod delete;
mod password_fields;
mod profile;
mod token_list;
mod tokens;
mod users;

use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::web::places::Place;
use crate::http::web::visit::Visit;
use crate::urls::encode_segment;
use axum::body::Body;

/// One line a page, or a form. `posts`: whether a form was sent.
pub async fn answer(visit: &Visit<'_>, place: Place<'_>, posts: bool, body: Body) -> Result<Reply> {
    match (place, posts) {
        (Place::Users, false) => users::show(visit).await,
        (Place::Users, true) => users::create(visit, body).await,
        (Place::Profile(user), false) => profile::show(visit, user).await,
        (Place::Profile(user), true) => profile::change(visit, user, body).await,
        (Place::DeleteUser(user), false) => delete::show(visit, user).await,
        (Place::DeleteUser(user), true) => delete::delete(visit, user, body).await,
        (Place::Tokens(user), false) => tokens::show(visit, user).await,
        (Place::Tokens(user), true) => tokens::create(visit, user, body).await,
        (Place::RevokeToken(user), false) => Ok(visit.to(&format!("/_/users/{}/tokens", encode_segment(user)), None)),
        (Place::RevokeToken(user), true) => tokens::revoke(visit, user, body).await,
        _ => Err(Error::NotFound("there is no page at this address".into())),
    }
}
