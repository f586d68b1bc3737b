//! Answers: errors as clients read them, cache policies as values, and bodies with their length.

use super::accept;
use crate::error::Error;
use axum::body::Body;
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use serde_json::{Value, json};

/// What an answer is.
pub type Reply = Response<Body>;

/// How long clients and proxies may keep an answer. Every answer to a GET has one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// A page: used again only after asking, unless its index grants some seconds. Without `private`, which would keep pdm
    /// from storing it; a proxy that stores a page must ask us too, and then the caller's right is looked at.
    Page {
        /// Seconds granted.
        max_age: u64,
        /// Whether everybody may read it.
        public: bool,
    },
    /// A file or its metadata: the address changes when the bytes do.
    Immutable {
        /// Whether everybody may read it.
        public: bool,
    },
    /// Answers of the API, and errors.
    Never,
}

impl CachePolicy {
    /// The `Cache-Control` header. In lower case: pip takes no other.
    pub fn header(self) -> HeaderValue {
        match self {
            Self::Page { max_age: 0, .. } => HeaderValue::from_static("max-age=0, must-revalidate"),
            Self::Page { max_age, public } => {
                let private = if public { "" } else { "private, " };
                let text = format!("{private}max-age={max_age}, must-revalidate");
                HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("max-age=0, must-revalidate"))
            }
            Self::Immutable { public: true } => HeaderValue::from_static("public, max-age=31536000, immutable"),
            Self::Immutable { public: false } => HeaderValue::from_static("private, max-age=31536000, immutable"),
            Self::Never => HeaderValue::from_static("no-store"),
        }
    }
}

/// An answer to which headers and a body are to be added. It has room for the headers that a page or a file has, all in all: else they
/// would be moved three times while they are set.
pub fn begin(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = status;
    reply.headers_mut().reserve(HEADERS);
    reply
}

/// Headers that most answers have at most.
const HEADERS: usize = 16;

/// An answer with a body of known length.
pub fn bytes(status: StatusCode, content_type: &'static str, cache: CachePolicy, body: impl Into<Bytes>) -> Reply {
    let body = body.into();
    let mut reply = begin(status);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CACHE_CONTROL, cache.header());
    *reply.body_mut() = Body::from(body);
    reply
}

/// Plain text.
pub fn text(status: StatusCode, body: impl Into<String>) -> Reply {
    bytes(status, "text/plain; charset=utf-8", CachePolicy::Never, body.into())
}

/// JSON as devpi writes it: indented, a newline at the end, and the bare content type that its client compares with.
pub fn json(status: StatusCode, value: &Value) -> Reply {
    bytes(status, accept::JSON, CachePolicy::Never, format!("{value:#}\n"))
}

/// An answer whose result the client looks for under `result`, with its type.
pub fn result(status: StatusCode, kind: &str, value: Value, message: Option<&str>) -> Reply {
    let mut envelope = json!({"type": kind, "result": value});
    if let Some(message) = message {
        envelope["message"] = json!(message);
    }
    json(status, &envelope)
}

/// An answer that is only a message.
pub fn message(status: StatusCode, text: &str) -> Reply {
    json(status, &json!({"message": text}))
}

/// Sets the words behind the status code. twine, hatch, flit and devpi's client show them and nothing else. HTTP/2 has none.
pub fn with_reason(mut reply: Reply, words: &str) -> Reply {
    let line = words.lines().next().unwrap_or_default();
    let ascii: String =
        line.chars().filter(|c| !c.is_control()).map(|c| if c.is_ascii() { c } else { '?' }).take(REASON_MAX).collect();
    if let Ok(reason) = ReasonPhrase::try_from(ascii.into_bytes()) {
        reply.extensions_mut().insert(reason);
    }
    reply
}

/// Characters of a reason phrase: some clients read the status line into a small buffer.
const REASON_MAX: usize = 300;

/// The answer to a request that was not carried out. The first line of the body and the reason phrase say the same; where
/// devpi's client asks for JSON the phrase is the standard one, because it shows both.
pub fn error(error: &Error, request: &HeaderMap) -> Reply {
    let status = status(error);
    let words = error.to_string();
    if let Error::Internal(cause) = error {
        tracing::error!(cause = format!("{cause:#}"), "a request failed");
    }
    let header = |name| request.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_form = header(CONTENT_TYPE).is_some_and(|content_type| content_type.starts_with("multipart/"));
    let wants_json = header(ACCEPT).is_some_and(|accept| accept::names_json(Some(accept)));
    let body = match error {
        // The second half of what uploaders look for; the reason phrase has the first, which is devpi's.
        Error::Conflict(words) if is_form && words.ends_with("in non-volatile index") => format!("File already exists: {words}"),
        _ => words.clone(),
    };
    let mut reply = match wants_json {
        true => {
            // uv shows the code and nothing else.
            let code = format!("{} {body}", status.as_u16());
            json(status, &json!({"message": body, "code": code, "title": status.canonical_reason().unwrap_or_default()}))
        }
        false => text(status, body + "\n"),
    };
    let headers = reply.headers_mut();
    match error {
        Error::Unauthorized(_) => {
            // The realm is the one that old distutils compares with.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"pypi\""));
        }
        Error::MethodNotAllowed { allow, .. } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        Error::Unavailable { retry_after, .. } | Error::TooManyRequests { retry_after, .. } => {
            // Whole seconds: poetry breaks on a date.
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
        }
        _ => {}
    }
    if wants_json && !is_form { reply } else { with_reason(reply, &words) }
}

/// The status code of an error.
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::BadRequest(_) => StatusCode::BAD_REQUEST,
        Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Error::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Gone(_) => StatusCode::GONE,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::BadGateway(_) => StatusCode::BAD_GATEWAY,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
