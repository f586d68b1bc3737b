//! Content types of what documentation is made of. Pure.

/// What browsers are told of a file whose name ends in none of [`TYPES`]: nothing that they would run or render.
const OTHER: &str = "application/octet-stream";

/// Ends of file names, in lower case. Texts are UTF-8: every generator of the last ten years writes that.
const TYPES: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("xhtml", "application/xhtml+xml"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("ipynb", "application/json"),
    ("xml", "text/xml; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("rst", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("py", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("ico", "image/vnd.microsoft.icon"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("wasm", "application/wasm"),
    ("pdf", "application/pdf"),
    ("epub", "application/epub+zip"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
];

/// The type of the file at `path`, by the end of its name.
pub fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(end)).map_or(OTHER, |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_tells_the_type() {
        for (path, wanted) in [
            ("index.html", "text/html; charset=utf-8"),
            ("_static/jQuery.JS", "text/javascript; charset=utf-8"),
            ("fonts/a.b.woff2", "font/woff2"),
            ("objects.inv", OTHER),
            ("a.html/readme", OTHER),
            (".buildinfo", OTHER),
            ("html", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(content_type(path), wanted, "{path}");
        }
    }
}
