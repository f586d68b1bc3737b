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
            "url": format!("{}/{}", self.index, as_pip_writes(&links::path(listed))),
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

/// pip escapes the `+` of every address it reads off a page, and pip-tools looks the escaped address up in this answer.
fn as_pip_writes(path: &str) -> String {
    path.replace('+', "%2B")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both;
    use crate::db;
    use crate::http::devpi::testing::Server;
    use crate::index::admin;
    use crate::names::IndexPath;
    use crate::pypi::PageFile;

    const MORE: &str = "Summary: Aged\nAuthor: Ann\nKeywords: a,b\nClassifier: A\nRequires-Python: >=3.9\nRequires-Dist: milk\n\
        Project-URL: Home, https://cheese.example/a,b\n\n# Cellar\n";

    fn hashed(filename: &str) -> PageFile {
        let hashes = vec![("sha256".to_owned(), Sha256::of(filename.as_bytes()).hex())];
        let metadata = if filename_guess::is_wheel(filename) { PageMetadata::Present } else { PageMetadata::Absent };
        let url = format!("http://127.0.0.1:1/files/{filename}");
        PageFile { hashes, metadata, requires_python: Some(">=3.8".into()), ..PageFile::bare(filename, url) }
    }

    async fn with_mirror(server: &Server, files: Vec<PageFile>) {
        // Nobody listens there: what is not kept cannot be had.
        server.user("alice", &[("pypi", json!({"type": "mirror", "mirror_url": "http://127.0.0.1:1/simple/"}))]).await;
        server.mirrored("alice", "pypi", files).await;
    }

    both! {
        async fn own_releases_say_what_their_authors_wrote(db: Db) {
            let server = Server::start(db).await;
            server.user("alice", &[("dev", json!({}))]).await;
            server.upload("alice/dev", "alice:alice", "1.0", MORE).await;
            server.upload("alice/dev", "alice:alice", "2.0rc1", "").await;
            let whole = server.get("/alice/dev/pypi/cheese-cellar/json", "").await;
            let info = &whole.body["info"];
            assert_eq!((&info["name"], &info["version"], &info["summary"]), (&json!("Cheese.Cellar"), &json!("1.0"), &json!("Aged")));
            assert_eq!((&info["requires_dist"], &info["classifiers"]), (&json!(["milk"]), &json!(["A"])));
            assert_eq!((&info["project_urls"], &info["description"]), (&json!({"Home": "https://cheese.example/a,b"}), &json!("# Cellar\n")));
            assert_eq!((&info["yanked"], &info["home_page"], &info["license"]), (&json!(false), &json!(""), &Value::Null));
            let versions: Vec<_> = whole.body["releases"].as_object().unwrap().keys().collect();
            assert_eq!(versions, ["1.0", "2.0rc1"]);

            let file = &whole.body["urls"][0];
            assert_eq!(*file, whole.body["releases"]["1.0"][0]);
            assert_eq!((&file["packagetype"], &file["python_version"]), (&json!("bdist_wheel"), &json!("py3")));
            for algorithm in ["sha256", "md5", "blake2b_256"] {
                assert!(file["digests"][algorithm].is_string(), "{algorithm}");
            }
            assert_eq!((&file["md5_digest"], &file["requires_python"]), (&file["digests"]["md5"], &json!(">=3.9")));
            let simple = server.get("/alice/dev/+simple/cheese-cellar/?format=application/vnd.pypi.simple.v1%2Bjson", "").await;
            let on_page = simple.body["files"][0]["url"].as_str().unwrap();
            let page = url::Url::parse("http://index.example/alice/dev/+simple/cheese-cellar/").unwrap();
            let as_pip_reads_it = page.join(on_page).unwrap().as_str().replace('+', "%2B");
            assert_eq!(file["url"], as_pip_reads_it, "pip-tools compares the two");
            assert_eq!((whole.header("x-pypi-last-serial"), whole.header("content-type")), (simple.header("x-pypi-last-serial"), "application/json"));

            let release = server.get("/alice/dev/pypi/cheese-cellar/2.0.rc1/json", "").await;
            assert_eq!((&release.body["info"]["version"], release.body.get("releases")), (&json!("2.0rc1"), None));
            for path in ["/alice/dev/pypi/Cheese.Cellar/json/", "/alice/dev/Cheese_Cellar/json", "/alice/dev/+simple/cheese-cellar/json"] {
                assert_eq!(server.get(path, "").await.body, whole.body, "{path}");
            }
            let again = server.request("GET", "/alice/dev/cheese-cellar/json", "").header("if-none-match", whole.header("etag"));
            assert_eq!(server.send(again, vec![]).await.status, 304);
            for path in ["/alice/dev/none/json", "/alice/dev/pypi/cheese-cellar/3/json", "/x/y/none/json", "/pypi/none/json", "/alice/dev/-/json"] {
                let missing = server.get(path, "").await;
                assert_eq!((missing.status, missing.body), (404, json!({"message": "Not Found"})), "{path}");
            }
        }

        async fn a_yanked_release_is_not_the_latest(db: Db) {
            let server = Server::start(db).await;
            let yanked = PageFile { yanked: Some("bad milk".into()), ..hashed("cheese_cellar-3.tar.gz") };
            with_mirror(&server, vec![hashed("cheese_cellar-2.tar.gz"), yanked]).await;
            let whole = server.get("/alice/pypi/cheese-cellar/json", "").await.body;
            assert_eq!((&whole["info"]["version"], &whole["urls"][0]["yanked"]), (&json!("2"), &json!(false)));
            let info = server.get("/alice/pypi/pypi/cheese-cellar/3/json", "").await.body["info"].clone();
            assert_eq!((&info["yanked"], &info["yanked_reason"]), (&json!(true), &json!("bad milk")));
            assert_eq!(whole["urls"][0]["digests"].as_object().unwrap().len(), 1, "no digest is made up");
        }

        async fn a_mirrored_release_speaks_through_a_wheel(db: Db) {
            let server = Server::start(db).await;
            let wheel = "cheese_cellar-1.0-py3-none-any.whl";
            with_mirror(&server, vec![hashed("cheese_cellar-1.0.tar.gz"), hashed(wheel), hashed("cheese_cellar-0.1-py3-none-any.whl")]).await;
            let core = &server.site.core;
            let stored = core.blobs.put_bytes(format!("Metadata-Version: 2.1\nName: Cheese.Cellar\nVersion: 1.0\n{MORE}").into()).await.unwrap();
            let (index, name) = (core.tree.load().find("alice", "pypi").unwrap().index.id, ProjectName::parse("cheese-cellar").unwrap());
            let mut c = core.db.begin().await.unwrap();
            db::mirrors::learn(&mut c, index, &name, wheel, Some(stored.sha256), core.clock.now()).await.unwrap();
            c.commit().await.unwrap();
            let info = server.get("/alice/pypi/cheese-cellar/json", "").await.body["info"].clone();
            assert_eq!((&info["name"], &info["summary"], &info["requires_python"]), (&json!("Cheese.Cellar"), &json!("Aged"), &json!(">=3.9")));
            // Of this one nothing is kept, and upstream does not answer.
            let info = server.get("/alice/pypi/pypi/cheese-cellar/0.1/json", "").await.body["info"].clone();
            assert_eq!((&info["name"], &info["summary"], &info["requires_python"]), (&json!("cheese-cellar"), &Value::Null, &json!(">=3.8")));
        }

        async fn a_private_name_is_not_looked_up_in_public(db: Db) {
            let server = Server::start(db).await;
            with_mirror(&server, vec![hashed("cheese_cellar-9.tar.gz")]).await;
            let dev = server.ask("PUT", "/alice/dev", "root:root", json!({"bases": "alice/pypi"})).await;
            assert_eq!(dev.status, 200);
            assert_eq!(server.get("/alice/dev/cheese-cellar/json", "").await.body["info"]["version"], "9");
            server.upload("alice/dev", "alice:alice", "1.0", "").await;
            let whole = server.get("/alice/dev/cheese-cellar/json", "").await.body;
            assert_eq!(whole["releases"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1.0"]);
        }

        async fn a_project_of_many_files_is_answered(db: Db) {
            let server = Server::start(db).await;
            let name = |n: usize| format!("cheese_cellar-{}.{}-py3-none-any.whl", n / 10, n % 10);
            with_mirror(&server, (0..5000).map(|n| hashed(&name(n))).collect()).await;
            let packed = server.request("GET", "/alice/pypi/pypi/cheese-cellar/json", "").header("accept-encoding", "gzip");
            let packed = server.send(packed, vec![]).await;
            assert_eq!((packed.status, packed.header("content-encoding")), (200, "gzip"));
            let whole = server.get("/alice/pypi/pypi/cheese-cellar/json", "").await.body;
            assert_eq!((whole["releases"].as_object().unwrap().len(), &whole["info"]["version"]), (5000, &json!("499.9")));
        }

        async fn tools_that_know_only_the_server_find_the_default_index(db: Db) {
            let server = Server::start(db).await;
            with_mirror(&server, vec![hashed("cheese_cellar-1.tar.gz")]).await;
            assert_eq!(server.get("/packages/source/c/cheese-cellar/cheese_cellar-1.tar.gz", "").await.status, 404, "there is no default index");
            admin::set_default(&server.site.core, Some(IndexPath::parse("alice/pypi").unwrap())).await.unwrap();
            for path in ["/pypi/cheese-cellar/json", "/cheese-cellar/json", "/pypi/Cheese_Cellar/1.0/json"] {
                assert_eq!(server.get(path, "").await.body["info"]["version"], "1", "{path}");
            }
            let file = server.get("/cheese-cellar/json", "").await.body["urls"][0]["url"].as_str().unwrap().replace("%2B", "+");
            for path in ["/packages/source/c/cheese-cellar/cheese_cellar-1.tar.gz", "//packages/source/c/Cheese.Cellar//cheese_cellar-1.tar.gz"] {
                let found = server.get(path, "").await;
                let from = url::Url::parse(&format!("http://index.example{path}")).unwrap();
                assert_eq!((found.status, from.join(found.header("location")).unwrap().to_string()), (302, file.clone()), "{path}");
            }
            assert_eq!(server.get("/packages/source/c/cheese-cellar/other-1.tar.gz", "").await.status, 404);
        }
    }
}
