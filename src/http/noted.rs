//! What is noted of every request: its name, a line in the log, and a place in the counts.

use super::router::Route;
use super::{Site, headers, installs, outside, search};
use crate::index::access::Caller;
use crate::log::RequestId;
use crate::metrics;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What became known of a request while it was handled.
#[derive(Debug)]
pub struct Noted {
    /// What it was for.
    pub route: metrics::Route,
    /// Who sent it, once that is known.
    pub caller: Option<Arc<Caller>>,
}

impl Default for Noted {
    fn default() -> Self {
        Self { route: metrics::Route::None, caller: None }
    }
}

/// The request's name: the one that a trusted proxy gave it, so that its log and ours agree; else a new one.
pub fn request_id(site: &Site, request: &HeaderMap, peer: SocketAddr) -> RequestId {
    let given = if outside::is_proxy(site, peer) { request.get(headers::REQUEST_ID) } else { None };
    given.and_then(|value| RequestId::parse(value.to_str().ok()?)).unwrap_or_default()
}

impl Noted {
    /// Counts a request that was answered with `status` after `time`, and writes its line. The query and the headers are left out of
    /// that: what people put there may be secret.
    pub fn tell(&self, site: &Site, request: &Parts, peer: SocketAddr, status: StatusCode, time: Duration) {
        site.core.metrics.requests.of(self.route).count(status.as_u16(), time);
        tracing::debug!(
            method = %request.method,
            path = request.uri.path(),
            status = status.as_u16(),
            ms = time.as_secs_f64() * 1000.0,
            by = self.caller.as_ref().map(|caller| caller.actor()),
            from = %outside::client(site, &request.headers, peer),
            "request"
        );
    }
}

/// What a request is for.
pub fn class(route: Route<'_>, method: &Method, headers: &HeaderMap) -> metrics::Route {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let posts = *method == Method::POST;
    match route {
        Route::SimpleList(_) => metrics::Route::List,
        Route::SimpleProject(..) => metrics::Route::Page,
        Route::Index(..) if reads && installs(headers) => metrics::Route::List,
        Route::Project(..) if reads && installs(headers) => metrics::Route::Page,
        Route::HashedFile(.., name) | Route::PlainFile(.., name) if reads => match name.ends_with(".metadata") {
            true => metrics::Route::Metadata,
            false => metrics::Route::File,
        },
        Route::Index(..) if search::is_rpc(method, headers) => metrics::Route::Api,
        Route::HashedFile(..) | Route::Legacy | Route::Index(..) if posts => metrics::Route::Upload,
        Route::ProjectJson(..) | Route::SourceArchive(..) => metrics::Route::Json,
        Route::Web(_) | Route::Image(_) => metrics::Route::Web,
        Route::Docs(_) | Route::FramedDocs(_) => metrics::Route::Docs,
        Route::Health | Route::Ready | Route::Metrics => metrics::Route::Operations,
        Route::Nothing => metrics::Route::None,
        Route::HashedFile(..)
        | Route::PlainFile(..)
        | Route::Refresh(..)
        | Route::Legacy
        | Route::Root
        | Route::Api(..)
        | Route::Search
        | Route::Rpc
        | Route::Login
        | Route::Status
        | Route::AuthCheck
        | Route::User(_)
        | Route::TokenCreate(_)
        | Route::Tokens(_)
        | Route::Token(..)
        | Route::Index(..)
        | Route::Project(..)
        | Route::Version(..)
        | Route::Yank(..) => metrics::Route::Api,
    }
}
