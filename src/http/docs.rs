//! Documentation as web pages: `/{user}/{index}/{project}/{version}/+doc/…`, and devpi-web's `+d/…`, which leads there.
//!
//! Its authors are whoever may upload, so nothing of it may act for the person who reads it: every page is put into a sandbox of
//! an origin of its own (`docs/security.md`), and no answer sets a cookie.

use super::docs_type::content_type;
use super::etag::Etag;
use super::reply::{self, CachePolicy, Reply};
use super::router::DocsPage;
use super::simple::climb;
use super::{At, Call, Site, sight};
use crate::error::{Error, Result};
use crate::index::docs::{self, Docs, Place};
use crate::index::inspect::Member;
use crate::limits;
use crate::pypi::ProjectName;
use crate::urls::encode_segment;
use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::sync::Arc;

/// What pages of documentation may do. Without `allow-same-origin`, so that scripts in them are strangers to this server.
const SANDBOX: &str = "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-forms allow-modals \
                       allow-downloads allow-top-navigation-by-user-activation";

/// Answers the address of a page, picture or script.
pub async fn page(site: &Arc<Site>, call: &Call<'_>, of: DocsPage<'_>) -> Result<Reply> {
    only_read(call)?;
    let missing = |_| Error::NotFound(format!("no project '{}'", of.project));
    let name = ProjectName::parse(of.project).map_err(missing)?;
    let sight = sight(site, call, At::Index(of.user, of.index), Some(&name))?;
    if name.as_str() != of.project {
        return Ok(moved(call, of, name.as_str(), call.slash));
    }
    let docs = docs::find(&site.core, &sight, &name, of.version).await?;
    let path = of.path.join("/");
    match docs.place(&path, call.slash) {
        _ if of.path.is_empty() && !call.slash => Ok(moved(call, of, of.project, true)),
        Place::File(path, member) => file(site, call, &docs, &path, member, sight.place.all_public).await,
        Place::Folder => Ok(moved(call, of, of.project, true)),
        Place::Nothing => {
            let what = if path.is_empty() { "index.html" } else { &path };
            Err(Error::NotFound(format!("File {what} not found in documentation.")))
        }
    }
}

/// Answers an address of devpi-web, which shows documentation in a frame: the page itself is at another one.
pub fn framed(call: &Call<'_>, of: DocsPage<'_>) -> Result<Reply> {
    only_read(call)?;
    Ok(moved(call, of, of.project, call.slash || of.path.is_empty()))
}

fn only_read(call: &Call<'_>) -> Result<()> {
    match call.reads() {
        true => Ok(()),
        false => Err(Error::MethodNotAllowed { allow: "GET, HEAD", message: "documentation can be read here".into() }),
    }
}

/// A 302 to the same page below `+doc`, with the query. Relative, so that it holds behind any proxy.
fn moved(call: &Call<'_>, of: DocsPage<'_>, project: &str, slash: bool) -> Reply {
    // Up to the index: above the project, the version, `+doc` and the path.
    let levels = climb(call.path, 3 + of.path.len());
    let segments = [project, of.version, "+doc"].into_iter().chain(of.path.iter().copied()).map(encode_segment);
    let path = segments.collect::<Vec<_>>().join("/");
    let slash = if slash { "/" } else { "" };
    let query = call.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = reply::text(StatusCode::FOUND, "the documentation is at another address\n");
    if let Ok(location) = HeaderValue::try_from(format!("{}{path}{slash}{query}", "../".repeat(levels))) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

async fn file(site: &Site, call: &Call<'_>, docs: &Docs, path: &str, member: Member, public: bool) -> Result<Reply> {
    let etag = Etag::of_digest(&docs.sha256);
    let mut reply = Response::new(Body::empty());
    set_headers(reply.headers_mut(), content_type(path), public);
    reply.headers_mut().insert(ETAG, etag.header());
    if let Ok(date) = HeaderValue::try_from(docs.uploaded.http_date()) {
        reply.headers_mut().insert(LAST_MODIFIED, date);
    }
    let held = call.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if held.is_some_and(|held| etag.is_among(held)) {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply.headers_mut().remove(CONTENT_TYPE);
        return Ok(reply);
    }
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(member.size));
    if !call.head {
        *reply.body_mut() = Body::from_stream(docs.bytes(&site.core, &member).await?);
    }
    Ok(reply)
}

fn set_headers(headers: &mut HeaderMap, content_type: &'static str, public: bool) {
    let max_age = limits::DOCS_MAX_AGE.as_secs();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, CachePolicy::Page { max_age, public }.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Browsers show no PDF in a sandbox, and a PDF is no page of this server's origin anyway.
    if content_type != "application/pdf" {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
    // To a page in a sandbox its own fonts and script modules are a stranger's, and browsers load those only with leave. Any
    // page of the web could run the scripts anyway; texts and data are not given to strangers.
    if public && (content_type.starts_with("font/") || content_type.starts_with("text/javascript")) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
}
