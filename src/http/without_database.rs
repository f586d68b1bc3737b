//! What is answered while this node is cut off from its database: what it holds in memory for everybody, marked as possibly out of
//! date. Everything else is 503, at once: nobody waits for a database that is not there, and nothing is said not to exist by a
//! node that cannot know.

use super::headers::DEVPI_AUTH;
use super::reply::Reply;
use super::router::{At, Route};
use super::simple::{self, Stand};
use super::{Call, Site, files};
use crate::error::{Error, Result};
use crate::index::{attachments, cut_off};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, WARNING};
use std::sync::Arc;
use std::time::Duration;

/// Answers a request whose caller counts as nobody. `age` is how long ago the node last knew what had changed.
pub async fn answer(site: &Arc<Site>, call: &Call<'_>, route: Route<'_>, age: Duration) -> Result<Reply> {
    let answer = match served(site, call, route) {
        true => from_memory(site, call, route).await,
        false => Err(cut_off::error(age)),
    };
    match answer {
        Ok(reply) => {
            if !reply.headers().contains_key(WARNING) {
                site.core.metrics.stale_answers.inc();
            }
            Ok(marked(reply, site, age))
        }
        // What is wrong with the request itself is wrong in any case.
        Err(error @ (Error::BadRequest(_) | Error::NotAcceptable(_))) => Err(error),
        Err(_) => Err(cut_off::error(age)),
    }
}

/// Whether this could be answered from memory at all, and may be.
fn served(site: &Site, call: &Call<'_>, route: Route<'_>) -> bool {
    let tree = site.core.tree.load();
    let at = match route {
        Route::SimpleProject(at, ..) => at,
        Route::Project(user, index, _) if call.installs() => At::Index(user, index),
        Route::HashedFile(user, index, .., name) | Route::PlainFile(user, index, _, name) if !attachments::is_name(name) => {
            At::Index(user, index)
        }
        _ => return false,
    };
    let with_credentials = call.headers.contains_key(AUTHORIZATION) || call.headers.contains_key(DEVPI_AUTH);
    let may_serve = |user: &str, index: &str| cut_off::may_serve(&tree, user, index, with_credentials);
    call.reads()
        && match at {
            At::Index(user, index) => may_serve(user, index),
            At::Default => tree.default.as_ref().is_some_and(|path| may_serve(path.user.as_str(), path.index.as_str())),
        }
}

async fn from_memory(site: &Arc<Site>, call: &Call<'_>, route: Route<'_>) -> Result<Reply> {
    match route {
        Route::SimpleProject(at, project, depth) => simple::project(site, call, Stand::Simple(at, depth), project).await,
        Route::Project(user, index, project) => simple::project(site, call, Stand::Alias(user, index), project).await,
        Route::HashedFile(user, index, first, more, filename) => {
            files::file(site, call, user, index, &format!("+f/{first}/{more}"), filename).await
        }
        Route::PlainFile(user, index, folder, filename) => {
            files::file(site, call, user, index, &format!("+e/{folder}"), filename).await
        }
        _ => Err(Error::no_database()),
    }
}

fn marked(mut reply: Reply, site: &Site, age: Duration) -> Reply {
    let since = site.core.clock.now().minus(age).http_date();
    if let Ok(warning) = HeaderValue::try_from(format!("110 cheeseshop \"cut off from the database; this is from {since}\"")) {
        reply.headers_mut().append(WARNING, warning);
    }
    reply
}
