//! Pages in JSON (PEP 691, 700, 714, 740, 792), written so that the strictest reader takes them: no key is ever `null`,
//! `yanked` is never empty text, and a page says api-version 1.4 only if every file has the size that 1.1 demands.
//!
//! The key `dist-info-metadata` is never written: installers from before PEP 714 fail on it.

use super::{LinkedFile, LinkedPage, PageMetadata, ProjectStatus};
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// What one file takes in the output, roughly, so that the buffer grows once.
const FILE_BYTES: usize = 640;
/// What surrounds the files.
const FRAME_BYTES: usize = 512;

/// Writes a project's page.
pub fn render(page: &LinkedPage<'_>) -> Vec<u8> {
    let api_version = if page.has_all_sizes() { "1.4" } else { "1.0" };
    let mut out = Vec::with_capacity(FRAME_BYTES + page.files.len() * FILE_BYTES);
    write(
        &mut out,
        &Page {
            meta: Meta { api_version, serial: page.serial },
            name: page.name.as_str(),
            status: page.status,
            versions: page.versions,
            files: Files(&page.files),
        },
    );
    out
}

/// Writes the list of an index's projects from (name, serial of its last change) pairs; `serial` is the index's own.
pub fn render_list<'a>(out: &mut impl Write, names: impl Iterator<Item = (&'a str, i64)>, serial: i64) -> io::Result<()> {
    out.write_all(b"{\"meta\":")?;
    serde_json::to_writer(&mut *out, &Meta { api_version: "1.4", serial: Some(serial) })?;
    out.write_all(b",\"projects\":[")?;
    for (at, (name, serial)) in names.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &Project { name, serial })?;
    }
    out.write_all(b"]}")
}

/// Writing to memory fails only for maps whose keys are not text, and there are none here.
fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[derive(Serialize)]
struct Page<'a> {
    meta: Meta,
    name: &'a str,
    #[serde(rename = "project-status", skip_serializing_if = "Option::is_none")]
    status: Option<&'a ProjectStatus>,
    versions: &'a [String],
    files: Files<'a>,
}

#[derive(Serialize)]
struct Meta {
    #[serde(rename = "api-version")]
    api_version: &'static str,
    #[serde(rename = "_last-serial", skip_serializing_if = "Option::is_none")]
    serial: Option<i64>,
}

#[derive(Serialize)]
struct Project<'a> {
    name: &'a str,
    #[serde(rename = "_last-serial")]
    serial: i64,
}

struct Files<'a>(&'a [LinkedFile<'a>]);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(File::from))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    filename: &'a str,
    url: &'a str,
    hashes: Hashes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_python: Option<&'a str>,
    core_metadata: Promise<'a>,
    /// Not in any standard, but the public index writes it and one installer reads nothing else.
    data_dist_info_metadata: Promise<'a>,
    yanked: Yanked<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpg_sig: Option<bool>,
}

impl<'a> From<&'a LinkedFile<'a>> for File<'a> {
    fn from(LinkedFile { url, file }: &'a LinkedFile<'a>) -> Self {
        let promise = match &file.metadata {
            PageMetadata::Absent => Promise::Known(false),
            PageMetadata::Hashed(hashes) if !hashes.is_empty() => Promise::Hashed(Hashes(hashes)),
            PageMetadata::Present | PageMetadata::Hashed(_) => Promise::Known(true),
        };
        Self {
            filename: &file.filename,
            url,
            hashes: Hashes(&file.hashes),
            size: file.size,
            upload_time: file.upload_time.map(|time| time.iso_micros()),
            requires_python: file.requires_python.as_deref(),
            core_metadata: promise,
            data_dist_info_metadata: promise,
            yanked: match file.yanked.as_deref() {
                None => Yanked::Known(false),
                Some("") => Yanked::Known(true),
                Some(reason) => Yanked::Reason(reason),
            },
            provenance: file.provenance.as_deref(),
            gpg_sig: file.gpg_sig,
        }
    }
}

/// Hashes as an object of algorithm and hex digits.
#[derive(Clone, Copy)]
struct Hashes<'a>(&'a [(String, String)]);

impl Serialize for Hashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(algorithm, hex)| (algorithm, hex)))
    }
}

