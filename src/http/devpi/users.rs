//! `/` and `/{user}`: the list of users, and making, showing, changing and removing one.

use super::indexes;
use super::{is_falsy, not_with_this_method, object};
use crate::db;
use crate::db::users::{Profile, User};
use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::{Call, Site, auth};
use crate::index::access::Caller;
use crate::index::account::{self, UserPatch};
use crate::index::credentials;
use crate::index::passwords::NewPassword;
use crate::index::tree::Tree;
use crate::limits;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// Keys of a user that are taken from a request.
const TAKEN: &[&str] = &["password", "pwhash", "email", "title", "description", "custom_data"];
/// Keys that come back from what was shown and are passed over, and one that old versions of devpi had.
const PASSED_OVER: &[&str] = &["indexes", "username", "created", "modified", "pwsalt"];

/// Answers `/`: all users, each with the indexes that the caller may read.
pub async fn list(site: &Site, call: &Call<'_>) -> Result<Reply> {
    if *call.method != Method::GET {
        return Err(not_with_this_method("GET, HEAD"));
    }
    let users = db::users::all(&mut site.core.db.read().await?).await?;
    let tree = site.core.tree.load();
    let list: Map<String, Value> = users.iter().map(|user| (user.name.to_string(), config(&tree, call.caller, user))).collect();
    Ok(reply::result(StatusCode::OK, "list:userconfig", Value::Object(list), None))
}

/// Answers `/{user}`.
pub async fn user(site: &Site, call: &Call<'_>, name: &str, body: Body) -> Result<Reply> {
    match *call.method {
        Method::GET => {
            let user = account::find_user(&site.core, name).await?;
            Ok(shown(site, call, StatusCode::OK, &user))
        }
        Method::PUT => create(site, call, name, body).await,
        Method::PATCH => modify(site, call, name, body).await,
        Method::DELETE => {
            account::delete_user(&site.core, call.caller, name).await?;
            Ok(reply::message(StatusCode::OK, &format!("user '{name}' deleted")))
        }
        _ => Err(not_with_this_method("GET, HEAD, PUT, PATCH, DELETE")),
    }
}

fn shown(site: &Site, call: &Call<'_>, status: StatusCode, user: &User) -> Reply {
    reply::result(status, "userconfig", config(&site.core.tree.load(), call.caller, user), None)
}

/// A user as devpi shows it; never the password's hash.
fn config(tree: &Tree, caller: &Caller, user: &User) -> Value {
    let mut config = json!({
        "username": user.name,
        "created": user.created.iso_seconds(),
        "indexes": indexes::of_user(tree, caller, user.name.as_str()),
    });
    let texts = [("email", &user.email), ("title", &user.title), ("description", &user.description)];
    for (key, text) in texts {
        if let Some(text) = text {
            config[key] = json!(text);
        }
    }
    if let Some(modified) = user.modified {
        config["modified"] = json!(modified.iso_seconds());
    }
    if let Some(data) = &user.custom_data {
        config["custom_data"] = data.0.clone();
    }
    config
}

async fn create(site: &Site, call: &Call<'_>, name: &str, body: Body) -> Result<Reply> {
    account::check_new_user(&site.core, call.caller, name).await?;
    let given = object(body).await?;
    // The key must be there; null in it makes a user whom no password lets in.
    if !given.contains_key("password") {
        return Err(Error::BadRequest("password needs to be set".into()));
    }
    let unknown: Vec<&str> =
        given.keys().map(String::as_str).filter(|key| !TAKEN.contains(key) && !PASSED_OVER.contains(key)).collect();
    if !unknown.is_empty() {
        return Err(Error::BadRequest(format!("Unknown keys in user config: {}", unknown.join(", "))));
    }
    let password = new_password(&given)?.unwrap_or(NewPassword::Nothing);
    let kept = |key: &str| Ok::<_, Error>(text(&given, key)?.filter(|text| !text.is_empty()));
    let profile = Profile {
        email: kept("email")?,
        title: kept("title")?,
        description: kept("description")?,
        custom_data: given.get("custom_data").filter(|value| !is_falsy(value)).cloned(),
    };
    let user = account::create_user(&site.core, call.caller, name, password, profile).await?;
    Ok(shown(site, call, StatusCode::CREATED, &user))
}

/// Keys that are not named stay as they are; empty values take theirs away.
async fn modify(site: &Site, call: &Call<'_>, name: &str, body: Body) -> Result<Reply> {
    let given = object(body).await?;
    let patch = UserPatch {
        password: new_password(&given)?,
        session: auth::session(call.headers),
        email: text(&given, "email")?,
        title: text(&given, "title")?,
        description: text(&given, "description")?,
        custom_data: given.get("custom_data").map(|value| if is_falsy(value) { Value::Null } else { value.clone() }),
    };
    account::modify_user(&site.core, call.caller, name, patch).await?;
    if given.get("password").is_none_or(Value::is_null) {
        return Ok(reply::message(StatusCode::OK, "user updated"));
    }
    // The change ended the user's other sessions; here is one more for whoever has none, as devpi gives it.
    let user = account::find_user(&site.core, name).await?;
    let (secret, _) = credentials::begin_session(&site.core, &user, limits::SESSION_LENGTH).await?;
    let proof = json!({"password": secret, "expiration": limits::SESSION_LENGTH.as_secs()});
    Ok(reply::result(StatusCode::OK, "userpassword", proof, Some("user updated, new proxy auth")))
}

/// The password, if one is given: its hash, which goes before, or itself, which may be empty.
fn new_password(given: &Map<String, Value>) -> Result<Option<NewPassword>> {
    if let Some(hash) = text(given, "pwhash")?.filter(|hash| !hash.is_empty()) {
        return Ok(Some(NewPassword::Hashed(hash)));
    }
    match given.get("password") {
        None | Some(Value::Null) => Ok(None),
        Some(_) => Ok(text(given, "password")?.map(NewPassword::Plain)),
    }
}

/// A field of text; empty if it is to be taken away, `None` if it is not named.
fn text(given: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match given.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value) if is_falsy(value) => Ok(Some(String::new())),
        Some(_) => Err(Error::BadRequest(format!("'{key}' must be text"))),
    }
}
