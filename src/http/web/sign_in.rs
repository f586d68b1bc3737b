//! Signing in and out.

use super::forms::Form;
use super::session;
use super::shell::Shell;
use super::visit::Visit;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::index::access::Caller;
use crate::index::account;
use askama::Template;
use axum::body::Body;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    shell: &'a Shell,
    next: &'a str,
    user: &'a str,
    refused: Option<&'a str>,
    /// Whether people make their accounts themselves.
    open: bool,
}

/// The form.
pub fn show(visit: &Visit<'_>) -> Result<Reply> {
    let next = visit.query("next");
    visit.page(&SignIn { shell: &visit.shell, next: own_path(&next), user: "", refused: None, open: is_open(visit) })
}

fn is_open(visit: &Visit<'_>) -> bool {
    account::may_make_users(visit.core(), &Caller::ANONYMOUS)
}

/// The form, sent. A wrong password and a user who does not exist look the same, and take as long.
pub async fn sign_in(visit: &Visit<'_>, body: Body) -> Result<Reply> {
    let form = Form::read(body).await?;
    let (user, next) = (form.text("user"), own_path(form.raw("next")));
    match account::sign_in(visit.core(), user, form.raw("password"), visit.client()).await {
        Ok(secret) => {
            let mut reply = visit.to(next, None);
            if let Some(cookie) = session::signed_in(&secret, visit.is_secure()) {
                reply.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(reply)
        }
        Err(error @ (Error::Unauthorized(_) | Error::TooManyRequests { .. })) => refused(visit, next, user, &error),
        Err(error) => Err(error),
    }
}

fn refused(visit: &Visit<'_>, next: &str, user: &str, error: &Error) -> Result<Reply> {
    let Error::TooManyRequests { retry_after, .. } = error else {
        let words = "The name or the password is wrong.";
        return visit.page(&SignIn { shell: &visit.shell, next, user, refused: Some(words), open: is_open(visit) });
    };
    let page = SignIn { shell: &visit.shell, next, user, refused: Some(&error.to_string()), open: is_open(visit) };
    let mut reply = visit.page_as(StatusCode::TOO_MANY_REQUESTS, &page)?;
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
    Ok(reply)
}

/// Ends the session, here and in the database.
pub async fn sign_out(visit: &Visit<'_>) -> Result<Reply> {
    if let Some(key) = session::key(visit.call.headers) {
        account::sign_out(visit.core(), &key).await?;
    }
    let mut reply = visit.to("/", Some("You are signed out."));
    if let Some(cookie) = session::signed_out(visit.is_secure()) {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(reply)
}

/// Where to go afterwards: a path of this server, never another one.
fn own_path(next: &str) -> &str {
    let own = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if own && !next.starts_with("/_/log") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away() {
        assert_eq!(own_path("/alice/dev?x=1"), "/alice/dev?x=1");
        for elsewhere in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "/_/login", "/_/logout", "x"]
        {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
