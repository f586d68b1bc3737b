//! A server in memory for the tests of handlers: requests go through [`answer`], as in life.

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::db::users::Profile;
use crate::db::{self, Db};
use crate::http::{Site, answer};
use crate::index::access::Caller;
use crate::index::images::Images;
use crate::index::record::Record;
use crate::index::{Core, Rules, account, follow};
use crate::pypi::{PageFile, ProjectName, ProjectPage};
use crate::upstream::{Patience, Reach, Upstream};
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use base64::Engine;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

/// The server; root's password is `root`.
pub struct Server {
    pub site: Arc<Site>,
    _folder: tempfile::TempDir,
}

/// An answer: the body as JSON, or as text in a JSON string.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    pub fn result(&self) -> &Value {
        &self.body["result"]
    }

    /// Status and message at once.
    pub fn said(&self) -> (u16, &str) {
        (self.status, self.message())
    }
}

impl Server {
    pub async fn start(db: Db) -> Self {
        Self::with(db, Rules::default()).await
    }

    pub async fn with(db: Db, rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open_folder(&folder.path().join("blobs")).unwrap();
        let upstream = Upstream::new(Patience::default()).unwrap();
        let core = Core::new(db, blobs, upstream, Clock::System, rules);
        follow::load(&core).await.unwrap();
        account::create_user(&core, &Caller::system(), "root", "root", Profile::default()).await.unwrap();
        let site = Site {
            descriptions: Default::default(),
            core,
            outside_url: None,
            trusted_proxies: Vec::new(),
            delivery: crate::http::delivery::Delivery::Stream,
            https: false,
            metrics: crate::http::metrics::Readers::Public,
            images: Some(Images::new([7; 64], Reach::Anywhere)),
            uuid: axum::http::HeaderValue::from_static("0"),
        };
        Self { site: Arc::new(site), _folder: folder }
    }

    /// Sends a request as devpi's client does: `who` is `user:secret` or nobody.
    pub async fn ask(&self, method: &str, path: &str, who: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(self.request(method, path, who).header("content-type", "application/json"), body.into()).await
    }

    pub async fn get(&self, path: &str, who: &str) -> Answer {
        self.ask("GET", path, who, Value::Null).await
    }

    pub fn request(&self, method: &str, path: &str, who: &str) -> axum::http::request::Builder {
        let request =
            Request::builder().method(method).uri(path).header("host", "index.example").header("accept", "application/json");
        match who.is_empty() {
            true => request,
            false => request.header("x-devpi-auth", base64::engine::general_purpose::STANDARD.encode(who)),
        }
    }

    pub async fn send(&self, request: axum::http::request::Builder, body: Vec<u8>) -> Answer {
        let request = request.body(Body::from(body)).unwrap();
        let reply = answer(self.site.clone(), request, "127.0.0.1:5000".parse().unwrap()).await;
        let (parts, body) = reply.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Makes a user whose password is the name, and indexes of that user with these options.
    pub async fn user(&self, name: &str, indexes: &[(&str, Value)]) {
        let made = self.ask("PUT", &format!("/{name}"), "root:root", json!({"password": name})).await;
        assert_eq!(made.status, 201, "{}", made.body);
        for (index, options) in indexes {
            let made = self.ask("PUT", &format!("/{name}/{index}"), "root:root", options.clone()).await;
            assert_eq!(made.status, 200, "{}", made.body);
        }
    }

    /// Uploads a wheel of `cheese-cellar` whose METADATA has these lines more.
    pub async fn upload(&self, index: &str, who: &str, version: &str, more: &str) {
        let filename = format!("cheese_cellar-{version}-py3-none-any.whl");
        let mut form = Vec::new();
        let part = |form: &mut Vec<u8>, disposition: &str, bytes: &[u8]| {
            write!(form, "--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").unwrap();
            form.extend_from_slice(bytes);
            form.extend_from_slice(b"\r\n");
        };
        part(&mut form, "name=\":action\"", b"file_upload");
        part(&mut form, "name=\"name\"", b"Cheese.Cellar");
        part(&mut form, &format!("name=\"content\"; filename=\"{filename}\""), &wheel(version, more));
        form.extend_from_slice(b"--b--\r\n");
        let request =
            self.request("POST", &format!("/{index}/"), who).header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
        let answer = self.send(request, form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Puts a page of `cheese-cellar` into a mirror as if upstream had just shown it.
    pub async fn mirrored(&self, user: &str, index: &str, files: Vec<PageFile>) {
        let name = ProjectName::parse("cheese-cellar").unwrap();
        let now = self.site.core.clock.now();
        let page = ProjectPage { name: name.clone(), files, versions: vec![], status: None, serial: None };
        let row = db::mirrors::MirrorPage {
            etag: None,
            digest: None,
            serial: Some(7),
            checked: now,
            changed: now,
            failures: 0,
            body: Record::default().after(page, now).pack().unwrap(),
        };
        let index = self.site.core.tree.load().find(user, index).unwrap().index.id;
        let mut c = self.site.core.db.begin().await.unwrap();
        assert!(db::mirrors::put_page(&mut c, index, name.as_str(), None, &row).await.unwrap());
        c.commit().await.unwrap();
    }
}

/// A sound wheel.
pub fn wheel(version: &str, more: &str) -> Vec<u8> {
    let info = format!("cheese_cellar-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: Cheese.Cellar\nVersion: {version}\n{more}");
    let record = format!("{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (file, text) in [("METADATA", metadata.as_str()), ("WHEEL", "Wheel-Version: 1.0\n"), ("RECORD", &record)] {
        zip.start_file(format!("{info}/{file}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
