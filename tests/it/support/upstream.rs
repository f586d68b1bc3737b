//! Another index, on 127.0.0.1, that can be told to misbehave: to stall, to cut, to lie, to fail, to send elsewhere, and to wait
//! until a test lets it go on. It counts what it is asked.

use super::dist::sha256;
use super::{Dist, LONG};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The server; it ends when this is dropped.
pub struct FakeUpstream {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

/// How a path is answered.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Not at all: the connection stays open and silent.
    Stall,
    /// All headers, then this many bytes, then the connection breaks.
    Cut(usize),
    /// The same without a length: the body just ends early, in good order.
    EndEarly(usize),
    /// Other bytes of whatever length, with nothing amiss in the answer.
    Lie(Vec<u8>),
    /// Other bytes, without saying how many, and no end until the test adds a permit.
    LieAndHold(Vec<u8>, Arc<Semaphore>),
    /// A status without a body.
    Status(u16),
    /// To another address.
    Redirect(String),
    /// Half of the body, then nothing until the test adds a permit.
    Hold(Arc<Semaphore>),
    /// Nothing until the test adds a permit.
    HoldAll(Arc<Semaphore>),
    /// The whole body, without saying how long it is.
    NoLength,
}

/// A file as the upstream shows it.
#[derive(Debug, Clone)]
pub struct Item {
    pub dist: Dist,
    pub sha256: bool,
    pub md5: bool,
    pub size: bool,
    pub metadata: Metadata,
    pub upload_time: Option<String>,
    pub requires_python: Option<String>,
    pub yanked: Option<String>,
    pub provenance: Option<String>,
    /// What the page says of the bytes, if that is not the truth.
    pub lie: Option<Vec<u8>>,
    /// The address on the page, if the file is not in its usual place.
    pub url: Option<String>,
}

/// What the upstream says about `.metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// Nothing, and it has none.
    None,
    /// The truth.
    Right,
    /// `true`, without a hash.
    Unhashed,
    /// It has one, but not of the hash that the page gives.
    WrongHash,
    /// The page promises one, but there is none.
    Broken,
}

impl Item {
    /// As PyPI shows it: everything there is, and true.
    pub fn new(dist: &Dist) -> Self {
        Self {
            dist: dist.clone(),
            sha256: true,
            md5: false,
            size: true,
            metadata: if dist.is_wheel() { Metadata::Right } else { Metadata::None },
            upload_time: Some("2020-05-05T10:11:12.345678Z".into()),
            requires_python: None,
            yanked: None,
            provenance: None,
            lie: None,
            url: None,
        }
    }

    /// As the plainest server shows it: a name and an address.
    pub fn bare(dist: &Dist) -> Self {
        Self { sha256: false, size: false, metadata: Metadata::None, upload_time: None, ..Self::new(dist) }
    }

    fn hashes(&self) -> Vec<(&'static str, String)> {
        let bytes = self.lie.as_deref().unwrap_or(&self.dist.bytes);
        let mut hashes = Vec::new();
        if self.sha256 {
            hashes.push(("sha256", sha256(bytes)));
        }
        if self.md5 {
            hashes.push(("md5", hex::encode(Md5::digest(bytes))));
        }
        hashes
    }
}

#[derive(Default)]
struct State {
    projects: BTreeMap<String, Vec<Item>>,
    statuses: BTreeMap<String, Value>,
    modes: BTreeMap<String, Mode>,
    html: bool,
    no_ranges: bool,
    no_etags: bool,
    credentials: Option<String>,
    seen: Vec<Seen>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub status: u16,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl FakeUpstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = shared.clone();
                let service = hyper::service::service_fn(move |request| answer(state.clone(), address, request));
                // A connection may end in any way: that is what this server is for.
                connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, state, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `http://127.0.0.1:…`
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a mirror's `mirror_url` is.
    pub fn index_url(&self) -> String {
        format!("{}/simple/", self.root())
    }

