//! Devpi exports made by hand: `dataindex.json` as JSON, the files beside it.

use super::Dist;
use super::dist::sha256;
use cheeseshop::blobs::Adopt;
use cheeseshop::index::settings::UploadChecks;
use cheeseshop::moving::import_devpi::Options;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// An export in the making.
pub struct Dump {
    pub folder: tempfile::TempDir,
    pub index: Value,
}

impl Dump {
    /// An export of this version with root and alice, whose password hashes are these, and no index.
    pub fn new(version: u32, root: &str, alice: &str) -> Self {
        let index = json!({
            "dumpversion": version.to_string(),
            "users": {
                "root": {"username": "root", "pwhash": root, "created": "2020-01-01T00:00:00Z"},
                "alice": {"username": "alice", "pwhash": alice, "created": "2020-02-01T00:00:00Z", "email": "alice@example.org"},
            },
            "indexes": {},
        });
        Self { folder: tempfile::tempdir().unwrap(), index }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// An index with options; of versions 1 and 2, or already in devpi 7's words.
    pub fn config(&mut self, path: &str, config: Value) {
        self.index["indexes"][path] = json!({"indexconfig": config});
    }

    /// A version of a project, with devpi's fields.
    pub fn release(&mut self, path: &str, project: &str, version: &str, mut fields: Value) {
        fields["name"] = fields.get("name").cloned().unwrap_or(json!(project));
        fields["version"] = json!(version);
        let speaks_devpi_7 = self.index["dumpversion"] == "3";
        let of_project = &mut self.index["indexes"][path]["projects"][project];
        match speaks_devpi_7 {
            true => {
                of_project["config"] = json!({"name": project});
                of_project["versions"][version] = fields;
            }
            false => of_project[version] = fields,
        }
    }

    /// A file with its bytes. `more` goes over the entry.
    pub fn file(&mut self, path: &str, relpath: &str, bytes: &[u8], more: Value) {
        let target = self.path().join(relpath);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
        let mut entry = json!({
            "type": "releasefile",
            "projectname": relpath.split('/').nth(2).unwrap(),
            "relpath": relpath,
            "entrymapping": {"last_modified": "Wed, 01 Apr 2020 10:00:00 GMT", "hash_spec": format!("sha256={}", sha256(bytes))},
            "log": [{"what": "upload", "who": "alice", "when": [2020, 4, 1, 10, 0, 0], "dst": path}],
        });
        for (key, value) in more.as_object().unwrap() {
            entry[key] = value.clone();
        }
        let files = &mut self.index["indexes"][path]["files"];
        if files.is_null() {
            *files = json!([]);
        }
        files.as_array_mut().unwrap().push(entry);
    }

    /// A distribution with its version's metadata.
    pub fn dist(&mut self, path: &str, dist: &Dist, project: &str) {
        self.release(path, project, &dist.version, json!({"summary": "of the dump", "name": dist.name}));
        let relpath = format!("{path}/{project}/{}/{}", dist.version, dist.filename);
        self.file(path, &relpath, &dist.bytes, json!({"version": dist.version}));
    }

    /// Writes `dataindex.json` and returns how it is imported.
    pub fn write(&self) -> Options {
        self.write_text(&self.index.to_string())
    }

    pub fn write_text(&self, text: &str) -> Options {
        fs::write(self.path().join("dataindex.json"), text).unwrap();
        Options { folder: self.path().to_owned(), adopt: Adopt::Copy, checks: UploadChecks::Lenient, secretfile: None }
    }
}
