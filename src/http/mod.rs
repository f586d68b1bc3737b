//! Requests and answers: the outermost layer. It parses, asks `index`, and writes what comes back; it holds no rule and no SQL.
//!
//! Every request goes through [`answer`], in tests as in life.

pub mod accept;
pub mod attachments;
pub mod auth;
pub mod crowd;
pub mod delivery;
pub mod devpi;
pub mod docs;
pub mod docs_type;
pub mod docs_upload;
pub mod etag;
pub mod files;
pub mod form;
pub mod head_timer;
pub mod headers;
pub mod health;
pub mod image;
pub mod json_api;
pub mod metrics;
pub mod noted;
pub mod outside;
pub mod range;
pub mod reply;
pub mod request_body;
pub mod router;
pub mod search;
pub mod serve;
pub mod shutdown;
pub mod simple;
pub mod socket;
pub mod strict;
pub mod test_results;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod upload;
pub mod web;
pub mod without_database;
pub mod xmlrpc;
pub mod yank;

use crate::error::{Error, Result};
use crate::index::Core;
use crate::index::access::{self, Caller, Sight};
use crate::index::cut_off;
use crate::index::images::Images;
use crate::log;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use crate::urls::decode_path;
use axum::body::Body;
use axum::http::header::{ACCEPT, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request};
use delivery::Delivery;
use devpi::projects::Of;
use ipnet::IpNet;
use noted::Noted;
use reply::Reply;
use router::{At, Route, route};
use simple::Stand;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use url::Url;
use web::descriptions::Descriptions;

/// What answers requests: the rules' parts and what only HTTP needs to know.
#[derive(Debug)]
pub struct Site {
    /// The rules' parts.
    pub core: Arc<Core>,
    /// Where people reach this server, if it cannot be told from their requests (`--outside-url`).
    pub outside_url: Option<Url>,
    /// Proxies whose forwarding headers are believed (`--trusted-proxy`).
    pub trusted_proxies: Vec<IpNet>,
    /// How files in an object store reach clients (`--blob-delivery`).
    pub delivery: Delivery,
    /// Descriptions as the pages show them.
    pub descriptions: Descriptions,
    /// Whether this server speaks TLS itself (`--tls-cert`).
    pub https: bool,
    /// Who may read what is counted (`--metrics`).
    pub metrics: metrics::Readers,
    /// Fetches the pictures in descriptions, if they are shown at all (`--description-images`).
    pub images: Option<Images>,
    /// A random id of this installation (`X-DEVPI-UUID`).
    pub uuid: HeaderValue,
}

/// One request, its body aside.
#[derive(Debug)]
pub struct Call<'a> {
    /// Method; HEAD counts as GET, and its body is dropped at the end.
    pub method: &'a Method,
    /// Whether it was HEAD: then a handler need not begin what only a body needs.
    pub head: bool,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// The path as sent, still encoded.
    pub path: &'a str,
    /// What stands behind `?`, as sent.
    pub query: Option<&'a str>,
    /// Whether the path ends with a slash.
    pub slash: bool,
    /// Who sends it.
    pub caller: &'a Caller,
    /// From where.
    pub peer: SocketAddr,
}

impl Call<'_> {
    /// The first value of a query parameter.
    pub fn query_value(&self, key: &str) -> Option<String> {
        let query = self.query?;
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// Whether this is an installer, to which `/{user}/{index}` is a simple index.
    pub fn is_installer(&self) -> bool {
        is_installer(self.headers)
    }

    /// Whether this asks for simple pages.
    fn installs(&self) -> bool {
        installs(self.headers)
    }

    /// The methods that read.
    fn reads(&self) -> bool {
        self.method == Method::GET
    }
}

/// Whether an installer sends this: devpi's rule.
fn is_installer(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let installers = ["distribute/", "setuptools/", "pip/", "pex/", "uv/"];
    agent.split(' ').any(|word| installers.iter().any(|name| word.starts_with(name)))
}

/// Whether a request asks for simple pages: an installer's, or one that names their form.
fn installs(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    is_installer(headers) || accept::names_simple(accept)
}

/// Answers one request from `peer`, and notes that.
pub async fn answer(site: Arc<Site>, request: Request<Body>, peer: SocketAddr) -> Reply {
    let id = noted::request_id(&site, request.headers(), peer);
    let name = HeaderValue::from_str(id.as_str());
    let mut work = pin!(answer_noted(&site, request, peer));
    let mut reply = poll_fn(|cx| log::within(&id, || work.as_mut().poll(cx))).await;
    if let Ok(name) = name {
        reply.headers_mut().insert(headers::REQUEST_ID, name);
    }
    reply
}

