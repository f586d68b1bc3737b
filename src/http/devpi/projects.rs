//! `/{user}/{index}/{project}` and `/{user}/{index}/{project}/{version}`: what `devpi list` shows and `devpi remove` removes.

use super::not_with_this_method;
use crate::db::attachments::{Attachment, Kind as Attached};
use crate::db::files::File;
use crate::error::{Error, Result};
use crate::http::reply::{self, Reply};
use crate::http::router::At;
use crate::http::{Call, Site, outside, sight};
use crate::index::access::{self, Sight};
use crate::index::holdings::{self, Held, Part};
use crate::index::merge::Listed;
use crate::index::release::{self, Target};
use crate::index::settings::{self, Kind};
use crate::index::tree::Index;
use crate::index::{admin, file_log, links, listing, mirror};
use crate::names::IndexPath;
use crate::pypi::{ProjectName, devpi_fields};
use crate::urls;
use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Which index, and what of it.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Owner.
    pub user: &'a str,
    /// Index.
    pub index: &'a str,
    /// Project, in any spelling.
    pub project: &'a str,
    /// One version; `None`: the whole project.
    pub version: Option<&'a str>,
}

impl<'a> Of<'a> {
    /// A whole project.
    pub fn project(user: &'a str, index: &'a str, project: &'a str) -> Self {
        Self { user, index, project, version: None }
    }
}

/// Answers the address of a project or a version, installers aside.
pub async fn project(site: &Site, call: &Call<'_>, of: Of<'_>, body: Body) -> Result<Reply> {
    match *call.method {
        Method::GET => show(site, call, of).await,
        Method::DELETE => delete(site, call, of).await,
        Method::PATCH if of.version.is_none() => configure(site, call, of, body).await,
        _ => Err(not_with_this_method("GET, HEAD, PATCH, DELETE")),
    }
}

async fn show(site: &Site, call: &Call<'_>, of: Of<'_>) -> Result<Reply> {
    let missing = || {
        Error::NotFound(match of.version {
            None => format!("no project '{}'", of.project),
            Some(version) => format!("The version {version} of project {} does not exist.", of.project),
        })
    };
    let name = ProjectName::parse(of.project).map_err(|_| missing())?;
    let mut sight = sight(site, call, At::Index(of.user, of.index), Some(&name))?;
    if name.as_str() != of.project {
        return Ok(to_normalized(call, &name, of.version));
    }
    let mut listing = listing::listing(&site.core, &sight, &name).await?;
    if !listing.known {
        return Err(missing());
    }
    // A project that only bases have is known to the index; without them it has no versions.
    if call.query_value("ignore_bases").is_some() {
        let visible = [sight.place.index.clone()].into();
        sight = Sight { visible, ..sight };
        listing = listing::listing(&site.core, &sight, &name).await?;
    }
    let rows = holdings::rows(&site.core, &sight, &listing).await?;
    let (root, version) = (outside::base(site, call), of.version.map(str::to_owned));
    // A project of thousands of files is megabytes of JSON.
    let work = tokio::task::spawn_blocking(move || {
        let held = holdings::versions(&sight.visible, &listing, &rows, version.as_deref());
        match version {
            None => {
                let all: Map<String, Value> =
                    held.iter().map(|held| (held.version.to_owned(), shown(held, &root, &name))).collect();
                Ok(reply::result(StatusCode::OK, "projectconfig", Value::Object(all), None))
            }
            Some(version) => match held.first() {
                Some(held) => Ok(reply::result(StatusCode::OK, "versiondata", shown(held, &root, &name), None)),
                None => Err(Error::NotFound(format!("The version {version} of project {name} does not exist."))),
            },
        }
    });
    work.await?
}

