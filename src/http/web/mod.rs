//! Pages for people: what a browser is shown at the addresses where tools get JSON, and everything below `/_/`.
//!
//! A page asks the same rules with the same [`Caller`](crate::index::access::Caller) as the API; it holds none of its own. Nothing
//! here needs a script, and nothing is loaded from another server. What uploaders wrote is text: templates escape it, and
//! descriptions go through `description`.

pub mod accounts;
pub mod activity;
pub mod assets;
pub mod descriptions;
pub mod filled;
pub mod forms;
pub mod guard;
pub mod home;
pub mod index_page;
pub mod indexes;
pub mod mirror_state;
pub mod places;
pub mod project;
pub mod releases;
pub mod rights;
pub mod search;
pub mod session;
pub mod setup;
pub mod shell;
pub mod sign_in;
pub mod status;
#[cfg(test)]
mod tests;
pub mod user_page;
pub mod visit;
pub mod words;

use super::noted::Noted;
use super::reply::Reply;
use super::router::Route;
use super::{Call, Site, accept, auth, installs, outside};
use crate::error::{Error, Result};
use crate::index::{access::Caller, cut_off};
use axum::body::Body;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use places::{Place, ProjectPlace};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use visit::Visit;

/// Which page a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/`
    Home,
    /// `/{user}`
    User(&'a str),
    /// `/{user}/{index}`
    Index(&'a str, &'a str),
    /// `/{user}/{index}/{project}`, with a version or without.
    Project(&'a str, &'a str, &'a str, Option<&'a str>),
    /// Below `/_/`.
    Own(Place<'a>),
}

/// The page that a request is for; `None` if a tool asks, or for something that is no page.
pub fn target<'a>(route: Route<'a>, method: &Method, headers: &HeaderMap) -> Option<Target<'a>> {
    let shared = match route {
        Route::Web(place) => return Some(Target::Own(place)),
        Route::Root => Target::Home,
        Route::User(user) => Target::User(user),
        Route::Index(user, index) => Target::Index(user, index),
        Route::Project(user, index, project) => Target::Project(user, index, project, None),
        Route::Version(user, index, project, version) => Target::Project(user, index, project, Some(version)),
        _ => return None,
    };
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let reads = *method == Method::GET || *method == Method::HEAD;
    (reads && !installs(headers) && !accept::wants_json(accept)).then_some(shared)
}

/// Answers with a page, whatever happens. `cut_off`: for how long this node has not heard from its database.
pub async fn answer(
    site: &Arc<Site>,
    parts: &Parts,
    body: Body,
    peer: SocketAddr,
    (target, cut_off): (Target<'_>, Option<Duration>),
    noted: &mut Noted,
) -> Reply {
    if let Target::Own(Place::Asset(_, name)) = target
        && matches!(parts.method, Method::GET | Method::HEAD)
    {
        return assets::serve(name, &parts.headers);
    }
    let caller = match cut_off {
        Some(age) => Err(cut_off::error(age)),
        None => match session::caller(&site.core, &parts.headers, outside::client(site, &parts.headers, peer)).await {
            // A browser goes on sending a password that is none any more, and must get to the form that asks for another.
            Err(Error::Unauthorized(_)) if target == Target::Own(Place::SignIn) => Ok(auth::nobody()),
            found => found,
        },
    };
    noted.caller = caller.as_ref().ok().cloned();
    let nobody = Caller::ANONYMOUS;
    let (caller, outcome) = match &caller {
        Ok(caller) => (&**caller, Ok(())),
        Err(error) => (&nobody, Err(error.share())),
    };
    let call = call(parts, caller, peer);
    let visit = Visit::new(site, &call);
    let answered = match outcome {
        Ok(()) => dispatch(&visit, target, body).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| visit.error(&error))
}

fn call<'a>(parts: &'a Parts, caller: &'a Caller, peer: SocketAddr) -> Call<'a> {
    let head = parts.method == Method::HEAD;
    Call {
        method: if head { &Method::GET } else { &parts.method },
        head,
        headers: &parts.headers,
        path: parts.uri.path(),
        query: parts.uri.query(),
        slash: parts.uri.path().ends_with('/'),
        caller,
        peer,
    }
}

/// One line a page, or a form.
async fn dispatch(visit: &Visit<'_>, target: Target<'_>, body: Body) -> Result<Reply> {
    if !visit.call.reads() {
        guard::check(visit)?;
        only_forms(visit)?;
    }
    match target {
        Target::Home => home::show(visit).await,
        Target::User(user) => user_page::show(visit, user).await,
        Target::Index(user, index) => index_page::show(visit, user, index).await,
        Target::Project(user, index, project, version) => project::show(visit, user, index, project, version).await,
        Target::Own(place) => own(visit, place, body).await,
    }
}

/// Browsers send forms by POST, and there is no other way to do something here.
fn only_forms(visit: &Visit<'_>) -> Result<()> {
    match *visit.call.method {
        Method::POST => Ok(()),
        _ => Err(Error::MethodNotAllowed {
            allow: "GET, HEAD, POST",
            message: "Pages are read, and forms are sent by POST.".into(),
        }),
    }
}

/// What stands below `/_/`. Forms lead away with a 303, so that going back and reloading send nothing twice.
async fn own(visit: &Visit<'_>, place: Place<'_>, body: Body) -> Result<Reply> {
    let posts = visit.call.method == Method::POST;
    match (place, posts) {
        (Place::SignIn, false) => sign_in::show(visit),
        (Place::SignIn, true) => sign_in::sign_in(visit, body).await,
        (Place::SignOut, true) => sign_in::sign_out(visit).await,
        (Place::SignOut, false) => Ok(visit.to("/", None)),
        (Place::Project(user, index, project, ProjectPlace::Compare), false) => {
            project::compare::show(visit, user, index, project).await
        }
        (Place::Search, false) => search::show(visit).await,
        (Place::Activity, false) => activity::show(visit).await,
        (Place::Status, false) => status::show(visit).await,
        (Place::Users | Place::Profile(_) | Place::DeleteUser(_) | Place::Tokens(_) | Place::RevokeToken(_), _) => {
            accounts::answer(visit, place, posts, body).await
        }
        (Place::Project(user, index, project, what), _) => {
            releases::answer(visit, releases::Of { user, index, project }, what, posts, body).await
        }
        (Place::NewIndex | Place::IndexSettings(..) | Place::DeleteIndex(..), _) => {
            indexes::answer(visit, place, posts, body).await
        }
        _ => Err(Error::NotFound("there is no page at this address".into())),
    }
}
