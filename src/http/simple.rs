//! Simple pages: a project's files and the list of projects, in the form and encoding that the client takes.

use super::accept::{self, Encoding, NotAcceptable};
use super::etag::Etag;
use super::headers::LAST_SERIAL;
use super::reply::{self, CachePolicy, Reply};
use super::router::{At, Depth};
use super::{Call, Site};
use crate::db::Serial;
use crate::error::{Error, Result};
use crate::index::access::{self, Sight};
use crate::index::mirror;
use crate::index::pages::{self, Form, Mount, Packing, Page};
use crate::index::project_lists::{self, ProjectList};
use crate::pypi::ProjectName;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use std::sync::Arc;

/// Where a page stands: which index it is of, and from where its links start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand<'a> {
    /// Below `+simple/`, `/simple/` or `/legacy/+simple/`.
    Simple(At<'a>, Depth),
    /// `/{user}/{index}/{project}`, for installers that were given the address of the index itself.
    Alias(&'a str, &'a str),
}

/// Answers a project's page.
pub async fn project(site: &Site, call: &Call<'_>, stand: Stand<'_>, text: &str) -> Result<Reply> {
    let name = ProjectName::parse(text).map_err(|_| Error::no_project(text))?;
    let sight = sight(site, call, stand, &name)?;
    if name.as_str() != text {
        return Ok(to_normalized(call, &name));
    }
    let form = form(call)?;
    let kind = if form == accept::Form::Json { Form::Json } else { Form::Html };
    let page = pages::page(&site.core, &sight, &name, kind, mount(&sight, call, stand)).await?;
    if page.stale_since.is_some() {
        site.core.metrics.stale_answers.inc();
    }
    let installer_decides = matches!(stand, Stand::Alias(..));
    let max_age = sight.place.index.settings.page_max_age;
    let cache = CachePolicy::Page { max_age, public: sight.place.all_public };
    send(call.headers, page, form.content_type(), cache, installer_decides).await
}

fn sight(site: &Site, call: &Call<'_>, stand: Stand<'_>, name: &ProjectName) -> Result<Sight> {
    let at = match stand {
        Stand::Simple(at, _) => at,
        Stand::Alias(user, index) => At::Index(user, index),
    };
    super::sight(site, call, at, Some(name))
}

/// From where the links of the page start: the index's root, or the server's if the page stands below neither.
fn mount(sight: &Sight, call: &Call<'_>, stand: Stand<'_>) -> Mount {
    let path = || Some(sight.place.index.path.to_string().into());
    let (names, index) = match stand {
        Stand::Simple(_, Depth::Index) => (2, None),
        Stand::Simple(_, Depth::Default) => (2, path()),
        Stand::Simple(_, Depth::Legacy) => (3, path()),
        Stand::Alias(..) => (1, None),
    };
    Mount { climb: climb(call.path, names), index }
}

/// How often `../` leads above the last `names` names of a path. Not always as often as there are names: a slash too many,
/// which routing passes over, counts for whoever resolves a link.
pub(super) fn climb(path: &str, names: usize) -> usize {
    let named = path.as_bytes().rsplit(|byte| *byte == b'/').enumerate().filter(|(_, segment)| !segment.is_empty());
    named.map(|(at, _)| at).nth(names.saturating_sub(1)).unwrap_or(0)
}

