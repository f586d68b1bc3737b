//! Pages in HTML: PEP 503 with everything that later standards put into anchors. The text also parses as XML, because some
//! clients read it so: quoted attributes, closed elements, no characters that XML forbids.
//!
//! URLs arrive percent-encoded; what happens here is escaping for HTML, of every value, always.

use super::{LinkedFile, LinkedPage, PageMetadata};
use std::io;

/// What one anchor takes in the output, roughly, so that the text grows once.
const ANCHOR_BYTES: usize = 480;
/// What surrounds the anchors, and what one anchor of a project list takes.
const FRAME_BYTES: usize = 512;

/// Writes a project's page, one anchor a line. HTML has no versions, sizes and upload times (PEP 700).
pub fn render(page: &LinkedPage<'_>) -> String {
    let mut out = String::with_capacity(FRAME_BYTES + page.files.len() * ANCHOR_BYTES);
    begin(&mut out);
    if let Some(status) = page.status {
        meta(&mut out, "pypi:project-status", &status.status);
        if let Some(reason) = &status.reason {
            meta(&mut out, "pypi:project-status-reason", reason);
        }
    }
    heading(&mut out, &format!("Links for {}", page.name));
    for file in &page.files {
        anchor(&mut out, file);
    }
    out.push_str("</body>\n</html>\n");
    if let Some(serial) = page.serial {
        // Where the public index writes it and mirror clients look for it.
        out.push_str(&format!("<!--SERIAL {serial}-->\n"));
    }
    out
}

/// Writes the list of an index's projects. `names` are normalized; `below` stands before each name in the links, which are
/// relative to the list's own address.
pub fn render_list<'a>(
    out: &mut impl io::Write,
    title: &str,
    below: &str,
    names: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    let mut line = String::with_capacity(FRAME_BYTES);
    begin(&mut line);
    heading(&mut line, title);
    for name in names {
        out.write_all(line.as_bytes())?;
        line.clear();
        line.push_str("<a href=\"");
        escape(&mut line, below);
        escape(&mut line, name);
        line.push_str("/\">");
        escape(&mut line, name);
        line.push_str("</a><br />\n");
    }
    line.push_str("</body>\n</html>\n");
    out.write_all(line.as_bytes())
}

fn begin(out: &mut String) {
    out.push_str("<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\" />\n");
    meta(out, "pypi:repository-version", "1.4");
}

fn meta(out: &mut String, name: &str, content: &str) {
    out.push_str("<meta");
    attribute(out, "name", &[name]);
    attribute(out, "content", &[content]);
    out.push_str(" />\n");
}

fn heading(out: &mut String, title: &str) {
    for (before, after) in [("<title>", "</title>\n</head>\n<body>\n"), ("<h1>", "</h1>\n")] {
        out.push_str(before);
        escape(out, title);
        out.push_str(after);
    }
}

fn anchor(out: &mut String, LinkedFile { url, file }: &LinkedFile<'_>) {
    out.push_str("<a");
    match file.hashes.first() {
        Some((algorithm, hex)) => attribute(out, "href", &[url, "#", algorithm, "=", hex]),
        None => attribute(out, "href", &[url]),
    }
    if let Some(specifiers) = &file.requires_python {
        attribute(out, "data-requires-python", &[specifiers]);
    }
    // Two spellings of one promise: installers before PEP 714 know only the first.
    for name in ["data-dist-info-metadata", "data-core-metadata"] {
        match &file.metadata {
            PageMetadata::Absent => {}
            PageMetadata::Present => attribute(out, name, &["true"]),
            PageMetadata::Hashed(hashes) => match hashes.first() {
                Some((algorithm, hex)) => attribute(out, name, &[algorithm, "=", hex]),
                None => attribute(out, name, &["true"]),
            },
        }
    }
    if let Some(reason) = &file.yanked {
        attribute(out, "data-yanked", &[reason]);
    }
    if let Some(url) = &file.provenance {
        attribute(out, "data-provenance", &[url]);
    }
    if let Some(signed) = file.gpg_sig {
        attribute(out, "data-gpg-sig", &[if signed { "true" } else { "false" }]);
    }
    out.push('>');
    escape(out, &file.filename);
    out.push_str("</a><br />\n");
}

