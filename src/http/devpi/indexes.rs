//! `/{user}/{index}`: making, showing, changing and removing an index.

use super::{json as read_json, not_with_this_method, object};
use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::router::At;
use crate::http::{Call, Site, sight};
use crate::index::access::{Action, Caller, may};
use crate::index::settings::{Edit, Kind};
use crate::index::tree::{Index, Tree};
use crate::index::{admin, projects};
use crate::names::IndexPath;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// Answers `/{user}/{index}`, uploads and installers aside.
pub async fn index(site: &Site, call: &Call<'_>, user: &str, index: &str, body: Body) -> Result<Reply> {
    match *call.method {
        Method::GET => show(site, call, user, index).await,
        Method::PUT => create(site, call, user, index, body).await,
        Method::PATCH => modify(site, call, user, index, body).await,
        Method::DELETE => delete(site, call, user, index).await,
        _ => Err(not_with_this_method("GET, HEAD, PUT, PATCH, DELETE, POST, PUSH")),
    }
}

/// The configurations of a user's indexes, by name: of those that the caller may read.
pub fn of_user(tree: &Tree, caller: &Caller, user: &str) -> Map<String, Value> {
    let readable =
        tree.of_user(user).into_iter().map(|place| &place.index).filter(|index| may(caller, Action::Read, index, None));
    readable.map(|index| (index.path.index.to_string(), Value::Object(config(tree, caller, index)))).collect()
}

/// An index's options as this caller may see them. A base that the caller may not read has no name for them either; one that
/// does not exist is shown, because it explains what is missing.
fn config(tree: &Tree, caller: &Caller, index: &Index) -> Map<String, Value> {
    let mut config = admin::shown(index);
    if let Some(Value::Array(bases)) = config.get_mut("bases") {
        let base = |name: &Value| tree.at(&IndexPath::parse(name.as_str()?).ok()?);
        bases.retain(|name| base(name).is_none_or(|place| may(caller, Action::Read, &place.index, None)));
    }
    config
}

fn reply_config(site: &Site, call: &Call<'_>, index: &Index) -> Reply {
    let config = config(&site.core.tree.load(), call.caller, index);
    reply::result(StatusCode::OK, "indexconfig", Value::Object(config), None)
}

async fn show(site: &Site, call: &Call<'_>, user: &str, index: &str) -> Result<Reply> {
    let index = sight(site, call, At::Index(user, index), None)?.place.index;
    if call.query_value("no_projects").is_some() {
        return Ok(reply_config(site, call, &index));
    }
    let names = projects::own(&site.core, &index).await?;
    let mut config = config(&site.core.tree.load(), call.caller, &index);
    config.insert("projects".into(), json!(names));
    Ok(reply::result(StatusCode::OK, "indexconfig", Value::Object(config), None))
}

async fn create(site: &Site, call: &Call<'_>, user: &str, index: &str, body: Body) -> Result<Reply> {
    let options = object(body).await?;
    let path = IndexPath::parse(&format!("{user}/{index}")).map_err(|e| Error::BadRequest(e.to_string()))?;
    let kind = match options.get("type") {
        None => Kind::Stage,
        Some(word) => {
            let word = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
            Kind::parse(&word).map_err(Error::BadRequest)?
        }
    };
    let index = admin::create(&site.core, call.caller, &path, kind, settings(options)).await?;
    Ok(reply_config(site, call, &index))
}

fn settings(options: Map<String, Value>) -> Vec<Edit> {
    options.into_iter().map(|(key, value)| Edit::Set(key, value)).collect()
}

async fn modify(site: &Site, call: &Call<'_>, user: &str, index: &str, body: Body) -> Result<Reply> {
    let edits = match read_json(body).await? {
        Value::Array(items) => items.iter().map(edit).collect::<Result<_>>()?,
        Value::Object(options) => settings(unlike_shown(site, call, user, index, unwrapped(options))),
        _ => return Err(Error::BadRequest("Bad request: the JSON must be an object or a list".into())),
    };
    let noop_is_error = call.query_value("error_on_noop").is_some();
    let index = admin::modify(&site.core, call.caller, &path(user, index)?, edits, noop_is_error).await?;
    Ok(reply_config(site, call, &index))
}

/// One item of a patch that is a list: `key=value`, `key+=value`, `key-=value` or `key-=`.
fn edit(item: &Value) -> Result<Edit> {
    let text = item.as_str().ok_or_else(|| Error::BadRequest(format!("'{item}' is not of the form key=value")))?;
    Ok(Edit::parse(text))
}

/// A whole answer of `devpi getjson` stands for its result.
fn unwrapped(mut options: Map<String, Value>) -> Map<String, Value> {
    let is_answer = options.get("type").is_some_and(|kind| kind == "indexconfig");
    match options.remove("result") {
        Some(Value::Object(result)) if is_answer => result,
        Some(other) => {
            options.insert("result".into(), other);
            options
        }
        None => options,
    }
}

/// Leaves out what comes back as it was shown. What is shown lacks a mirror's credentials and hidden bases, and sending it
/// back must not remove them.
fn unlike_shown(site: &Site, call: &Call<'_>, user: &str, index: &str, mut options: Map<String, Value>) -> Map<String, Value> {
    let tree = site.core.tree.load();
    if let Some(place) = tree.find(user, index) {
        let shown = config(&tree, call.caller, &place.index);
        options.retain(|key, value| shown.get(key) != Some(value));
    }
    options
}

async fn delete(site: &Site, call: &Call<'_>, user: &str, index: &str) -> Result<Reply> {
    admin::delete(&site.core, call.caller, &path(user, index)?).await?;
    // 201, as devpi has it.
    Ok(reply::message(StatusCode::CREATED, &format!("index {user}/{index} deleted")))
}

/// What can be no name is the name of nothing.
fn path(user: &str, index: &str) -> Result<IndexPath> {
    IndexPath::parse(&format!("{user}/{index}")).map_err(|_| Error::no_index(format_args!("{user}/{index}")))
}
