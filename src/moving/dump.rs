//! The parts of a devpi export (`dataindex.json`, dump versions 1, 2 and 3) as data. Pure.
//!
//! The three versions differ in words and forms only, so one type reads all of them: what one version does not have is absent,
//! and a time is taken in either form.

use crate::clock::Timestamp;
use crate::index::publish::check_version;
use crate::pypi::filename_guess;
use crate::pypi::{ProjectName, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The file that holds everything but the files' bytes.
pub const INDEX_FILE: &str = "dataindex.json";

/// The newest dump version that is read; 7.x writes it.
pub const NEWEST: u32 = 3;

/// A user.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct User {
    /// Argon2 as a PHC string.
    pub pwhash: Option<String>,
    /// Left by devpi versions whose hashes nobody can check any more: a user who has one needs a new password.
    pub pwsalt: Option<String>,
    /// Free text.
    pub email: Option<String>,
    /// Free text.
    pub title: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Any JSON.
    pub custom_data: Option<Value>,
    /// ISO 8601.
    pub created: Option<String>,
    /// ISO 8601.
    pub modified: Option<String>,
    /// Tokens of the plugin devpi-tokens, by id.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
}

/// A token of the plugin devpi-tokens.
#[derive(Debug, Clone, Deserialize)]
pub struct Token {
    /// The key that it was made with.
    pub key: String,
    /// What it is confined to.
    #[serde(default)]
    pub restrictions: Vec<String>,
}

/// A file of an index.
#[derive(Debug, Clone, Deserialize)]
pub struct FileEntry {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// The project, in any spelling.
    pub projectname: String,
    /// The version; absent in version 1.
    pub version: Option<String>,
    /// Where the bytes are, below the dump's folder.
    pub relpath: String,
    /// Digests and dates; absent for documentation and test results of old dumps.
    #[serde(default)]
    pub entrymapping: Mapping,
    /// What happened to it.
    #[serde(default)]
    pub log: Option<Vec<Value>>,
    /// The tested file's path on the old server, for a test result.
    pub for_entrypath: Option<String>,
}

/// What a file of an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A distribution.
    ReleaseFile,
    /// The result of testing one.
    ToxResult,
    /// A zip archive of documentation.
    DocZip,
}

/// What the dump says of a file's bytes.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Mapping {
    /// An HTTP date, in version 3 ISO 8601.
    pub last_modified: Option<String>,
    /// Digests by algorithm.
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    /// `algorithm=hex`.
    hash_spec: Option<String>,
    /// Version 1.
    md5: Option<String>,
    /// Bytes; version 3.
    pub size: Option<u64>,
    /// Where a mirrored file came from.
    pub url: Option<String>,
}

/// Why a path of the dump is not followed.
#[derive(Debug, thiserror::Error)]
#[error("its path does not lie below the export's folder")]
pub struct OutsidePath;

