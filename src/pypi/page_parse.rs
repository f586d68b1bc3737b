//! Pages of other indexes, read into the one page model: HTML and JSON by content type, tolerant of what servers write,
//! strict about what may come in. A bad entry costs that entry, never the page.
//!
//! What is kept: files with a plain name that begins with the project's name, behind `http` or `https`.

use super::{DistFilename, NameList, PageFile, ProjectName, ProjectPage, ProjectStatus};
use super::{filename_guess, legible, page_link, page_read_html, page_read_json, version};
use crate::limits::{FILENAME_BYTES_MAX, PAGE_FILES_MAX, PAGE_TAG_BYTES_MAX};
use std::collections::HashMap;
use url::Url;

/// A page of another index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedPage {
    /// What the page says, URLs absolute. Its `serial` is `None`: serials of different servers must not be mixed up.
    pub page: ProjectPage,
    /// The api-version that the page claims, (1, 0) if none (PEP 629).
    pub api_version: (u32, u32),
    /// The other server's `_last-serial`.
    pub serial: Option<i64>,
    /// Entries that were dropped: malformed, not of this project, or not to be fetched.
    pub skipped: usize,
}

/// Why a page cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The content type is none of an index page.
    #[error(
        "the page has the content type {0:?}: an index answers with text/html, application/vnd.pypi.simple.v1+html or application/vnd.pypi.simple.v1+json"
    )]
    ContentType(String),
    /// The page follows a later standard that may mean something else by the same words (PEP 629).
    #[error("the page has api-version {0}.{1}, of which nothing is known here: a newer Cheeseshop may read it")]
    NewerVersion(u32, u32),
    /// The JSON is broken or is not an index page.
    #[error("the page is not the JSON of an index: {0}")]
    Json(String),
    /// A tag or comment so long that it is no index page, and dear to read.
    #[error("the page has a tag or comment of more than {PAGE_TAG_BYTES_MAX} bytes, so it is not taken for the page of an index")]
    LongTag,
    /// More files than any real project has.
    #[error("the page has {0} files, more than the {PAGE_FILES_MAX} that are accepted")]
    TooManyFiles(usize),
}

/// What both readers make of a page before the rules of this file.
#[derive(Default)]
pub(super) struct RawPage {
    /// Where an HTML page says that its relative links begin.
    pub base_href: Option<String>,
    pub api_version: Option<String>,
    pub serial: Option<i64>,
    pub status: Option<ProjectStatus>,
    /// `None` if the form or the server does not tell.
    pub versions: Option<Vec<String>>,
    /// Files whose URL is still as written.
    pub files: Vec<PageFile>,
    pub skipped: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
}

/// Reads a project's page. `base` is the address that answered, after redirects; `name` the project that was asked for.
pub fn parse(content_type: &str, bytes: &[u8], base: &Url, name: &ProjectName) -> Result<ParsedPage, PageError> {
    let form = form_of(content_type)?;
    let raw = match form {
        Form::Html => page_read_html::read(bytes)?,
        Form::Json => page_read_json::read(bytes)?,
    };
    let api_version = api_version(raw.api_version.as_deref())?;
    if raw.files.len() > PAGE_FILES_MAX {
        return Err(PageError::TooManyFiles(raw.files.len()));
    }
    let base = raw.base_href.and_then(|href| base.join(&href).ok()).unwrap_or_else(|| base.clone());
    let found = raw.files.len();
    let admitted: Vec<PageFile> = raw.files.into_iter().filter_map(|file| admit(form, &base, name, file)).collect();
    let skipped = raw.skipped + found - admitted.len();
    let files = without_duplicates(admitted);
    let mut versions = raw.versions.unwrap_or_else(|| versions_of(&files, name));
    versions.sort_by_cached_key(|text| (version::sort_key(text), text.clone()));
    versions.dedup();
    let page = ProjectPage { name: name.clone(), files, versions, status: raw.status, serial: None };
    Ok(ParsedPage { page, api_version, serial: raw.serial, skipped })
}