async fn answer_noted(site: &Arc<Site>, request: Request<Body>, peer: SocketAddr) -> Reply {
    let begun = site.core.clock.uptime();
    let (parts, body) = request.into_parts();
    let mut noted = Noted::default();
    let outcome = handle(site, &parts, body, peer, &mut noted).await;
    let reply = finished(site, &parts, outcome);
    noted.tell(site, &parts, peer, reply.status(), site.core.clock.uptime().saturating_sub(begun));
    reply
}

/// The answer as every answer is.
fn finished(site: &Site, parts: &Parts, outcome: Result<Reply>) -> Reply {
    let mut reply = outcome.unwrap_or_else(|error| reply::error(&error, &parts.headers));
    let head = reply.headers_mut();
    head.insert(headers::DEVPI_API_VERSION, HeaderValue::from_static("2"));
    head.insert(headers::DEVPI_SERVER_VERSION, HeaderValue::from_static(devpi::COMPATIBLE_WITH));
    for name in headers::DEVPI_UUIDS {
        head.insert(name, site.uuid.clone());
    }
    head.insert(headers::DEVPI_SERIAL, HeaderValue::from(site.core.changes.seen().0));
    if parts.method == Method::HEAD {
        *reply.body_mut() = Body::empty();
    }
    reply
}

async fn handle(site: &Arc<Site>, parts: &Parts, body: Body, peer: SocketAddr, noted: &mut Noted) -> Result<Reply> {
    let uri = &parts.uri;
    let decoded = decode_path(uri.path()).ok_or_else(|| Error::BadRequest("the path cannot be read".into()))?;
    let segments: Vec<&str> = decoded.segments.iter().map(AsRef::as_ref).collect();
    let route = route(outside::below_prefix(site, &parts.headers, peer, &segments));
    noted.route = noted::class(route, &parts.method, &parts.headers);
    // Nobody needs to be anybody for these, and a load balancer's question must not cost a look at a password.
    match route {
        Route::Health => return Ok(health::health()),
        Route::Metrics => return Box::pin(metrics::metrics(site, &parts.method, &parts.headers, peer)).await,
        _ => {}
    }
    let cut_off = cut_off::lasting(&site.core).await;
    if route == Route::Ready {
        return Box::pin(health::ready(site, cut_off)).await;
    }
    if let Some(target) = web::target(route, &parts.method, &parts.headers) {
        noted.route = crate::metrics::Route::Web;
        return Ok(Box::pin(web::answer(site, parts, body, peer, (target, cut_off), noted)).await);
    }
    let caller = match cut_off {
        Some(_) => auth::nobody(),
        None => auth::caller(&site.core, &parts.headers, outside::client(site, &parts.headers, peer)).await?,
    };
    noted.caller = Some(caller.clone());
    let head = parts.method == Method::HEAD;
    let call = Call {
        method: if head { &Method::GET } else { &parts.method },
        head,
        headers: &parts.headers,
        path: uri.path(),
        query: uri.query(),
        slash: decoded.trailing_slash,
        caller: &caller,
        peer,
    };
    match cut_off {
        Some(age) => Box::pin(without_database::answer(site, &call, route, age)).await,
        None => dispatch(site, &call, route, body).await,
    }
}

/// What installers ask for at once, everything else by a future of its own: one is as large as the largest that it may become, and is
/// moved some times before it begins.
async fn dispatch(site: &Arc<Site>, call: &Call<'_>, route: Route<'_>, body: Body) -> Result<Reply> {
    match route {
        Route::SimpleProject(at, project, depth) if call.reads() => {
            simple::project(site, call, Stand::Simple(at, depth), project).await
        }
        Route::HashedFile(user, index, first, more, filename) => {
            hashed_file(site, call, (user, index), &format!("+f/{first}/{more}"), filename, body).await
        }
        _ => Box::pin(dispatch_rarer(site, call, route, body)).await,
    }
}