impl FileEntry {
    /// Every digest that the dump gives, by algorithm.
    ///
    /// devpi 6.5 to 6.8 wrote a test result with the digest of the file that was tested, which also names the result's folder:
    /// such a digest says nothing about the result and is left out (devpi's own import does the same).
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let mapping = &self.entrymapping;
        let mut hashes: BTreeMap<String, String> =
            mapping.hashes.iter().map(|(algorithm, hex)| (algorithm.to_ascii_lowercase(), hex.to_ascii_lowercase())).collect();
        if let Some((algorithm, hex)) = mapping.hash_spec.as_deref().and_then(|spec| spec.split_once('=')) {
            hashes.entry(algorithm.to_ascii_lowercase()).or_insert_with(|| hex.to_ascii_lowercase());
        }
        if let Some(md5) = &mapping.md5 {
            hashes.entry("md5".into()).or_insert_with(|| md5.to_ascii_lowercase());
        }
        let folder = self.relpath.split('/').nth(3).and_then(|folder| folder.split_once('='));
        match (self.kind, folder) {
            (FileKind::ToxResult, Some((algorithm, hex))) if hashes.get(algorithm).is_some_and(|found| found == hex) => {
                BTreeMap::new()
            }
            _ => hashes,
        }
    }

    /// The SHA-256, if the dump gives it.
    pub fn sha256(&self) -> Option<Sha256> {
        self.hashes().get("sha256").and_then(|hex| Sha256::parse(hex).ok())
    }

    /// The file's name: the last part of its path.
    pub fn filename(&self) -> &str {
        self.relpath.rsplit('/').next().unwrap_or_default()
    }

    /// The name of the tested file, for a test result.
    pub fn tested_filename(&self) -> Option<&str> {
        self.for_entrypath.as_deref().and_then(|path| path.rsplit('/').next())
    }

    /// The version; dumps of version 1 leave it to the file's name. `None` also for one that no upload may have.
    pub fn version(&self, project: &ProjectName) -> Option<String> {
        let guessed = || filename_guess::guess_version(self.filename().trim_end_matches(".doc.zip"), project);
        let version = self.version.clone().filter(|version| !version.is_empty()).or_else(guessed)?;
        check_version(&version).is_ok().then_some(version)
    }

    /// Where the bytes are.
    pub fn path(&self, dump: &Path) -> Result<PathBuf, OutsidePath> {
        let relative = Path::new(&self.relpath);
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_))) && !self.relpath.is_empty();
        if inside { Ok(dump.join(relative)) } else { Err(OutsidePath) }
    }

    /// When it entered its index: its date, or the first moment that its log tells of.
    pub fn uploaded(&self) -> Option<Timestamp> {
        let from_log = || self.log()?.as_array()?.iter().find_map(|entry| moment(entry.get("when")?));
        self.entrymapping.last_modified.as_deref().and_then(time).or_else(from_log)
    }

    /// The actor who uploaded it, as the journal names actors.
    pub fn uploaded_by(&self) -> Option<String> {
        let entries = self.log.as_deref().unwrap_or_default();
        let upload = entries.iter().rev().find(|entry| entry["what"] == "upload")?;
        let who = upload["who"].as_str().filter(|who| !who.starts_with('<'))?;
        Some(format!("user:{who}"))
    }

    /// The log in the form of devpi 6, whose times are lists of numbers.
    pub fn log(&self) -> Option<Value> {
        let entries = self.log.as_ref().filter(|entries| !entries.is_empty())?;
        Some(entries.iter().cloned().map(with_listed_time).collect())
    }
}

fn with_listed_time(mut entry: Value) -> Value {
    let listed = entry.get("when").and_then(Value::as_str).and_then(Timestamp::parse).map(crate::index::file_log::when);
    if let (Some(listed), Some(fields)) = (listed, entry.as_object_mut()) {
        fields.insert("when".into(), json!(listed));
    }
    entry
}

