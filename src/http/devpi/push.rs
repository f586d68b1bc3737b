//! `PUSH /{user}/{index}`, which `devpi push` sends: a release to another index or another server. `POST` with JSON is the same.

use super::object;
use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::router::At;
use crate::http::{Call, Site, sight};
use crate::index::access::{Action, may};
use crate::index::push::outward::{self, Sent, SentForm, Target};
use crate::index::push::{self, Parcel, Step, What};
use crate::index::settings::Kind;
use crate::index::tree::{Index, Place};
use crate::index::{access, links};
use crate::names::IndexPath;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Whether a request to an index is a push: one with the method of that name, or a POST of JSON; uploads are forms.
pub fn is_push(call: &Call<'_>) -> bool {
    let content_type = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    call.method.as_str() == "PUSH" || call.method == Method::POST && content_type.starts_with("application/json")
}

/// Answers a push. The order of the checks is devpi's.
pub async fn push(site: &Arc<Site>, call: &Call<'_>, user: &str, index: &str, body: Body) -> Result<Reply> {
    let place = sight(site, call, At::Index(user, index), None)?.place;
    let mut wanted = object(body).await?;
    let (Some(name), Some(version)) = (text(&mut wanted, "name")?, text(&mut wanted, "version")?) else {
        return Err(Error::BadRequest("a push names a release: 'name' and 'version' are needed".into()));
    };
    let what = match (flag(&mut wanted, "no_docs"), flag(&mut wanted, "only_docs")) {
        (true, true) => return Err(Error::BadRequest("can't use 'no_docs' and 'only_docs' together".into())),
        (true, false) => What::NoDocs,
        (false, true) => What::OnlyDocs,
        (false, false) => What::Everything,
    };
    // Whether the target will do is asked first, so that nothing is fetched from upstream in vain.
    let target = text(&mut wanted, "targetindex")?;
    match target {
        Some(target) => {
            if !wanted.is_empty() {
                let keys: Vec<&str> = wanted.keys().map(String::as_str).collect();
                return Err(Error::BadRequest(format!("unknown additional options: {}", keys.join(", "))));
            }
            within(site, call, &place, (&name, &version, what), &target).await
        }
        None => {
            let target = other_server(wanted)?;
            let parcel = push::gather(&site.core, call.caller, &place, &name, &version, what).await?;
            let sent = outward::push(&site.core, call.caller, &target, &parcel).await?;
            Ok(outward_log(&place.index, &parcel, &sent))
        }
    }
}

fn text(wanted: &mut Map<String, Value>, key: &str) -> Result<Option<String>> {
    match wanted.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::BadRequest(format!("'{key}' must be text"))),
    }
}

fn flag(wanted: &mut Map<String, Value>, key: &str) -> bool {
    wanted.remove(key).is_some_and(|value| !super::is_falsy(&value))
}

/// To an index of this server.
async fn within(
    site: &Arc<Site>,
    call: &Call<'_>,
    place: &Place,
    (name, version, what): (&str, &str, What),
    target: &str,
) -> Result<Reply> {
    if target.split('/').count() != 2 {
        return Err(Error::BadRequest("targetindex not in format user/index".into()));
    }
    let path = IndexPath::parse(target).map_err(|_| Error::no_index(target))?;
    let tree = site.core.tree.load();
    let hidden = || access::hidden(&tree, call.caller, target);
    let there = tree.at(&path).ok_or_else(hidden)?;
    let (to, project) = (there.index.clone(), crate::pypi::ProjectName::parse(name).ok());
    if to.kind == Kind::Mirror || !may(call.caller, Action::Upload, &to, project.as_ref()) {
        // As with uploads: whoever may not even read it is not told that it exists.
        access::see(there, call.caller, project.as_ref()).ok_or_else(hidden)?;
        return Ok(cannot_upload(call, target));
    }
    drop(tree);
    let parcel = push::gather(&site.core, call.caller, place, name, version, what).await?;
    let steps = push::push(&site.core, call.caller, &place.index.path, &to, parcel).await?;
    tracing::info!(from = %place.index.path, to = %path, name, version, by = call.caller.actor(), "push");
    let rows: Vec<Value> = steps.iter().map(|step| row(step, &to, name, version)).collect();
    Ok(reply::result(StatusCode::OK, "actionlog", Value::Array(rows), None))
}

/// devpi's 401 to somebody who is signed in: its client shows the words and goes on.
fn cannot_upload(call: &Call<'_>, target: &str) -> Reply {
    let user = call.caller.user.as_ref().map_or_else(|| "None".to_owned(), |user| format!("'{}'", user.name));
    reply::message(StatusCode::UNAUTHORIZED, &format!("user {user} cannot upload to '{target}'"))
}

fn row(step: &Step, to: &Index, name: &str, version: &str) -> Value {
    let path = |sha256: &crate::pypi::Sha256, filename: &str| format!("{}/{}/{filename}", to.path, links::folder_of(sha256));
    match step {
        Step::Registered => json!([200, "register", name, version, "->", to.path.to_string()]),
        Step::File(filename, sha256) => json!([200, "store_releasefile", path(sha256, filename)]),
        Step::Result(filename, sha256) => json!([200, "store_toxresult", path(sha256, filename)]),
        Step::Docs => json!([200, "store_doczip", name, version, "->", to.path.to_string()]),
    }
}

fn other_server(mut wanted: Map<String, Value>) -> Result<Target> {
    let mut needed = |key: &str| {
        let given = text(&mut wanted, key)?;
        given.ok_or_else(|| {
            Error::BadRequest(format!("a push to another server needs '{key}'; to an index of this one, 'targetindex'"))
        })
    };
    let (url, user, password) = (needed("posturl")?, needed("username")?, needed("password")?);
    Ok(Target { url, user, password: password.into(), register: flag(&mut wanted, "register_project") })
}

/// The client marks every row whose status is not 200, 201 or 410, and fails if there is one.
fn outward_log(from: &Index, parcel: &Parcel, sent: &[Sent]) -> Reply {
    let rows: Vec<Value> = sent.iter().map(|sent| outward_row(from, parcel, sent)).collect();
    let status = if sent.iter().all(Sent::is_good) { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    reply::result(status, "actionlog", Value::Array(rows), None)
}

fn outward_row(from: &Index, parcel: &Parcel, sent: &Sent) -> Value {
    let said = |text: &str| if sent.is_good() { String::new() } else { text.to_owned() };
    match (&sent.form, &sent.outcome) {
        (SentForm::Registration, Ok(posted)) => json!([posted.status, "register", parcel.display_name, parcel.version]),
        (SentForm::File(name, sha256), Ok(posted)) => {
            let path = format!("{}/{}/{name}", from.path, links::folder_of(sha256));
            json!([posted.status, "upload", path, said(&posted.text)])
        }
        (SentForm::Docs, Ok(posted)) => json!([posted.status, "docfile", parcel.display_name]),
        (SentForm::Registration, Err(why)) => json!([-1, "exception on register:", why]),
        (SentForm::File(..), Err(why)) => json!([-1, "exception on release upload:", why]),
        (SentForm::Docs, Err(why)) => json!([-1, "exception on documentation upload:", why]),
    }
}