    /// The same with credentials, which are then asked for.
    pub fn index_url_with_credentials(&self, user: &str, password: &str) -> String {
        use base64::Engine as _;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.state().credentials = Some(format!("Basic {token}"));
        format!("http://{user}:{password}@{}/simple/", self.address)
    }

    /// Shows a file.
    pub fn add(&self, item: Item) {
        let project = item.dist.name.to_lowercase().replace(['.', '_'], "-");
        self.state().projects.entry(project).or_default().push(item);
    }

    /// Shows the project without this file.
    pub fn drop_file(&self, project: &str, filename: &str) {
        self.state().projects.get_mut(project).unwrap().retain(|item| item.dist.filename != filename);
    }

    pub fn drop_project(&self, project: &str) {
        self.state().projects.remove(project).unwrap();
    }

    /// Changes a file that is shown.
    pub fn change(&self, project: &str, filename: &str, with: impl FnOnce(&mut Item)) {
        let mut state = self.state();
        with(state.projects.get_mut(project).unwrap().iter_mut().find(|item| item.dist.filename == filename).unwrap());
    }

    /// Sets a PEP 792 status.
    pub fn set_status(&self, project: &str, status: Value) {
        self.state().statuses.insert(project.into(), status);
    }

    /// Speaks HTML only, as PEP 503 had it.
    pub fn speak_html(&self) {
        self.state().html = true;
    }

    /// Answers the whole file to every range.
    pub fn ignore_ranges(&self) {
        self.state().no_ranges = true;
    }

    /// Sends no ETag.
    pub fn send_no_etags(&self) {
        self.state().no_etags = true;
    }

    /// Answers a path in a special way from now on.
    pub fn set_mode(&self, path: &str, mode: Mode) {
        self.state().modes.insert(path.into(), mode);
    }

    /// Answers a path as usual again.
    pub fn heal(&self, path: &str) {
        self.state().modes.remove(path);
    }

    /// How often a path was asked for, by whatever method.
    pub fn asked(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// The requests for a path.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.state().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// Every request.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub fn forget_seen(&self) {
        self.state().seen.clear();
    }
}

/// The path of a project's page.
pub fn page_path(project: &str) -> String {
    format!("/simple/{project}/")
}

/// The path of a file.
pub fn file_path(dist: &Dist) -> String {
    format!("/files/{}", dist.filename)
}

