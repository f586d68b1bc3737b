//! Files and their metadata: whole or in part, from here or while they come from upstream.
//!
//! A file's bytes are never encoded on the way, and its answer never redirects but where an index or the operator says so.

use super::etag::Etag;
use super::range::{self, RangeResult};
use super::reply::{CachePolicy, Reply};
use super::{Call, Site, accept, reply};
use crate::blobs::Blob;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::index::Core;
use crate::index::access::{self, Action};
use crate::index::download::{self, Found, Source};
use crate::index::fetch::Fetching;
use crate::index::mirror_metadata;
use crate::index::release::{self, Target};
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::pypi::{ProjectName, Sha256, filename_guess};
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::sync::Arc;
use url::Url;

/// Answers a file's address, or that of its metadata.
pub async fn file(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, folder: &str, filename: &str) -> Result<Reply> {
    match *call.method {
        Method::GET => match filename.strip_suffix(".metadata") {
            Some(of) => metadata(site, call, user, index, folder, of).await,
            None if accept::names_json(header(call, ACCEPT)) => Box::pin(meta(site, call, user, index, folder, filename)).await,
            None => content(site, call, user, index, folder, filename).await,
        },
        Method::DELETE => Box::pin(delete(site, call, user, index, folder, filename)).await,
        _ => Err(Error::MethodNotAllowed {
            allow: "GET, HEAD, POST, DELETE",
            message: "a file can be read, tested and deleted".into(),
        }),
    }
}

async fn content(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, folder: &str, filename: &str) -> Result<Reply> {
    let found = download::find(&site.core, call.caller, user, index, folder, filename).await?;
    let about = About::file(&found);
    // Before the file is opened: what the client has already is not fetched from upstream.
    if let Some(unchanged) = about.unchanged(call) {
        return Ok(unchanged);
    }
    if call.head {
        return head(&site.core, call, &found, about).await;
    }
    let reply = match download::open(&site.core, &found).await? {
        Source::Kept(blob, sha256) => match link(site, call, &blob).await? {
            Some(link) => at_the_store(&link)?,
            None => kept(call, blob, About { sha256: Some(sha256), ..about }),
        },
        Source::Coming(fetching) => coming(call, fetching, about),
        Source::Elsewhere(url) => return elsewhere(&url),
    };
    if begins_a_file(&reply) {
        let (origin, listed) = (&found.listed.origin, &found.listed.file);
        site.core.downloads.count(origin.id, &found.project, &listed.filename);
    }
    Ok(reply)
}

/// The link to the object store that answers this request, if one does.
async fn link(site: &Site, call: &Call<'_>, blob: &Blob) -> Result<Option<Url>> {
    match site.delivery.redirects(call, blob.size) {
        true => Ok(blob.link().await?),
        false => Ok(None),
    }
}

/// Whether the answer counts as a download: it has the file's first byte, or sends the client to where that is.
fn begins_a_file(reply: &Reply) -> bool {
    let range = reply.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match reply.status() {
        StatusCode::OK | StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT => true,
        StatusCode::PARTIAL_CONTENT => range.is_some_and(|range| range.starts_with("bytes 0-")),
        _ => false,
    }
}

/// What devpi tells of a file: to whoever asks for JSON at its address.
async fn meta(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, folder: &str, filename: &str) -> Result<Reply> {
    let found = download::find(&site.core, call.caller, user, index, folder, filename).await?;
    let (file, origin) = (&found.listed.file, &found.listed.origin);
    let mut told = meta_of(&file.hashes, file.upload_time, &found.project, found.listed.version.as_deref());
    if origin.kind == Kind::Mirror {
        told["url"] = json!(file.url);
    }
    Ok(reply::result(StatusCode::OK, "releasefilemeta", told, None))
}