fn attribute(out: &mut String, name: &str, value: &[&str]) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for part in value {
        escape(out, part);
    }
    out.push('"');
}

/// Escapes for text and for quoted attributes. Line ends become references, which keeps each anchor on one line and its
/// value unchanged; what XML cannot hold at all becomes U+FFFD.
fn escape(out: &mut String, text: &str) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let Some(escaped) = escaped(c) else { continue };
        out.push_str(&text[plain..at]);
        out.push_str(escaped);
        plain = at + c.len_utf8();
    }
    out.push_str(&text[plain..]);
}

/// What stands for a character that cannot stand for itself.
fn escaped(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => Some("\u{fffd}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::{PageFile, ProjectName, ProjectPage, ProjectStatus};

    fn page(files: Vec<PageFile>) -> ProjectPage {
        ProjectPage { name: ProjectName::parse("foo").unwrap(), files, versions: vec![], status: None, serial: None }
    }

    fn render(page: &ProjectPage) -> String {
        super::render(&page.into())
    }

    #[test]
    fn a_page_with_everything() {
        let mut full = PageFile::bare("foo-1.0-py3-none-any.whl", "../../+f/ab/foo-1.0-py3-none-any.whl?a=1&b=2");
        full.hashes = vec![("sha256".into(), "ab12".into()), ("md5".into(), "cd34".into())];
        full.requires_python = Some(">=3.8,<4".into());
        full.metadata = PageMetadata::Hashed(vec![("sha256".into(), "ef56".into())]);
        full.yanked = Some("\"bad\"\n<b>".into());
        full.provenance = Some("https://index.example/p".into());
        full.gpg_sig = Some(false);
        let mut bare = PageFile::bare("foo-1.0.tar.gz", "foo-1.0.tar.gz");
        bare.yanked = Some(String::new());
        bare.metadata = PageMetadata::Present;
        let status = ProjectStatus { status: "archived".into(), reason: Some("moved & gone".into()) };
        insta::assert_snapshot!(render(&ProjectPage { status: Some(status), serial: Some(7), ..page(vec![full, bare]) }), @r##"
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8" />
<meta name="pypi:repository-version" content="1.4" />
<meta name="pypi:project-status" content="archived" />
<meta name="pypi:project-status-reason" content="moved &amp; gone" />
<title>Links for foo</title>
</head>
<body>
<h1>Links for foo</h1>
<a href="../../+f/ab/foo-1.0-py3-none-any.whl?a=1&amp;b=2#sha256=ab12" data-requires-python="&gt;=3.8,&lt;4" data-dist-info-metadata="sha256=ef56" data-core-metadata="sha256=ef56" data-yanked="&quot;bad&quot;&#10;&lt;b&gt;" data-provenance="https://index.example/p" data-gpg-sig="false">foo-1.0-py3-none-any.whl</a><br />
<a href="foo-1.0.tar.gz" data-dist-info-metadata="true" data-core-metadata="true" data-yanked="">foo-1.0.tar.gz</a><br />
</body>
</html>
<!--SERIAL 7-->
"##);
    }

    #[test]
    fn a_hostile_file_name_stays_text() {
        let html = render(&page(vec![PageFile::bare("foo\"><script>alert('1')</script>\u{1}", "x\" onclick=\"y")]));
        assert!(!html.contains("<script") && !html.contains("\" onclick=\"") && !html.contains('\u{1}'), "{html}");
    }

    #[test]
    fn a_list_links_below_itself() {
        let mut out = Vec::new();
        render_list(&mut out, "a & b", "", ["foo", "bar-baz"].into_iter()).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8" />
<meta name="pypi:repository-version" content="1.4" />
<title>a &amp; b</title>
</head>
<body>
<h1>a &amp; b</h1>
<a href="foo/">foo</a><br />
<a href="bar-baz/">bar-baz</a><br />
</body>
</html>
"#);
    }
}
