//! `/+authcheck`: a proxy asks whether the sender of a request may have what it asked for (nginx's `auth_request`), so that it
//! can answer from its own cache. The address is in `X-Original-URI`.

use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::router::{At, Route, route};
use crate::http::{Call, Site, outside, sight};
use crate::urls::decode_path;
use axum::http::StatusCode;

/// 200 if the caller may; 401 or 403 if not, for the proxy to pass on. An address that means nothing is 403, as in devpi.
pub fn check(site: &Site, call: &Call<'_>) -> Result<Reply> {
    let forbidden = || Error::Forbidden("not for this caller".into());
    let original = call.headers.get("x-original-uri").and_then(|value| value.to_str().ok());
    let original = original.ok_or_else(|| Error::BadRequest("the proxy sends no X-Original-URI".into()))?;
    let path = original.split('?').next().unwrap_or_default();
    let decoded = decode_path(path).ok_or_else(forbidden)?;
    let segments: Vec<&str> = decoded.segments.iter().map(AsRef::as_ref).collect();
    match route(outside::below_prefix(site, call.headers, call.peer, &segments)) {
        Route::Nothing => return Err(forbidden()),
        asked => match index_of(asked).map(|at| sight(site, call, at, None)) {
            None | Some(Ok(_)) => {}
            Some(Err(Error::Unauthorized(words))) => return Err(Error::Unauthorized(words)),
            Some(Err(_)) => return Err(forbidden()),
        },
    }
    Ok(reply::text(StatusCode::OK, ""))
}

/// The index that must be readable for it; none for what everybody may ask.
fn index_of(asked: Route<'_>) -> Option<At<'_>> {
    match asked {
        Route::SimpleList(at) | Route::SimpleProject(at, ..) | Route::ProjectJson(at, ..) => Some(at),
        Route::Refresh(user, index, _)
        | Route::HashedFile(user, index, ..)
        | Route::PlainFile(user, index, ..)
        | Route::Index(user, index)
        | Route::Project(user, index, _)
        | Route::Version(user, index, ..)
        | Route::Yank(user, index, ..)
        | Route::Api(Some(user), Some(index)) => Some(At::Index(user, index)),
        Route::Docs(page) | Route::FramedDocs(page) => Some(At::Index(page.user, page.index)),
        Route::Legacy | Route::SourceArchive(..) => Some(At::Default),
        Route::Root
        // These look by themselves at what may be read.
        | Route::Search
        | Route::Rpc
        | Route::Api(..)
        | Route::Login
        | Route::Status
        | Route::AuthCheck
        | Route::User(_)
        | Route::TokenCreate(_)
        | Route::Tokens(_)
        | Route::Token(..)
        | Route::Web(_)
        | Route::Image(_)
        | Route::Health
        | Route::Ready
        | Route::Metrics
        | Route::Nothing => None,
    }
}