/// A 302, because clients keep a 301 for ever. Relative, so that it holds behind any proxy; the query is kept.
fn to_normalized(call: &Call<'_>, name: &ProjectName) -> Reply {
    let up = if call.slash { "../" } else { "" };
    let query = call.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = reply::text(StatusCode::FOUND, "the name is written differently\n");
    if let Ok(location) = HeaderValue::try_from(format!("{up}{name}/{query}")) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

fn form(call: &Call<'_>) -> Result<accept::Form> {
    let format = call.query_value("format");
    accept::negotiate(header(call.headers, ACCEPT), format.as_deref()).map_err(|NotAcceptable| {
        Error::NotAcceptable("this ?format= is not known: use application/vnd.pypi.simple.v1+json or +html, or text/html".into())
    })
}

fn header(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How an answer is packed: as the client takes it, if that is worth while.
fn encoding(headers: &HeaderMap, is_worth_packing: bool) -> Encoding {
    if is_worth_packing { accept::encoding(header(headers, ACCEPT_ENCODING)) } else { Encoding::Identity }
}

fn packing(encoding: Encoding) -> Packing {
    match encoding {
        Encoding::Identity => Packing::Identity,
        Encoding::Gzip => Packing::Gzip,
        Encoding::Zstd => Packing::Zstd,
    }
}

fn is_known(headers: &HeaderMap, etag: &Etag) -> bool {
    header(headers, IF_NONE_MATCH).is_some_and(|list| etag.is_among(list))
}

/// Sends a page, or says that the client has it already. Nothing on this way touches a database or a disk.
pub(super) async fn send(
    headers: &HeaderMap,
    page: Arc<Page>,
    content_type: &'static str,
    cache: CachePolicy,
    by_agent: bool,
) -> Result<Reply> {
    let encoding = encoding(headers, page.is_worth_packing());
    let etag = Etag::of_page(&page.digest, encoding);
    let mut reply = match is_known(headers, &etag) {
        true => reply::begin(StatusCode::NOT_MODIFIED),
        false => full(page.bytes(packing(encoding)).await?, content_type, encoding),
    };
    describe(&mut reply, &etag, cache, page.serial, by_agent);
    if let Some(since) = page.stale_since
        && let Ok(warning) =
            HeaderValue::try_from(format!("110 cheeseshop \"upstream does not answer; this is from {}\"", since.http_date()))
    {
        reply.headers_mut().insert("warning", warning);
    }
    Ok(reply)
}

/// What caches and mirroring tools want to know.
fn describe(reply: &mut Reply, etag: &Etag, cache: CachePolicy, serial: Serial, by_agent: bool) {
    let head = reply.headers_mut();
    head.insert(ETAG, etag.header());
    head.insert(CACHE_CONTROL, cache.header());
    let vary = if by_agent { "Accept, Accept-Encoding, User-Agent" } else { "Accept, Accept-Encoding" };
    head.insert(VARY, HeaderValue::from_static(vary));
    head.insert(LAST_SERIAL, HeaderValue::from(serial.0));
}

fn full(body: Bytes, content_type: &'static str, encoding: Encoding) -> Reply {
    let length = body.len() as u64;
    with_body(Body::from(body), length, content_type, encoding)
}

fn with_body(body: Body, length: u64, content_type: &'static str, encoding: Encoding) -> Reply {
    let mut reply = reply::begin(StatusCode::OK);
    *reply.body_mut() = body;
    let head = reply.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    head.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(name) = encoding.content_encoding() {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    reply
}

/// Answers the list of projects.
pub async fn list(site: &Site, call: &Call<'_>, at: At<'_>) -> Result<Reply> {
    let sight = super::sight(site, call, at, None)?;
    let form = form(call)?;
    let json = form == accept::Form::Json;
    if !json && !call.slash && !call.is_installer() {
        return Ok(with_slash(call));
    }
    let (kind, below) = match at {
        // There are no links.
        _ if json => (Form::Json, ""),
        _ if call.slash => (Form::Html, ""),
        // Where the address lacks its slash, links are relative to the folder above.
        At::Default => (Form::Html, "simple/"),
        At::Index(..) => (Form::Html, "+simple/"),
    };
    let list = project_lists::list(&site.core, &sight, kind, below).await?;
    let cache = CachePolicy::Page { max_age: sight.place.index.settings.page_max_age, public: sight.place.all_public };
    send_list(call.headers, &list, form.content_type(), cache).await
}

/// Sends a list, or says that the client has it already.
async fn send_list(headers: &HeaderMap, list: &ProjectList, content_type: &'static str, cache: CachePolicy) -> Result<Reply> {
    let encoding = encoding(headers, list.is_worth_packing());
    let etag = Etag::of_page(&list.digest, encoding);
    let mut reply = match is_known(headers, &etag) {
        true => reply::begin(StatusCode::NOT_MODIFIED),
        false => match encoding {
            Encoding::Identity => with_body(Body::from_stream(list.identity()?), list.length, content_type, encoding),
            Encoding::Gzip => full(list.gzip().await?, content_type, encoding),
            Encoding::Zstd => full(list.zstd(), content_type, encoding),
        },
    };
    describe(&mut reply, &etag, cache, list.serial, false);
    Ok(reply)
}

/// The links of an HTML list are relative to its address with the slash.
fn with_slash(call: &Call<'_>) -> Reply {
    let last = call.path.rsplit('/').next().unwrap_or_default();
    let query = call.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = reply::text(StatusCode::FOUND, "the list is at the address with a slash at its end\n");
    if let Ok(location) = HeaderValue::try_from(format!("{last}/{query}")) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

/// Makes the mirrors of an order ask for a project's page again, and leads back to it (devpi's refresh).
pub async fn refresh(site: &Site, call: &Call<'_>, user: &str, index: &str, text: &str) -> Result<Reply> {
    let name = ProjectName::parse(text).map_err(|_| Error::no_project(text))?;
    let sight = access::sight(&site.core.tree.load(), call.caller, user, index, Some(&name))?;
    mirror::forget(&site.core, &sight, &name).await?;
    let mut reply = reply::text(StatusCode::FOUND, "asking the mirrors again\n");
    let up = if call.slash { "../" } else { "./" };
    if let Ok(location) = HeaderValue::try_from(up) {
        reply.headers_mut().insert(LOCATION, location);
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::climb;

    #[test]
    fn links_climb_over_every_slash() {
        let cases = [
            ("/u/i/+simple/p/", 2),
            ("/u/i/+simple/p", 1),
            ("/u/i/+simple//p/", 3),
            ("/u/i//+simple/p//", 3),
            ("//u/i/+simple/p", 1),
        ];
        for (path, wanted) in cases {
            assert_eq!(climb(path, 2), wanted, "{path}");
        }
        assert_eq!((climb("/u/i/p", 1), climb("/u/i/p/", 1), climb("/legacy/+simple/p/", 3)), (0, 1, 3));
    }
}
