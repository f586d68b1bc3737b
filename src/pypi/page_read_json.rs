//! Reads JSON pages of other indexes into raw pages, taking what real servers write: `null` for absent, any spelling of
//! `core-metadata`, unknown keys. What a value may be is decided here; whether a file is kept, by [`super::page_parse`].

use super::name_list::Gathered;
use super::page_parse::{PageError, RawPage};
use super::{
    PageFile, PageMetadata, ProjectName, ProjectStatus, Timestamp, page_link::checked_hashes, page_link::fragment_hashes,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Reads a project's page. URLs stay as they stand.
pub(super) fn read(bytes: &[u8]) -> Result<RawPage, PageError> {
    let page: Page = from_slice(bytes)?;
    let meta = |key: &str| page.meta.get(key);
    Ok(RawPage {
        base_href: None,
        api_version: meta("api-version").map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned)),
        serial: meta("_last-serial").and_then(Value::as_i64),
        // The specification's long example has the status inside `meta`, its text beside it.
        status: status(&page.status).or_else(|| status(meta("project-status")?)),
        versions: page.versions.as_array().map(|versions| versions.iter().filter_map(text).collect()),
        files: page.files.files,
        skipped: page.files.skipped,
    })
}

/// Reads the names of a project list; what is no name is passed over.
pub(super) fn read_list(bytes: &[u8]) -> Result<Gathered, PageError> {
    Ok(from_slice::<List>(bytes)?.projects.0)
}

fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, PageError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| PageError::Json(error.to_string()))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "object_or_nothing")]
    meta: Map<String, Value>,
    #[serde(default)]
    versions: Value,
    #[serde(default, rename = "project-status")]
    status: Value,
    files: Files,
}

#[derive(Deserialize)]
struct List {
    projects: Names,
}

#[derive(Deserialize)]
struct ListedProject<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// Names, taken over one by one.
struct Names(Gathered);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> de::Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of projects")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
        let mut found = Gathered::default();
        while let Some(project) = seq.next_element::<ListedProject<'de>>()? {
            if let Some(Ok(name)) = project.name.as_deref().map(ProjectName::parse) {
                found.add(&name);
            }
        }
        Ok(Names(found))
    }
}

fn object_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(object) => object,
        _ => Map::new(),
    })
}

/// The files, converted one by one: a page of 100 MB never stands in memory as a tree.
struct Files {
    files: Vec<PageFile>,
    skipped: usize,
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FilesVisitor)
    }
}

struct FilesVisitor;

impl<'de> de::Visitor<'de> for FilesVisitor {
    type Value = Files;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Files, A::Error> {
        let mut found = Files { files: Vec::new(), skipped: 0 };
        while let Some(entry) = seq.next_element::<Value>()? {
            match file(&entry) {
                Some(file) => found.files.push(file),
                None => found.skipped += 1,
            }
        }
        Ok(found)
    }
}

/// One file; `None` without the two keys that nothing can replace.
fn file(entry: &Value) -> Option<PageFile> {
    let mut file = PageFile::bare(entry["filename"].as_str()?, entry["url"].as_str()?);
    file.hashes = hashes(&entry["hashes"]);
    file.size = entry["size"].as_u64();
    file.upload_time = entry["upload-time"].as_str().and_then(Timestamp::parse);
    file.requires_python = text(&entry["requires-python"]);
    file.metadata = metadata(entry);
    file.yanked = match &entry["yanked"] {
        Value::Bool(true) => Some(String::new()),
        reason => text(reason),
    };
    file.provenance = text(&entry["provenance"]);
    file.gpg_sig = entry["gpg-sig"].as_bool();
    Some(file)
}

/// The promise of a metadata file, in the spelling of PEP 714, of the public index, or of PEP 691 before it was corrected.
fn metadata(entry: &Value) -> PageMetadata {
    let spellings = ["core-metadata", "data-dist-info-metadata", "dist-info-metadata"];
    match spellings.into_iter().map(|key| &entry[key]).find(|value| !value.is_null()) {
        Some(Value::Bool(true)) => PageMetadata::Present,
        Some(Value::String(pair)) => PageMetadata::Hashed(fragment_hashes(pair)).or_present(),
        Some(object @ Value::Object(_)) => PageMetadata::Hashed(hashes(object)).or_present(),
        _ => PageMetadata::Absent,
    }
}

impl PageMetadata {
    /// A promise whose hashes are all unreadable is still a promise.
    pub(super) fn or_present(self) -> Self {
        match self {
            Self::Hashed(hashes) if hashes.is_empty() => Self::Present,
            other => other,
        }
    }
}

fn hashes(value: &Value) -> Vec<(String, String)> {
    let pairs = value.as_object().into_iter().flatten();
    checked_hashes(pairs.filter_map(|(algorithm, hex)| Some((algorithm.as_str(), hex.as_str()?))))
}

fn status(value: &Value) -> Option<ProjectStatus> {
    match value {
        Value::Object(object) => {
            Some(ProjectStatus { status: text(object.get("status")?)?, reason: object.get("reason").and_then(text) })
        }
        word => text(word).map(|status| ProjectStatus { status, reason: None }),
    }
}

/// Text that is not empty.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