#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Promise<'a> {
    Known(bool),
    Hashed(Hashes<'a>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Yanked<'a> {
    Known(bool),
    Reason(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::{PageFile, ProjectName, ProjectPage, Timestamp};
    use serde_json::Value;

    fn page(files: Vec<PageFile>) -> ProjectPage {
        let name = ProjectName::parse("foo").unwrap();
        ProjectPage { name, files, versions: vec!["1.0".into()], status: None, serial: None }
    }

    fn render(page: &ProjectPage) -> Vec<u8> {
        super::render(&page.into())
    }

    /// One key a line, by text and not through a map, so that the order of the keys is seen.
    fn a_key_a_line(json: &[u8]) -> String {
        String::from_utf8(json.to_vec()).unwrap().replace(",\"", ",\n\"").replace("},{", "},\n{")
    }

    #[test]
    fn a_page_with_everything() {
        let mut full = PageFile::bare("foo-1.0-py3-none-any.whl", "https://files.example/foo-1.0-py3-none-any.whl");
        full.hashes = vec![("sha256".into(), "ab12".into()), ("md5".into(), "cd34".into())];
        full.size = Some(1234);
        full.upload_time = Some(Timestamp(1_769_860_800_250_000));
        full.requires_python = Some(">=3.8".into());
        full.metadata = PageMetadata::Hashed(vec![("sha256".into(), "ef56".into())]);
        full.yanked = Some("\"bad\" </script>".into());
        full.provenance = Some("https://index.example/p".into());
        full.gpg_sig = Some(false);
        let mut small = PageFile::bare("foo-1.0.tar.gz", "foo-1.0.tar.gz");
        small.size = Some(0);
        small.yanked = Some(String::new());
        small.metadata = PageMetadata::Present;
        let status = Some(ProjectStatus { status: "archived".into(), reason: Some("moved".into()) });
        insta::assert_snapshot!(a_key_a_line(&render(&ProjectPage { status, serial: Some(7), ..page(vec![full, small]) })), @r#"
{"meta":{"api-version":"1.4",
"_last-serial":7},
"name":"foo",
"project-status":{"status":"archived",
"reason":"moved"},
"versions":["1.0"],
"files":[{"filename":"foo-1.0-py3-none-any.whl",
"url":"https://files.example/foo-1.0-py3-none-any.whl",
"hashes":{"sha256":"ab12",
"md5":"cd34"},
"size":1234,
"upload-time":"2026-01-31T12:00:00.250000Z",
"requires-python":">=3.8",
"core-metadata":{"sha256":"ef56"},
"data-dist-info-metadata":{"sha256":"ef56"},
"yanked":"\"bad\" </script>",
"provenance":"https://index.example/p",
"gpg-sig":false},
{"filename":"foo-1.0.tar.gz",
"url":"foo-1.0.tar.gz",
"hashes":{},
"size":0,
"core-metadata":true,
"data-dist-info-metadata":true,
"yanked":true}]}
"#);
    }

    #[test]
    fn a_page_without_sizes_does_not_claim_a_version_that_demands_them() {
        let mut sized = PageFile::bare("foo-1.0.zip", "foo-1.0.zip");
        sized.size = Some(1);
        let json: Value = serde_json::from_slice(&render(&page(vec![sized, PageFile::bare("foo-1.0.tar.gz", "u")]))).unwrap();
        assert_eq!(json["meta"]["api-version"], "1.0");
        assert_eq!((&json["files"][0]["size"], json["files"][1].get("size")), (&Value::from(1), None));
        assert_eq!(json["versions"][0], "1.0");
    }

    #[test]
    fn what_is_unknown_has_no_key_and_nothing_is_null() {
        let text = String::from_utf8(render(&page(vec![PageFile::bare("foo-1.0.tar.gz", "u")]))).unwrap();
        assert!(!text.contains("null") && !text.contains("\"dist-info-metadata\""), "{text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<&String> = json["files"][0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["core-metadata", "data-dist-info-metadata", "filename", "hashes", "url", "yanked"]);
        let mut promised = PageFile::bare("foo-1.0.tar.gz", "u");
        promised.metadata = PageMetadata::Hashed(Vec::new());
        let json: Value = serde_json::from_slice(&render(&page(vec![promised]))).unwrap();
        assert_eq!(json["files"][0]["core-metadata"], true);
    }

    #[test]
    fn a_list_has_a_serial_for_each_project() {
        let written = |names: &[(&str, i64)], serial| {
            let mut out = Vec::new();
            render_list(&mut out, names.iter().copied(), serial).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(&[("bar", 3), ("foo", 9)], 9),
            r#"{"meta":{"api-version":"1.4","_last-serial":9},"projects":[{"name":"bar","_last-serial":3},{"name":"foo","_last-serial":9}]}"#
        );
        assert!(written(&[], 0).ends_with(r#""projects":[]}"#));
    }
}