/// The path of a file's metadata.
pub fn metadata_path(dist: &Dist) -> String {
    format!("{}.metadata", file_path(dist))
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(state: Arc<Mutex<State>>, address: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (mode, content, at) = {
        let mut state = state.lock().unwrap();
        let seen = Seen {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            status: 0,
        };
        state.seen.push(seen);
        let at = state.seen.len() - 1;
        let mode = state.modes.get(request.uri().path()).cloned();
        // What goes wrong with a body can go wrong only where there is one.
        let conditional =
            !matches!(mode, Some(Mode::Cut(_) | Mode::EndEarly(_) | Mode::Lie(_) | Mode::LieAndHold(..) | Mode::Hold(_)));
        let content = state.content(address, &request, conditional);
        (mode, content, at)
    };
    let reply = match mode {
        Some(mode) => misbehave(mode, content).await,
        None => whole(content),
    };
    // A test may have forgotten the requests in the meantime.
    if let Some(seen) = state.lock().unwrap().seen.get_mut(at) {
        seen.status = reply.status().as_u16();
    }
    Ok(reply)
}

/// What there is to say, before anything misbehaves.
struct Content {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Content {
    fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }
}

impl State {
    fn content(&self, address: SocketAddr, request: &Request<Incoming>, conditional: bool) -> Content {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        if self.credentials.is_some() && header("authorization") != self.credentials.as_deref() {
            return Content { headers: vec![("www-authenticate", "Basic".into())], ..Content::status(401) };
        }
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/simple/") {
            let body = match rest.strip_suffix('/') {
                None if rest.is_empty() => Some(self.list()),
                Some(project) => self.projects.get(project).map(|items| self.page(address, project, items)),
                None => None,
            };
            return body.map_or_else(
                || Content::status(404),
                |body| self.conditional(body, header("if-none-match").filter(|_| conditional)),
            );
        }
        match path.strip_prefix("/files/") {
            Some(name) => self.file(name, header("range")),
            None => Content::status(404),
        }
    }

    fn conditional(&self, body: String, known: Option<&str>) -> Content {
        let kind = if self.html { "text/html; charset=utf-8" } else { super::JSON };
        let etag = format!("\"{}\"", &sha256(body.as_bytes())[..20]);
        let mut headers = vec![("content-type", kind.to_owned())];
        if !self.no_etags {
            if known == Some(&etag) {
                return Content { headers: vec![("etag", etag)], ..Content::status(304) };
            }
            headers.push(("etag", etag));
        }
        Content { status: 200, headers, body: body.into() }
    }

    fn list(&self) -> String {
        let names = self.projects.keys();
        match self.html {
            true => names.map(|name| format!("<a href=\"{name}/\">{name}</a>\n")).collect(),
            false => {
                let projects: Vec<Value> = names.map(|name| json!({"name": name})).collect();
                json!({"meta": {"api-version": "1.0"}, "projects": projects}).to_string()
            }
        }
    }

    fn page(&self, address: SocketAddr, project: &str, items: &[Item]) -> String {
        match self.html {
            true => items.iter().map(html_anchor).collect(),
            false => {
                let files: Vec<Value> = items.iter().map(|item| json_file(address, item)).collect();
                let mut page = json!({"meta": {"api-version": "1.4"}, "name": project, "files": files});
                if let Some(status) = self.statuses.get(project) {
                    page["project-status"] = status.clone();
                }
                page.to_string()
            }
        }
    }

    fn file(&self, name: &str, range: Option<&str>) -> Content {
        let named = |filename: &str| self.projects.values().flatten().find(|item| item.dist.filename == filename);
        if let Some(item) = name.strip_suffix(".metadata").and_then(named) {
            return match item.metadata {
                Metadata::None | Metadata::Broken => Content::status(404),
                _ => Content { body: item.dist.metadata.clone().into(), ..Content::status(200) },
            };
        }
        let Some(item) = named(name) else { return Content::status(404) };
        let bytes = Bytes::from(item.dist.bytes.clone());
        match range.filter(|_| !self.no_ranges).map(|range| part(range, bytes.len())) {
            None => Content { body: bytes, ..Content::status(200) },
            Some((start, end)) => {
                let place = format!("bytes {start}-{}/{}", end - 1, bytes.len());
                Content { status: 206, headers: vec![("content-range", place)], body: bytes.slice(start..end) }
            }
        }
    }
}

/// Start and end of `bytes=a-b`, `bytes=a-` or `bytes=-n` in a file of this size.
fn part(range: &str, size: usize) -> (usize, usize) {
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(last)) => (start, (last + 1).min(size)),
        (Ok(start), Err(_)) => (start, size),
        (Err(_), last) => (size.saturating_sub(last.unwrap()), size),
    }
}

fn html_anchor(item: &Item) -> String {
    let url = item.url.clone().unwrap_or_else(|| format!("../..{}", file_path(&item.dist)));
    let hash = item.hashes().first().map(|(name, hex)| format!("#{name}={hex}")).unwrap_or_default();
    let mut attributes = String::new();
    if let Some(python) = &item.requires_python {
        attributes += &format!(" data-requires-python=\"{}\"", python.replace('>', "&gt;"));
    }
    if let Some(reason) = &item.yanked {
        attributes += &format!(" data-yanked=\"{reason}\"");
    }
    if let Some(url) = &item.provenance {
        attributes += &format!(" data-provenance=\"{url}\"");
    }
    match promise(item) {
        Value::Bool(false) => {}
        Value::Bool(true) => attributes += " data-core-metadata=\"true\"",
        hashes => attributes += &format!(" data-core-metadata=\"sha256={}\"", hashes["sha256"].as_str().unwrap()),
    }
    format!("<a href=\"{url}{hash}\"{attributes}>{}</a><br>\n", item.dist.filename)
}

