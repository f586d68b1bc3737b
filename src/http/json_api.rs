//! PyPI's JSON of a project and of a release, for tools that read it: pip-tools, Renovate, Dependabot, grayskull.
//!
//! Beside each index, and for the default index where these tools look by themselves. Names in any spelling are answered at
//! once: some tools neither normalize them nor follow redirects. What is shown is what the simple page shows.

use super::reply::{self, CachePolicy, Reply};
use super::router::At;
use super::{Call, Site, accept, outside, simple};
use crate::db::blobs::BlobRow;
use crate::error::{Error, Result};
use crate::index::merge::{Listed, Listing};
use crate::index::pages::Page;
use crate::index::project_info::{self, Release};
use crate::index::{links, listing};
use crate::pypi::{PageMetadata, ProjectName, Sha256, Timestamp, Version, filename_guess};
use crate::urls;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Answers `…/{project}/json` and `…/{project}/{version}/json`.
pub async fn project(site: &Site, call: &Call<'_>, at: At<'_>, name: &str, version: Option<&str>) -> Result<Reply> {
    match document(site, call, at, name, version).await {
        // Its body is JSON too, whatever the client accepts.
        Err(Error::NotFound(_)) => Ok(reply::message(StatusCode::NOT_FOUND, "Not Found")),
        other => other,
    }
}

async fn document(site: &Site, call: &Call<'_>, at: At<'_>, text: &str, version: Option<&str>) -> Result<Reply> {
    let name = ProjectName::parse(text).map_err(|_| Error::no_project(text))?;
    let sight = super::sight(site, call, at, Some(&name))?;
    let listing = listing::listing(&site.core, &sight, &name).await?;
    let index = format!("{}/{}", outside::base(site, call), urls::encode_index(&sight.place.index.path));
    let document = {
        let releases = project_info::releases(&listing);
        let chosen = match version {
            Some(version) => project_info::find(&releases, version),
            None => project_info::latest(&releases),
        };
        let chosen = chosen.ok_or_else(|| Error::no_project(&name))?;
        Document {
            index,
            version: chosen.version.to_owned(),
            with_releases: version.is_none(),
            metadata: project_info::core_metadata(&site.core, &sight, &name, chosen).await?,
            digests: project_info::digests(&site.core, &listing).await?,
            listing: listing.clone(),
        }
    };
    let page = tokio::task::spawn_blocking(move || {
        let mut page = Page::once(document.render().to_string().into(), listing.serial);
        page.stale_since = listing.stale_since;
        page
    });
    let cache = CachePolicy::Page { max_age: sight.place.index.settings.page_max_age, public: sight.place.all_public };
    simple::send(call.headers, Arc::new(page.await?), accept::JSON, cache, false).await
}

/// Everything that the JSON is made from.
struct Document {
    /// The absolute address of the index, without a slash at its end.
    index: String,
    /// The version that `info` and `urls` are about.
    version: String,
    /// A project's JSON lists all releases, a release's does not.
    with_releases: bool,
    metadata: Map<String, Value>,
    digests: HashMap<Sha256, BlobRow>,
    listing: Arc<Listing>,
}

impl Document {
    fn render(&self) -> Value {
        let releases = project_info::releases(&self.listing);
        let chosen = releases.iter().find(|release| release.version == self.version);
        let mut document = json!({
            "info": chosen.map(|release| self.info(release)),
            "urls": chosen.map(|release| self.files(release)),
            "vulnerabilities": [],
            "last_serial": self.listing.serial.0,
            "ownership": {"roles": [], "organization": null},
        });
        if self.with_releases {
            let all = releases.iter().map(|release| (normalized(release.version), self.files(release)));
            document["releases"] = Value::Object(all.collect());
        }
        document
    }

    /// What the author says of the release, in PyPI's words.
    fn info(&self, release: &Release<'_>) -> Value {
        let text = |key: &str| self.metadata.get(key).and_then(Value::as_str);
        let list = |key: &str| self.metadata.get(key).and_then(Value::as_array).filter(|list| !list.is_empty());
        let joined = |key: &str| list(key).map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        let project_url = format!("{}/{}/", self.index, self.listing.name);
        let version = normalized(release.version);
        let from_page = || release.files.iter().find_map(|listed| listed.file.requires_python.as_deref());
        let mut info = json!({
            "name": text("name").unwrap_or(self.listing.name.as_str()),
            "version": version,
            "requires_python": text("requires_python").or_else(from_page),
            "classifiers": list("classifier").cloned().unwrap_or_default(),
            "license_files": list("license_file"),
            "platform": joined("platform"),
            "project_urls": list("project_url").map(|list| project_urls(list)),
            "project_url": project_url,
            "package_url": project_url,
            "release_url": format!("{project_url}{}", urls::encode_segment(&version)),
            "yanked": release.yanked().is_some(),
            "yanked_reason": release.yanked().filter(|reason| !reason.is_empty()),
            "docs_url": null,
            "bugtrack_url": null,
            "downloads": {"last_day": -1, "last_week": -1, "last_month": -1},
        });
        for key in ["requires_dist", "provides_extra", "dynamic"] {
            info[key] = json!(list(key));
        }
        // Here PyPI has empty text where there is none, and null in the rest.
        for key in ["author", "author_email", "description", "download_url", "home_page", "maintainer", "maintainer_email"] {
            info[key] = json!(text(key).unwrap_or_default());
        }
        for key in ["summary", "keywords", "license", "license_expression", "description_content_type"] {
            info[key] = json!(text(key));
        }
        info
    }