/// devpi 7's options of a project: whether mirrors may add to it, which here is an entry of the index's whitelist.
async fn configure(site: &Site, call: &Call<'_>, of: Of<'_>, body: Body) -> Result<Reply> {
    let name = ProjectName::parse(of.project).map_err(|_| Error::no_project(of.project))?;
    let path = IndexPath::parse(&format!("{}/{}", of.user, of.index));
    let path = path.map_err(|_| Error::no_index(format_args!("{}/{}", of.user, of.index)))?;
    let rules = inheritance_rules(super::json(body).await?)?;
    let edit = settings::project_rule(&name, &rules).map_err(Error::BadRequest)?;
    let index = admin::modify(&site.core, call.caller, &path, vec![edit], false).await?;
    let open = index.settings.mirror_whitelist.iter().any(|open| open == name.as_str());
    let rules = if open { json!(["allow all"]) } else { json!([]) };
    Ok(reply::result(StatusCode::OK, "projectconfig", json!({"name": name, "inheritance_rules": rules}), None))
}

/// The one option there is, from an object or from a list of `key=value`; `key-=` takes it away.
fn inheritance_rules(body: Value) -> Result<Value> {
    let options: Map<String, Value> = match body {
        Value::Object(options) => options,
        Value::Array(items) => {
            let texts = items.iter().filter_map(Value::as_str).filter_map(|text| text.split_once('='));
            texts.map(|(key, value)| (key.trim_end_matches(['+', '-']).to_owned(), json!(value))).collect()
        }
        _ => return Err(Error::BadRequest("Bad request: the JSON must be an object or a list".into())),
    };
    if let Some(unknown) = options.keys().find(|key| !matches!(key.as_str(), "inheritance_rules" | "name")) {
        return Err(Error::BadRequest(format!("a project has no option '{unknown}': there is 'inheritance_rules' only")));
    }
    Ok(options.get("inheritance_rules").cloned().unwrap_or(Value::Null))
}