/// Reads an index's list of projects: normalized, sorted, without duplicates; what is no name is passed over.
///
/// The list of a public index has some 900,000 names in 30 to 50 MB.
pub fn parse_list(content_type: &str, bytes: &[u8]) -> Result<NameList, PageError> {
    let names = match form_of(content_type)? {
        Form::Json => page_read_json::read_list(bytes)?,
        Form::Html => page_read_html::read_list(bytes)?,
    };
    Ok(names.sorted())
}

fn form_of(content_type: &str) -> Result<Form, PageError> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/vnd.pypi.simple.v1+json" | "application/json" => Ok(Form::Json),
        "application/vnd.pypi.simple.v1+html" | "text/html" => Ok(Form::Html),
        _ => Err(PageError::ContentType(legible(&essence, 100))),
    }
}

/// `1.4` as numbers. What is no version is taken as the first one, as if the page said nothing.
fn api_version(text: Option<&str>) -> Result<(u32, u32), PageError> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let parsed = text.and_then(|text| text.split_once('.')).and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    match parsed.unwrap_or((1, 0)) {
        (major, minor) if major > 1 => Err(PageError::NewerVersion(major, minor)),
        version => Ok(version),
    }
}

/// Decides whether a file is kept, and gives it its final name, URL and hashes.
fn admit(form: Form, base: &Url, name: &ProjectName, mut file: PageFile) -> Option<PageFile> {
    let link = page_link::resolve(base, &file.url)?;
    let is_ours = |text: &str| is_file_name(text) && name.begins(text);
    match form {
        Form::Json if is_ours(&file.filename) => {}
        Form::Json => return None,
        Form::Html => {
            // Home pages and parent folders are anchors too, so an anchor must look like a distribution.
            let is_dist = |text: &String| is_ours(text) && filename_guess::is_archive(text);
            file.filename = [link.last_segment, file.filename].into_iter().find(is_dist)?;
        }
    }
    let pairs = file.hashes.iter().chain(&link.hashes).map(|(algorithm, hex)| (algorithm.as_str(), hex.as_str()));
    file.hashes = page_link::checked_hashes(pairs);
    file.url = link.url;
    file.provenance = file.provenance.and_then(|href| page_link::resolve(base, &href)).map(|link| link.url);
    Some(file)
}

/// Whether the text can be the last segment of a path and the name of a file.
fn is_file_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.len() <= FILENAME_BYTES_MAX
        && !text.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

/// Keeps one file of each name: the one with the better hash, else the first; in the place of the first.
fn without_duplicates(files: Vec<PageFile>) -> Vec<PageFile> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(files.len());
    let mut kept: Vec<PageFile> = Vec::with_capacity(files.len());
    for file in files {
        match places.get(&file.filename) {
            Some(&at) if page_link::rank(&file.hashes) < page_link::rank(&kept[at].hashes) => kept[at] = file,
            Some(_) => {}
            None => {
                places.insert(file.filename.clone(), kept.len());
                kept.push(file);
            }
        }
    }
    kept
}

