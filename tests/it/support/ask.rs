//! One request and what comes back.

use super::page::{self, Link};
use axum::body::Body;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use cheeseshop::http::{Site, answer};
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;
use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// `Accept` for a page in JSON.
pub const JSON: &str = "application/vnd.pypi.simple.v1+json";
/// `Accept` for a page in HTML.
pub const HTML: &str = "application/vnd.pypi.simple.v1+html";

/// A request in the making; awaiting it sends it and reads the answer to its end.
pub struct Ask {
    site: Arc<Site>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// The words behind the status, where the server chose them.
    pub reason: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether the body broke off, so that a client sees a broken connection.
    pub broken: bool,
    path: String,
}

impl Ask {
    pub fn new(site: Arc<Site>, method: Method, path: &str) -> Self {
        Self { site, method, path: path.into(), headers: HeaderMap::new(), body: Body::empty() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    pub fn accept(self, value: &str) -> Self {
        self.header("accept", value)
    }

    /// Basic credentials.
    pub fn auth(self, user: &str, secret: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
        self.header("authorization", &value)
    }

    /// Basic credentials of a user whom the harness made.
    pub fn by(self, user: &str) -> Self {
        self.auth(user, &super::shop::password_of(user))
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The request as the server's handler gets it, its answer's body not yet read.
    pub fn begin(self) -> impl Future<Output = axum::http::Response<Body>> + Send + 'static {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = self.headers;
        answer(self.site, request, SocketAddr::from(([127, 0, 0, 1], 4711)))
    }

    async fn finish(self) -> Answer {
        let path = self.path.clone();
        let (parts, mut body) = self.begin().await.into_parts();
        let mut bytes = BytesMut::new();
        let mut broken = false;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let reason = parts.extensions.get::<ReasonPhrase>().map(|r| String::from_utf8(r.as_bytes().to_vec()).unwrap());
        let answer = Answer { status: parts.status.as_u16(), reason, headers: parts.headers, body: bytes.freeze(), broken, path };
        answer.check_length();
        answer
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.finish())
    }
}

impl Answer {
    /// Bodies have the length that was announced; HEAD, 304 and broken ones aside.
    fn check_length(&self) {
        if let Some(length) = self.get("content-length")
            && !self.broken
            && !self.body.is_empty()
        {
            assert_eq!(length, self.body.len().to_string(), "{self:?}");
        }
    }

    /// A header, if it was sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A header that must be there.
    pub fn header(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    /// Insists on a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} answered {:?}: {}", self.path, self.reason, String::from_utf8_lossy(&self.body));
        assert!(!self.broken, "{} broke off", self.path);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// The files of a simple page in either form, their addresses resolved as a client resolves them.
    pub fn links(&self) -> Vec<Link> {
        page::links(self, &self.path)
    }

    /// The file names of a simple page.
    pub fn filenames(&self) -> Vec<String> {
        self.links().into_iter().map(|link| link.filename).collect()
    }

    /// The link of one file.
    #[track_caller]
    pub fn link(&self, filename: &str) -> Link {
        let found = self.links().into_iter().find(|link| link.filename == filename);
        found.unwrap_or_else(|| panic!("no {filename} on {}: {:?}", self.path, self.filenames()))
    }

    /// The path that a redirect leads to, resolved as a client resolves it.
    pub fn location(&self) -> String {
        page::resolve(&self.path, self.header("location"))
    }
}