/// One line a route: which handler answers which method.
async fn dispatch_rarer(site: &Arc<Site>, call: &Call<'_>, route: Route<'_>, body: Body) -> Result<Reply> {
    match route {
        Route::Search if call.reads() => search::json(site, call).await,
        Route::Root if search::is_rpc(call.method, call.headers) => search::rpc(site, call, None, body).await,
        Route::Rpc if search::is_rpc(call.method, call.headers) => search::rpc(site, call, Some(At::Default), body).await,
        Route::Index(user, index) if search::is_rpc(call.method, call.headers) => {
            search::rpc(site, call, Some(At::Index(user, index)), body).await
        }
        Route::SimpleList(at) if search::is_rpc(call.method, call.headers) => search::rpc(site, call, Some(at), body).await,

        Route::SimpleList(at) if call.reads() => simple::list(site, call, at).await,
        Route::SimpleList(at) | Route::SimpleProject(at, ..) => Err(not_an_upload_address(site, call, at)),
        Route::Refresh(user, index, project) if call.method == Method::POST => {
            simple::refresh(site, call, user, index, project).await
        }
        Route::PlainFile(user, index, folder, filename) => {
            files::file(site, call, user, index, &format!("+e/{folder}"), filename).await
        }

        Route::Yank(user, index, project, version) => yank::yank(site, call, (user, index), project, version, body).await,
        Route::Docs(of) => docs::page(site, call, of).await,
        Route::FramedDocs(of) => docs::framed(call, of),
        Route::Image(signature) if call.reads() => image::image(site, call, signature).await,

        Route::Legacy if call.method == Method::POST => upload::upload(site, call, At::Default, body).await,
        Route::Index(user, index) if devpi::push::is_push(call) => devpi::push::push(site, call, user, index, body).await,
        Route::Index(user, index) if call.method == Method::POST => {
            upload::upload(site, call, At::Index(user, index), body).await
        }
        Route::Legacy => {
            Err(Error::MethodNotAllowed { allow: "POST", message: "this is the address for uploads: use POST".into() })
        }

        Route::ProjectJson(at, project, version) if call.reads() => json_api::project(site, call, at, project, version).await,
        Route::SourceArchive(project, filename) if call.reads() => json_api::source_archive(site, call, project, filename).await,

        Route::Root => devpi::users::list(site, call).await,
        Route::Api(user, index) if call.reads() => devpi::api::api(site, call, user, index).await,
        Route::Login if call.method == Method::POST => devpi::api::login(site, call, body).await,
        Route::AuthCheck if call.reads() => devpi::authcheck::check(site, call),
        Route::Status if call.reads() => devpi::status::status(site, call).await,
        Route::TokenCreate(user) => devpi::tokens::create(site, call, user, body).await,
        Route::Tokens(user) => devpi::tokens::list(site, call, user).await,
        Route::Token(user, id) => devpi::tokens::remove(site, call, user, id).await,
        Route::User(user) => devpi::users::user(site, call, user, body).await,
        Route::Index(user, index) if call.reads() && call.installs() => simple::list(site, call, At::Index(user, index)).await,
        Route::Project(user, index, project) if call.reads() && call.installs() => {
            simple::project(site, call, Stand::Alias(user, index), project).await
        }
        Route::Index(user, index) => devpi::indexes::index(site, call, user, index, body).await,
        Route::Project(user, index, project) => {
            devpi::projects::project(site, call, Of::project(user, index, project), body).await
        }
        Route::Version(user, index, project, version) => {
            devpi::projects::project(site, call, Of { version: Some(version), ..Of::project(user, index, project) }, body).await
        }
        _ => Err(Error::NotFound("there is nothing at this address".into())),
    }
}

/// What has a hash in its address: a file, something attached to one, or a place to attach results to.
async fn hashed_file(
    site: &Arc<Site>,
    call: &Call<'_>,
    (user, index): (&str, &str),
    folder: &str,
    filename: &str,
    body: Body,
) -> Result<Reply> {
    match *call.method {
        Method::POST => Box::pin(test_results::attach(site, call, (user, index), folder, filename, body)).await,
        _ if crate::index::attachments::is_name(filename) => {
            Box::pin(attachments::attachment(site, call, user, index, folder, filename)).await
        }
        _ => files::file(site, call, user, index, folder, filename).await,
    }
}

/// A 405 that names the address which uploads go to: people paste the wrong one of the two.
fn not_an_upload_address(site: &Site, call: &Call<'_>, at: At<'_>) -> Error {
    let address = match at {
        At::Default => match sight(site, call, at, None) {
            Ok(sight) => format!("/legacy/ or /{}/", sight.place.index.path),
            Err(_) => "/legacy/".into(),
        },
        At::Index(user, index) => format!("/{user}/{index}/"),
    };
    Error::MethodNotAllowed {
        allow: "GET, HEAD",
        message: format!("this is the address for installing; the address for uploads is {address}"),
    }
}

/// The index that a route is about, as this caller sees it.
fn sight(site: &Site, call: &Call<'_>, at: At<'_>, project: Option<&ProjectName>) -> Result<Sight> {
    let tree = site.core.tree.load();
    match at {
        At::Index(user, index) => access::sight(&tree, call.caller, user, index, project),
        At::Default => {
            let IndexPath { user, index } = tree.default.as_ref().ok_or_else(no_default)?;
            let sight = access::sight(&tree, call.caller, user.as_str(), index.as_str(), project);
            // Who may not read it learns no name either.
            sight.map_err(|error| if matches!(error, Error::NotFound(_)) { no_default() } else { error })
        }
    }
}

fn no_default() -> Error {
    Error::NotFound("this server has no default index: use /user/index/+simple/".into())
}