/// A 302 to the normalized name, with the query that devpi forgets. Relative, so that it holds behind any proxy.
fn to_normalized(call: &Call<'_>, name: &ProjectName, version: Option<&str>) -> Reply {
    let levels = usize::from(call.slash) + usize::from(version.is_some());
    let version = version.map(|version| format!("/{}", urls::encode_segment(version))).unwrap_or_default();
    let slash = if call.slash { "/" } else { "" };
    let query = call.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = reply::text(StatusCode::FOUND, "the name is written differently\n");
    if let Ok(location) = HeaderValue::try_from(format!("{}{name}{version}{slash}{query}", "../".repeat(levels))) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

/// A version: what the first index says, with what others have of the same version in its shadow.
fn shown(held: &Held<'_>, root: &str, name: &ProjectName) -> Value {
    let Some((first, others)) = held.parts.split_first() else {
        return json!({"name": name, "version": held.version});
    };
    let mut data = versiondata(first, root);
    if !others.is_empty() {
        data.insert("+shadowing".into(), others.iter().map(|part| Value::Object(versiondata(part, root))).collect());
    }
    Value::Object(data)
}

fn versiondata(part: &Part<'_>, root: &str) -> Map<String, Value> {
    let mut data = match part.metadata {
        Some(metadata) => devpi_fields::to_devpi(metadata),
        None => {
            let requires = part.files.iter().find_map(|(listed, _)| listed.file.requires_python.clone());
            requires.map(|requires| ("requires_python".to_owned(), json!(requires))).into_iter().collect()
        }
    };
    data.insert("name".into(), json!(part.name));
    data.insert("version".into(), json!(part.version));
    if let Some(reason) = part.files.iter().find_map(|(listed, _)| listed.file.yanked.as_deref()) {
        data.insert("yanked".into(), json!(reason));
    }
    let links = links(part, root);
    if !links.is_empty() {
        data.insert("+links".into(), Value::Array(links));
    }
    data
}

/// The files and what is attached to them, as devpi lists them: in the order in which they came.
fn links(part: &Part<'_>, root: &str) -> Vec<Value> {
    let folder = |listed: &Listed| format!("{root}/{}/{}", urls::encode_index(&part.index.path), links::folder(&listed.file));
    let mut links = Vec::new();
    for (listed, row) in &part.files {
        let href = format!("{}/{}", folder(listed), urls::encode_segment(&listed.file.filename));
        let came = row.map(|row| (row.uploaded, 0, row.id.0));
        links.push((came, file_link(part.index, listed, *row, href)));
    }
    for attachment in part.attachments {
        let tested = part.files.iter().find(|(_, row)| row.is_some_and(|row| Some(row.id) == attachment.file_id));
        let folder = match (tested, attachment.kind) {
            (Some((listed, _)), _) => folder(listed),
            (None, Attached::DocZip) => {
                format!("{root}/{}/{}", urls::encode_index(&part.index.path), links::folder_of(&attachment.sha256))
            }
            // Of a file that is not shown.
            (None, Attached::ToxResult) => continue,
        };
        let mut link = attached_link(part.index, attachment, format!("{folder}/{}", urls::encode_segment(&attachment.filename)));
        if let Some((listed, _)) = tested {
            link["for_href"] = json!(format!("{folder}/{}", urls::encode_segment(&listed.file.filename)));
        }
        links.push((Some((attachment.uploaded, 1, attachment.id.0)), link));
    }
    links.sort_by_key(|(came, _)| *came);
    links.into_iter().map(|(_, link)| link).collect()
}

fn file_link(index: &Index, listed: &Listed, row: Option<&File>, href: String) -> Value {
    let hashes = &listed.file.hashes;
    let spec = hashes.first().map(|(algorithm, hex)| format!("{algorithm}={hex}")).unwrap_or_default();
    let mut link = json!({
        "rel": "releasefile",
        // The index that has the file, not the one that was asked: so the client tells its own files from others'.
        "href": href,
        "hash_spec": spec,
        "hashes": hashes.iter().map(|(algorithm, hex)| (algorithm.clone(), json!(hex))).collect::<Map<_, _>>(),
    });
    if let Some(row) = row.filter(|_| index.kind == Kind::Stage) {
        let stored = row.log.as_ref().map(|log| &log.0);
        link["log"] = file_log::of(stored, row.uploaded_by.as_deref(), row.uploaded, &index.path);
    }
    link
}

fn attached_link(index: &Index, attachment: &Attachment, href: String) -> Value {
    let hex = attachment.sha256.hex();
    let stored = attachment.log.as_ref().map(|log| &log.0);
    json!({
        "rel": if attachment.kind == Attached::DocZip { "doczip" } else { "toxresult" },
        "href": href,
        "hash_spec": format!("sha256={hex}"),
        "hashes": {"sha256": hex},
        "log": file_log::of(stored, attachment.uploaded_by.as_deref(), attachment.uploaded, &index.path),
    })
}

/// Removes a project or a version from this very index; `?force` also where files are kept for good.
async fn delete(site: &Site, call: &Call<'_>, of: Of<'_>) -> Result<Reply> {
    let name = ProjectName::parse(of.project).map_err(|_| Error::NotFound("project not found".into()))?;
    let index = here(site, call, of)?;
    let force = call.query_value("force").is_some();
    let target = of.version.map_or(Target::Project, |version| Target::Release(version.to_owned()));
    let removed = release::remove(&site.core, call.caller, &index, &name, target, force).await;
    match (&removed, index.kind, of.version) {
        // A mirror forgets what it knows of the project, whether or not it kept files of it, and asks upstream again.
        (Ok(()) | Err(Error::NotFound(_)), Kind::Mirror, None) => {
            let sight = sight(site, call, At::Index(of.user, of.index), Some(&name))?;
            mirror::forget(&site.core, &sight, &name).await?;
        }
        _ => removed?,
    }
    let words = match of.version {
        None => format!("project {name} deleted from stage {}", index.path),
        Some(version) => format!("project '{name}' version '{version}' deleted"),
    };
    Ok(reply::message(StatusCode::OK, &words))
}

/// The index, whoever asks: whether they may know of it is decided together with whether they may remove from it.
fn here(site: &Site, call: &Call<'_>, of: Of<'_>) -> Result<Arc<Index>> {
    let tree = site.core.tree.load();
    let place = tree.find(of.user, of.index);
    let hidden = || access::hidden(&tree, call.caller, format_args!("{}/{}", of.user, of.index));
    place.map(|place| place.index.clone()).ok_or_else(hidden)
}
