//! Who is calling: reads what a request brings to prove it, and asks the rules.
//!
//! A wrong `Authorization` is 401 also where nobody needs to sign in: a token that has expired must not look like a missing
//! project. A wrong `X-Devpi-Auth` is nobody, as in devpi, whose client sends stale logins along with everything.

use super::headers::DEVPI_AUTH;
use crate::error::{Error, Result};
use crate::index::Core;
use crate::index::access::Caller;
use crate::index::credentials::{Credentials, SESSION_PREFIX, authenticate, is_token};
use crate::pypi::Sha256;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

static NOBODY: LazyLock<Arc<Caller>> = LazyLock::new(|| Arc::new(Caller::ANONYMOUS));

/// Whoever proves nothing.
pub fn nobody() -> Arc<Caller> {
    NOBODY.clone()
}

/// Finds out who sends this request; `from` is the client's address.
pub async fn caller(core: &Core, headers: &HeaderMap, from: IpAddr) -> Result<Arc<Caller>> {
    let with_address = |credentials| Credentials { from: Some(from), ..credentials };
    if let Some(value) = headers.get(DEVPI_AUTH) {
        let Some(credentials) = value.to_str().ok().and_then(user_and_secret).map(with_address) else { return Ok(nobody()) };
        return match authenticate(core, &credentials).await {
            Err(Error::Unauthorized(_)) => Ok(nobody()),
            other => other,
        };
    }
    match headers.get(AUTHORIZATION) {
        None => Ok(nobody()),
        Some(value) => {
            let unreadable = Error::Unauthorized("The Authorization header cannot be read: use Basic or Bearer");
            let credentials = value.to_str().ok().and_then(authorization).map(with_address).ok_or(unreadable)?;
            authenticate(core, &credentials).await
        }
    }
}

/// The key of the session that a request was sent with, if it was with one.
pub fn session(headers: &HeaderMap) -> Option<Sha256> {
    let text = |name| headers.get::<HeaderName>(name).and_then(|value| value.to_str().ok());
    let credentials = match text(DEVPI_AUTH) {
        Some(value) => user_and_secret(value),
        None => text(AUTHORIZATION).and_then(authorization),
    };
    let secret = credentials?.secret;
    secret.starts_with(SESSION_PREFIX).then(|| Sha256::of(secret.as_bytes()))
}

/// Reads `Basic …`, `Bearer …` or `token …`.
fn authorization(header: &str) -> Option<Credentials> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => user_and_secret(rest.trim()),
        "bearer" | "token" => Some(Credentials { user: None, secret: rest.trim().into(), from: None }),
        _ => None,
    }
}

/// Reads base64 of `user:secret`. A token in the place of the user, as in `https://TOKEN@host/`, counts too.
fn user_and_secret(encoded: &str) -> Option<Credentials> {
    let bytes = STANDARD.decode(encoded).or_else(|_| URL_SAFE.decode(encoded)).ok()?;
    // No database looks for a NUL.
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    let (user, secret) = text.split_once(':')?;
    Some(match secret.is_empty() && is_token(user) {
        true => Credentials { user: None, secret: user.into(), from: None },
        false => Credentials { user: Some(user.into()), secret: secret.into(), from: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(Option<String>, String)> {
        authorization(header).map(|c| (c.user, c.secret))
    }

    #[test]
    fn the_forms_that_clients_send() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let some = |user: Option<&str>, secret: &str| Some((user.map(str::to_owned), secret.to_owned()));
        assert_eq!(read(&basic("alice:pa:ss")), some(Some("alice"), "pa:ss"));
        assert_eq!(read(&basic("alice:")), some(Some("alice"), ""));
        assert_eq!(read(&basic("cheeseshop_abc:")), some(None, "cheeseshop_abc"));
        assert_eq!(read("Bearer cheeseshop_abc"), some(None, "cheeseshop_abc"));
        assert_eq!(read("token cheeseshop_abc"), some(None, "cheeseshop_abc"));
        for unreadable in ["", "Basic", "Basic !!!", &basic("nocolon"), "Digest x", "Basic /w=="] {
            assert_eq!(read(unreadable), None, "{unreadable}");
        }
    }
}