fn promise(item: &Item) -> Value {
    match item.metadata {
        Metadata::None => json!(false),
        Metadata::Unhashed => json!(true),
        Metadata::Right | Metadata::Broken => json!({"sha256": sha256(&item.dist.metadata)}),
        Metadata::WrongHash => json!({"sha256": sha256(b"something else")}),
    }
}

fn json_file(address: SocketAddr, item: &Item) -> Value {
    let mut file = Map::new();
    let url = item.url.clone().unwrap_or_else(|| format!("http://{address}{}", file_path(&item.dist)));
    file.insert("filename".into(), json!(item.dist.filename));
    file.insert("url".into(), json!(url));
    file.insert("hashes".into(), json!(item.hashes().into_iter().collect::<BTreeMap<_, _>>()));
    if item.metadata != Metadata::None {
        file.insert("core-metadata".into(), promise(item));
    }
    if item.size {
        file.insert("size".into(), json!(item.lie.as_ref().unwrap_or(&item.dist.bytes).len()));
    }
    let texts = [
        ("upload-time", &item.upload_time),
        ("requires-python", &item.requires_python),
        ("yanked", &item.yanked),
        ("provenance", &item.provenance),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            file.insert(key.into(), json!(value));
        }
    }
    Value::Object(file)
}

fn reply(content: &Content, length: Option<usize>, body: Body) -> Response<Body> {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(content.status).unwrap();
    for (name, value) in &content.headers {
        reply.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    if let Some(length) = length.filter(|_| content.status != 304) {
        reply.headers_mut().insert("content-length", HeaderValue::from(length));
    }
    reply
}

fn body(pieces: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::new(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
}

fn once(bytes: Bytes) -> Body {
    body(stream::iter([Ok(bytes)]))
}

fn whole(content: Content) -> Response<Body> {
    reply(&content, Some(content.body.len()), once(content.body.clone()))
}

async fn misbehave(mode: Mode, content: Content) -> Response<Body> {
    let length = content.body.len();
    match mode {
        Mode::Stall => std::future::pending().await,
        Mode::Cut(count) => {
            let broken = Err(io::Error::other("cut, as the test asked"));
            reply(&content, Some(length), body(stream::iter([Ok(content.body.slice(..count)), broken])))
        }
        Mode::EndEarly(count) => reply(&content, None, once(content.body.slice(..count))),
        Mode::Lie(bytes) => whole(Content { body: bytes.into(), ..content }),
        Mode::LieAndHold(bytes, gate) => {
            let end = stream::once(async move {
                pass(&gate).await;
                Ok(Bytes::new())
            });
            reply(&content, None, body(stream::iter([Ok(bytes.into())]).chain(end)))
        }
        Mode::Status(status) => whole(Content::status(status)),
        Mode::Redirect(location) => whole(Content { headers: vec![("location", location)], ..Content::status(302) }),
        Mode::NoLength => reply(&content, None, once(content.body.clone())),
        Mode::Hold(gate) => {
            let (first, rest) = (content.body.slice(..length / 2), content.body.slice(length / 2..));
            let rest = stream::once(async move {
                pass(&gate).await;
                Ok(rest)
            });
            reply(&content, Some(length), body(stream::iter([Ok(first)]).chain(rest)))
        }
        Mode::HoldAll(gate) => {
            pass(&gate).await;
            whole(content)
        }
    }
}

async fn pass(gate: &Semaphore) {
    let permit = tokio::time::timeout(LONG, gate.acquire()).await;
    permit.expect("the test never lets the upstream go on").unwrap().forget();
}

/// A gate for [`Mode::Hold`], closed.
pub fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// Lets everybody through a gate, now and later.
pub fn open(gate: &Semaphore) {
    gate.add_permits(10_000);
}
