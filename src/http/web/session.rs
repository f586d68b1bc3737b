//! The cookies of the pages: the session that a browser is signed in with, and the note that one page leaves for the next.
//!
//! The session is the same as devpi's login makes, kept in the same table: it dies with the password. Cookies count on the pages'
//! own routes only; no tool's request is ever judged by one.

use crate::error::{Error, Result};
use crate::http::auth;
use crate::index::Core;
use crate::index::access::Caller;
use crate::index::credentials::{Credentials, SESSION_PREFIX, authenticate};
use crate::limits;
use crate::pypi::Sha256;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::net::IpAddr;
use std::sync::Arc;

const SESSION: &str = "cheeseshop_session";
const NOTE: &str = "cheeseshop_note";

/// Who looks at a page: whoever the session is of; else whoever the `Authorization` header proves, as a proxy or a script may send
/// it; else nobody. A session that has ended is nobody, so that pages for everybody still come.
pub async fn caller(core: &Core, headers: &HeaderMap, from: IpAddr) -> Result<Arc<Caller>> {
    let Some(secret) = secret(headers) else {
        return match headers.contains_key(AUTHORIZATION) {
            true => auth::caller(core, headers, from).await,
            false => Ok(auth::nobody()),
        };
    };
    match authenticate(core, &Credentials { user: None, secret: secret.into(), from: None }).await {
        Err(Error::Unauthorized(_)) => Ok(auth::nobody()),
        other => other,
    }
}

/// The session's secret. Only a session counts: a token in a cookie is none.
fn secret(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION).filter(|secret| secret.starts_with(SESSION_PREFIX))
}

/// The key of the session that a page is asked for with.
pub fn key(headers: &HeaderMap) -> Option<Sha256> {
    secret(headers).map(|secret| Sha256::of(secret.as_bytes()))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Signs a browser in. Lax: a link from elsewhere finds people signed in, a form from elsewhere does not.
pub fn signed_in(secret: &str, secure: bool) -> Option<HeaderValue> {
    set(SESSION, secret, "Lax", limits::WEB_SESSION_LENGTH.as_secs(), secure)
}

/// Signs it out.
pub fn signed_out(secure: bool) -> Option<HeaderValue> {
    set(SESSION, "", "Lax", 0, secure)
}

/// Leaves a note for the next page.
pub fn with_note(text: &str, secure: bool) -> Option<HeaderValue> {
    let short: String = text.chars().take(limits::WEB_NOTE_CHARS_MAX).collect();
    set(NOTE, &utf8_percent_encode(&short, NON_ALPHANUMERIC).to_string(), "Strict", limits::WEB_NOTE_KEPT.as_secs(), secure)
}

/// Takes the note away, once it has been shown.
pub fn no_note(secure: bool) -> HeaderValue {
    set(NOTE, "", "Strict", 0, secure).unwrap_or(HeaderValue::from_static(""))
}

/// The note of the page before. Text like any other: whoever can set cookies here can write it.
pub fn note(headers: &HeaderMap) -> Option<String> {
    let text = percent_decode_str(cookie(headers, NOTE)?).decode_utf8().ok()?;
    Some(text.chars().take(limits::WEB_NOTE_CHARS_MAX).collect::<String>()).filter(|text| !text.trim().is_empty())
}

fn set(name: &str, value: &str, same_site: &str, seconds: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookies: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(cookies).unwrap());
        headers
    }

    #[test]
    fn only_a_session_is_a_session() {
        let session = format!("{SESSION_PREFIX}abc");
        assert_eq!(secret(&with(&format!("a=b; {SESSION}={session}; c=d"))), Some(session.as_str()));
        assert_eq!(secret(&with(&format!("{SESSION}=cheeseshop_token"))), None);
        assert_eq!(secret(&with(&format!("x{SESSION}={session}"))), None);
    }

    #[test]
    fn a_note_is_any_text() {
        let cookie = with_note("“1.0” is yanked; <b>; so=what", false).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(note(&with(&pair)).unwrap(), "“1.0” is yanked; <b>; so=what");
        assert_eq!(note(&with("cheeseshop_note=")), None);
        assert_eq!(note(&with("cheeseshop_note=%ff")), None);
    }

    #[test]
    fn behind_tls_cookies_stay_there() {
        let text = signed_in("s", true).unwrap();
        assert!(text.to_str().unwrap().ends_with("Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"), "{text:?}");
    }
}
