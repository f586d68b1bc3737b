//! One visit of one page: the request, who sends it, and how pages, redirects and errors are answered.

use super::assets;
use super::session;
use super::shell::Shell;
use crate::error::{Error, Result};
use crate::http::reply::{self, CachePolicy, Reply};
use crate::http::{Call, Site, outside};
use crate::index::Core;
use crate::index::access::Caller;
use crate::urls::path_of;
use askama::Template;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Only the pages' own style sheet, script and pictures, and nothing inline: whatever gets into a page by mistake does not run. The
/// script is named by its digest, because uploaded documentation has addresses on this server too.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src '{}'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
        assets::integrity("site.js")
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Bytes from which on a page is compressed.
const PACKED_FROM: usize = 1024;

/// A request for a page.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The server.
    pub site: &'a Arc<Site>,
    /// The request.
    pub call: &'a Call<'a>,
    /// The frame.
    pub shell: Shell,
}

impl<'a> Visit<'a> {
    /// Looks at who asks and where from.
    pub fn new(site: &'a Arc<Site>, call: &'a Call<'a>) -> Self {
        let base = outside::base(site, call);
        let root = path_of(&base).to_owned();
        let below = call.path.strip_prefix(root.as_str()).unwrap_or(call.path);
        let here = call.query.map_or_else(|| below.to_owned(), |query| format!("{below}?{query}"));
        let shell = Shell {
            root,
            base,
            user: call.caller.user.as_ref().map(|user| user.name.clone()),
            admin: call.caller.is_admin(),
            here,
            note: session::note(call.headers),
            query: if below == "/_/search" { call.query_value("q").unwrap_or_default() } else { String::new() },
            version: env!("CARGO_PKG_VERSION"),
        };
        Self { site, call, shell }
    }

    /// The rules' parts.
    pub fn core(&self) -> &'a Arc<Core> {
        &self.site.core
    }

    /// Who asks.
    pub fn caller(&self) -> &'a Caller {
        self.call.caller
    }

    /// Whether people reach this server by TLS: then cookies go nowhere else.
    pub fn is_secure(&self) -> bool {
        self.shell.base.starts_with("https:")
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        outside::client(self.site, self.call.headers, self.call.peer)
    }

    /// The value of a query parameter, empty if it is missing. No database looks for a NUL.
    pub fn query(&self, key: &str) -> String {
        self.call.query_value(key).unwrap_or_default().replace('\0', "")
    }

    /// A page.
    pub fn page(&self, template: &impl Template) -> Result<Reply> {
        self.page_as(StatusCode::OK, template)
    }

    /// A page with another status: a form that was refused.
    pub fn page_as(&self, status: StatusCode, template: &impl Template) -> Result<Reply> {
        let text = template.render().map_err(|e| Error::Internal(e.into()))?;
        let mut reply = packed(status, text.into_bytes(), self.call.headers)?;
        let head = reply.headers_mut();
        guard_headers(head);
        if self.shell.note.is_some() {
            head.append(SET_COOKIE, session::no_note(self.is_secure()));
        }
        Ok(reply)
    }

    /// To another page of this server, given by its path below the root; `note` is told there.
    pub fn to(&self, path: &str, note: Option<&str>) -> Reply {
        let mut reply = reply::text(StatusCode::SEE_OTHER, "see the other page\n");
        let head = reply.headers_mut();
        if let Ok(location) = HeaderValue::try_from(format!("{}{path}", self.shell.root)) {
            head.insert(LOCATION, location);
        }
        if let Some(cookie) = note.and_then(|text| session::with_note(text, self.is_secure())) {
            head.append(SET_COOKIE, cookie);
        }
        guard_headers(head);
        reply
    }

    /// What went wrong, as a page. Whoever could see more by signing in is led there.
    pub fn error(&self, error: &Error) -> Reply {
        if matches!(error, Error::Unauthorized(_)) && self.call.caller.is_anonymous() {
            let next =
                if self.call.method == Method::GET { self.shell.sign_in() } else { format!("{}/_/login", self.shell.root) };
            return self.to(next.strip_prefix(self.shell.root.as_str()).unwrap_or("/_/login"), None);
        }
        // Logs what is internal, and sets the headers that belong to each.
        let plain = reply::error(error, &HeaderMap::new());
        let page = ErrorPage {
            shell: &self.shell,
            title: title(plain.status()),
            words: &error.to_string(),
            advice: advice(plain.status()),
        };
        match self.page_as(plain.status(), &page) {
            Ok(mut reply) => {
                for (name, value) in plain.headers() {
                    if !reply.headers().contains_key(name) {
                        reply.headers_mut().insert(name, value.clone());
                    }
                }
                reply
            }
            Err(_) => plain,
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: &'a Shell,
    title: &'static str,
    words: &'a str,
    advice: &'static str,
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 => "That could not be read",
        401 => "Please sign in",
        403 => "That is not yours to do",
        404 => "There is nothing here",
        405 => "Not in this way",
        409 => "That does not fit with what is there",
        410 => "This was here, and was removed",
        429 => "Too many tries",
        502 => "The mirrored index does not answer",
        503 => "Not at the moment",
        507 => "The server is full",
        _ => "Something went wrong here",
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 409 | 413 => "Go back, change what was sent, and send it again. Nothing was changed.",
        401 => "Your session may have ended. Sign in again, then repeat what you did. Nothing was changed.",
        403 => "Ask the owner of the index, or an administrator, or sign in as somebody else. Nothing was changed.",
        404 => "It may have been removed or renamed, or it is for others to see. Search for it, or begin at the first page.",
        429 => "Wait a few minutes, then try again. Tokens and sessions that are good go on working meanwhile.",
        502 => {
            "What is kept here can still be had. Try again in a minute, or ask an administrator whether the mirror's address is right."
        }
        503 => "Try again in a few seconds.",
        507 => "An administrator has to make room before anything can be uploaded. Downloads go on.",
        _ => "Try again. If it stays so, an administrator finds the reason in the server's log.",
    }
}

fn packed(status: StatusCode, body: Vec<u8>, headers: &HeaderMap) -> Result<Reply> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let pack = body.len() >= PACKED_FROM && assets::accepts_gzip(accepted);
    let body = if pack { assets::gzip(&body)? } else { body };
    let mut reply = reply::bytes(status, "text/html; charset=utf-8", CachePolicy::Never, body);
    let head = reply.headers_mut();
    head.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Cookie, User-Agent"));
    if pack {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(reply)
}

fn guard_headers(head: &mut HeaderMap) {
    head.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    head.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
}