/// The moment that a log's list of numbers stands for.
fn moment(when: &Value) -> Option<Timestamp> {
    let numbers: Vec<u64> = when.as_array()?.iter().filter_map(Value::as_u64).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else { return None };
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// A time as any devpi writes it: ISO 8601 with a zone, or an HTTP date.
pub fn time(text: &str) -> Option<Timestamp> {
    let http = || httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok().map(|age| Timestamp::EPOCH.plus(age));
    Timestamp::parse(text).or_else(http)
}

/// The project of a name as old dumps may write it. devpi makes one `-` of any run of characters that are neither letters nor
/// digits, which is more than the name rule allows.
pub fn project_name(text: &str) -> Option<ProjectName> {
    let dashed: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    ProjectName::parse(text).or_else(|_| ProjectName::parse(dashed.trim_matches('-'))).ok()
}

/// A project's versions with devpi's fields of each, in whichever form the dump has: a map of versions, or in version 3 an
/// object with `config` and `versions`.
#[derive(Debug, Default, PartialEq)]
pub struct Project {
    /// Version 3: whether the project's own rule lets mirrors add files to it.
    pub open_to_mirrors: bool,
    /// Fields by version.
    pub versions: Map<String, Value>,
}

impl Project {
    /// Reads a project of a dump of this version; what is no object is an empty project.
    pub fn read(dump_version: u32, value: Value) -> Self {
        let Value::Object(mut object) = value else { return Self::default() };
        if dump_version < 3 {
            return Self { open_to_mirrors: false, versions: object };
        }
        let open_to_mirrors = super::dump_options::allows_all(&object.get("config").unwrap_or(&Value::Null)["inheritance_rules"]);
        let versions = match object.remove("versions") {
            Some(Value::Object(versions)) => versions,
            _ => Map::new(),
        };
        Self { open_to_mirrors, versions }
    }
}

/// One line of a project's versions: the version's text and its fields. Keys that begin with `+` or `:` are the old server's
/// own business. The version is the map's key, also where the fields lack it or say another.
pub fn version_fields(fields: &Value) -> Map<String, Value> {
    let own = |key: &str| key.starts_with(['+', ':']);
    fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// How many things a dump has, for the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Extent {
    /// Projects of all indexes.
    pub projects: u64,
    /// Files of all indexes.
    pub files: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: Value) -> FileEntry {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_form_of_digest_is_read() {
        let two = entry(json!({"type": "releasefile", "projectname": "app", "version": "1", "relpath": "a/b/app/1/app-1.zip",
            "entrymapping": {"hash_spec": "sha256=AB", "hashes": {"MD5": "cd"}, "last_modified": "Sat, 31 Jan 2026 12:00:00 GMT"}}));
        assert_eq!(two.hashes(), BTreeMap::from([("md5".into(), "cd".into()), ("sha256".into(), "ab".into())]));
        assert_eq!(two.uploaded(), Timestamp::parse("2026-01-31T12:00:00Z"));
        let one = entry(
            json!({"type": "doczip", "projectname": "app", "relpath": "a/b/app-1.5.doc.zip", "entrymapping": {"md5": "EF"}}),
        );
        assert_eq!(one.hashes(), BTreeMap::from([("md5".into(), "ef".into())]));
        assert_eq!(one.version(&ProjectName::parse("app").unwrap()).as_deref(), Some("1.5"));
    }

    #[test]
    fn the_tested_files_digest_is_not_the_results() {
        let result = |digest: &str| {
            entry(json!({"type": "toxresult", "projectname": "app", "version": "1", "for_entrypath": "a/b/+f/ab/c/app-1.zip",
                "relpath": "a/b/app/sha256=ab/app-1.zip.toxresult-1-0", "entrymapping": {"hashes": {"sha256": digest}}}))
        };
        assert!(result("ab").hashes().is_empty());
        assert_eq!(result("cd").hashes().len(), 1);
        assert_eq!(result("cd").tested_filename(), Some("app-1.zip"));
    }

    #[test]
    fn logs_take_the_form_of_devpi_6() {
        let log = json!([{"what": "overwrite", "who": null, "when": "2026-01-31T12:00:01Z", "count": 1},
            {"what": "upload", "who": "alice", "when": "2026-01-31T12:00:00Z", "dst": "a/b"}]);
        let new = entry(json!({"type": "releasefile", "projectname": "app", "relpath": "x", "log": log}));
        assert_eq!(new.log().unwrap()[1]["when"], json!([2026, 1, 31, 12, 0, 0]));
        assert_eq!(new.uploaded_by().as_deref(), Some("user:alice"));
        assert_eq!(new.uploaded(), Timestamp::parse("2026-01-31T12:00:01Z"));
        let imported = entry(json!({"type": "releasefile", "projectname": "app", "relpath": "x",
            "log": [{"what": "upload", "who": "<import>", "when": [2026, 1, 31, 12, 0, 0]}]}));
        assert_eq!(imported.uploaded_by(), None);
    }

    #[test]
    fn paths_stay_inside() {
        let path =
            |text: &str| entry(json!({"type": "doczip", "projectname": "a", "relpath": text})).path(Path::new("/dump")).ok();
        assert_eq!(path("a/b/c.zip"), Some("/dump/a/b/c.zip".into()));
        for text in ["../x", "/etc/x", "a/../../x", ""] {
            assert_eq!(path(text), None, "{text}");
        }
    }

    #[test]
    fn names_that_only_devpi_allowed_find_their_project() {
        assert_eq!(project_name("My Project!").unwrap().as_str(), "my-project");
        assert_eq!(project_name("Foo_.Bar").unwrap().as_str(), "foo-bar");
        assert!(project_name("!!").is_none());
    }

    #[test]
    fn projects_have_two_forms() {
        let old = Project::read(2, json!({"config": {"name": "x"}, "1.0": {}}));
        assert_eq!((old.versions.len(), old.open_to_mirrors), (2, false), "`config` may be a version there");
        let new = Project::read(3, json!({"config": {"inheritance_rules": ["allow all"]}, "versions": {"1.0": {}}}));
        assert_eq!((new.versions.len(), new.open_to_mirrors), (1, true));
        let bare = Project::read(3, json!({"versions": {"1.0": {}}}));
        assert_eq!((bare.versions.len(), bare.open_to_mirrors), (1, false), "a project without options of its own");
        assert_eq!(
            version_fields(&json!({"+elinks": [], ":action": "x", "summary": "s"})),
            Map::from_iter([("summary".into(), json!("s"))])
        );
    }
}
