//! `+api`, from which devpi's client learns every other address, and `+login`.

use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::router::At;
use crate::http::{Call, Site, accept, outside, sight};
use crate::index::access::Caller;
use crate::index::account;
use crate::index::settings::Kind;
use crate::urls;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use serde_json::{Value, json};

/// What the client may use of what not every devpi server has; without a word here it refuses the option.
const FEATURES: &[&str] = &["push-no-docs", "push-only-docs", "push-register-project", "server-keyvalue-parsing"];

/// Answers `/+api`, `/{user}/+api` and `/{user}/{index}/+api`.
pub async fn api(site: &Site, call: &Call<'_>, user: Option<&str>, index: Option<&str>) -> Result<Reply> {
    let accept = call.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accept::wants_json(accept) {
        return Err(Error::NotFound("there is nothing at this address but JSON".into()));
    }
    // The client takes the parent of `login` for the server's root.
    let root = outside::base(site, call);
    let mut result = json!({
        "login": format!("{root}/+login"),
        "authstatus": authstatus(call.caller),
        "features": FEATURES,
    });
    if let (Some(user), Some(index)) = (user, index) {
        let index = sight(site, call, At::Index(user, index), call.caller.one_project())?.place.index;
        let here = format!("{root}/{}", urls::encode_index(&index.path));
        result["simpleindex"] = json!(format!("{here}/+simple/"));
        // A mirror has no `pypisubmit`: then the client does not even try to upload.
        if index.kind == Kind::Stage {
            result["pypisubmit"] = json!(format!("{here}/"));
        }
        result["index"] = json!(here);
    }
    Ok(reply::result(StatusCode::OK, "apiconfig", result, None))
}

fn authstatus(caller: &Caller) -> Value {
    match &caller.user {
        Some(user) => json!(["ok", user.name, []]),
        None => json!(["noauth", "", []]),
    }
}

/// Exchanges a password for a session.
pub async fn login(site: &Site, call: &Call<'_>, body: Body) -> Result<Reply> {
    let given = super::object(body).await?;
    let text = |key: &str| given.get(key).and_then(Value::as_str);
    let (Some(user), Some(password)) = (text("user"), text("password")) else {
        return Err(Error::BadRequest("Bad request: no user/password specified".into()));
    };
    match account::login(&site.core, user, password, outside::client(site, call.headers, call.peer)).await {
        Ok((secret, lasts)) => {
            let proof = json!({"password": secret, "expiration": lasts.as_secs()});
            Ok(reply::result(StatusCode::OK, "proxyauth", proof, Some("login successful")))
        }
        Err(Error::Unauthorized(_)) => Ok(refused(user)),
        Err(other) => Err(other),
    }
}

/// The 401 in devpi's words, which name the user. It asks for no credentials: this is where they are given.
fn refused(user: &str) -> Reply {
    let words = format!("user '{user}' could not be authenticated");
    reply::message(StatusCode::UNAUTHORIZED, &words)
}