/// The fields that devpi tells of every file; `hashes` as (algorithm, hex).
pub(super) fn meta_of(
    hashes: &[(String, String)],
    modified: Option<Timestamp>,
    project: &ProjectName,
    version: Option<&str>,
) -> Value {
    json!({
        "hash_spec": hashes.first().map(|(name, hex)| format!("{name}={hex}")).unwrap_or_default(),
        "hashes": hashes.iter().map(|(name, hex)| (name.clone(), json!(hex))).collect::<Map<_, _>>(),
        "last_modified": modified.map(Timestamp::http_date),
        "project": project,
        "version": version,
    })
}

async fn metadata(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, folder: &str, filename: &str) -> Result<Reply> {
    let found = download::find(&site.core, call.caller, user, index, folder, filename).await?;
    let sha256 = match found.listed.origin.kind {
        Kind::Mirror => Box::pin(mirror_metadata::blob(&site.core, &found)).await?,
        Kind::Stage => found.listed.metadata_blob.ok_or_else(|| Error::NotFound("this file has no metadata".into()))?,
    };
    let missing = || Error::Internal(anyhow::anyhow!("the metadata blob {sha256} of {filename} is missing"));
    let blob = site.core.blobs.open(&sha256).await?.ok_or_else(missing)?;
    let about = About { sha256: Some(sha256), content_type: "application/octet-stream", ..About::file(&found) };
    Ok(kept(call, blob, about))
}

/// What the headers of an answer are made from.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// Its digest, if it is known before the bytes are: what the entity tag is made from.
    pub(super) sha256: Option<Sha256>,
    pub(super) content_type: &'static str,
    pub(super) modified: Option<Timestamp>,
    /// Whether everybody may read it.
    pub(super) public: bool,
}

impl About {
    fn file(found: &Found) -> Self {
        Self {
            sha256: found.listed.blob,
            content_type: filename_guess::content_type(&found.listed.file.filename),
            modified: found.listed.file.upload_time,
            public: found.public,
        }
    }

    fn etag(&self) -> Option<Etag> {
        self.sha256.as_ref().map(Etag::of_digest)
    }

    /// An answer with the headers that every answer about a file has.
    fn reply(&self, status: StatusCode, length: Option<u64>) -> Reply {
        let mut reply = reply::begin(status);
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CACHE_CONTROL, CachePolicy::Immutable { public: self.public }.header());
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(etag) = self.etag() {
            headers.insert(ETAG, etag.header());
        }
        if let Some(date) = self.modified.and_then(|at| HeaderValue::try_from(at.http_date()).ok()) {
            headers.insert(LAST_MODIFIED, date);
        }
        reply
    }

    fn unchanged(&self, call: &Call<'_>) -> Option<Reply> {
        let known = header(call, IF_NONE_MATCH).zip(self.etag()).is_some_and(|(list, etag)| etag.is_among(list));
        known.then(|| {
            let mut reply = self.reply(StatusCode::NOT_MODIFIED, None);
            reply.headers_mut().remove(CONTENT_TYPE);
            reply
        })
    }

    /// Which part of `size` bytes is wanted.
    fn part(&self, call: &Call<'_>, size: u64) -> RangeResult {
        let Some(wanted) = header(call, RANGE) else { return RangeResult::Whole };
        let current = match (header(call, IF_RANGE), self.etag()) {
            (Some(if_range), Some(etag)) => range::if_range_matches(if_range, &etag, self.modified),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if current { range::parse(wanted, size) } else { RangeResult::Whole }
    }

    /// The answer's head and which bytes belong into its body: none for 416.
    fn of_size(&self, call: &Call<'_>, size: u64) -> (Reply, Range<u64>) {
        match self.part(call, size) {
            RangeResult::Whole => (self.reply(StatusCode::OK, Some(size)), 0..size),
            RangeResult::Part(part) => {
                let mut reply = self.reply(StatusCode::PARTIAL_CONTENT, Some(part.end - part.start));
                set(&mut reply, CONTENT_RANGE, range::content_range(&part, size));
                (reply, part)
            }
            RangeResult::Unsatisfiable => {
                let mut reply = self.reply(StatusCode::RANGE_NOT_SATISFIABLE, Some(0));
                set(&mut reply, CONTENT_RANGE, range::unsatisfied(size));
                (reply, 0..0)
            }
        }
    }
}