/// The versions that the file names tell, for pages that do not list them.
fn versions_of(files: &[PageFile], name: &ProjectName) -> Vec<String> {
    let version = |filename: &str| match DistFilename::parse(filename) {
        Ok(parsed) if parsed.project == *name => Some(parsed.version.normalized()),
        _ => filename_guess::guess_version(filename, name),
    };
    files.iter().filter_map(|file| version(&file.filename)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::{LinkedPage, PageMetadata, Timestamp, page_html, page_json};
    use proptest::{collection::vec, option, prelude::*};

    const JSON: &str = "application/vnd.pypi.simple.v1+json";
    const HTML: &str = "text/html; charset=utf-8";

    fn foo() -> ProjectName {
        ProjectName::parse("foo").unwrap()
    }

    fn base() -> Url {
        Url::parse("https://user:secret@index.example/simple/foo/").unwrap()
    }

    fn read(content_type: &str, text: &str) -> ParsedPage {
        parse(content_type, text.as_bytes(), &base(), &foo()).unwrap()
    }

    fn names(parsed: &ParsedPage) -> Vec<&str> {
        parsed.page.files.iter().map(|file| file.filename.as_str()).collect()
    }

    #[test]
    fn json_of_many_servers_is_read() {
        let sha = "AB".repeat(32);
        let parsed = read(
            JSON,
            &format!(
                r#"{{"meta": {{"api-version": "1.7", "_last-serial": 12, "x": []}}, "name": "Foo", "alternate-locations": [],
                "project-status": {{"status": "archived", "reason": "moved"}}, "versions": ["1.10", "1.9", "2004d", "1.9", ""],
                "files": [
                  {{"filename": "foo-1.9.tar.gz", "url": "../../f/foo-1.9.tar.gz", "hashes": {{"sha256": "{sha}", "md5": "short", "odd": 3}},
                    "size": null, "yanked": null, "upload-time": null, "requires-python": null, "gpg-sig": null, "provenance": null}},
                  {{"filename": "foo-1.10-py3-none-any.whl", "url": "https://a:b@files.example/foo-1.10-py3-none-any.whl#sha256={sha}",
                    "size": 5, "yanked": "bad", "upload-time": "2026-01-31T12:00:00Z", "requires-python": ">=3", "gpg-sig": true,
                    "data-dist-info-metadata": {{"sha256": "{sha}"}}, "provenance": "/p", "later": {{}}}},
                  {{"filename": "foo-1.10.zip", "url": "foo-1.10.zip", "yanked": "", "core-metadata": true, "dist-info-metadata": false}},
                  {{"filename": "foo-1.11.zip", "url": "foo-1.11.zip", "yanked": true, "dist-info-metadata": {{"sha256": "no"}}}},
                  {{"filename": "foo-1.12.zip"}}, null, 7
                ]}}"#
            ),
        );
        assert_eq!((parsed.api_version, parsed.serial, parsed.skipped), ((1, 7), Some(12), 3));
        assert_eq!(parsed.page.status, Some(ProjectStatus { status: "archived".into(), reason: Some("moved".into()) }));
        assert_eq!(parsed.page.versions, ["2004d", "1.9", "1.10"]);
        let [sdist, wheel, zip, last] = &parsed.page.files[..] else { panic!("{parsed:?}") };
        let hashes = vec![("sha256".to_owned(), sha.to_lowercase())];
        assert_eq!(
            *sdist,
            PageFile { hashes: hashes.clone(), ..PageFile::bare("foo-1.9.tar.gz", "https://index.example/f/foo-1.9.tar.gz") }
        );
        assert_eq!((&wheel.hashes, wheel.url.as_str()), (&hashes, "https://files.example/foo-1.10-py3-none-any.whl"));
        assert_eq!((wheel.size, wheel.upload_time), (Some(5), Timestamp::parse("2026-01-31T12:00:00Z")));
        assert_eq!(
            (wheel.yanked.as_deref(), wheel.requires_python.as_deref(), wheel.gpg_sig),
            (Some("bad"), Some(">=3"), Some(true))
        );
        assert_eq!(
            (&wheel.metadata, wheel.provenance.as_deref()),
            (&PageMetadata::Hashed(hashes), Some("https://index.example/p"))
        );
        assert_eq!((&zip.metadata, &zip.yanked), (&PageMetadata::Present, &None));
        assert_eq!((&last.metadata, last.yanked.as_deref()), (&PageMetadata::Present, Some("")));
    }

    #[test]
    fn html_of_many_servers_is_read() {
        let sha = "ab".repeat(32);
        let parsed = read(
            HTML,
            &format!(
                "<META name=pypi:repository-version content='1.1'><base href='https://files.example/x/'><base href=/no/>\
                 <script>var s = '<a href=\"foo-0.zip\">foo-0.zip</a>'</script><!-- <a href='foo-0.1.zip'> -->\
                 <h1>Links<a href='../'>up</a> <A HREF=foo-1.0.tar.gz#sha256={sha} data-yanked data-requires-python='&gt;=3.8'>foo-1.0.tar.gz</A>\
                 <a href='https://home.example/foo'>home</a><a href='/dl?f=1'> foo-1.1.zip \n</a><a name=foo-9.zip>foo-9.zip</a>\
                 <a href=foo%2D1.2%2Blocal.zip#md5=xyz data-dist-info-metadata='sha256={sha}' data-gpg-sig=true>no<b> closing\
                 <a href=foo-1.3.zip data-core-metadata=true>other-text.zip</a><a href='foo-1.4.zip"
            ),
        );
        assert_eq!(names(&parsed), ["foo-1.0.tar.gz", "foo-1.1.zip", "foo-1.2+local.zip", "foo-1.3.zip"]);
        assert_eq!((parsed.api_version, parsed.skipped), ((1, 1), 2));
        assert_eq!(parsed.page.versions, ["1.0", "1.1", "1.2+local", "1.3"]);
        let [first, second, third, fourth] = &parsed.page.files[..] else { panic!() };
        assert_eq!(first.url, "https://files.example/x/foo-1.0.tar.gz");
        assert_eq!(
            (first.hash("sha256"), first.yanked.as_deref(), first.requires_python.as_deref()),
            (Some(&*sha), Some(""), Some(">=3.8"))
        );
        assert_eq!(second.url, "https://files.example/dl?f=1");
        assert_eq!((&third.hashes, third.gpg_sig), (&vec![], Some(true)));
        assert_eq!(third.metadata, PageMetadata::Hashed(vec![("sha256".into(), sha)]));
        assert_eq!(fourth.metadata, PageMetadata::Present);
    }

    #[test]
    fn only_plain_files_of_the_project_come_in() {
        let entry = |filename: &str, url: &str| serde_json::json!({"filename": filename, "url": url, "hashes": {}});
        let long = format!("foo-{}.zip", "1".repeat(FILENAME_BYTES_MAX));
        let files = [
            entry("foo-1.zip", "foo-1.zip"),
            entry("FOO_bar-1.zip", "x"),
            entry("bar-1.zip", "bar-1.zip"),
            entry("foo/../../etc-1.zip", "x"),
            entry("foo\\1.zip", "x"),
            entry("foo-1\n.zip", "x"),
            entry("foo-2.zip", "file:///etc/foo-2.zip"),
            entry("foo-3.zip", "javascript:foo-3.zip"),
            entry("", "x"),
            entry(&long, "x"),
        ];
        let parsed = read("application/json", &serde_json::json!({ "files": files }).to_string());
        assert_eq!((names(&parsed), parsed.skipped), (vec!["foo-1.zip", "FOO_bar-1.zip"], 8));
    }

    #[test]
    fn of_two_files_with_one_name_the_better_hash_wins() {
        let (md5, sha) = ("0".repeat(32), "0".repeat(64));
        let parsed = read(
            HTML,
            &format!(
                "<a href=a/foo-1.zip#md5={md5}></a><a href=foo-2.zip></a><a href=b/foo-1.zip#sha256={sha}></a><a href=c/foo-1.zip#sha256={sha}></a>"
            ),
        );
        assert_eq!(names(&parsed), ["foo-1.zip", "foo-2.zip"]);
        assert!(parsed.page.files[0].url.ends_with("/b/foo-1.zip"), "{parsed:?}");
    }

    #[test]
    fn the_content_type_decides() {
        for content_type in
            ["", "text/plain", "application/octet-stream", "application/vnd.pypi.simple.v2+json", "json", "text/html2"]
        {
            assert!(matches!(parse(content_type, b"{}", &base(), &foo()), Err(PageError::ContentType(_))), "{content_type}");
        }
        for content_type in ["TEXT/HTML", " text/html ;charset=x", "application/vnd.pypi.simple.v1+html"] {
            assert_eq!(names(&read(content_type, "<a href=foo-1.zip>")), ["foo-1.zip"], "{content_type}");
        }
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for text in
            ["", "{", "[]", "{}", r#"{"files": {}}"#, &"[".repeat(10_000), &format!(r#"{{"files": {}"#, "[".repeat(10_000))]
        {
            assert!(matches!(parse(JSON, text.as_bytes(), &base(), &foo()), Err(PageError::Json(_))), "{}", legible(text, 20));
        }
        let newer = r#"{"meta": {"api-version": "2.0"}, "files": []}"#;
        assert_eq!(parse(JSON, newer.as_bytes(), &base(), &foo()), Err(PageError::NewerVersion(2, 0)));
        let newer = "<meta name='pypi:repository-version' content='2.0'>";
        assert_eq!(parse(HTML, newer.as_bytes(), &base(), &foo()), Err(PageError::NewerVersion(2, 0)));
        for meta in ["null", "7", r#"{"api-version": null}"#, r#"{"api-version": "soon"}"#] {
            assert_eq!(read(JSON, &format!(r#"{{"meta": {meta}, "files": []}}"#)).api_version, (1, 0), "{meta}");
        }
    }

    #[test]
    fn too_many_files_are_refused_not_cut() {
        let html = "<a href=foo-1.zip>".repeat(PAGE_FILES_MAX + 1);
        assert_eq!(parse(HTML, html.as_bytes(), &base(), &foo()), Err(PageError::TooManyFiles(PAGE_FILES_MAX + 1)));
    }

    #[test]
    fn a_long_page_is_read_across_chunks_and_an_endless_tag_is_refused() {
        let file = |n: usize| PageFile {
            yanked: Some(format!("<é> & \"{}\"\r\n", "🧀".repeat(n % 7))),
            ..PageFile::bare(format!("foo-{n}.zip"), format!("https://files.example/foo-{n}.zip"))
        };
        let files = (0..2000).map(file).collect();
        let page = ProjectPage { name: foo(), files, versions: Vec::new(), status: None, serial: None };
        let html = page_html::render(&(&page).into());
        assert!(html.len() > 4 * PAGE_TAG_BYTES_MAX);
        assert_eq!(read(HTML, &html).page.files, page.files);
        let attributes: String = (0..PAGE_TAG_BYTES_MAX).map(|n| format!(" a{n}")).collect();
        assert_eq!(parse(HTML, format!("<a{attributes}>").as_bytes(), &base(), &foo()), Err(PageError::LongTag));
        assert_eq!(parse_list(HTML, format!("<!--{attributes}").as_bytes()), Err(PageError::LongTag));
    }

    #[test]
    fn lists_are_normalized_sorted_and_unique() {
        let expected = NameList::of_text("bar\nfoo-baz\nzed\n".into());
        let html = "<a href='/simple/zed/'>Zed</a><a href=/simple/foo-baz/>Foo_Baz (new)</a><a href=bar/>bar</a><a href=x>bar</a><a href='../'>\u{2191}</a>";
        assert_eq!(parse_list(HTML, html.as_bytes()).unwrap(), expected);
        let json = r#"{"projects": [{"name": "Zed", "_last-serial": 1}, {"name": "Foo.Baz"}, {"name": "bar"}, {"name": "-"}, {"name": null}, {"name": "BAR"}]}"#;
        assert_eq!(parse_list(JSON, json.as_bytes()).unwrap(), expected);
        assert!(matches!(parse_list("text/plain", b""), Err(PageError::ContentType(_))));
        assert!(matches!(parse_list(JSON, b"{}"), Err(PageError::Json(_))));
    }

    #[test]
    fn our_own_lists_are_read_back() {
        let names = NameList::of_text("bar\nfoo\n".into());
        let (mut html, mut json) = (Vec::new(), Vec::new());
        page_html::render_list(&mut html, "all", "", names.iter()).unwrap();
        assert_eq!(parse_list(HTML, &html).unwrap(), names);
        page_json::render_list(&mut json, names.iter().map(|name| (name, 1)), 1).unwrap();
        assert_eq!(parse_list(JSON, &json).unwrap(), names);
    }

    /// Text that tempts writers and readers: markup, quotes, references, line ends, characters beyond ASCII.
    fn any_text() -> impl Strategy<Value = String> {
        "([a-z<>&\"'=;# \t\r\n\u{7f}é\u{2028}🧀]|&amp;|&#10;|</a>|-->|\\\\){1,12}"
            .prop_filter("not only space", |text| text.trim() == text)
    }

    fn any_hashes() -> impl Strategy<Value = Vec<(String, String)>> {
        (option::of("[0-9a-f]{64}"), option::of("[0-9a-f]{32}")).prop_map(|(sha256, md5)| {
            let named = |name: &'static str| move |hex| (name.to_owned(), hex);
            sha256.map(named("sha256")).into_iter().chain(md5.map(named("md5"))).collect()
        })
    }

    fn any_file() -> impl Strategy<Value = PageFile> {
        let metadata = prop_oneof![
            Just(PageMetadata::Absent),
            any_hashes().prop_map(PageMetadata::Hashed).prop_map(PageMetadata::or_present),
        ];
        let path = "[a-z0-9]{1,3}(/[a-z0-9&'%][a-z0-9]{0,3})?".prop_map(|path| path.replace('%', "%25"));
        let moment = (0i64..4_000_000_000_000_000).prop_map(Timestamp);
        let yanked = option::of(prop_oneof![Just(String::new()), any_text()]);
        let name = ("[0-9]{1,2}([.][0-9]{1,2})?", prop_oneof![Just(".zip"), Just(".tar.gz"), Just("-py3-none-any.whl")]);
        (
            name,
            path,
            any_hashes(),
            option::of(any::<u64>()),
            option::of(moment),
            option::of(any_text()),
            metadata,
            yanked,
            any::<[Option<bool>; 2]>(),
        )
            .prop_map(
                |((version, end), path, hashes, size, upload_time, requires_python, metadata, yanked, [gpg_sig, provenance])| {
                    let filename = format!("foo-{version}{end}");
                    let url = format!("https://files.example/{path}/{filename}");
                    let provenance = provenance.map(|deep| format!("https://files.example/{deep}?a&b"));
                    PageFile { filename, url, hashes, size, upload_time, requires_python, metadata, yanked, provenance, gpg_sig }
                },
            )
    }

    fn any_page() -> impl Strategy<Value = (ProjectPage, Option<i64>)> {
        let status =
            option::of(("[a-z]{1,8}", option::of(any_text())).prop_map(|(status, reason)| ProjectStatus { status, reason }));
        (vec(any_file(), 0..6), vec("[0-9]{1,2}([.][0-9]{1,2})?", 0..4), status, option::of(any::<i64>())).prop_map(
            |(files, mut versions, status, serial)| {
                versions.sort_by_cached_key(|text| (version::sort_key(text), text.clone()));
                versions.dedup();
                let mut seen = std::collections::HashSet::new();
                let files = files.into_iter().filter(|file| seen.insert(file.filename.clone())).collect();
                (ProjectPage { name: foo(), files, versions, status, serial: None }, serial)
            },
        )
    }

    /// What HTML carries of a file: the best hash only, no size, no time.
    fn as_html_tells_it(mut file: PageFile) -> PageFile {
        file.hashes.truncate(1);
        if let PageMetadata::Hashed(hashes) = &mut file.metadata {
            hashes.truncate(1);
        }
        PageFile { size: None, upload_time: None, ..file }
    }

    proptest! {
        #[test]
        fn json_that_is_written_is_read_back((page, serial) in any_page()) {
            let written = ProjectPage { serial, ..page.clone() };
            let json = page_json::render(&(&written).into());
            let api_version = if LinkedPage::from(&written).has_all_sizes() { (1, 4) } else { (1, 0) };
            prop_assert_eq!(parse(JSON, &json, &base(), &foo()), Ok(ParsedPage { page, api_version, serial, skipped: 0 }));
        }

        #[test]
        fn html_that_is_written_is_read_back((page, serial) in any_page()) {
            let written = ProjectPage { serial, ..page.clone() };
            let html = page_html::render(&(&written).into());
            let parsed = parse(HTML, html.as_bytes(), &base(), &foo()).unwrap();
            let files: Vec<PageFile> = page.files.into_iter().map(as_html_tells_it).collect();
            prop_assert_eq!(html.lines().filter(|line| line.starts_with("<a ")).count(), files.len());
            prop_assert_eq!((parsed.page.files, parsed.page.status, parsed.serial, parsed.skipped), (files, page.status, serial, 0));
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in vec(any::<u8>(), 0..60), text in "([<>/!a=\"' -]|<a href=|foo-1.zip|<!--|<script>|&#x?[0-9a-f]{0,9};?){0,20}") {
            for body in [&bytes[..], text.as_bytes()] {
                let parsed = parse(HTML, body, &base(), &foo()).unwrap();
                prop_assert!(parsed.page.files.iter().all(|file| file.url.starts_with("http")));
                let _ = (parse(JSON, body, &base(), &foo()), parse_list(HTML, body), parse_list(JSON, body));
            }
        }
    }
}