    fn files(&self, release: &Release<'_>) -> Value {
        release.files.iter().map(|listed| self.file(listed)).collect()
    }

    fn file(&self, listed: &Listed) -> Value {
        let file = &listed.file;
        let digests = self.digests_of(listed);
        let mut object = json!({
            "filename": file.filename,
            // The very address that the simple page of this index leads to: pip-tools compares.
            "url": format!("{}/{}", self.index, links::path(listed)),
            "packagetype": filename_guess::packagetype(&file.filename),
            "python_version": filename_guess::python_version(&file.filename),
            "size": file.size,
            "upload_time": file.upload_time.map(without_zone),
            "upload_time_iso_8601": file.upload_time.map(Timestamp::iso_micros),
            "requires_python": file.requires_python,
            "yanked": file.yanked.is_some(),
            "yanked_reason": file.yanked.as_deref().filter(|reason| !reason.is_empty()),
            "core-metadata": core_metadata(&file.metadata),
            "comment_text": "",
            "has_sig": false,
            "downloads": -1,
        });
        if let Some(md5) = digests.get("md5") {
            object["md5_digest"] = md5.clone();
        }
        object["digests"] = Value::Object(digests);
        object
    }

    /// The hashes that the page gives, and what is known of the bytes beside.
    fn digests_of(&self, listed: &Listed) -> Map<String, Value> {
        let sha256 = listed.blob.map(|blob| blob.hex()).or_else(|| listed.file.hash("sha256").map(str::to_owned));
        let row = listed.blob.and_then(|blob| self.digests.get(&blob));
        let kept = |bytes: Option<&Vec<u8>>, algorithm: &str| {
            bytes.map(hex::encode).or_else(|| listed.file.hash(algorithm).map(str::to_owned))
        };
        let md5 = kept(row.and_then(|row| row.md5.as_ref()), "md5");
        let blake2 = kept(row.and_then(|row| row.blake2.as_ref()), "blake2b_256");
        let all = [("sha256", sha256), ("md5", md5), ("blake2b_256", blake2)];
        all.into_iter().filter_map(|(algorithm, hex)| Some((algorithm.to_owned(), json!(hex?)))).collect()
    }
}

/// The version as pip-tools and PyPI write it; what PEP 440 does not know stays as it is.
fn normalized(version: &str) -> String {
    Version::parse(version).map_or_else(|_| version.to_owned(), |version| version.normalized())
}

/// `Label, address` lines as an object.
fn project_urls(lines: &[Value]) -> Map<String, Value> {
    let pairs = lines.iter().filter_map(Value::as_str).filter_map(|line| line.split_once(','));
    pairs.map(|(label, address)| (label.trim().to_owned(), json!(address.trim()))).collect()
}

fn without_zone(time: Timestamp) -> String {
    time.iso_seconds().trim_end_matches('Z').to_owned()
}

fn core_metadata(promise: &PageMetadata) -> Value {
    match promise {
        PageMetadata::Absent => json!(false),
        PageMetadata::Present => json!(true),
        PageMetadata::Hashed(hashes) => hashes.iter().map(|(algorithm, hex)| (algorithm.clone(), json!(hex))).collect(),
    }
}

/// Leads from `/packages/source/{letter}/{project}/{filename}` to the file: recipes of conda-forge are written with it.
pub async fn source_archive(site: &Site, call: &Call<'_>, project: &str, filename: &str) -> Result<Reply> {
    let name = ProjectName::parse(project).map_err(|_| Error::no_project(project))?;
    let sight = super::sight(site, call, At::Default, Some(&name))?;
    let listing = listing::listing(&site.core, &sight, &name).await?;
    let listed = listing.find(filename, |_| true).ok_or_else(|| Error::NotFound("no such file".into()))?;
    let mut reply = reply::text(StatusCode::FOUND, "the file is kept under its hash\n");
    // Relative, so that it holds behind any proxy: up to the root, however many slashes the client wrote.
    let up = "../".repeat(call.path.matches('/').count().saturating_sub(1));
    let location = format!("{up}{}/{}", urls::encode_index(&sight.place.index.path), links::path(listed));
    let location = HeaderValue::try_from(location).map_err(|e| Error::Internal(e.into()))?;
    reply.headers_mut().insert(LOCATION, location);
    Ok(reply)
}