pub(super) fn header<'a>(call: &'a Call<'_>, name: HeaderName) -> Option<&'a str> {
    call.headers.get(name).and_then(|value| value.to_str().ok())
}

fn set(reply: &mut Reply, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        reply.headers_mut().insert(name, value);
    }
}

/// A file that is here.
pub(super) fn kept(call: &Call<'_>, blob: Blob, about: About) -> Reply {
    if let Some(unchanged) = about.unchanged(call) {
        return unchanged;
    }
    let (mut reply, part) = about.of_size(call, blob.size);
    if !part.is_empty() && !call.head {
        *reply.body_mut() = Body::from_stream(blob.stream(part));
    }
    reply
}

/// A file that is still coming from upstream. If it turns out wrong the body breaks off, before its last byte.
fn coming(call: &Call<'_>, fetching: Fetching, about: About) -> Reply {
    let Some(size) = fetching.length else {
        // Upstream does not say how long it is: neither can we, nor which part a range is.
        let mut reply = about.reply(StatusCode::OK, None);
        *reply.body_mut() = Body::from_stream(fetching.stream(None));
        return reply;
    };
    let (mut reply, part) = about.of_size(call, size);
    if !part.is_empty() {
        *reply.body_mut() = Body::from_stream(fetching.stream(Some(part)));
    }
    reply
}

async fn head(core: &Arc<Core>, call: &Call<'_>, found: &Found, about: About) -> Result<Reply> {
    let size = Box::pin(download::size(core, found)).await?;
    Ok(match size {
        Some(size) => about.of_size(call, size).0,
        None => about.reply(StatusCode::OK, None),
    })
}

/// Sends the client to the object store. The link is as good as the right to read, for a while: nobody may keep it.
fn at_the_store(link: &Url) -> Result<Reply> {
    let mut reply = reply::text(StatusCode::FOUND, "the file is at the object store\n");
    let location = HeaderValue::try_from(link.as_str()).map_err(|e| Error::Internal(e.into()))?;
    reply.headers_mut().insert(LOCATION, location);
    reply.headers_mut().insert(CACHE_CONTROL, CachePolicy::Never.header());
    Ok(reply)
}

fn elsewhere(url: &str) -> Result<Reply> {
    let mut reply = reply::text(StatusCode::FOUND, "the file is at upstream\n");
    let location = HeaderValue::try_from(url).map_err(|e| Error::Internal(e.into()))?;
    reply.headers_mut().insert(LOCATION, location);
    Ok(reply)
}

/// Deletes a file of this very index; `?force` also where files are kept for good.
async fn delete(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, folder: &str, filename: &str) -> Result<Reply> {
    let force = call.query_value("force").is_some();
    let path = format!("{user}/{index}/{folder}/{filename}");
    let found = match download::find(&site.core, call.caller, user, index, folder, filename).await {
        Err(Error::Gone(_)) => {
            let place = super::sight(site, call, super::At::Index(user, index), None)?.place;
            return Err(gone(call, &place.index, &path, force));
        }
        Err(Error::NotFound(_)) => return Err(Error::NotFound(format!("package '{path}' doesn't exist"))),
        found => found?,
    };
    let place = super::sight(site, call, super::At::Index(user, index), Some(&found.project))?.place;
    let stage = release::stage_of(&found, &place.index)?;
    release::remove(&site.core, call.caller, &stage, &found.project, Target::File(filename.into()), force).await?;
    Ok(reply::message(StatusCode::OK, &format!("package '{path}' deleted")))
}

/// What is said of a file that was deleted before: as devpi has it, after whether it could be deleted at all.
fn gone(call: &Call<'_>, index: &Index, path: &str, force: bool) -> Error {
    if !access::may(call.caller, Action::RemoveFile, index, None) {
        return Error::Forbidden(format!("no permission to change what {} holds", index.path));
    }
    if !index.settings.volatile && !force {
        return Error::Forbidden("cannot delete version on non-volatile index".into());
    }
    Error::Gone(format!("file '{path}' existed, deleted in later serial"))
}
