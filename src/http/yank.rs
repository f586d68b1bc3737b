//! `/{user}/{index}/{project}/{version}/+yank`: yanking a release or one of its files, and taking that back, for scripts. PEP 592 says
//! what a yank means and leaves open how one is made.
//!
//! `POST` yanks; `{"reason": "…", "filename": "…"}` may come along, either or both. `DELETE` takes it back, with `?filename=` for one
//! file. Needs the right to delete, as a token's `remove`.

use super::devpi::object_or_nothing;
use super::reply::{self, Reply};
use super::{Call, Site};
use crate::error::{Error, Result};
use crate::index::access;
use crate::index::release::{self, Target};
use crate::pypi::{ProjectName, filename_guess, version};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

/// Answers it.
pub async fn yank(
    site: &Site,
    call: &Call<'_>,
    (user, index): (&str, &str),
    project: &str,
    version: &str,
    body: Body,
) -> Result<Reply> {
    let (filename, reason) = match *call.method {
        Method::POST => {
            let mut wanted = object_or_nothing(body).await?;
            let (filename, reason) = (text(&mut wanted, "filename")?, text(&mut wanted, "reason")?);
            if let Some(unknown) = wanted.keys().next() {
                return Err(Error::BadRequest(format!("a yank has no '{unknown}': there are 'reason' and 'filename'")));
            }
            (filename, Some(reason.unwrap_or_default()))
        }
        Method::DELETE => (call.query_value("filename"), None),
        _ => return Err(Error::MethodNotAllowed { allow: "POST, DELETE", message: "POST yanks, DELETE takes it back".into() }),
    };
    let name = ProjectName::parse(project).map_err(|_| Error::no_project(project))?;
    let index = {
        let tree = site.core.tree.load();
        let place = tree.find(user, index).map(|place| place.index.clone());
        place.ok_or_else(|| access::hidden(&tree, call.caller, format_args!("{user}/{index}")))?
    };
    if let Some(filename) = filename.as_deref().filter(|filename| !belongs(filename, &name, version)) {
        return Err(Error::BadRequest(format!("'{filename}' is no file of {name} {version}")));
    }
    let done = if reason.is_some() { "yanked" } else { "no longer yanked" };
    let what = filename.clone().unwrap_or_else(|| format!("{name} {version}"));
    let target = filename.map_or_else(|| Target::Release(version.to_owned()), Target::File);
    release::yank(&site.core, call.caller, &index, &name, target, reason).await?;
    Ok(reply::message(StatusCode::OK, &format!("{what} is {done} on {}", index.path)))
}

fn text(wanted: &mut Map<String, Value>, key: &str) -> Result<Option<String>> {
    match wanted.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::BadRequest(format!("'{key}' must be text"))),
    }
}

fn belongs(filename: &str, name: &ProjectName, text: &str) -> bool {
    let guessed = filename_guess::guess_version(filename, name);
    guessed.is_some_and(|guessed| version::canonical(&guessed) == version::canonical(text))
}
