//! What is done with bytes that a stranger made up: one function for each kind. None may panic, hang or need much memory, and what
//! can be said about every outcome is asserted. The fuzzer runs them on what it invents, `tests/fuzz.rs` on the corpus.
#![allow(dead_code, reason = "each program needs one of them")]
#![allow(clippy::unwrap_used, reason = "a panic is what is looked for")]

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use cheeseshop::blobs::Blobs;
use cheeseshop::http::etag::Etag;
use cheeseshop::http::range::{self, RangeResult};
use cheeseshop::http::{accept, form, web, xmlrpc};
use cheeseshop::index::inspect::{self, DocsZip, Unpack};
use cheeseshop::limits;
use cheeseshop::pypi::{
    CoreMetadata, DistFilename, ProjectName, Sha256, Version, filename_guess, metadata_form, page_parse, project_links,
    requirement, tags_words, version as versions,
};
use cheeseshop::render::description::{self, Images};
use cheeseshop::urls;
use std::hint::black_box;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::LazyLock;
use url::Url;

/// Does something with bytes, or panics.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const ALL: &[(&str, Target)] = &[
    ("filename", filename),
    ("version", version),
    ("metadata", metadata),
    ("page", page),
    ("header", header),
    ("address", address),
    ("form", form_body),
    ("archive", archive),
    ("description", description_text),
];

const SIZE_MAX: u64 = 1 << 20;

/// A file name, as an upload or an upstream page has it.
pub fn filename(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = DistFilename::parse(text) {
        assert!(name.project.begins(text) || !name.is_wheel(), "{text:?}");
        assert_eq!(ProjectName::parse(name.project.as_str()).as_ref(), Ok(&name.project));
        assert_eq!(Version::parse(name.version.as_str()).as_ref(), Ok(&name.version));
    }
    for project in filename_guess::guess_projects(text) {
        filename_guess::guess_version(text, &project);
    }
    black_box((filename_guess::packagetype(text), filename_guess::content_type(text), filename_guess::python_version(text)));
    assert!(text.starts_with(filename_guess::archive_stem(text)));
    tags_words::in_words(text);
}

/// Two versions, one a line: the order of versions and that of their keys are one, and nothing that is written differently is another.
pub fn version(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let by_key = versions::sort_key(first).cmp(&versions::sort_key(second));
    let (Ok(a), Ok(b)) = (Version::parse(first), Version::parse(second)) else { return };
    assert_eq!(a.cmp(&b), by_key);
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    for version in [&a, &b] {
        assert_eq!(Version::parse(&version.normalized()).as_ref(), Ok(version));
        assert_eq!(Version::parse(&version.canonical()).as_ref(), Ok(version));
    }
    assert_eq!(a == b, a.canonical() == b.canonical());
}

/// Core metadata, and what pages make of them.
pub fn metadata(data: &[u8]) {
    let Ok(metadata) = CoreMetadata::parse(data) else { return };
    ProjectName::parse(metadata.name()).ok();
    let json = metadata.to_json();
    let form = metadata_form::to_form(&json);
    metadata_form::from_form(form.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let shown = requirement::dependencies(metadata.all("Requires-Dist"), metadata.all("Provides-Extra"));
    assert!(shown.groups.iter().map(|group| group.dependencies.len()).sum::<usize>() <= limits::DEPENDENCIES_SHOWN_MAX);
    for link in
        project_links::project_links(metadata.first("Home-page"), metadata.first("Download-URL"), metadata.all("Project-URL"))
    {
        let address = link.url.unwrap_or_default();
        assert!(
            address.is_empty() || ["http:", "https:", "mailto:"].iter().any(|scheme| address.starts_with(scheme)),
            "{address}"
        );
    }
}

static BASE: LazyLock<Url> = LazyLock::new(|| Url::parse("http://upstream.example/simple/lib/").unwrap());

/// A page of an upstream, in both forms, and a list of projects.
pub fn page(data: &[u8]) {
    let name = ProjectName::parse("lib").unwrap();
    for form in ["text/html", "application/vnd.pypi.simple.v1+json"] {
        if let Ok(parsed) = page_parse::parse(form, data, &BASE, &name) {
            for file in &parsed.page.files {
                assert!(["http", "https"].contains(&Url::parse(&file.url).unwrap().scheme()), "{}", file.url);
                assert!(!file.filename.contains('/'));
            }
        }
        if let Ok(names) = page_parse::parse_list(form, data) {
            assert!(
                names.iter().is_sorted_by(|one, next| one < next) && names.iter().all(|name| ProjectName::parse(name).is_ok())
            );
        }
    }
}

/// Values of headers.
pub fn header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for query in [None, Some(text)] {
        accept::negotiate(Some(text), query).ok();
    }
    let given = Some(text);
    black_box((accept::wants_json(given), accept::names_json(given), accept::names_simple(given), accept::encoding(given)));
    let etag = Etag::of_digest(&Sha256::of(b""));
    black_box((etag.is_among(text), range::if_range_matches(text, &etag, None)));
    for size in [0, 1, 1000, u64::MAX] {
        if let RangeResult::Part(part) = range::parse(text, size) {
            assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
        }
    }
}

/// A path, an XML-RPC call.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    black_box(urls::decode_path(text));
    let segment = urls::encode_segment(text);
    assert!(segment.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
    xmlrpc::read(text).ok();
}

struct Place {
    blobs: Blobs,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    Place { blobs: Blobs::open_folder(folder.path()).unwrap(), runtime, _folder: folder }
});

/// The body of an upload, in both forms of forms, and that of a page's form. The boundary is `b`.
pub fn form_body(data: &[u8]) {
    for kind in ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"] {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let read = form::read(&PLACE.blobs, &headers, Body::from(data.to_vec()), SIZE_MAX);
        if let Ok(form) = PLACE.runtime.block_on(read) {
            assert!(form.fields.len() <= limits::FORM_FIELDS_MAX);
        }
    }
    PLACE.runtime.block_on(web::forms::Form::read(Body::from(data.to_vec()))).ok();
}

/// An archive, as a wheel, as both kinds of source distributions, and as documentation.
pub fn archive(data: &[u8]) {
    for name in ["lib-1.0-py3-none-any.whl", "lib-1.0.tar.gz", "lib-1.0.zip"] {
        let name = DistFilename::parse(name).unwrap();
        if let Ok(found) = inspect::inspect(&mut Cursor::new(data), &name) {
            assert_eq!(ProjectName::parse(found.metadata.name()).as_ref(), Ok(&name.project));
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, data).unwrap();
    let Ok(docs) = DocsZip::check(file.try_clone().unwrap()) else { return };
    let Some(member) = docs.file("index.html") else { return };
    let packed = member.packed();
    file.seek(SeekFrom::Start(packed.start)).unwrap();
    let mut unpack = Unpack::new(file.take(packed.end - packed.start), member);
    let mut size = 0;
    while let Ok(Some(piece)) = unpack.next_piece() {
        size += piece.len() as u64;
    }
    assert!(size <= member.size);
}

/// A description, in each markup.
pub fn description_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for markup in ["text/markdown", "text/x-rst", "text/plain", ""] {
        let html = description::render(text, Some(markup), Images::Blocked).html;
        for never in
            ["<script", "<style", "<iframe", "<form", "<img", "href=\"javascript:", "src=\"javascript:", " onclick=", " onerror="]
        {
            assert!(
                !html
                    .to_ascii_lowercase()
                    .split('>')
                    .any(|tag| tag.rsplit_once('<').is_some_and(|(_, tag)| format!("<{tag}").contains(never))),
                "{html}"
            );
        }
    }
}
